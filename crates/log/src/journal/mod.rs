//! The volume's journal: one sync for a round over many shards.
//!
//! A round's runs are written to their segments, which stay in the page cache, and once more to the
//! active journal file, which is synced. A file that is full is *checkpointed* in the background: the
//! segments that it covers are synced, then the file is free to be used again. Recovery writes the
//! records of all files into their segments, where each run has a fixed place.
//!
//! ```text
//! none --create--> free --rotate--> active --full--> checkpointing --> free
//! ```
//!
//! # Invariants
//! - A run is in its segment's page cache before its record is in the journal, so a checkpoint that
//!   starts when the file is full covers all of its records.
//! - Records are written one after the other under the lock, so that the sync of a later record in
//!   the same file covers the earlier ones.

mod checkpoint;
mod record;
mod replay;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

pub(crate) use record::Record;
pub(crate) use replay::{inspect, replay};

use crate::JOURNALS;
use crate::core::Core;
use crate::error::{Context, FileError};
use crate::format::{JOURNAL_ALIGN, encode_journal_header};
use crate::fs::{LogFile, write_all_at};
use crate::key::JOURNAL_DIR;
use crate::segment::Segment;

pub(crate) use checkpoint::run;

#[derive(Debug)]
pub(crate) struct Journal {
    state: Mutex<State>,
    /// A file has become free, or making one has failed.
    freed: Condvar,
    /// There is a task for the checkpointer.
    tasks: Condvar,
}

#[derive(Debug)]
struct State {
    active: Option<Active>,
    free: Vec<Arc<JournalFile>>,
    /// Files that exist, in whatever state.
    count: usize,
    growth: Growth,
    full: VecDeque<Active>,
    checkpointing: bool,
    /// The generation of the next file that becomes active.
    generation: u64,
    closed: bool,
}

/// Whether there can be one more file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// When one is needed.
    Possible,
    /// The checkpointer is asked for one.
    Asked,
    /// One could not be made; the journal does without it.
    Refused,
}

/// A file of the journal.
#[derive(Debug)]
pub(crate) struct JournalFile {
    path: PathBuf,
    file: Arc<dyn LogFile>,
    len: u64,
}

/// The file that records are written to, or that waits for its checkpoint.
#[derive(Debug)]
struct Active {
    file: Arc<JournalFile>,
    generation: u64,
    /// Where the next record goes.
    offset: u64,
    /// Everything before is known to be durable.
    durable_to: u64,
    /// The segments that the file's records cover.
    segments: Vec<Arc<Segment>>,
}

/// A record that is written and not yet synced.
#[derive(Debug)]
pub(crate) struct Ticket {
    file: Arc<JournalFile>,
    generation: u64,
    end: u64,
}

impl Journal {
    /// A journal that uses the files that recovery has emptied.
    pub(crate) fn new(free: Vec<Arc<JournalFile>>, generation: u64) -> Self {
        Self {
            state: Mutex::new(State {
                active: None,
                count: free.len(),
                free,
                growth: Growth::Possible,
                full: VecDeque::new(),
                checkpointing: false,
                generation,
                closed: false,
            }),
            freed: Condvar::new(),
            tasks: Condvar::new(),
        }
    }

    /// Writes a record; `None` if there is no journal file that it fits into, now or ever.
    ///
    /// Waits for a checkpoint if every file is full.
    pub(crate) fn append(
        &self,
        core: &Core,
        record: &Record<'_>,
    ) -> Result<Option<Ticket>, FileError> {
        let len = record.len();
        if JOURNAL_ALIGN as u64 + len > core.options.journal_bytes {
            return Ok(None);
        }
        let mut state = self.state.lock();
        loop {
            let active = state.active.as_ref();
            if active.is_some_and(|active| active.offset + len <= active.file.len) {
                break;
            }
            if !self.rotate(&mut state)? {
                let none_ever =
                    state.count == 0 || state.growth == Growth::Refused && state.full.is_empty();
                if none_ever && !state.checkpointing {
                    return Ok(None);
                }
                self.freed.wait(&mut state);
            }
        }
        let Some(active) = state.active.as_mut() else {
            return Ok(None);
        };
        let offset = active.offset;
        record.write(&active.file, active.generation, offset, active.durable_to)?;
        active.offset += len;
        for segment in record.segments() {
            if segment.enter_journal(active.generation) {
                active.segments.push(Arc::clone(segment));
            }
        }
        let ticket = Ticket {
            file: Arc::clone(&active.file),
            generation: active.generation,
            end: active.offset,
        };
        // The next file is made while this one fills.
        if active.offset > active.file.len / 2 && state.free.is_empty() {
            self.ask_for_file(&mut state);
        }
        Ok(Some(ticket))
    }

    /// Makes a record durable, and all before it in the same file.
    pub(crate) fn sync(&self, ticket: Ticket) -> Result<(), FileError> {
        ticket.file.file.sync().context("sync", &ticket.file.path)?;
        let mut state = self.state.lock();
        if let Some(active) = state
            .active
            .as_mut()
            .filter(|active| active.generation == ticket.generation)
        {
            active.durable_to = active.durable_to.max(ticket.end);
        }
        Ok(())
    }

    /// Ends the checkpointer once it has nothing to do.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.tasks.notify_all();
        self.freed.notify_all();
    }

    /// Retires the active file and makes a free one active; whether there was one.
    fn rotate(&self, state: &mut State) -> Result<bool, FileError> {
        if let Some(full) = state.active.take() {
            state.full.push_back(full);
            self.tasks.notify_one();
        }
        let Some(file) = state.free.pop() else {
            self.ask_for_file(state);
            return Ok(false);
        };
        let generation = state.generation;
        state.generation += 1;
        // The sync of the first record makes the header durable as well. Until then recovery finds
        // the old generation and, at its first record or later, one of the new: it stops there.
        file.write_header(generation)?;
        state.active = Some(Active {
            file,
            generation,
            offset: JOURNAL_ALIGN as u64,
            durable_to: 0,
            segments: Vec::new(),
        });
        Ok(true)
    }

    fn ask_for_file(&self, state: &mut State) {
        if state.count < JOURNALS && state.growth == Growth::Possible {
            state.growth = Growth::Asked;
            self.tasks.notify_one();
        }
    }
}

impl JournalFile {
    fn write_header(&self, generation: u64) -> Result<(), FileError> {
        let header = encode_journal_header(generation, self.len);
        write_all_at(&*self.file, [&header[..]], 0).context("write", &self.path)
    }
}

fn journal_path(root: &Path, number: usize) -> PathBuf {
    root.join(JOURNAL_DIR).join(format!("{number:02}.journal"))
}
