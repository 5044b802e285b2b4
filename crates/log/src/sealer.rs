//! The sealer thread: full segments get their index and give their unused tail back.
//!
//! Nothing waits for it: a segment that is not sealed when the process ends is found without an index,
//! which is then rebuilt.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::Durability;
use crate::core::Core;
use crate::error::FileError;
use crate::segment::Segment;
use crate::shard::Shard;

/// The sealer's tasks: the full segments, of which a shard can make only as many as its queue holds.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    tasks: Mutex<Tasks>,
    signal: Condvar,
}

#[derive(Debug, Default)]
struct Tasks {
    segments: VecDeque<(Arc<Shard>, Arc<Segment>)>,
    closed: bool,
}

impl Sealer {
    /// Has a fully published segment sealed.
    pub(crate) fn seal(&self, shard: &Arc<Shard>, segment: &Arc<Segment>) {
        let mut tasks = self.tasks.lock();
        tasks
            .segments
            .push_back((Arc::clone(shard), Arc::clone(segment)));
        self.signal.notify_one();
    }

    /// Ends the thread once its tasks are done.
    pub(crate) fn close(&self) {
        self.tasks.lock().closed = true;
        self.signal.notify_all();
    }

    fn next(&self) -> Option<(Arc<Shard>, Arc<Segment>)> {
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
    let mut refused = Vec::new();
    while let Some((shard, segment)) = core.sealer.next() {
        if shard.durability() == Durability::Os {
            sync(core, &shard, &segment);
        }
        let sealed = segment.seal();
        let is_refused = matches!(&sealed, Err(error) if !error.is_not_found());
        if sealed.is_ok() {
            shard.observer().sealed();
        }
        note(sealed);
        if is_refused && refused.len() < REFUSED_MAX {
            refused.push(segment);
        }
    }
    // A disk that was full may have room again.
    for segment in refused {
        note(segment.store_index());
    }
}

/// Segments whose index is stored once more at the end.
const REFUSED_MAX: usize = 1_024;

fn note(stored: Result<(), FileError>) {
    match stored {
        Err(error) if !error.is_not_found() => tracing::warn!(
            %error, "the index of a sealed segment was not stored; it will be rebuilt"
        ),
        _ => {}
    }
}

/// Nobody waits for this sync; it bounds what a power cut can take.
fn sync(core: &Core, shard: &Shard, segment: &Arc<Segment>) {
    let synced = segment
        .sync()
        .and_then(|()| core.store.sync_dirs(segment.dir()));
    match synced {
        Ok(()) => shard.note_synced(segment),
        Err(error) if error.is_not_found() => {}
        Err(error) => core.stop_shard(shard, &error.into()),
    }
}
