//! The preparer thread: segments ahead of need.
//!
//! What a full disk refuses, it refuses here, before anything is accepted into the segment. A failed
//! preparation is tried again every second, and when an append asks.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, ErrorKind};
use parking_lot::{Condvar, Mutex};

use crate::core::Core;
use crate::error::FileError;
use crate::format::{Identity, SEGMENT_HEADER_LEN};
use crate::segment::{Fill, Segment};
use crate::shard::{Next, Shard};

/// Segments that are prepared together and made durable by one sync of the file system.
const BATCH: usize = 1_024;
/// Above this many, one sync of the file system is cheaper than one of each file and folder.
const SINGLE_SYNCS_MAX: usize = 4;
const RETRY: Duration = Duration::from_secs(1);
/// A segment that was filled faster than this is followed by a larger one,
const FAST: Duration = Duration::from_secs(3_600);
/// one that took longer than this by a smaller one.
const SLOW: Duration = Duration::from_secs(86_400);
const GROWTH: u64 = 4;
/// A shard slower than this gets segments whose blocks are written ahead, because a sync into blocks
/// that were never written takes several times as long. A faster one waits for bytes, not for syncs,
/// and would pay for every byte twice.
const ZERO_BYTES_PER_SECOND_MAX: u64 = 32 << 20;
/// With more shards than this, rounds go through the journal, whose blocks are written already.
const ZERO_SHARDS_MAX: usize = 64;
const PAGE: u64 = 4_096;
/// With more shards than this, the largest segment shrinks in proportion, so that what all of them
/// reserve stays the same: 16 GiB with the largest size of 64 MiB, and as much for the next ones.
const FULL_SIZE_SHARDS: u64 = 256;

/// The preparer's tasks: at most one of each shard.
#[derive(Debug, Default)]
pub(crate) struct Preparer {
    tasks: Mutex<Tasks>,
    signal: Condvar,
}

#[derive(Debug, Default)]
struct Tasks {
    prepare: VecDeque<Arc<Shard>>,
    closed: bool,
}

impl Preparer {
    /// Asks for a shard's next segment; its state says [`Next::Preparing`].
    pub(crate) fn prepare(&self, shard: &Arc<Shard>) {
        self.tasks.lock().prepare.push_back(Arc::clone(shard));
        self.signal.notify_one();
    }

    /// Ends the thread once its tasks are done.
    pub(crate) fn close(&self) {
        self.tasks.lock().closed = true;
        self.signal.notify_all();
    }
}

/// Runs the preparer until it is closed.
pub(crate) fn run(core: &Arc<Core>) {
    let mut failed: Vec<Arc<Shard>> = Vec::new();
    loop {
        let batch: Vec<_> = {
            let mut tasks = core.preparer.tasks.lock();
            while tasks.prepare.is_empty() {
                if tasks.closed {
                    return;
                }
                if failed.is_empty() {
                    core.preparer.signal.wait(&mut tasks);
                } else if core.preparer.signal.wait_for(&mut tasks, RETRY).timed_out() {
                    break;
                }
            }
            let count = tasks.prepare.len().min(BATCH);
            tasks.prepare.drain(..count).collect()
        };
        let batch = if batch.is_empty() {
            let mut retried = std::mem::take(&mut failed);
            retried.retain(|shard| reopen(shard));
            retried
        } else {
            batch
        };
        prepare_all(core, batch, &mut failed);
    }
}

/// Whether a failed preparation is still wanted; marks it as under way.
fn reopen(shard: &Shard) -> bool {
    let mut state = shard.state.lock();
    let wanted = matches!(state.next, Next::Failed { .. }) && shard.stopped().is_none();
    if wanted {
        state.next = Next::Preparing;
    }
    wanted
}

fn prepare_all(core: &Core, batch: Vec<Arc<Shard>>, failed: &mut Vec<Arc<Shard>>) {
    let mut made = Vec::with_capacity(batch.len());
    for shard in batch {
        if shard.stopped().is_some() {
            continue;
        }
        match prepare(core, &shard) {
            Ok(segment) => made.push((shard, segment)),
            Err(error) => refuse(core, shard, error, failed),
        }
    }
    let single = made.len() <= SINGLE_SYNCS_MAX;
    let all = if single || made.is_empty() {
        Ok(())
    } else {
        core.store.sync_all()
    };
    for (shard, segment) in made {
        let synced = match &all {
            Ok(()) if single => segment
                .sync()
                .and_then(|()| core.store.sync_dirs(segment.dir())),
            Ok(()) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        match synced {
            Ok(()) => {
                segment.set_name_durable();
                shard.install(segment);
            }
            Err(error) => refuse(core, shard, error, failed),
        }
    }
}

fn refuse(core: &Core, shard: Arc<Shard>, error: FileError, failed: &mut Vec<Arc<Shard>>) {
    if shard.stopped().is_some() {
        return;
    }
    let message = format!("prepare the next segment of {}", shard.key);
    let error = Error::new(ErrorKind::Unavailable, message).with_source(error);
    tracing::warn!(error = %error.chain(), "the next segment was not prepared");
    shard.refuse(core, &error);
    if !failed.iter().any(|other| Arc::ptr_eq(other, &shard)) {
        failed.push(shard);
    }
}

fn prepare(core: &Core, shard: &Shard) -> Result<Arc<Segment>, FileError> {
    let _files = shard.maintenance.lock();
    let (ordinal, capacity, fill) = {
        let shards = core.shards.lock().len();
        let state = shard.state.lock();
        if state.active.is_activated() {
            let took = core.clock.wall().since(state.active.created());
            let before = state.active.capacity();
            (
                state.active.ordinal() + 1,
                grown(core, shards, before, took).max(holding(state.wanted)),
                fill(shards, before, took),
            )
        } else {
            let capacity = core.options.segment_bytes_min;
            (
                state.active.ordinal(),
                capacity.max(holding(state.wanted)),
                Fill::Reserve,
            )
        }
    };
    let identity = Identity {
        key: shard.key,
        ordinal,
        id: random_id(),
        capacity,
    };
    Segment::prepare(&core.store, &shard.dir, identity, fill)
}

/// The size of the segment after one of `capacity` bytes that was half filled in `took`, in a volume of
/// `shards` shards.
fn grown(core: &Core, shards: usize, capacity: u64, took: Duration) -> u64 {
    let took = took.saturating_mul(2);
    let wanted = if took < FAST {
        capacity.saturating_mul(GROWTH)
    } else if took < SLOW {
        capacity
    } else {
        capacity / GROWTH
    };
    let min = core.options.segment_bytes_min;
    let shards = u64::try_from(shards).unwrap_or(u64::MAX);
    let max = core.options.segment_bytes_max / shards.div_ceil(FULL_SIZE_SHARDS).max(1);
    wanted.clamp(min, max.max(min)).next_multiple_of(PAGE)
}

/// How the segment after one of `capacity` bytes is prepared that was half filled in `took`.
fn fill(shards: usize, capacity: u64, took: Duration) -> Fill {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let slow = capacity / 2 * 1_000 < millis.saturating_mul(ZERO_BYTES_PER_SECOND_MAX);
    if slow {
        first_fill(shards)
    } else {
        Fill::Reserve
    }
}

/// How a segment is prepared whose use is not known, in a volume of `shards` shards.
pub(crate) fn first_fill(shards: usize) -> Fill {
    if shards < ZERO_SHARDS_MAX {
        Fill::Zero
    } else {
        Fill::Reserve
    }
}

/// The size of a segment that holds an entry of `len` bytes.
fn holding(len: u64) -> u64 {
    (SEGMENT_HEADER_LEN as u64 + len).next_multiple_of(PAGE)
}

/// A number that no other segment of the same name has had.
pub(crate) fn random_id() -> u64 {
    // The standard library seeds it from the operating system and counts up from there.
    RandomState::new().hash_one(0_u8)
}
