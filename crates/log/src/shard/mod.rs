//! One shard's log: the write state behind a short lock, the segments, the published watermarks.
//!
//! The state's lock is held for the time it takes to stamp and queue one entry, never across a call to
//! the disk. Readers take only the list of segments, shortly, and the watermarks not at all.
//!
//! Lock order: `maintenance`, then `state`, then `segments`; no observer is called under any of them.

mod append;
mod progress;
mod read;
mod retain;

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use afflux_entry::{HEADER_LEN, Header};
use afflux_types::{Error, ErrorKind, Position, Result, ServerTime};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::core::Core;
use crate::format::IDENTITY_LEN;
use crate::points::Point;
use crate::segment::Segment;
use crate::watermark::Marks;
use crate::{
    AppendError, Appended, Durability, LogKey, Observer, ReadError, SegmentInfo, Slice, Watermarks,
};

/// One shard's log; a cheap handle.
///
/// The log stays open until its [`Volume`](crate::Volume) is closed or the log is removed. While a
/// handle lives, the same log cannot be opened a second time.
#[derive(Clone)]
pub struct ShardLog {
    core: Arc<Core>,
    shard: Arc<Shard>,
    /// Counted by the shard: as long as it lives, the log is in use.
    _lease: Arc<()>,
}

impl ShardLog {
    pub(crate) fn new(core: Arc<Core>, shard: Arc<Shard>, lease: Arc<()>) -> Self {
        Self {
            core,
            shard,
            _lease: lease,
        }
    }

    /// Stamps an entry and queues it for the next commit round. Never waits for the disk.
    ///
    /// The entry gets the next position, the time of arrival (never before the previous entry's) and
    /// the mark of what was not yet durable. It can be read once `durable` has passed its end.
    ///
    /// # Shape
    /// `body` in pieces, `header.body_len` bytes together. Its checksum is the caller's to verify: what
    /// does not match it is stored all the same and is found damaged later.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing of the entry is stored.
    pub fn append(&self, header: Header, body: Vec<Bytes>) -> Result<Appended, AppendError> {
        self.shard.append(&self.core, header, body)
    }

    /// How far the log is trimmed, durable and appended, without a lock.
    #[must_use]
    pub fn watermarks(&self) -> Watermarks {
        self.shard.marks.snapshot()
    }

    /// Whole durable entries from the one that contains `from`, of one segment, without a copy.
    ///
    /// # Shape
    /// As many entries as fit into `bytes_max`, but at least one that takes a position, even if it is
    /// larger. Entries that take no position come with the entry after them. Empty at the durable
    /// end.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self, from: Position, bytes_max: usize) -> Result<Slice, ReadError> {
        self.shard.read(from, bytes_max)
    }

    /// The position of the first durable entry that arrived at or after `arrival`; the durable end if
    /// all arrived before.
    ///
    /// # Errors
    /// `Corrupt` or `Io`.
    pub fn position_at(&self, arrival: ServerTime) -> Result<Position, ReadError> {
        self.shard.position_at(arrival)
    }

    /// The segments, from the oldest on.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shard.infos()
    }

    /// Deletes sealed segments whose every entry arrived before `before`, and the oldest sealed ones
    /// as long as the shard takes more than `bytes_max` bytes; returns the new trim horizon.
    ///
    /// An active segment whose every entry is that old is replaced, so that a later call deletes it.
    /// Calls the disk. Readers that hold slices of a deleted segment keep them.
    ///
    /// # Errors
    /// As the disk reports them.
    pub fn retain(&self, before: Option<ServerTime>, bytes_max: Option<u64>) -> Result<Position> {
        self.shard.retain(&self.core, before, bytes_max)
    }

    /// Deletes sealed segments of which everything lies below `before`; returns the new trim horizon.
    ///
    /// Whole segments go, so up to one full segment below `before` stays, and the active one always does.
    /// The horizon never goes back while the log is open. After a power cut segments may be there again:
    /// trim anew. Calls the disk. Readers that hold slices of a deleted segment keep them.
    ///
    /// # Errors
    /// As the disk reports them.
    pub fn trim(&self, before: Position) -> Result<Position> {
        self.shard.trim(&self.core, before)
    }

    /// Which log this is.
    #[must_use]
    pub fn key(&self) -> LogKey {
        self.shard.key
    }
}

impl fmt::Debug for ShardLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardLog")
            .field("key", &self.shard.key)
            .field("watermarks", &self.watermarks())
            .finish_non_exhaustive()
    }
}

pub(crate) struct Shard {
    pub(crate) key: LogKey,
    pub(crate) dir: Arc<Path>,
    pub(crate) marks: Marks,
    durability: RwLock<Durability>,
    observer: RwLock<Arc<dyn Observer>>,
    lease: Mutex<std::sync::Weak<()>>,
    pub(crate) state: Mutex<State>,
    /// Oldest first; the last one is active. Only activated segments, so that their first positions
    /// never decrease.
    segments: RwLock<VecDeque<Arc<Segment>>>,
    /// Held by whoever makes or removes files of this shard. In it are the segments that are no longer
    /// read and whose files are still there, because the disk refused to remove one: they go before any
    /// newer one, since a gap in the files is damage.
    pub(crate) maintenance: Mutex<VecDeque<Arc<Segment>>>,
    /// The last full segment that was synced, with [`Durability::Os`].
    synced: Mutex<Option<Point>>,
    stopped: OnceLock<Stop>,
    /// Whether the volume is closing. Set under the state's lock.
    closed: AtomicBool,
}

/// Why a shard takes no entries any more.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    kind: ErrorKind,
    message: String,
}

impl Stop {
    pub(crate) fn new(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.chain(),
        }
    }

    pub(crate) fn error(&self) -> Error {
        Error::new(self.kind, self.message.clone())
    }
}

pub(crate) struct State {
    /// The position of the next record.
    end: Position,
    /// The arrival of the last entry.
    arrival: ServerTime,
    /// The number of the last entry.
    serial: u64,
    pub(crate) active: Arc<Segment>,
    /// Where the next entry goes in `active`.
    offset: u64,
    pub(crate) next: Next,
    /// Bytes that the entry needs for which the next segment was too small.
    pub(crate) wanted: u64,
    queue: VecDeque<Queued>,
    /// Whether the shard stands in the volume's list of those with a queue.
    listed: bool,
    /// Bytes accepted and not yet published.
    in_flight: u64,
    /// Whether an append was refused and `ready` is owed.
    waiting: bool,
}

impl State {
    /// Makes `next` active and returns the segment that was.
    fn advance(&mut self, next: Arc<Segment>) -> Arc<Segment> {
        self.next = Next::None;
        self.wanted = 0;
        self.offset = crate::format::SEGMENT_HEADER_LEN as u64;
        let filled = std::mem::replace(&mut self.active, next);
        filled.set_next_first(self.end);
        filled
    }
}

/// The segment after the active one.
#[derive(Debug)]
pub(crate) enum Next {
    None,
    Preparing,
    Ready(Arc<Segment>),
    /// The disk is full, or refuses otherwise.
    Failed {
        stop: Stop,
        at: Duration,
    },
}

/// An accepted entry on its way to the disk.
pub(crate) struct Queued {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    /// The activation, if the entry is the first of its segment.
    pub(crate) activation: Option<[u8; IDENTITY_LEN]>,
    /// The segment that was filled before this entry.
    pub(crate) filled: Option<Arc<Segment>>,
    /// `None` if the segment is only activated.
    pub(crate) header: Option<[u8; HEADER_LEN]>,
    pub(crate) body: Vec<Bytes>,
    pub(crate) len: u64,
    /// The position and the number after which the entry is durable.
    pub(crate) end: Position,
    pub(crate) serial: u64,
}

/// What recovery knows of a shard.
pub(crate) struct Recovered {
    pub(crate) segments: VecDeque<Arc<Segment>>,
    /// The last of `segments`, or a prepared one if there is none.
    pub(crate) active: Arc<Segment>,
    pub(crate) end: Position,
    pub(crate) arrival: ServerTime,
}

impl Shard {
    pub(crate) fn new(key: LogKey, dir: Arc<Path>, recovered: Recovered) -> Self {
        let Recovered {
            segments,
            active,
            end,
            arrival,
        } = recovered;
        let activated = !segments.is_empty();
        let horizon = segments.front().map_or(end, |segment| segment.first());
        let offset = if activated {
            active
                .published()
                .max(crate::format::SEGMENT_HEADER_LEN as u64)
        } else {
            crate::format::SEGMENT_HEADER_LEN as u64
        };
        Self {
            key,
            dir,
            marks: Marks::new(horizon, end),
            durability: RwLock::new(Durability::Fsync),
            observer: RwLock::new(Arc::new(())),
            lease: Mutex::default(),
            state: Mutex::new(State {
                end,
                arrival,
                serial: 0,
                active,
                offset,
                next: Next::None,
                wanted: 0,
                queue: VecDeque::new(),
                listed: false,
                in_flight: 0,
                waiting: false,
            }),
            segments: RwLock::new(segments),
            maintenance: Mutex::default(),
            synced: Mutex::default(),
            stopped: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Takes the shard for a new handle, if none lives.
    pub(crate) fn lease(
        &self,
        durability: Durability,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<()>> {
        let mut slot = self.lease.lock();
        if slot.upgrade().is_some() {
            return Err(Error::new(
                ErrorKind::InUse,
                format!("the log of {} is open already", self.key),
            ));
        }
        if durability == Durability::Fsync && self.durability() == Durability::Os {
            // From here on, what is published counts as durable.
            let active = Arc::clone(&self.state.lock().active);
            active.sync()?;
        }
        let lease = Arc::new(());
        *slot = Arc::downgrade(&lease);
        *self.durability.write() = durability;
        *self.observer.write() = observer;
        Ok(lease)
    }

    pub(crate) fn durability(&self) -> Durability {
        *self.durability.read()
    }

    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.observer.read())
    }

    pub(crate) fn stopped(&self) -> Option<&Stop> {
        self.stopped.get()
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({})", self.key)
    }
}
