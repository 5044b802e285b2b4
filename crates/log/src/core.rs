//! What the threads of a volume share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock, Weak};

use afflux_types::{Clock, Error, Result};
use parking_lot::{Condvar, Mutex};

use crate::commit::Turns;
use crate::error::FileError;
use crate::journal::Journal;
use crate::points::Points;
use crate::prepare::Preparer;
use crate::sealer::Sealer;
use crate::shard::{Shard, Stop};
use crate::store::Store;
use crate::{LogKey, VolumeOptions};

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) options: VolumeOptions,
    pub(crate) clock: Clock,
    pub(crate) shards: Mutex<BTreeMap<LogKey, Arc<Shard>>>,
    pub(crate) preparer: Preparer,
    pub(crate) sealer: Sealer,
    pub(crate) journal: Journal,
    pub(crate) points: Points,
    pub(crate) turns: Turns,
    dirty: Mutex<Dirty>,
    dirty_signal: Condvar,
    /// Shards whose appends were refused because the volume's queue was full.
    waiters: Mutex<Vec<Weak<Shard>>>,
    stopped: OnceLock<Stop>,
}

/// What is known to be durable of what shards have published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    /// What shards with [`Durability::Fsync`](crate::Durability::Fsync) have published.
    AsPromised,
    /// All of it: the whole file system has been synced.
    All,
}

/// Shards with queued entries. Each stands in the list once, so it is as long as there are shards.
#[derive(Debug, Default)]
struct Dirty {
    shards: VecDeque<Arc<Shard>>,
    closed: bool,
}

impl Core {
    pub(crate) fn new(
        store: Arc<Store>,
        options: VolumeOptions,
        clock: Clock,
        journal: Journal,
        points: Points,
    ) -> Self {
        Self {
            store,
            options,
            clock,
            shards: Mutex::default(),
            preparer: Preparer::default(),
            sealer: Sealer::default(),
            journal,
            points,
            turns: Turns::default(),
            dirty: Mutex::default(),
            dirty_signal: Condvar::new(),
            waiters: Mutex::default(),
            stopped: OnceLock::new(),
        }
    }

    /// Lists a shard that has got a queue, and wakes a commit thread.
    pub(crate) fn list_dirty(&self, shard: &Arc<Shard>) {
        self.dirty.lock().shards.push_back(Arc::clone(shard));
        self.dirty_signal.notify_one();
    }

    /// Waits for shards with a queue and takes up to `max` of them; `None` once the volume is closed
    /// and every queue is empty.
    pub(crate) fn take_dirty(&self, max: usize) -> Option<Vec<Arc<Shard>>> {
        let mut dirty = self.dirty.lock();
        while dirty.shards.is_empty() {
            if dirty.closed {
                return None;
            }
            self.dirty_signal.wait(&mut dirty);
        }
        let count = dirty.shards.len().min(max);
        Some(dirty.shards.drain(..count).collect())
    }

    /// Puts shards back that still have a queue.
    pub(crate) fn return_dirty(&self, shards: Vec<Arc<Shard>>) {
        if !shards.is_empty() {
            self.dirty.lock().shards.extend(shards);
            self.dirty_signal.notify_one();
        }
    }

    /// Lets the commit threads end once every queue is empty.
    pub(crate) fn close_dirty(&self) {
        self.dirty.lock().closed = true;
        self.dirty_signal.notify_all();
    }

    /// Enters a shard among those that wait for the volume's queue to shrink.
    pub(crate) fn wait_for_queue(&self, shard: &Arc<Shard>) {
        self.waiters.lock().push(Arc::downgrade(shard));
    }

    /// Wakes those that wait for the volume's queue to shrink.
    pub(crate) fn queue_shrank(&self) {
        let waiters = std::mem::take(&mut *self.waiters.lock());
        for shard in waiters.iter().filter_map(Weak::upgrade) {
            shard.notify_ready();
        }
    }

    /// Stops every shard: what they share has failed.
    pub(crate) fn stop_all(&self, error: &Error) {
        tracing::error!(error = %error.chain(), "the volume stops: nothing later is acknowledged");
        let _ = self.stopped.set(Stop::new(error));
        let shards: Vec<_> = self.shards.lock().values().cloned().collect();
        for shard in shards {
            shard.stop(self, error);
        }
    }

    /// Stops one shard.
    pub(crate) fn stop_shard(&self, shard: &Shard, error: &Error) {
        if shard.stopped().is_none() {
            tracing::error!(key = %shard.key, error = %error.chain(), "the shard stops: nothing later is acknowledged");
        }
        shard.stop(self, error);
    }

    /// Notes how far every shard is durable.
    pub(crate) fn note_points(&self, what: Durable) -> Result<(), FileError> {
        self.points.update(&self.store, || {
            let shards: Vec<_> = self.shards.lock().values().cloned().collect();
            let point = |shard: &Arc<Shard>| Some((shard.key, shard.recovery_point(what)?));
            shards.iter().filter_map(point).collect()
        })
    }

    /// Refuses if the whole volume has stopped.
    pub(crate) fn check_stopped(&self) -> Result<()> {
        self.stopped.get().map_or(Ok(()), |stop| Err(stop.error()))
    }
}
