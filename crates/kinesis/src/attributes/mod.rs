//! What only this API knows of streams, consumers and the account.
//!
//! # Shape
//! One row of the engine's settings for each stream, consumer and account whose attributes are not
//! the defaults: [`StreamBook`](afflux_engine::StreamBook) says what holds of those of streams. Rows of
//! consumers are found by the stream's id and the time of registration, which are never reused, so that
//! nothing inherits from something that had its name. Everything is in memory too: reads look at no disk.
//!
//! # Invariants
//! - A change is visible once it is durable, and changes happen one after another.
//! - Rows of what other doors deleted are removed at open.

mod book;
mod key;
mod row;

pub(crate) use book::{Book, token_key};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use afflux_aws::kinesis::values::{MetricName, RecordDistributionStrategy, StreamMode};
use afflux_types::ServerTime;

use crate::resource::Kept;

/// What only this API knows of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) mode: StreamMode,
    pub(crate) distribution: RecordDistributionStrategy,
    /// MiB/s that somebody asked the stream to be ready for.
    pub(crate) warm_mibps: Option<u32>,
    /// Never `All`.
    pub(crate) metrics: BTreeSet<MetricName>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: Option<Kept>,
    /// When `UpdateShardCount` was called, as far as its limit still counts it.
    pub(crate) scalings: Vec<ServerTime>,
    /// When the mode was changed, as far as the limit still counts it.
    pub(crate) mode_changes: Vec<ServerTime>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            mode: StreamMode::Provisioned,
            distribution: RecordDistributionStrategy::UserPartitionKey,
            warm_mibps: None,
            metrics: BTreeSet::new(),
            tags: BTreeMap::new(),
            policy: None,
            scalings: Vec::new(),
            mode_changes: Vec::new(),
        }
    }
}

/// What only this API knows of a registered consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConsumerAttributes {
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: Option<Kept>,
}

/// What is remembered of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The latest one, also when it has ended.
    pub(crate) commitment: Option<Commitment>,
}

/// The minimum throughput that the account pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commitment {
    pub(crate) started: ServerTime,
    /// When it ends or has ended.
    pub(crate) ended: Option<ServerTime>,
}

/// Drops what happened longer than `age` ago.
pub(crate) fn recent(times: &mut Vec<ServerTime>, now: ServerTime, age: Duration) {
    times.retain(|time| now.since(*time) < age);
}
