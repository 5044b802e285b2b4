//! How a delivery stream is doing, for whoever asks.

use std::collections::BTreeMap;
use std::time::Duration;

use afflux_types::{Error, ShardId};
use parking_lot::Mutex;

use super::state::{DeliveryTotals, LastObject, State};

/// How a delivery stream is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// What was delivered since the delivery stream was made.
    pub totals: DeliveryTotals,
    /// The object that was written last.
    pub last_object: Option<LastObject>,
    /// Whether everything is delivered that is to be, and nothing will follow.
    pub finished: bool,
    /// Bytes that were taken from the source and wait for their batch to end, before compression.
    pub waiting_bytes: u64,
    /// How far the slowest shard is behind its end; goes on to grow while delivering fails.
    pub millis_behind: u64,
    /// Why the delivery cannot go on now; `None` if all is well.
    pub last_error: Option<String>,
}

/// The cells behind a [`DeliveryStatus`].
#[derive(Debug, Default)]
pub(crate) struct Status(Mutex<Cells>);

#[derive(Debug, Default)]
struct Cells {
    batches: u64,
    report: DeliveryStatus,
    /// How far each shard was behind, and when, by the clock's elapsed time.
    behind: BTreeMap<ShardId, (u64, Duration)>,
}

impl Status {
    /// Batches that were delivered.
    pub(crate) fn batches(&self) -> u64 {
        self.0.lock().batches
    }

    pub(crate) fn failed(&self, error: &Error) {
        self.0.lock().report.last_error = Some(error.chain());
    }

    /// A batch was delivered, or it is known what was.
    pub(crate) fn delivered(&self, state: &State) {
        let mut cells = self.0.lock();
        if state.batches > cells.batches {
            cells.report.last_error = None;
        }
        cells.batches = state.batches;
        cells.report.totals = state.totals;
        cells.report.finished = state.ends.are_reached(&state.places);
        cells.report.last_object.clone_from(&state.last_object);
    }

    pub(crate) fn waiting(&self, bytes: u64) {
        self.0.lock().report.waiting_bytes = bytes;
    }

    pub(crate) fn behind(&self, shard: ShardId, millis: u64, now: Duration) {
        self.0.lock().behind.insert(shard, (millis, now));
    }

    /// A shard was taken to its end: it is behind nothing any more.
    pub(crate) fn ended(&self, shard: ShardId) {
        self.0.lock().behind.remove(&shard);
    }

    pub(crate) fn report(&self, now: Duration) -> DeliveryStatus {
        let cells = self.0.lock();
        let fails = cells.report.last_error.is_some();
        let behind = |(millis, measured): &(u64, Duration)| {
            let since = match fails {
                true => now.saturating_sub(*measured),
                false => Duration::ZERO,
            };
            millis.saturating_add(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        };
        DeliveryStatus {
            millis_behind: cells.behind.values().map(behind).max().unwrap_or(0),
            ..cells.report.clone()
        }
    }
}
