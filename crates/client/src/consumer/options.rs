//! What a consumer reads, and from where.

use std::collections::BTreeMap;

use afflux_types::{ConsumerName, Position, ServerTime, ShardId};
use afflux_wire::message;

/// What a consumer reads, and how much it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Where to start.
    pub from: From,
    /// Which shards to read.
    pub shards: Shards,
    /// The name of a registered consumer, if it is one.
    pub consumer: Option<ConsumerName>,
    /// Bytes that may be on their way to the application, over all shards together. Each shard gets
    /// at least 64 KiB and at most 16 MiB of it.
    pub credit_bytes: u64,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            from: From::TrimHorizon,
            shards: Shards::All,
            consumer: None,
            credit_bytes: 32 << 20,
        }
    }
}

/// Where to start reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// At the oldest record.
    TrimHorizon,
    /// At what comes next.
    Latest,
    /// At the first record that arrived at or after a time.
    At(ServerTime),
    /// Where an earlier consumer stopped: the next position of each shard that it had begun and, if
    /// they still exist, had ended. Other shards are read from their start.
    Positions(BTreeMap<ShardId, Position>),
}

/// Which shards to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// All of them, and those that follow from a split or merge.
    All,
    /// One, until it ends.
    One(ShardId),
}

/// When a shard is begun, as against the start of the consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// With the consumer.
    First,
    /// After its parents had ended.
    AfterParents,
}

impl From {
    /// Where to start with one shard.
    pub(super) fn of(&self, shard: ShardId, begun: Begun) -> message::From {
        match self {
            // A shard that follows another one has to be read from its start.
            Self::Latest if begun == Begun::First => message::From::Latest(true),
            Self::TrimHorizon | Self::Latest => message::From::TrimHorizon(true),
            Self::At(time) => message::From::Timestamp(time.as_millis()),
            Self::Positions(positions) => positions
                .get(&shard)
                .map_or(message::From::TrimHorizon(true), |position| {
                    message::From::Position(position.get())
                }),
        }
    }
}
