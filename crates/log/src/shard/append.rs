//! Taking an entry in: admit, make room, stamp, queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use afflux_entry::{HEADER_LEN, Header, SEALED_OVERHEAD, Stamp};
use afflux_types::limits::ENTRY_BODY_BYTES_MAX;
use afflux_types::{Error, ServerTime};
use bytes::Bytes;

use super::{Next, Queued, Shard, State};
use crate::core::Core;
use crate::format::{Activation, SEGMENT_HEADER_LEN};
use crate::stats::add;
use crate::{AppendError, Appended, Durability};

/// A failed preparation is tried again by an append after this time.
const RETRY: std::time::Duration = std::time::Duration::from_millis(100);

/// Why there is no room for an entry now.
enum NoRoom {
    Busy,
    Full(Error),
}

impl Shard {
    pub(super) fn append(
        self: &Arc<Self>,
        core: &Arc<Core>,
        mut header: Header,
        body: Vec<Bytes>,
    ) -> Result<Appended, AppendError> {
        check(&header, &body)?;
        let len = header.entry_len() as u64;
        let mut state = self.state.lock();
        self.check_open()?;
        if !self.admit(core, &mut state, len) {
            return Err(AppendError::Busy(Box::new(header), body));
        }
        let filled = match self.make_room(core, &mut state, len) {
            Ok(filled) => filled,
            Err(NoRoom::Busy) => return Err(AppendError::Busy(Box::new(header), body)),
            Err(NoRoom::Full(error)) => return Err(AppendError::Full(error)),
        };
        let arrival = core.clock.wall().max(state.arrival);
        let activation = self.activate(&state, filled.is_some(), arrival);
        let appended = self.stamp(&mut state, &mut header, arrival);
        state.active.push(&header);
        let queued = Queued {
            segment: Arc::clone(&state.active),
            offset: state.offset,
            activation: activation.map(|activation| activation.encode()),
            filled,
            header: Some(header.encode()),
            body,
            len,
            end: appended.end,
            serial: appended.serial,
        };
        state.queue.push_back(queued);
        state.offset += len;
        state.in_flight += len;
        add(&core.store.counters.queued_bytes, len);
        self.marks.append(appended.end);
        let half = state.active.capacity() / 2;
        if state.offset > half && matches!(state.next, Next::None) {
            self.request_next(core, &mut state, 0);
        }
        if !state.listed {
            state.listed = true;
            core.list_dirty(self);
        }
        Ok(appended)
    }

    pub(super) fn check_open(&self) -> Result<(), AppendError> {
        if let Some(stop) = self.stopped() {
            return Err(AppendError::Stopped(stop.error()));
        }
        if self.closed.load(Ordering::Acquire) {
            let error = Error::unavailable("the volume is closed");
            return Err(AppendError::Stopped(error));
        }
        Ok(())
    }

    /// Whether the queues have room for `len` more bytes; if not, `ready` is owed.
    fn admit(self: &Arc<Self>, core: &Core, state: &mut State, len: u64) -> bool {
        let max = core.options.queue_bytes_max;
        if state.in_flight > 0 && state.in_flight + len > max / 4 {
            state.waiting = true;
            return false;
        }
        let queued = || core.store.counters.queued_bytes.load(Ordering::Acquire);
        let fits = |queued: u64| queued == 0 || queued + len <= max;
        if fits(queued()) {
            return true;
        }
        state.waiting = true;
        core.wait_for_queue(self);
        // Rounds that ended before the shard was entered have not seen it.
        fits(queued())
    }

    /// Makes sure that the active segment has room for `len` bytes; returns the segment that was
    /// filled, if the next one has become active.
    fn make_room(
        self: &Arc<Self>,
        core: &Arc<Core>,
        state: &mut State,
        len: u64,
    ) -> Result<Option<Arc<crate::segment::Segment>>, NoRoom> {
        if state.offset + len <= state.active.capacity() {
            return Ok(None);
        }
        let fits =
            |next: &crate::segment::Segment| SEGMENT_HEADER_LEN as u64 + len <= next.capacity();
        match &state.next {
            Next::Ready(next) if fits(next) => {
                let next = Arc::clone(next);
                let filled = state.advance(next);
                // A prepared segment that never got an entry is replaced under its own number.
                Ok(filled.is_activated().then_some(filled))
            }
            Next::None | Next::Ready(_) => {
                state.waiting = true;
                self.request_next(core, state, len);
                Err(NoRoom::Busy)
            }
            Next::Preparing => {
                state.waiting = true;
                state.wanted = state.wanted.max(len);
                Err(NoRoom::Busy)
            }
            Next::Failed { stop, at } => {
                let (error, at) = (stop.error(), *at);
                state.waiting = true;
                state.wanted = state.wanted.max(len);
                if core.clock.elapsed().saturating_sub(at) >= RETRY {
                    self.request_next(core, state, len);
                }
                Err(NoRoom::Full(error))
            }
        }
    }

    /// Activates the segment if this is its first entry.
    pub(super) fn activate(
        &self,
        state: &State,
        has_predecessor: bool,
        arrival: ServerTime,
    ) -> Option<Activation> {
        if state.active.is_activated() {
            return None;
        }
        let activation = Activation {
            previous_durable: has_predecessor && self.durability() == Durability::Fsync,
            first: state.end,
            arrival_floor: state.arrival,
            created: arrival,
        };
        state.active.activate(activation);
        self.segments.write().push_back(Arc::clone(&state.active));
        Some(activation)
    }

    /// Gives the entry its place and the shard its new end.
    fn stamp(&self, state: &mut State, header: &mut Header, arrival: ServerTime) -> Appended {
        let position = state.end;
        let unsynced = match self.durability() {
            Durability::Fsync => state.offset.saturating_sub(state.active.published()),
            // What is published may not be on the disk.
            Durability::Os => u64::MAX,
        };
        header.stamp = Some(Stamp {
            position,
            arrival,
            unsynced: u32::try_from(unsynced).unwrap_or(u32::MAX),
        });
        state.arrival = arrival;
        state.end = header.end();
        state.serial += 1;
        Appended {
            position,
            end: state.end,
            arrival,
            serial: state.serial,
            started_segment: state.offset == SEGMENT_HEADER_LEN as u64,
        }
    }

    /// Asks for the next segment, with room for an entry of `len` bytes.
    pub(crate) fn request_next(self: &Arc<Self>, core: &Core, state: &mut State, len: u64) {
        state.wanted = state.wanted.max(len);
        state.next = Next::Preparing;
        core.preparer.prepare(self);
    }
}

fn check(header: &Header, body: &[Bytes]) -> Result<(), AppendError> {
    let len: usize = body.iter().map(Bytes::len).sum();
    let claimed = header.body_len as usize;
    if len != claimed {
        return Err(AppendError::Invalid(Error::invalid(format!(
            "the entry's body has {len} bytes; its header says {claimed}"
        ))));
    }
    let overhead = if header.sealed { SEALED_OVERHEAD } else { 0 };
    let max = ENTRY_BODY_BYTES_MAX + overhead;
    if len > max {
        return Err(AppendError::Invalid(Error::invalid(format!(
            "the entry's body has {len} bytes; the limit is {max}"
        ))));
    }
    debug_assert_eq!(header.entry_len(), HEADER_LEN + len);
    Ok(())
}
