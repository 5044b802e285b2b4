//! Retention and trimming: whole sealed segments go, oldest first.

use std::sync::Arc;

use afflux_types::{Position, Result, ServerTime};

use super::{Next, Queued, Shard};
use crate::Durability;
use crate::core::Core;
use crate::format::SEGMENT_HEADER_LEN;
use crate::segment::Segment;

impl Shard {
    pub(super) fn retain(
        self: &Arc<Self>,
        core: &Core,
        before: Option<ServerTime>,
        bytes_max: Option<u64>,
    ) -> Result<Position> {
        if let Some(before) = before {
            self.replace_idle(core, before);
        }
        self.remove_oldest(core, |segment, next, bytes| {
            bytes_max.is_some_and(|max| bytes > max)
                || before.is_some_and(|before| is_older(segment, next, before))
        })
    }

    pub(super) fn trim(&self, core: &Core, before: Position) -> Result<Position> {
        // What is sealed is durable: so is everything below what follows it.
        self.remove_oldest(core, |_, next, _| next.first() <= before)
    }

    /// Removes sealed segments from the oldest on, until one may stay, and returns the new horizon.
    /// `may_go` looks at a segment, the one after it, and the bytes that the shard takes from it on.
    fn remove_oldest(
        &self,
        core: &Core,
        may_go: impl Fn(&Arc<Segment>, &Segment, u64) -> bool,
    ) -> Result<Position> {
        let mut removing = self.maintenance.lock();
        let doomed = self.doomed(may_go);
        if let Some((_, first)) = doomed.last()
            && self.durability() == Durability::Os
        {
            // Published is not durable here, but where the log starts must be before its past goes.
            first.sync()?;
            core.store.sync_dir(&self.dir)?;
        }
        for (_, next) in &doomed {
            // Readers must not look for what is about to go.
            self.marks.trim(next.first());
            removing.extend(self.segments.write().pop_front());
        }
        let is_any = !removing.is_empty();
        while let Some(oldest) = removing.front() {
            oldest.remove()?;
            removing.pop_front();
        }
        if is_any {
            core.store.sync_dir(&self.dir)?;
        }
        Ok(self.marks.trim_horizon())
    }

    /// The sealed segments that may go, oldest first, each with the one after it.
    fn doomed(
        &self,
        may_go: impl Fn(&Arc<Segment>, &Segment, u64) -> bool,
    ) -> Vec<(Arc<Segment>, Arc<Segment>)> {
        let segments: Vec<_> = self.segments.read().iter().cloned().collect();
        // The active segment's activation says where the shard goes on: it must be durable.
        let anchored = segments
            .last()
            .is_some_and(|active| active.published() >= SEGMENT_HEADER_LEN as u64);
        if !anchored {
            return Vec::new();
        }
        let mut bytes: u64 = segments.iter().map(|segment| segment.reserved()).sum();
        let mut doomed = Vec::new();
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            if !segment.is_sealed() || !may_go(segment, next, bytes) {
                break;
            }
            bytes -= segment.reserved();
            doomed.push((Arc::clone(segment), Arc::clone(next)));
        }
        doomed
    }

    /// Lets an active segment whose every entry arrived before `before` be followed by a new one, so
    /// that it is sealed and can be deleted. If none is ready, one is prepared for the next call.
    fn replace_idle(self: &Arc<Self>, core: &Core, before: ServerTime) {
        let mut state = self.state.lock();
        let idle = self.check_open().is_ok()
            && state.active.is_activated()
            && state.offset > SEGMENT_HEADER_LEN as u64
            && state.in_flight == 0
            && state.arrival < before;
        if !idle {
            return;
        }
        let next = match &state.next {
            Next::Ready(next) => Arc::clone(next),
            Next::None => return self.request_next(core, &mut state, 0),
            Next::Preparing | Next::Failed { .. } => return,
        };
        let filled = state.advance(next);
        let arrival = core.clock.wall().max(state.arrival);
        let Some(activation) = self.activate(&state, true, arrival) else {
            return;
        };
        let queued = Queued {
            segment: Arc::clone(&state.active),
            offset: state.offset,
            activation: Some(activation.encode()),
            filled: Some(filled),
            header: None,
            body: Vec::new(),
            len: 0,
            end: state.end,
            serial: state.serial,
        };
        state.queue.push_back(queued);
        if !state.listed {
            state.listed = true;
            core.list_dirty(self);
        }
    }
}

/// Whether every entry of `segment` arrived before `before`; `next` follows it.
fn is_older(segment: &Arc<Segment>, next: &Segment, before: ServerTime) -> bool {
    next.created() < before
        || segment
            .loaded_summary()
            .is_ok_and(|summary| summary.arrival.is_none_or(|(_, max)| max < before))
}
