//! One file of one shard's log: prepared, active, sealed, removed.
//!
//! ```text
//! prepared --activate--> active --seal--> sealed --remove--> gone
//! ```
//!
//! A prepared segment has its disk reserved and its identity written. The first entry activates it:
//! the activation is written with that entry. A sealed segment never changes. Readers see bytes
//! below `published` only, in every state, also while the segment is being removed.
//!
//! The file is opened and mapped when that is first needed, so an idle segment holds neither.

mod lookup;
mod seal;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use afflux_entry::Header;
use afflux_types::{Position, ServerTime};
use parking_lot::{Mutex, RwLock};

use crate::error::{Context, FileError};
use crate::format::{Activation, Identity, SEGMENT_HEADER_LEN, Summary};
use crate::fs::{LogFile, OpenMode, write_all_at, write_zeros};
use crate::index::{IndexBuilder, SealedIndex};
use crate::key::{index_path, segment_path};
use crate::map::{Map, Published};
use crate::slice::SegmentInfo;
use crate::stats::{add, sub};
use crate::store::Store;

#[derive(Debug)]
pub(crate) struct Segment {
    store: Arc<Store>,
    dir: Arc<Path>,
    identity: Identity,
    activation: OnceLock<Activation>,
    /// Bytes that readers may see; all of them are durable as the shard's durability promises.
    published: Arc<Published>,
    /// Writes that have returned, and how many of them a sync has covered. Writes are counted, not
    /// their ends: the first bytes of a segment may be written after later ones.
    written: AtomicU64,
    synced: AtomicU64,
    /// Whether the file's name and identity survive a power cut.
    name_durable: AtomicBool,
    sealed: AtomicBool,
    /// Whether this process wrote or verified every byte.
    trusted: AtomicBool,
    /// Bytes of disk behind the file.
    reserved: AtomicU64,
    /// The generation of the last journal file that has a run for this segment.
    journal: AtomicU64,
    /// Where the segment after this one starts.
    next_first: OnceLock<Position>,
    file: Mutex<Slot>,
    map: RwLock<Option<Arc<Map>>>,
    index: RwLock<Index>,
}

/// The open file. Whoever makes or removes this segment's files holds its lock.
#[derive(Debug, Default)]
struct Slot {
    file: Option<Arc<dyn LogFile>>,
    removed: bool,
}

#[derive(Debug)]
enum Index {
    Growing(IndexBuilder),
    Sealed(Arc<SealedIndex>),
    /// On disk, or to be rebuilt. Only sealed segments.
    Unloaded,
}

/// How a segment is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// The disk is reserved; its blocks are first written by entries.
    Reserve,
    /// Zeros are written to all blocks, so that later syncs need no metadata.
    Zero,
}

impl Segment {
    /// Reserves the disk for a segment and writes its identity; nothing is synced.
    pub(crate) fn prepare(
        store: &Arc<Store>,
        dir: &Arc<Path>,
        identity: Identity,
        fill: Fill,
    ) -> Result<Arc<Self>, FileError> {
        let path = segment_path(dir, identity.ordinal);
        let file = match store.fs.open(&path, OpenMode::CreateNew) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                store.fs.remove_file(&path).context("remove", &path)?;
                store.fs.open(&path, OpenMode::CreateNew)
            }
            result => result,
        }
        .context("create", &path)?;
        let filled = file
            .reserve(identity.capacity)
            .context("reserve disk for", &path)
            .and_then(|()| match fill {
                Fill::Reserve => Ok(()),
                Fill::Zero => write_zeros(&*file, 0, identity.capacity).context("fill", &path),
            })
            .and_then(|()| {
                write_all_at(&*file, [&identity.encode()[..]], 0).context("write", &path)
            });
        if let Err(error) = filled {
            // The space must return, or a disk that is nearly full stays so.
            let _ = store.fs.remove_file(&path);
            return Err(error);
        }
        Ok(Arc::new(Self::new(store, dir, identity, None)))
    }

    /// A segment found on the disk that is not the last one.
    pub(crate) fn found_sealed(
        store: &Arc<Store>,
        dir: &Arc<Path>,
        identity: Identity,
        activation: Activation,
        next_first: Position,
    ) -> Arc<Self> {
        let segment = Self::new(store, dir, identity, Some(activation));
        segment.name_durable.store(true, Ordering::Release);
        segment.sealed.store(true, Ordering::Release);
        let _ = segment.next_first.set(next_first);
        *segment.index.write() = Index::Unloaded;
        Arc::new(segment)
    }

    /// The last segment on the disk, with the index that recovery made of its entries.
    pub(crate) fn found_active(
        store: &Arc<Store>,
        dir: &Arc<Path>,
        identity: Identity,
        activation: Activation,
        index: IndexBuilder,
    ) -> Arc<Self> {
        let segment = Self::new(store, dir, identity, Some(activation));
        segment.name_durable.store(true, Ordering::Release);
        segment.trusted.store(true, Ordering::Release);
        segment
            .published
            .advance(to_usize(index.summary().data_len));
        *segment.index.write() = Index::Growing(index);
        Arc::new(segment)
    }

    fn new(
        store: &Arc<Store>,
        dir: &Arc<Path>,
        identity: Identity,
        activation: Option<Activation>,
    ) -> Self {
        add(&store.counters.reserved_bytes, identity.capacity);
        let first = activation.map_or(Position::ZERO, |activation| activation.first);
        Self {
            store: Arc::clone(store),
            dir: Arc::clone(dir),
            identity,
            activation: activation.map_or_else(OnceLock::new, OnceLock::from),
            published: Arc::new(Published::new(0)),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            name_durable: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            trusted: AtomicBool::new(false),
            reserved: AtomicU64::new(identity.capacity),
            journal: AtomicU64::new(0),
            next_first: OnceLock::new(),
            file: Mutex::default(),
            map: RwLock::new(None),
            index: RwLock::new(Index::Growing(IndexBuilder::new(first))),
        }
    }

    /// Makes a prepared segment the active one.
    pub(crate) fn activate(&self, activation: Activation) {
        let first_time = self.activation.set(activation).is_ok();
        debug_assert!(first_time, "a segment is activated once");
        self.trusted.store(true, Ordering::Release);
        *self.index.write() = Index::Growing(IndexBuilder::new(activation.first));
    }

    /// Adds the next entry to the index of the active segment.
    pub(crate) fn push(&self, header: &Header) {
        if let Index::Growing(index) = &mut *self.index.write() {
            index.push(header);
        }
    }

    /// Writes bytes that no one has been shown yet.
    pub(crate) fn write<'a>(
        self: &Arc<Self>,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        offset: u64,
    ) -> Result<(), FileError> {
        let file = self.file()?;
        write_all_at(&*file, pieces, offset).context("write", &self.path())?;
        self.written.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Makes durable what has been written.
    pub(crate) fn sync(self: &Arc<Self>) -> Result<(), FileError> {
        let written = self.written();
        self.file()?.sync().context("sync", &self.path())?;
        self.settle(written);
        Ok(())
    }

    /// Writes that have returned so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Notes that the first `writes` writes need no sync any more.
    pub(crate) fn settle(&self, writes: u64) {
        self.synced.fetch_max(writes, Ordering::AcqRel);
    }

    /// Whether bytes have been written that no sync of this file has covered.
    pub(crate) fn is_dirty(&self) -> bool {
        self.written() > self.synced.load(Ordering::Acquire)
    }

    /// Notes that journal file `generation` has a run for this segment; whether that is its first.
    pub(crate) fn enter_journal(&self, generation: u64) -> bool {
        self.journal.swap(generation, Ordering::AcqRel) != generation
    }

    /// Whether the file's name survives a power cut.
    pub(crate) fn name_is_durable(&self) -> bool {
        self.name_durable.load(Ordering::Acquire)
    }

    pub(crate) fn set_name_durable(&self) {
        self.name_durable.store(true, Ordering::Release);
    }

    /// Lets readers see bytes below `to`.
    pub(crate) fn publish(&self, to: u64) {
        self.published.advance(to_usize(to));
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.get() as u64
    }

    /// Whether the segment has got its first entry.
    pub(crate) fn is_activated(&self) -> bool {
        self.activation.get().is_some()
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn ordinal(&self) -> u64 {
        self.identity.ordinal
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.identity.capacity
    }

    /// The position of the first record.
    pub(crate) fn first(&self) -> Position {
        self.activation
            .get()
            .map_or(Position::ZERO, |activation| activation.first)
    }

    /// When the first entry arrived.
    pub(crate) fn created(&self) -> ServerTime {
        self.activation
            .get()
            .map_or_else(ServerTime::default, |activation| activation.created)
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// Bytes of disk that the segment takes.
    pub(crate) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Acquire)
    }

    pub(crate) fn dir(&self) -> &Arc<Path> {
        &self.dir
    }

    pub(crate) fn path(&self) -> PathBuf {
        segment_path(&self.dir, self.ordinal())
    }

    /// The summary, if the index is at hand.
    pub(crate) fn summary(&self) -> Option<Summary> {
        match &*self.index.read() {
            Index::Growing(index) => Some(*index.summary()),
            Index::Sealed(index) => Some(index.summary),
            Index::Unloaded => None,
        }
    }

    /// What listings show; `durable_end` is the end of the active segment.
    pub(crate) fn info(self: &Arc<Self>, durable_end: Position) -> SegmentInfo {
        let summary = self.loaded_summary().ok();
        let end = self.next_first.get().copied().unwrap_or(durable_end);
        SegmentInfo {
            ordinal: self.ordinal(),
            first: self.first(),
            end,
            bytes: if self.is_sealed() {
                summary.map_or_else(|| self.reserved(), |summary| summary.data_len)
            } else {
                self.published().max(SEGMENT_HEADER_LEN as u64)
            },
            reserved: self.reserved(),
            arrival: summary.and_then(|summary| summary.arrival),
            sealed: self.is_sealed(),
        }
    }

    /// Notes where the segment after this one starts.
    pub(crate) fn set_next_first(&self, first: Position) {
        let _ = self.next_first.set(first);
    }

    /// Removes the file and its index; readers keep what they hold.
    pub(crate) fn remove(&self) -> Result<(), FileError> {
        let fs = &self.store.fs;
        let mut slot = self.file.lock();
        *slot = Slot {
            file: None,
            removed: true,
        };
        let index = index_path(&self.dir, self.ordinal());
        for path in [index, self.path()] {
            match fs.remove_file(&path).context("remove", &path) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        sub(
            &self.store.counters.reserved_bytes,
            self.reserved.swap(0, Ordering::AcqRel),
        );
        drop(slot);
        if let Some(map) = self.map.write().take() {
            map.unlink();
        }
        Ok(())
    }

    /// Closes the file if nothing in it waits for a sync; whether it is closed.
    pub(crate) fn close_idle(&self) -> bool {
        if self.is_dirty() {
            return false;
        }
        self.file.try_lock().is_some_and(|mut slot| {
            slot.file = None;
            true
        })
    }

    /// Drops the map, and the index if it is on disk; whether that was possible at once.
    pub(crate) fn unmap(&self) -> bool {
        let Some(mut map) = self.map.try_write() else {
            return false;
        };
        *map = None;
        if let Some(mut index) = self.index.try_write()
            && matches!(&*index, Index::Sealed(_))
        {
            *index = Index::Unloaded;
        }
        true
    }

    fn file(self: &Arc<Self>) -> Result<Arc<dyn LogFile>, FileError> {
        let opened = {
            let mut slot = self.file.lock();
            if let Some(file) = &slot.file {
                return Ok(Arc::clone(file));
            }
            let path = self.path();
            let mode = if self.is_sealed() {
                OpenMode::Read
            } else {
                OpenMode::Write
            };
            let file = self.store.fs.open(&path, mode).context("open", &path)?;
            slot.file = Some(Arc::clone(&file));
            file
        };
        self.store.opened(self);
        Ok(opened)
    }

    fn map(self: &Arc<Self>) -> Result<Arc<Map>, FileError> {
        if let Some(map) = &*self.map.read() {
            return Ok(Arc::clone(map));
        }
        let map = {
            let mut slot = self.map.write();
            if let Some(map) = &*slot {
                return Ok(Arc::clone(map));
            }
            let path = self.path();
            let file = self
                .store
                .fs
                .open(&path, OpenMode::Read)
                .context("open", &path)?;
            let map = Map::new(
                &*file,
                to_usize(self.capacity()),
                Arc::clone(&self.published),
                Arc::clone(&self.store.counters),
            )
            .context("map", &path)?;
            Arc::clone(slot.insert(Arc::new(map)))
        };
        self.store.mapped(self);
        Ok(map)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let reserved = *self.reserved.get_mut();
        sub(&self.store.counters.reserved_bytes, reserved);
    }
}

/// A file offset as an index into memory. The log runs on 64-bit machines only.
pub(crate) fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).expect("file offsets fit the address space of a 64-bit machine")
}
