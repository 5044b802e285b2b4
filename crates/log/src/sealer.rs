//! The sealer thread: full segments get their index and give their unused tail back.
//!
//! Nothing waits for it: a segment that is not sealed when the process ends is found without an index,
//! which is then rebuilt.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::Durability;
use crate::core::Core;
use crate::segment::Segment;

/// The sealer's tasks: the full segments, of which a shard can make only as many as its queue holds.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    tasks: Mutex<Tasks>,
    signal: Condvar,
}

#[derive(Debug, Default)]
struct Tasks {
    segments: VecDeque<(Arc<Segment>, Durability)>,
    closed: bool,
}

impl Sealer {
    /// Has a fully published segment sealed.
    pub(crate) fn seal(&self, segment: &Arc<Segment>, durability: Durability) {
        let mut tasks = self.tasks.lock();
        tasks.segments.push_back((Arc::clone(segment), durability));
        self.signal.notify_one();
    }

    /// Ends the thread once its tasks are done.
    pub(crate) fn close(&self) {
        self.tasks.lock().closed = true;
        self.signal.notify_all();
    }

    fn next(&self) -> Option<(Arc<Segment>, Durability)> {
        let mut tasks = self.tasks.lock();
        loop {
            if let Some(task) = tasks.segments.pop_front() {
                return Some(task);
            }
            if tasks.closed {
                return None;
            }
            self.signal.wait(&mut tasks);
        }
    }
}

/// Runs the sealer until it is closed.
pub(crate) fn run(core: &Arc<Core>) {
    while let Some((segment, durability)) = core.sealer.next() {
        seal(&segment, durability);
    }
}

fn seal(segment: &Arc<Segment>, durability: Durability) {
    // Nobody waits for this sync; it bounds what a power cut can take.
    if durability == Durability::Os
        && let Err(error) = segment.sync()
        && !error.is_not_found()
    {
        tracing::warn!(%error, "a filled segment was not synced");
    }
    if let Err(error) = segment.seal()
        && !error.is_not_found()
    {
        tracing::warn!(%error, "the index of a sealed segment was not stored; it will be rebuilt");
    }
}
