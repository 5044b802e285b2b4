//! What the engine counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use afflux_log::VolumeStats;
use afflux_types::StreamName;

/// Counters since the engine was opened, and gauges.
#[derive(Clone, Debug)]
pub struct EngineStats {
    /// In the order of their names.
    pub streams: Vec<StreamStats>,
    /// The logs below, over all streams.
    pub volume: VolumeStats,
    /// Gauge: shards, open and closed.
    pub shards: u64,
}

/// One stream's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStats {
    /// The stream.
    pub name: StreamName,
    /// Entries accepted; not yet durable ones included, repeated ones not.
    pub entries_in: u64,
    /// Records accepted.
    pub records_in: u64,
    /// Bytes of entry bodies accepted.
    pub bytes_in: u64,
    /// Entries that had been taken in before.
    pub duplicates: u64,
    /// Entries refused, or cut short, because a quota was used up.
    pub throttled: u64,
    /// Records handed to readers.
    pub records_out: u64,
    /// Bytes of whole entries handed to readers.
    pub bytes_out: u64,
    /// Times that retention overtook a subscription.
    pub lagged: u64,
    /// Gauge: live subscriptions.
    pub subscriptions: u64,
}

/// The cells behind [`StreamStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) entries_in: AtomicU64,
    pub(crate) records_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) records_out: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) lagged: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self, name: StreamName) -> StreamStats {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        StreamStats {
            name,
            entries_in: load(&self.entries_in),
            records_in: load(&self.records_in),
            bytes_in: load(&self.bytes_in),
            duplicates: load(&self.duplicates),
            throttled: load(&self.throttled),
            records_out: load(&self.records_out),
            bytes_out: load(&self.bytes_out),
            lagged: load(&self.lagged),
            subscriptions: load(&self.subscriptions),
        }
    }
}

pub(crate) fn add(cell: &AtomicU64, amount: u64) {
    cell.fetch_add(amount, Ordering::Relaxed);
}

pub(crate) fn sub(cell: &AtomicU64, amount: u64) {
    cell.fetch_sub(amount, Ordering::Relaxed);
}
