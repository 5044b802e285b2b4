//! Which streams and shards there are, in memory, as the catalog has them.
//!
//! Only the catalog's thread changes what is here, after the change is durable. Readers hold a lock
//! for a lookup and go on with an `Arc`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use afflux_log::LogKey;
use afflux_types::{ConsumerName, Error, HashKeyRange, Result, ServerTime, ShardId, StreamName};
use parking_lot::{Mutex, RwLock};

use crate::catalog::{Closed, LoadedStream, ShardFacts, StreamFacts};
use crate::seal::Sealing;
use crate::shard::live::Live;
use crate::shard::signals::End;
use crate::stats::Counters;
use crate::stream::{Child, Retention, ShardDescription, ShardLoad, ShardState, StreamDescription};

/// Every stream.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) streams: BTreeMap<StreamName, Arc<Stream>>,
    /// Names whose creation is on its way to the disk.
    pub(crate) reserved: BTreeSet<StreamName>,
    pub(crate) stream_next: u64,
}

/// A stream that exists, or did when the caller looked.
pub(crate) struct Stream {
    pub(crate) facts: StreamFacts,
    retention: RwLock<Retention>,
    record_bytes_max: AtomicUsize,
    /// Held by whoever changes the stream, until the change is durable and published.
    pub(crate) changes: Arc<tokio::sync::Mutex<Changes>>,
    pub(crate) shards: RwLock<BTreeMap<ShardId, Arc<Cell>>>,
    pub(crate) consumers: RwLock<BTreeMap<ConsumerName, ServerTime>>,
    pub(crate) counters: Counters,
    pub(crate) sealing: Sealing,
    deleted: AtomicBool,
}

/// What only a change of the stream needs.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) shard_next: u32,
}

/// A shard's place; its log is opened when somebody first uses it.
pub(crate) struct Cell {
    pub(crate) id: ShardId,
    pub(crate) range: HashKeyRange,
    pub(crate) parents: Vec<ShardId>,
    pub(crate) created: ServerTime,
    closed: OnceLock<Closed>,
    live: OnceLock<Arc<Live>>,
    /// Held while the log is opened or removed; true once it must not be opened any more.
    gone: Mutex<bool>,
}

impl Registry {
    pub(crate) fn get(&self, name: &StreamName) -> Result<Arc<Stream>> {
        self.streams.get(name).cloned().ok_or_else(|| missing(name))
    }
}

/// The error for whoever asks for a stream that is not there.
pub(crate) fn missing(name: &StreamName) -> Error {
    Error::not_found(format!("stream {name} does not exist"))
}

impl Stream {
    pub(crate) fn new(
        facts: StreamFacts,
        shards: impl IntoIterator<Item = ShardFacts>,
        consumers: BTreeMap<ConsumerName, ServerTime>,
    ) -> Self {
        let cells = shards
            .into_iter()
            .map(|facts| (facts.id, Arc::new(Cell::new(facts))));
        Self {
            retention: RwLock::new(facts.retention),
            record_bytes_max: AtomicUsize::new(facts.record_bytes_max),
            changes: Arc::new(tokio::sync::Mutex::new(Changes {
                shard_next: facts.shard_next,
            })),
            shards: RwLock::new(cells.collect()),
            consumers: RwLock::new(consumers),
            counters: Counters::default(),
            sealing: Sealing::new(facts.sealing.clone()),
            deleted: AtomicBool::new(false),
            facts,
        }
    }

    pub(crate) fn from_loaded(loaded: LoadedStream) -> Self {
        Self::new(loaded.facts, loaded.shards.into_values(), loaded.consumers)
    }

    pub(crate) fn name(&self) -> &StreamName {
        &self.facts.name
    }

    pub(crate) fn cell(&self, shard: ShardId) -> Result<Arc<Cell>> {
        self.shards.read().get(&shard).cloned().ok_or_else(|| {
            Error::not_found(format!("{shard} of stream {} does not exist", self.name()))
        })
    }

    /// Every shard, in the order of the ids.
    pub(crate) fn cells(&self) -> Vec<Arc<Cell>> {
        self.shards.read().values().cloned().collect()
    }

    pub(crate) fn open_shards(&self) -> usize {
        let shards = self.shards.read();
        shards.values().filter(|cell| cell.is_open()).count()
    }

    pub(crate) fn key(&self, shard: ShardId) -> LogKey {
        LogKey {
            stream: self.facts.id,
            shard: shard.get(),
        }
    }

    pub(crate) fn retention(&self) -> Retention {
        *self.retention.read()
    }

    /// The stream's row, as it is now or is about to be.
    pub(crate) fn facts(&self, shard_next: u32, retention: Retention) -> StreamFacts {
        StreamFacts {
            shard_next,
            retention,
            record_bytes_max: self.record_bytes_max(),
            sealing: self.sealing.facts(),
            ..self.facts.clone()
        }
    }

    /// Bytes of key and data that one record may have.
    pub(crate) fn record_bytes_max(&self) -> usize {
        self.record_bytes_max.load(Ordering::Relaxed)
    }

    pub(crate) fn set_record_bytes_max(&self, bytes: usize) {
        self.record_bytes_max.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_retention(&self, retention: Retention) {
        *self.retention.write() = retention;
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// The error for whoever still holds a handle of a deleted stream.
    pub(crate) fn deleted_error(&self) -> Error {
        Error::not_found(format!("stream {} was deleted", self.name()))
    }

    /// Tells everyone who uses the stream that it is gone.
    pub(crate) fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
        for cell in self.cells() {
            cell.finish(|| End::Deleted(self.deleted_error()));
        }
    }

    pub(crate) fn describe(&self) -> StreamDescription {
        StreamDescription {
            id: self.facts.id,
            name: self.name().clone(),
            kind: self.facts.kind,
            created: self.facts.created,
            retention: self.retention(),
            durability: self.facts.durability,
            record_bytes_max: self.record_bytes_max(),
            quota: self.facts.quota,
            encryption: self.sealing.describe(),
            shards: self.cells().iter().map(|cell| cell.describe()).collect(),
        }
    }
}

impl Cell {
    pub(crate) fn new(facts: ShardFacts) -> Self {
        Self {
            id: facts.id,
            range: facts.range,
            parents: facts.parents,
            created: facts.created,
            closed: facts.closed.map_or_else(OnceLock::new, OnceLock::from),
            live: OnceLock::new(),
            gone: Mutex::new(false),
        }
    }

    pub(crate) fn facts(&self) -> ShardFacts {
        ShardFacts {
            id: self.id,
            range: self.range,
            parents: self.parents.clone(),
            created: self.created,
            closed: self.closed.get().cloned(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed.get().is_none()
    }

    /// Where the shard ended and who took over, once it is closed.
    pub(crate) fn closed(&self) -> Option<&Closed> {
        self.closed.get()
    }

    pub(crate) fn children(&self) -> Vec<Child> {
        self.closed
            .get()
            .map(|closed| closed.children.clone())
            .unwrap_or_default()
    }

    /// Makes a durable close known.
    pub(crate) fn set_closed(&self, closed: Closed) {
        let _set_once = self.closed.set(closed);
    }

    /// The open log, if somebody has used the shard.
    pub(crate) fn live(&self) -> Option<&Arc<Live>> {
        self.live.get()
    }

    /// The open log; `open` makes it if there is none. May block.
    pub(crate) fn live_or_open(&self, open: impl FnOnce() -> Result<Live>) -> Result<Arc<Live>> {
        if let Some(live) = self.live.get() {
            return Ok(Arc::clone(live));
        }
        let gone = self.gone.lock();
        if let Some(live) = self.live.get() {
            return Ok(Arc::clone(live));
        }
        if *gone {
            return Err(Error::not_found(format!("{} was removed", self.id)));
        }
        let live = Arc::new(open()?);
        Ok(Arc::clone(self.live.get_or_init(|| live)))
    }

    /// Ends the shard for everyone who uses it, and keeps its log from being opened.
    pub(crate) fn finish(&self, end: impl FnOnce() -> End) {
        let mut gone = self.gone.lock();
        *gone = true;
        if let Some(live) = self.live.get() {
            live.signals.finish(end());
        }
    }

    /// What the shard took in; nothing while nobody has used it.
    pub(crate) fn take_load(&self) -> ShardLoad {
        let taken = self.live.get().map(|live| live.load.take());
        let taken = taken.unwrap_or_default();
        ShardLoad {
            id: self.id,
            range: self.range,
            bytes: taken.bytes,
            records: taken.records,
            sample: taken.sample,
        }
    }

    pub(crate) fn describe(&self) -> ShardDescription {
        let closed = self.closed.get();
        ShardDescription {
            id: self.id,
            range: self.range,
            parents: self.parents.clone(),
            children: closed
                .map(|closed| closed.children.iter().map(|child| child.id).collect())
                .unwrap_or_default(),
            state: if closed.is_none() {
                ShardState::Open
            } else {
                ShardState::Closed
            },
            created: self.created,
            closed: closed.map(|closed| closed.time),
            closed_at: closed.map(|closed| closed.at),
            watermarks: self.live.get().map(|live| live.watermarks()),
        }
    }
}
