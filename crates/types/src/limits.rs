//! Every bound that a user can meet, in one place.
//!
//! A limit that a configuration key can change is named `…_DEFAULT` beside its `…_MAX`.

/// Characters in a stream name, as in the Kinesis API.
pub const STREAM_NAME_CHARS_MAX: usize = 128;
/// Characters in the name of a delivery stream, as in the Firehose API.
pub const DELIVERY_NAME_CHARS_MAX: usize = 64;
/// Delivery streams of the Firehose API.
pub const DELIVERY_STREAMS_MAX: usize = 5_000;
/// Characters in the name of a registered consumer, as in the Kinesis API.
pub const CONSUMER_NAME_CHARS_MAX: usize = 128;
/// Unicode characters in a partition key, as in the Kinesis API; at least one.
pub const PARTITION_KEY_CHARS_MAX: usize = 256;

/// Largest record (data and partition key) unless a stream raises it: 1 MiB.
pub const RECORD_BYTES_DEFAULT: usize = 1 << 20;
/// Largest record that a stream may be configured to take: 10 MiB.
pub const RECORD_BYTES_MAX: usize = 10 << 20;

/// Records in one entry: what a consumer decodes before it can stop.
pub const ENTRY_RECORDS_MAX: usize = 65_536;
/// Bytes of a record batch's body: one record of the largest size and its framing always fit.
pub const BATCH_BODY_BYTES_MAX: usize = 12 << 20;
/// Bytes of any entry's body. Bounds the memory that one upload can pin: a fragment is collected
/// whole before it is appended.
pub const ENTRY_BODY_BYTES_MAX: usize = FRAGMENT_BYTES_MAX + (2 << 20);

/// Largest video fragment: 64 MiB is 25 seconds at 20 Mbit/s. AWS takes 50 MB.
pub const FRAGMENT_BYTES_MAX: usize = 64 << 20;
/// Largest codec initialisation (`ftyp` and `moov`).
pub const INIT_BYTES_MAX: usize = 1 << 20;
/// Tracks in one video stream.
pub const TRACKS_MAX: usize = 8;

/// Shards that a stream may be created with, and open shards that it may have.
pub const STREAM_SHARDS_MAX: u32 = 10_000;
/// Streams on one server.
pub const STREAMS_MAX: usize = 100_000;
/// Registered consumers of one stream.
pub const STREAM_CONSUMERS_MAX: usize = 1_000;
/// Times that encryption of one stream can be switched on: each makes a data key, which is kept as long
/// as the stream.
pub const STREAM_DATA_KEYS_MAX: usize = 1_000;

/// Shortest retention by age: one hour.
pub const RETENTION_HOURS_MIN: u64 = 1;
/// Retention by age of a stream that names none: one day, as in the Kinesis API.
pub const RETENTION_HOURS_DEFAULT: u64 = 24;
/// Longest retention by age: ten years, as for video streams at AWS.
pub const RETENTION_HOURS_MAX: u64 = 87_600;

/// Bytes of one control frame of the native protocol.
pub const CONTROL_FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes that one produce stream may have received and not yet acknowledged.
pub const PRODUCE_UNACKED_BYTES_MAX: usize = 64 << 20;
/// Credit that one subscription may hold, in bytes.
pub const SUBSCRIPTION_CREDIT_BYTES_MAX: u64 = 64 << 20;
