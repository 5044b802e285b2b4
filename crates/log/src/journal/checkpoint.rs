//! The checkpointer thread: makes journal files, frees those that are full, stores recovery points.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Active, Growth, JournalFile, journal_path};
use crate::core::{Core, Durable};
use crate::error::{Context, FileError};
use crate::fs::{OpenMode, write_zeros};
use crate::stats::add;

/// Above this many segments, one sync of the whole file system is cheaper than one of each.
const SINGLE_SYNCS_MAX: usize = 16;

/// How often recovery points are stored while entries come in.
const POINTS_EVERY: Duration = Duration::from_secs(1);

enum Task {
    Create(usize),
    Checkpoint(Active),
    Points,
}

/// Runs the checkpointer until the journal is closed.
pub(crate) fn run(core: &Arc<Core>) {
    let mut noted = Noted::default();
    while let Some(task) = next(core, noted.at) {
        match task {
            Task::Points => {
                noted.note(core);
                continue;
            }
            Task::Create(number) => {
                let made = create(core, number);
                let mut state = core.journal.state.lock();
                state.growth = Growth::Possible;
                match made {
                    Ok(file) => {
                        state.count += 1;
                        state.free.push(file);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a journal file was not made; rounds sync segments one by one");
                        state.growth = Growth::Refused;
                    }
                }
            }
            Task::Checkpoint(full) => {
                let synced = checkpoint(core, &full);
                let mut state = core.journal.state.lock();
                state.checkpointing = false;
                if let Err(error) = synced {
                    drop(state);
                    core.stop_all(&error.into());
                } else {
                    state.free.push(full.file);
                    if state.growth == Growth::Refused {
                        // Space may have returned.
                        state.growth = Growth::Possible;
                    }
                }
            }
        }
        core.journal.freed.notify_all();
    }
}

/// What the recovery points cover.
#[derive(Debug, Default)]
struct Noted {
    rounds: u64,
    at: Duration,
    failed: bool,
}

impl Noted {
    /// Stores the points if there were commit rounds since.
    fn note(&mut self, core: &Core) {
        self.at = core.clock.elapsed();
        let rounds = core.store.counters.rounds.load(Ordering::Acquire);
        if rounds == self.rounds {
            return;
        }
        match core.note_points(Durable::AsPromised) {
            Ok(()) => {
                self.rounds = rounds;
                self.failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    tracing::warn!(%error, "the recovery points were not stored; they are tried again");
                }
            }
        }
    }
}

fn next(core: &Core, noted: Duration) -> Option<Task> {
    let due = || core.clock.elapsed().saturating_sub(noted) >= POINTS_EVERY;
    let mut state = core.journal.state.lock();
    loop {
        if let Some(full) = state.full.pop_front() {
            state.checkpointing = true;
            return Some(Task::Checkpoint(full));
        }
        if state.closed {
            return None;
        }
        if state.growth == Growth::Asked {
            return Some(Task::Create(state.count));
        }
        if due() {
            return Some(Task::Points);
        }
        core.journal.tasks.wait_for(&mut state, POINTS_EVERY);
    }
}

/// Makes a file whose blocks are all written, so that syncs need no metadata.
fn create(core: &Core, number: usize) -> Result<Arc<JournalFile>, FileError> {
    let path = journal_path(&core.store.root, number);
    let len = core.options.journal_bytes;
    let fs = &core.store.fs;
    let file = fs
        .open(&path, OpenMode::Truncate)
        .context("create", &path)?;
    let filled = file
        .reserve(len)
        .and_then(|()| write_zeros(&*file, 0, len))
        .and_then(|()| file.sync())
        .context("fill", &path)
        .and_then(|()| {
            core.store
                .sync_dir(path.parent().unwrap_or(&core.store.root))
        });
    if let Err(error) = filled {
        let _ = fs.remove_file(&path);
        return Err(error);
    }
    Ok(Arc::new(JournalFile { path, file, len }))
}

/// Makes the segments durable that a full file covers.
fn checkpoint(core: &Core, full: &Active) -> Result<(), FileError> {
    add(&core.store.counters.checkpoints, 1);
    let dirty: Vec<_> = full
        .segments
        .iter()
        .filter(|segment| segment.is_dirty())
        .map(|segment| (segment, segment.written()))
        .collect();
    if dirty.len() > SINGLE_SYNCS_MAX {
        core.store.sync_all()?;
        for (segment, written) in dirty {
            segment.settle(written);
        }
        return Ok(());
    }
    for (segment, _) in dirty {
        match segment.sync() {
            // Deleted meanwhile.
            Err(error) if error.is_not_found() => {}
            result => result?,
        }
    }
    Ok(())
}
