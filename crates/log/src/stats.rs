//! What a volume counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the volume was opened, and gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeStats {
    /// Commit rounds completed.
    pub rounds: u64,
    /// Of these, rounds that went through the journal.
    pub journal_rounds: u64,
    /// Entries made durable.
    pub entries: u64,
    /// Bytes made durable.
    pub bytes: u64,
    /// Time that commit threads spent writing.
    pub write_time: Duration,
    /// Time that commit threads spent syncing.
    pub sync_time: Duration,
    /// Checkpoints of a journal file.
    pub checkpoints: u64,
    /// Gauge: bytes accepted and not yet durable.
    pub queued_bytes: u64,
    /// Gauge: bytes of disk reserved by segments.
    pub reserved_bytes: u64,
    /// Gauge: bytes of deleted segments that readers still hold.
    pub pinned_bytes: u64,
    /// Gauge: segments mapped.
    pub maps: u64,
    /// Gauge: shards open.
    pub shards: u64,
    /// Shards that have stopped after a failed write or sync.
    pub stopped_shards: u64,
}

/// The cells behind [`VolumeStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) rounds: AtomicU64,
    pub(crate) journal_rounds: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) write_nanos: AtomicU64,
    pub(crate) sync_nanos: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) queued_bytes: AtomicU64,
    pub(crate) reserved_bytes: AtomicU64,
    pub(crate) pinned_bytes: AtomicU64,
    pub(crate) maps: AtomicU64,
    pub(crate) shards: AtomicU64,
    pub(crate) stopped_shards: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> VolumeStats {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        VolumeStats {
            rounds: load(&self.rounds),
            journal_rounds: load(&self.journal_rounds),
            entries: load(&self.entries),
            bytes: load(&self.bytes),
            write_time: Duration::from_nanos(load(&self.write_nanos)),
            sync_time: Duration::from_nanos(load(&self.sync_nanos)),
            checkpoints: load(&self.checkpoints),
            queued_bytes: load(&self.queued_bytes),
            reserved_bytes: load(&self.reserved_bytes),
            pinned_bytes: load(&self.pinned_bytes),
            maps: load(&self.maps),
            shards: load(&self.shards),
            stopped_shards: load(&self.stopped_shards),
        }
    }
}

pub(crate) fn add(cell: &AtomicU64, amount: u64) {
    cell.fetch_add(amount, Ordering::Relaxed);
}

pub(crate) fn sub(cell: &AtomicU64, amount: u64) {
    cell.fetch_sub(amount, Ordering::Relaxed);
}

pub(crate) fn add_time(cell: &AtomicU64, time: Duration) {
    add(cell, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}
