//! What the volume's threads do to a shard: take its queue, publish, install segments, stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use afflux_types::{Error, Position};

use super::{Next, Queued, Shard, Stop};
use crate::Durability;
use crate::core::{Core, Durable};
use crate::error::FileError;
use crate::format::SEGMENT_HEADER_LEN;
use crate::points::Point;
use crate::segment::Segment;
use crate::stats::{add, sub};

impl Shard {
    /// Takes queued entries of up to `bytes` bytes, at least one; whether more remain.
    pub(crate) fn take(&self, bytes: u64, into: &mut Vec<Queued>) -> bool {
        let mut state = self.state.lock();
        let mut taken = 0;
        while let Some(first) = state.queue.front() {
            if taken > 0 && taken + first.len > bytes {
                return true;
            }
            taken += first.len;
            into.extend(state.queue.pop_front());
        }
        state.listed = false;
        false
    }

    /// Publishes what a round has made durable: `bytes` bytes up to `offset` of `segment`.
    pub(crate) fn publish(&self, segment: &Segment, offset: u64, end: Position, serial: u64) {
        segment.publish(offset);
        self.marks.publish(end, serial);
    }

    /// Notes that a full segment of a shard with [`Durability::Os`] has been synced, as were all before.
    pub(crate) fn note_synced(&self, segment: &Segment) {
        *self.synced.lock() = Some(Point::of(segment));
    }

    /// How far the log is durable, if anything in it is known to be.
    pub(crate) fn recovery_point(&self, what: Durable) -> Option<Point> {
        let everything = self.durability() == Durability::Fsync
            || what == Durable::All && self.stopped().is_none();
        if !everything {
            return *self.synced.lock();
        }
        let active = Arc::clone(&self.state.lock().active);
        (active.published() >= SEGMENT_HEADER_LEN as u64).then(|| Point::of(&active))
    }

    /// Takes `bytes` bytes off what is in flight; whether `ready` is owed and has come.
    pub(crate) fn land(&self, core: &Core, bytes: u64) -> bool {
        sub(&core.store.counters.queued_bytes, bytes);
        let mut state = self.state.lock();
        state.in_flight = state.in_flight.saturating_sub(bytes);
        let room = state.in_flight <= core.options.queue_bytes_max / 8;
        let next = !matches!(state.next, Next::Failed { .. } | Next::Preparing);
        room && next && std::mem::take(&mut state.waiting)
    }

    /// Tells the observer that a refused append may be tried again, if one is owed that.
    pub(crate) fn notify_ready(&self) {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        if waiting {
            self.observer().ready();
        }
    }

    /// Installs a prepared segment.
    pub(crate) fn install(&self, segment: Arc<Segment>) {
        let waiting = {
            let mut state = self.state.lock();
            if !state.active.is_activated() && state.active.ordinal() == segment.ordinal() {
                state.active = segment;
                state.next = Next::None;
            } else {
                state.next = Next::Ready(segment);
            }
            std::mem::take(&mut state.waiting)
        };
        if waiting {
            self.observer().ready();
        }
    }

    /// Notes that the next segment could not be prepared.
    pub(crate) fn refuse(&self, core: &Core, error: &Error) {
        let waiting = {
            let mut state = self.state.lock();
            let first = !matches!(state.next, Next::Failed { .. });
            state.next = Next::Failed {
                stop: Stop::new(error),
                at: core.clock.elapsed(),
            };
            // Whoever waits as busy must learn that the disk is full.
            first && state.waiting
        };
        if waiting {
            self.observer().ready();
        }
    }

    /// Stops the shard for good. What is not durable is never acknowledged.
    pub(crate) fn stop(&self, core: &Core, error: &Error) {
        let dropped = {
            let mut state = self.state.lock();
            if self.stopped.set(Stop::new(error)).is_err() {
                return;
            }
            std::mem::take(&mut state.queue)
        };
        add(&core.store.counters.stopped_shards, 1);
        let bytes = dropped.iter().map(|queued| queued.len).sum();
        self.land(core, bytes);
        self.observer().stopped(error);
    }

    /// Takes no more entries, without telling anyone: the log is being removed or closed.
    pub(crate) fn retire(&self, error: &Error) {
        let _state = self.state.lock();
        let _ = self.stopped.set(Stop::new(error));
    }

    /// Takes no more entries; what is queued is still committed.
    pub(crate) fn close(&self) {
        let _state = self.state.lock();
        self.closed.store(true, Ordering::Release);
    }

    /// Removes every segment. The caller holds `maintenance`.
    pub(crate) fn remove_segments(&self) -> Result<(), FileError> {
        let segments = std::mem::take(&mut *self.segments.write());
        let spare = {
            let mut state = self.state.lock();
            state.queue.clear();
            match std::mem::replace(&mut state.next, Next::None) {
                Next::Ready(segment) => Some(segment),
                _ => None,
            }
        };
        for segment in spare.iter().chain(segments.iter().rev()) {
            segment.remove()?;
        }
        Ok(())
    }
}
