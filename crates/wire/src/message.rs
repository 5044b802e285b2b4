//! The control messages of the native protocol, as Protocol Buffers.
//!
//! The numbers of fields are the protocol: never renumber one, never reuse a retired one. What each
//! message is for, and in which order they may come, is written in FRAMES.md.
#![expect(
    missing_docs,
    reason = "fields are documented in FRAMES.md, which is part of this crate's docs"
)]

use prost::{Enumeration, Message, Oneof};

/// The first frame of every bidirectional QUIC stream: who asks, and for what.
#[derive(Clone, PartialEq, Message)]
pub struct Open {
    /// A bearer token; empty where the connection is already known or needs none.
    #[prost(string, tag = "1")]
    pub token: String,
    #[prost(oneof = "Activity", tags = "2, 3, 4, 5, 6")]
    pub activity: Option<Activity>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Activity {
    #[prost(message, tag = "2")]
    Produce(Produce),
    #[prost(message, tag = "3")]
    Subscribe(Subscribe),
    #[prost(message, tag = "4")]
    Upload(Upload),
    #[prost(message, tag = "5")]
    Fetch(Fetch),
    #[prost(message, tag = "6")]
    Admin(AdminRequest),
}

/// Send entries to one shard.
#[derive(Clone, PartialEq, Message)]
pub struct Produce {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(uint32, tag = "2")]
    pub shard: u32,
    /// Zero: retries are not recognised.
    #[prost(fixed64, tag = "3")]
    pub producer_id: u64,
}

/// The answer to [`Produce`].
#[derive(Clone, PartialEq, Message)]
pub struct ProduceOpened {
    /// Bytes of key and data that one record may have.
    #[prost(uint64, tag = "1")]
    pub record_bytes_max: u64,
    /// Bytes of entries that may be in flight without an acknowledgement.
    #[prost(uint64, tag = "2")]
    pub unacked_bytes_max: u64,
    /// The last producer sequence that the server remembers for this producer; zero if none.
    #[prost(uint64, tag = "3")]
    pub last_sequence: u64,
}

/// Entries that are durable, in the order in which they were sent on this stream.
#[derive(Clone, PartialEq, Message)]
pub struct Acks {
    #[prost(message, repeated, tag = "1")]
    pub acks: Vec<Ack>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Ack {
    /// Of the entry's first record.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    #[prost(uint32, tag = "2")]
    pub record_count: u32,
    #[prost(sint64, tag = "3")]
    pub arrival_ms: i64,
    /// The entry had been taken before; these are its original positions.
    #[prost(bool, tag = "4")]
    pub duplicate: bool,
}

/// Receive the entries of one shard as they become durable.
#[derive(Clone, PartialEq, Message)]
pub struct Subscribe {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(uint32, tag = "2")]
    pub shard: u32,
    #[prost(message, optional, tag = "3")]
    pub start: Option<Start>,
    /// Bytes that the server may send before the first [`Grant`].
    #[prost(uint64, tag = "4")]
    pub credit_bytes: u64,
    /// A registered consumer's name; empty for a reader without registration.
    #[prost(string, tag = "5")]
    pub consumer: String,
}

/// Where to start reading.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Start {
    #[prost(oneof = "From", tags = "1, 2, 3, 4")]
    pub from: Option<From>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum From {
    #[prost(bool, tag = "1")]
    TrimHorizon(bool),
    #[prost(bool, tag = "2")]
    Latest(bool),
    /// Server time, ms since 1970: at or after.
    #[prost(sint64, tag = "3")]
    Timestamp(i64),
    /// A position: at or after. It may lie inside an entry; the receiver skips what is before it.
    #[prost(uint64, tag = "4")]
    Position(u64),
}

/// The answer to [`Subscribe`].
#[derive(Clone, Copy, PartialEq, Message)]
pub struct SubscribeOpened {
    /// The first position that the receiver wants; entries may begin before it.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    #[prost(uint64, tag = "2")]
    pub trim_horizon: u64,
    #[prost(uint64, tag = "3")]
    pub durable: u64,
}

/// More bytes that the server may send.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Grant {
    #[prost(uint64, tag = "1")]
    pub bytes: u64,
}

/// Where the subscription stands; sent when it has caught up, and at least every five seconds.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Progress {
    /// Everything before this has been sent.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    #[prost(uint64, tag = "2")]
    pub millis_behind: u64,
}

/// Retention overtook the subscription: it goes on at `position`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Lagged {
    #[prost(uint64, tag = "1")]
    pub position: u64,
}

/// The shard is closed and everything in it has been sent.
#[derive(Clone, PartialEq, Message)]
pub struct ShardEnd {
    #[prost(uint64, tag = "1")]
    pub position: u64,
    #[prost(message, repeated, tag = "2")]
    pub children: Vec<Child>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Child {
    #[prost(uint32, tag = "1")]
    pub shard: u32,
    #[prost(uint32, repeated, tag = "2")]
    pub parents: Vec<u32>,
    #[prost(message, optional, tag = "3")]
    pub range: Option<Range>,
}

/// A hash key range as four numbers, both ends included.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Range {
    #[prost(fixed64, tag = "1")]
    pub start_high: u64,
    #[prost(fixed64, tag = "2")]
    pub start_low: u64,
    #[prost(fixed64, tag = "3")]
    pub end_high: u64,
    #[prost(fixed64, tag = "4")]
    pub end_low: u64,
}

/// Send video: initialisations and fragments, in pieces as the camera makes them.
#[derive(Clone, PartialEq, Message)]
pub struct Upload {
    #[prost(string, tag = "1")]
    pub stream: String,
    /// Names one run of the camera; the same after a reconnect. 16 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub session_id: bytes::Bytes,
}

/// The answer to [`Upload`]: what the server has of this session.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct UploadOpened {
    /// Fragments of the session below this number are durable.
    #[prost(uint64, tag = "1")]
    pub next_fragment: u64,
    #[prost(uint64, tag = "2")]
    pub fragment_bytes_max: u64,
}

/// `ftyp` and `moov`, verbatim. Comes before the first fragment and whenever the codec changes.
#[derive(Clone, PartialEq, Message)]
pub struct UploadInit {
    #[prost(bytes = "bytes", tag = "1")]
    pub init: bytes::Bytes,
}

/// A fragment begins; its bytes follow as [`FragmentData`](crate::Frame::FragmentData).
#[derive(Clone, PartialEq, Message)]
pub struct FragmentStart {
    /// Counts the fragments of the session from zero.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Producer time of the first sample, ms since 1970.
    #[prost(sint64, tag = "2")]
    pub producer_time_ms: i64,
    #[prost(message, repeated, tag = "3")]
    pub tags: Vec<Tag>,
    /// The media timeline does not continue the fragment before.
    #[prost(bool, tag = "4")]
    pub discontinuity: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Tag {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The fragment is complete.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct FragmentEnd {
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

/// How far a fragment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum FragmentState {
    Unspecified = 0,
    /// Its first bytes have arrived.
    Buffering = 1,
    /// It has arrived whole and is well formed.
    Received = 2,
    /// It is durable.
    Persisted = 3,
}

#[derive(Clone, PartialEq, Message)]
pub struct FragmentAck {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    #[prost(enumeration = "FragmentState", tag = "2")]
    pub state: i32,
    /// 47 digits; once persisted.
    #[prost(string, tag = "3")]
    pub fragment_number: String,
    #[prost(uint64, tag = "4")]
    pub position: u64,
    #[prost(sint64, tag = "5")]
    pub server_time_ms: i64,
}

/// Read stored fragments once, in order: their entries follow, the initialisations before the
/// fragments that need them, then [`FetchEnd`].
#[derive(Clone, PartialEq, Message)]
pub struct Fetch {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(message, optional, tag = "2")]
    pub selector: Option<FragmentSelector>,
}

/// Which fragments: those whose start lies in `[from, to)` on one time axis.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct FragmentSelector {
    #[prost(enumeration = "TimeAxis", tag = "1")]
    pub axis: i32,
    #[prost(sint64, optional, tag = "2")]
    pub from_ms: Option<i64>,
    #[prost(sint64, optional, tag = "3")]
    pub to_ms: Option<i64>,
    /// Also the fragment that is playing at `from`.
    #[prost(bool, tag = "4")]
    pub cover_start: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum TimeAxis {
    Producer = 0,
    Server = 1,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct FetchEnd {
    #[prost(uint64, tag = "1")]
    pub fragments: u64,
}

/// The request failed, or the stream ends here.
#[derive(Clone, PartialEq, Message)]
pub struct Failure {
    /// The code of an `ErrorKind`.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(string, tag = "2")]
    pub message: String,
    /// With `ShardMoved`: the shards that took over.
    #[prost(message, repeated, tag = "3")]
    pub children: Vec<Child>,
    /// With `Throttled` and `Unavailable`: how long to wait at least.
    #[prost(uint32, tag = "4")]
    pub retry_after_ms: u32,
    /// With `ShardMoved` to a producer with an id: the last of its sequences that the shard took;
    /// zero if it took none or does not remember.
    #[prost(uint64, tag = "5")]
    pub last_sequence: u64,
}

// Administration: one request, one answer.

#[derive(Clone, PartialEq, Message)]
pub struct AdminRequest {
    #[prost(
        oneof = "Command",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
    )]
    pub command: Option<Command>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Command {
    #[prost(message, tag = "1")]
    CreateStream(CreateStream),
    #[prost(message, tag = "2")]
    DeleteStream(StreamRef),
    #[prost(message, tag = "3")]
    DescribeStream(StreamRef),
    #[prost(message, tag = "4")]
    ListStreams(ListStreams),
    #[prost(message, tag = "5")]
    SplitShard(SplitShard),
    #[prost(message, tag = "6")]
    MergeShards(MergeShards),
    #[prost(message, tag = "7")]
    RegisterConsumer(ConsumerRef),
    #[prost(message, tag = "8")]
    DeregisterConsumer(ConsumerRef),
    #[prost(message, tag = "9")]
    ListConsumers(StreamRef),
    #[prost(message, tag = "10")]
    ListFragments(ListFragments),
    #[prost(message, tag = "11")]
    CreateDelivery(NewDelivery),
    #[prost(message, tag = "12")]
    UpdateDelivery(NewDelivery),
    #[prost(message, tag = "13")]
    PauseDelivery(PauseDelivery),
    #[prost(message, tag = "14")]
    DeleteDelivery(DeliveryRef),
    #[prost(message, tag = "15")]
    ListDeliveries(ListDeliveries),
}

#[derive(Clone, PartialEq, Message)]
pub struct AdminResponse {
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6")]
    pub answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Answer {
    #[prost(message, tag = "1")]
    Done(Done),
    #[prost(message, tag = "2")]
    Stream(StreamDescription),
    #[prost(message, tag = "3")]
    Streams(StreamList),
    #[prost(message, tag = "4")]
    Consumers(ConsumerList),
    #[prost(message, tag = "5")]
    Fragments(FragmentList),
    #[prost(message, tag = "6")]
    Deliveries(DeliveryList),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Done {}

#[derive(Clone, PartialEq, Message)]
pub struct StreamRef {
    #[prost(string, tag = "1")]
    pub stream: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum StreamKind {
    Records = 0,
    Video = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum Durability {
    /// Acknowledged bytes survive a power cut.
    Fsync = 0,
    /// Acknowledged bytes survive a crash of the process, not a power cut.
    Os = 1,
}

#[derive(Clone, PartialEq, Message)]
pub struct CreateStream {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(enumeration = "StreamKind", tag = "2")]
    pub kind: i32,
    /// Zero: one.
    #[prost(uint32, tag = "3")]
    pub shards: u32,
    /// Zero: the default of one day.
    #[prost(uint64, tag = "4")]
    pub retention_hours: u64,
    /// Per shard; zero: no limit.
    #[prost(uint64, tag = "5")]
    pub retention_bytes: u64,
    #[prost(enumeration = "Durability", tag = "6")]
    pub durability: i32,
    /// Zero: the default of 1 MiB.
    #[prost(uint64, tag = "7")]
    pub record_bytes_max: u64,
    #[prost(message, optional, tag = "8")]
    pub quota: Option<Quota>,
}

/// Per shard; zero: no limit.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Quota {
    #[prost(uint64, tag = "1")]
    pub bytes_per_second: u64,
    #[prost(uint64, tag = "2")]
    pub records_per_second: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct StreamDescription {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(enumeration = "StreamKind", tag = "2")]
    pub kind: i32,
    #[prost(sint64, tag = "3")]
    pub created_ms: i64,
    #[prost(uint64, tag = "4")]
    pub retention_hours: u64,
    #[prost(uint64, tag = "5")]
    pub retention_bytes: u64,
    #[prost(enumeration = "Durability", tag = "6")]
    pub durability: i32,
    #[prost(uint64, tag = "7")]
    pub record_bytes_max: u64,
    #[prost(message, optional, tag = "8")]
    pub quota: Option<Quota>,
    #[prost(message, repeated, tag = "9")]
    pub shards: Vec<ShardDescription>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ShardDescription {
    #[prost(uint32, tag = "1")]
    pub shard: u32,
    #[prost(message, optional, tag = "2")]
    pub range: Option<Range>,
    #[prost(uint32, repeated, tag = "3")]
    pub parents: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    pub children: Vec<u32>,
    #[prost(bool, tag = "5")]
    pub closed: bool,
    #[prost(uint64, tag = "6")]
    pub trim_horizon: u64,
    #[prost(uint64, tag = "7")]
    pub durable: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ListStreams {
    /// Names after this one.
    #[prost(string, tag = "1")]
    pub after: String,
    /// Zero: the most that one answer holds, 1,000.
    #[prost(uint32, tag = "2")]
    pub limit: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct StreamList {
    #[prost(message, repeated, tag = "1")]
    pub streams: Vec<StreamSummary>,
    #[prost(bool, tag = "2")]
    pub more: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct StreamSummary {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(enumeration = "StreamKind", tag = "2")]
    pub kind: i32,
    #[prost(sint64, tag = "3")]
    pub created_ms: i64,
    #[prost(uint32, tag = "4")]
    pub open_shards: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct SplitShard {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(uint32, tag = "2")]
    pub shard: u32,
    /// Where the second child starts, as two numbers; the middle if absent.
    #[prost(fixed64, optional, tag = "3")]
    pub at_high: Option<u64>,
    #[prost(fixed64, optional, tag = "4")]
    pub at_low: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct MergeShards {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(uint32, tag = "2")]
    pub shard: u32,
    #[prost(uint32, tag = "3")]
    pub adjacent: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ConsumerRef {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(string, tag = "2")]
    pub consumer: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ConsumerList {
    #[prost(message, repeated, tag = "1")]
    pub consumers: Vec<Consumer>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Consumer {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(sint64, tag = "2")]
    pub created_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ListFragments {
    #[prost(string, tag = "1")]
    pub stream: String,
    #[prost(message, optional, tag = "2")]
    pub selector: Option<FragmentSelector>,
    /// Fragments at or after this position, to go on with a list.
    #[prost(uint64, tag = "3")]
    pub position: u64,
    /// Zero: the most that one answer holds, 1,000.
    #[prost(uint32, tag = "4")]
    pub limit: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct FragmentList {
    #[prost(message, repeated, tag = "1")]
    pub fragments: Vec<Fragment>,
    /// Where to go on; absent at the end.
    #[prost(uint64, optional, tag = "2")]
    pub next_position: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Fragment {
    #[prost(string, tag = "1")]
    pub fragment_number: String,
    #[prost(uint64, tag = "2")]
    pub position: u64,
    #[prost(sint64, tag = "3")]
    pub producer_time_ms: i64,
    #[prost(sint64, tag = "4")]
    pub server_time_ms: i64,
    #[prost(uint64, tag = "5")]
    pub duration_ms: u64,
    #[prost(uint64, tag = "6")]
    pub bytes: u64,
    #[prost(bool, tag = "7")]
    pub key_frame: bool,
    #[prost(bool, tag = "8")]
    pub discontinuity: bool,
    #[prost(message, repeated, tag = "9")]
    pub tags: Vec<Tag>,
}

/// A delivery stream that is to be made, or to be changed.
#[derive(Clone, PartialEq, Message)]
pub struct NewDelivery {
    #[prost(string, tag = "1")]
    pub delivery: String,
    /// What it does: the JSON form of the server's settings.
    #[prost(string, tag = "2")]
    pub settings: String,
    /// The version that is changed; zero when it is made.
    #[prost(uint64, tag = "3")]
    pub version: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct PauseDelivery {
    #[prost(string, tag = "1")]
    pub delivery: String,
    /// False: it goes on.
    #[prost(bool, tag = "2")]
    pub paused: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct DeliveryRef {
    #[prost(string, tag = "1")]
    pub delivery: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ListDeliveries {
    /// Those behind this one, in the order of their names; empty: from the first on.
    #[prost(string, tag = "1")]
    pub after: String,
    /// Zero: as many as fit.
    #[prost(uint32, tag = "2")]
    pub limit: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct DeliveryList {
    #[prost(message, repeated, tag = "1")]
    pub deliveries: Vec<Delivery>,
    /// There are more behind the last one.
    #[prost(bool, tag = "2")]
    pub more: bool,
}

/// A delivery stream and how it is doing.
#[derive(Clone, PartialEq, Message)]
pub struct Delivery {
    #[prost(string, tag = "1")]
    pub delivery: String,
    /// What it does: the JSON form of the server's settings.
    #[prost(string, tag = "2")]
    pub settings: String,
    #[prost(uint64, tag = "3")]
    pub version: u64,
    #[prost(bool, tag = "4")]
    pub paused: bool,
    /// Of the source, accounted for.
    #[prost(uint64, tag = "5")]
    pub records: u64,
    #[prost(uint64, tag = "6")]
    pub objects: u64,
    /// Of the objects.
    #[prost(uint64, tag = "7")]
    pub bytes: u64,
    /// Records in objects of the error prefix.
    #[prost(uint64, tag = "8")]
    pub failed: u64,
    /// Records that retention deleted before they were delivered.
    #[prost(uint64, tag = "9")]
    pub missing: u64,
    #[prost(uint64, tag = "10")]
    pub millis_behind: u64,
    /// The name of the object that was written last; empty: none was.
    #[prost(string, tag = "11")]
    pub last_object: String,
    /// Empty: it works.
    #[prost(string, tag = "12")]
    pub last_error: String,
    /// Everything is delivered that is to be, and nothing will follow.
    #[prost(bool, tag = "13")]
    pub finished: bool,
    /// Those in object stores that it writes to.
    #[prost(message, repeated, tag = "14")]
    pub buckets: Vec<DeliveryBucket>,
}

/// What is known of a bucket in an object store.
#[derive(Clone, PartialEq, Message)]
pub struct DeliveryBucket {
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// What its store does with writes that must not replace an object, in a word.
    #[prost(string, tag = "2")]
    pub state: String,
    /// What that means, in a sentence.
    #[prost(string, tag = "3")]
    pub meaning: String,
}
