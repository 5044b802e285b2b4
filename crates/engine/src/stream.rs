//! What a stream and a shard are, to those who ask.

use std::time::Duration;

use afflux_log::{Durability, Watermarks};
use afflux_types::limits::{
    RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX, RETENTION_HOURS_DEFAULT, RETENTION_HOURS_MAX,
    RETENTION_HOURS_MIN, STREAM_SHARDS_MAX,
};
use afflux_types::{
    ConsumerName, Error, ErrorKind, HashKey, HashKeyRange, Position, Result, ServerTime, ShardId,
    StreamName,
};

use crate::seal::Encryption;

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// Batches of records.
    Records,
    /// Codec initialisations and video fragments.
    Video,
    /// Batches of records that wait to be delivered, until they are trimmed; of the delivery service alone,
    /// see [`Engine::deliveries`](crate::Engine::deliveries).
    Delivery,
}

/// How long a shard keeps its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Entries that arrived longer ago are deleted: one hour to ten years, but for
    /// [`Retention::BUFFER`].
    pub age: Duration,
    /// The oldest entries beyond this many bytes per shard are deleted; `None`: no limit.
    pub bytes: Option<u64>,
}

impl Default for Retention {
    /// One day, and no limit in bytes.
    fn default() -> Self {
        Self {
            age: hours(RETENTION_HOURS_DEFAULT),
            bytes: None,
        }
    }
}

/// What one shard takes in per second; above it appends are refused as throttled.
///
/// A second's worth may come at once. An entry passes while any of that is left, and is paid for by the
/// time after it. Records that are admitted one by one ([`Shard::admit`](crate::Shard::admit)) get no more
/// than is left, unless one is larger than a second's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes per second, of entry bodies or of records as they are admitted; zero: no limit.
    pub bytes_per_second: u64,
    /// Records per second; zero: no limit.
    pub records_per_second: u64,
}

/// A stream to be created.
#[derive(Clone, Debug)]
pub struct NewStream {
    /// Must be unused.
    pub name: StreamName,
    /// Cannot be changed later.
    pub kind: StreamKind,
    /// Shards that share the hash space evenly: 1 to 10,000.
    pub shards: u32,
    /// How long entries stay.
    pub retention: Retention,
    /// What an acknowledged entry survives.
    pub durability: Durability,
    /// Bytes of key and data that one record may have: 1 byte to 10 MiB.
    pub record_bytes_max: usize,
    /// Per shard; `None`: no limit.
    pub quota: Option<Quota>,
}

impl NewStream {
    /// A stream of one shard with every default; one of kind [`StreamKind::Delivery`] keeps its entries
    /// [`Retention::UNTIL_TRIMMED`].
    #[must_use]
    pub fn new(name: StreamName, kind: StreamKind) -> Self {
        Self {
            name,
            kind,
            shards: 1,
            retention: match kind {
                StreamKind::Records | StreamKind::Video => Retention::default(),
                StreamKind::Delivery => Retention::UNTIL_TRIMMED,
            },
            durability: Durability::Fsync,
            record_bytes_max: RECORD_BYTES_DEFAULT,
            quota: None,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.shards == 0 {
            return Err(Error::invalid(format!(
                "a stream needs 1 to {STREAM_SHARDS_MAX} shards, not 0"
            )));
        }
        if self.shards > STREAM_SHARDS_MAX {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "a stream of {} shards was asked for; the limit is {STREAM_SHARDS_MAX}",
                    self.shards
                ),
            ));
        }
        check_record_bytes(self.record_bytes_max)?;
        self.retention.check()
    }
}

pub(crate) fn check_record_bytes(record_bytes_max: usize) -> Result<()> {
    if record_bytes_max == 0 {
        return Err(Error::invalid(format!(
            "records of at most 0 bytes were asked for; 1 to {RECORD_BYTES_MAX} are possible"
        )));
    }
    if record_bytes_max > RECORD_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "records of {record_bytes_max} bytes were asked for; the limit is {RECORD_BYTES_MAX}"
            ),
        ));
    }
    Ok(())
}

impl Retention {
    /// What a stream of video keeps that is to keep nothing: enough for those who watch it to fall
    /// behind a little. Five minutes, and at most 200 MB.
    pub const BUFFER: Self = Self {
        age: Duration::from_secs(300),
        bytes: Some(200_000_000),
    };

    /// What a stream keeps whose reader trims it: everything, for ten years.
    pub const UNTIL_TRIMMED: Self = Self {
        age: hours(RETENTION_HOURS_MAX),
        bytes: None,
    };

    pub(crate) fn check(&self) -> Result<()> {
        let (min, max) = (hours(RETENTION_HOURS_MIN), hours(RETENTION_HOURS_MAX));
        if *self != Self::BUFFER && (self.age < min || self.age > max) {
            return Err(Error::invalid(format!(
                "a retention of {:?} was asked for; {RETENTION_HOURS_MIN} to {RETENTION_HOURS_MAX} hours are possible",
                self.age
            )));
        }
        Ok(())
    }
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

/// A stream and its shards.
#[derive(Clone, Debug)]
pub struct StreamDescription {
    /// Never reused, also when the name is.
    pub id: u64,
    /// The stream's name.
    pub name: StreamName,
    /// What it holds.
    pub kind: StreamKind,
    /// When it was created.
    pub created: ServerTime,
    /// How long entries stay.
    pub retention: Retention,
    /// What an acknowledged entry survives.
    pub durability: Durability,
    /// Bytes of key and data that one record may have.
    pub record_bytes_max: usize,
    /// Per shard; `None`: no limit.
    pub quota: Option<Quota>,
    /// What is appended now is encrypted on disk; `None`: it is not.
    pub encryption: Option<Encryption>,
    /// In the order of their ids, closed ones included until their entries have expired.
    pub shards: Vec<ShardDescription>,
}

/// A stream in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// Never reused, also when the name is.
    pub id: u64,
    /// The stream's name.
    pub name: StreamName,
    /// What it holds.
    pub kind: StreamKind,
    /// When it was created.
    pub created: ServerTime,
    /// Shards that take entries.
    pub open_shards: u32,
}

/// Whether a shard takes entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardState {
    /// It takes entries.
    Open,
    /// It was split or merged; its entries can be read until they expire.
    Closed,
}

/// A shard, its range, and its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardDescription {
    /// Larger than its parents'.
    pub id: ShardId,
    /// The hash keys that it is for.
    pub range: HashKeyRange,
    /// None for a shard that the stream was created with; two after a merge.
    pub parents: Vec<ShardId>,
    /// The shards that took over; none while it is open.
    pub children: Vec<ShardId>,
    /// Whether it takes entries.
    pub state: ShardState,
    /// When it was created; at least a second after its parents.
    pub created: ServerTime,
    /// When it was closed.
    pub closed: Option<ServerTime>,
    /// The position after its last record, once it is closed.
    pub closed_at: Option<Position>,
    /// `None` while nobody has used the shard since the engine was opened.
    pub watermarks: Option<Watermarks>,
}

/// What a stream took in since the engine was opened, and its open shards since they were first used.
#[derive(Clone, Debug)]
pub struct StreamLoad {
    /// The stream's id, which tells it from another that had its name.
    pub id: u64,
    /// What each shard may take in; `None`: no limit.
    pub quota: Option<Quota>,
    /// Bytes of entry bodies.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// The open shards, in the order of their ids.
    pub shards: Vec<ShardLoad>,
}

/// What an open shard took in.
#[derive(Clone, Debug)]
pub struct ShardLoad {
    /// The shard.
    pub id: ShardId,
    /// The hash keys that it is for.
    pub range: HashKeyRange,
    /// Bytes of entry bodies.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Some of the entries since the last look, each as likely as any other.
    pub sample: Vec<LoadSample>,
}

/// An entry, by the hash key of one of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSample {
    /// Of any of its records.
    pub key: HashKey,
    /// Bytes of its body.
    pub bytes: u32,
    /// Its records.
    pub records: u32,
}

/// A shard that took over from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The child.
    pub id: ShardId,
    /// The shards whose ranges it took over, whole or in part.
    pub parents: Vec<ShardId>,
    /// The hash keys that it is for.
    pub range: HashKeyRange,
}

/// A reader that was given a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerDescription {
    /// The name.
    pub name: ConsumerName,
    /// When it was registered.
    pub created: ServerTime,
}

/// A consumer's saved position in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The shard.
    pub shard: ShardId,
    /// Everything below has been dealt with.
    pub position: Position,
    /// When it was saved.
    pub saved: ServerTime,
}
