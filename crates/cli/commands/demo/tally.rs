//! What everybody counts while the demo runs, and a line of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afflux_wire::message::Delivery;
use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// The head of the live table.
pub(super) const HEADER: &str =
    "   s  records/s  acked MB/s  pushed MB/s  fragments  lag ms  durable p50/p99 ms  delivered";

/// Counts of the whole run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) acked_records: AtomicU64,
    pub(super) acked_bytes: AtomicU64,
    pub(super) persisted_fragments: AtomicU64,
    latency: Latency,
    consumers: Mutex<BTreeMap<u32, Arc<Seen>>>,
}

/// What one consumer was pushed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) records: AtomicU64,
    pub(super) fragments: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) lag_ms: AtomicU64,
    /// The first thing that was wrong.
    pub(super) fault: Mutex<Option<String>>,
}

impl Seen {
    /// Remembers the first fault.
    pub(super) fn fault(&self, fault: String) {
        self.fault.lock().get_or_insert(fault);
    }
}

#[derive(Debug)]
struct Latency(Mutex<Histogram<u64>>);

impl Default for Latency {
    fn default() -> Self {
        // A minute in microseconds, to one part in a thousand.
        Self(Mutex::new(
            Histogram::new_with_max(60_000_000, 3).expect("the bounds are valid"),
        ))
    }
}

/// The counts at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    records: u64,
    acked_bytes: u64,
    pushed_bytes: u64,
    fragments: u64,
    lag_ms: u64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Tally {
    /// A new consumer's counts.
    pub(super) fn consumer(&self, number: u32) -> Arc<Seen> {
        Arc::clone(self.consumers.lock().entry(number).or_default())
    }

    /// Every consumer's counts.
    pub(super) fn consumers(&self) -> Vec<(u32, Arc<Seen>)> {
        self.consumers
            .lock()
            .iter()
            .map(|(number, seen)| (*number, Arc::clone(seen)))
            .collect()
    }

    /// A record took so long to become durable.
    pub(super) fn durable_after(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency.0.lock().saturating_record(micros);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let consumers = self.consumers();
        let sum = |count: fn(&Seen) -> &AtomicU64| {
            consumers
                .iter()
                .map(|(_, seen)| count(seen).load(Ordering::Relaxed))
                .sum()
        };
        let lag = consumers
            .iter()
            .map(|(_, seen)| seen.lag_ms.load(Ordering::Relaxed))
            .max();
        let latency = self.latency.0.lock();
        let millis = |quantile| latency.value_at_quantile(quantile) as f64 / 1_000.0;
        Snapshot {
            records: self.acked_records.load(Ordering::Relaxed),
            acked_bytes: self.acked_bytes.load(Ordering::Relaxed),
            pushed_bytes: sum(|seen| &seen.bytes),
            fragments: self.persisted_fragments.load(Ordering::Relaxed),
            lag_ms: lag.unwrap_or(0),
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
        }
    }
}

impl Snapshot {
    /// A line of the live table: rates since the snapshot `before`, a second ago.
    pub(super) fn line(&self, second: u64, before: &Self, deliveries: &[Delivery]) -> String {
        let records: u64 = deliveries.iter().map(|one| one.records).sum();
        let objects: u64 = deliveries.iter().map(|one| one.objects).sum();
        let megabytes = |now: u64, before: u64| (now - before) as f64 / 1e6;
        format!(
            "{second:>4}  {:>9}  {:>10.2}  {:>11.2}  {:>9}  {:>6}  {:>8.2} / {:>7.2}  {records} in {objects} objects",
            self.records - before.records,
            megabytes(self.acked_bytes, before.acked_bytes),
            megabytes(self.pushed_bytes, before.pushed_bytes),
            self.fragments,
            self.lag_ms,
            self.p50_ms,
            self.p99_ms,
        )
    }
}
