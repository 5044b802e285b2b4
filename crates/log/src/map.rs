//! Mapped segments: the only module with `unsafe`.
//!
//! A [`Map`] owns a read-only mapping of a whole segment and shares a [`Published`] length with the
//! segment's writer, which writes through the file, not through the map: the page cache makes both
//! the same memory. Readers can only name ranges below the published length.
//!
//! # Invariants
//! - M1: bytes below `published` never change. The writer assigns every offset once, advances
//!   `published` only over bytes that it has written, and cuts or zeroes only above it.
//! - M2: nobody writes through the map: it is mapped read-only, and no `&mut` to it exists.
//! - M3: the file is at least as long as the mapping for as long as the mapping lives: its length is
//!   checked before mapping, files are unlinked or punched above `published`, never truncated, and
//!   the volume is locked by one process.
//! - M4: a read error of the disk arrives as SIGBUS and ends the process; recovery, which reads
//!   through the file, reports it at the next start.
//!
//! Bytes above `published` are written by the kernel while the map exists, so no reference to them
//! is ever made: the whole mapping is held as a raw pointer, and references are made for published
//! ranges only.
#![allow(
    unsafe_code,
    reason = "zero-copy reads need slices of a mapping, whose stability the compiler cannot see"
)]

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};

use crate::fs::LogFile;
use crate::stats::{Counters, add, sub};

/// How many bytes of a segment may be read. Only grows.
#[derive(Debug, Default)]
pub(crate) struct Published(AtomicUsize);

impl Published {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// Lets readers see bytes below `to`. The caller has written them and will not change them (M1).
    pub(crate) fn advance(&self, to: usize) {
        self.0.fetch_max(to, Ordering::AcqRel);
    }
}

/// A read-only mapping of one segment.
pub(crate) struct Map {
    memory: Memory,
    published: Arc<Published>,
    counters: Arc<Counters>,
    /// Set once the file has no name any more: its space returns when the map goes.
    unlinked: AtomicBool,
}

enum Memory {
    File(MmapRaw),
    /// A twin on the heap: Miri does not know mapped files.
    #[cfg(test)]
    Heap(Box<[u8]>),
}

impl Map {
    /// Maps the first `len` bytes of `file`.
    ///
    /// # Errors
    /// If the file is shorter, or as the operating system reports them.
    pub(crate) fn new(
        file: &dyn LogFile,
        len: usize,
        published: Arc<Published>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let found = file.len()?;
        if found < len as u64 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("file has {found} bytes; {len} are to be mapped"),
            ));
        }
        let raw = MmapOptions::new()
            .len(len)
            .map_raw_read_only(file.descriptor().as_raw_fd())?;
        add(&counters.maps, 1);
        Ok(Self {
            memory: Memory::File(raw),
            published,
            counters,
            unlinked: AtomicBool::new(false),
        })
    }

    /// Counts the map as pinned from now on: its file has been deleted.
    pub(crate) fn unlink(&self) {
        if !self.unlinked.swap(true, Ordering::AcqRel) {
            add(&self.counters.pinned_bytes, self.len() as u64);
        }
    }

    /// The published bytes in `range`, or `None` if it reaches beyond them.
    pub(crate) fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.published.get().min(self.len()) {
            return None;
        }
        // SAFETY: `range.start <= self.len()` as checked above, so the sum stays within one
        // allocation: the mapping, which lives as long as `self` (M3).
        let start = unsafe { self.pointer().add(range.start) };
        // SAFETY: the range lies within the mapping (checked above, M3), is initialized memory of the
        // page cache, and is below `published`, so that nobody changes it (M1, M2). The lifetime is
        // that of `&self`, which owns the mapping.
        Some(unsafe { std::slice::from_raw_parts(start, range.len()) })
    }

    /// The published bytes in `range` as a value that keeps the map alive.
    pub(crate) fn slice(self: &Arc<Self>, range: Range<usize>) -> Option<Bytes> {
        self.get(range.clone())?;
        Some(Bytes::from_owner(MapSlice {
            map: Arc::clone(self),
            range,
        }))
    }

    fn len(&self) -> usize {
        match &self.memory {
            Memory::File(raw) => raw.len(),
            #[cfg(test)]
            Memory::Heap(bytes) => bytes.len(),
        }
    }

    fn pointer(&self) -> *const u8 {
        match &self.memory {
            Memory::File(raw) => raw.as_ptr(),
            #[cfg(test)]
            Memory::Heap(bytes) => bytes.as_ptr(),
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        sub(&self.counters.maps, 1);
        if *self.unlinked.get_mut() {
            sub(&self.counters.pinned_bytes, self.len() as u64);
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({} of {} bytes)", self.published.get(), self.len())
    }
}

/// A range of a map that was published when it was made.
struct MapSlice {
    map: Arc<Map>,
    range: Range<usize>,
}

impl AsRef<[u8]> for MapSlice {
    fn as_ref(&self) -> &[u8] {
        self.map
            .get(self.range.clone())
            .expect("what is published stays published")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Disk, FileSystem, OpenMode, write_all_at};

    fn heap(bytes: &[u8], published: Arc<Published>) -> Arc<Map> {
        let counters = Arc::<Counters>::default();
        add(&counters.maps, 1);
        Arc::new(Map {
            memory: Memory::Heap(bytes.into()),
            published,
            counters,
            unlinked: AtomicBool::new(false),
        })
    }

    fn file(bytes: &[u8], published: Arc<Published>) -> Arc<Map> {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk
            .open(&dir.path().join("f"), OpenMode::CreateNew)
            .unwrap();
        write_all_at(&*file, [bytes], 0).unwrap();
        Arc::new(Map::new(&*file, bytes.len(), published, Arc::default()).unwrap())
    }

    fn ranges_below_the_published_length_are_the_only_ones(
        map: impl Fn(&[u8], Arc<Published>) -> Arc<Map>,
    ) {
        let published = Arc::new(Published::new(3));
        let map = map(b"abcdef", Arc::clone(&published));
        assert_eq!(map.slice(1..3).unwrap(), "bc");
        assert_eq!(map.slice(1..4), None);
        assert_eq!(map.get(0..0), Some(&b""[..]));
        published.advance(5);
        published.advance(4);
        let kept = map.slice(2..5).unwrap();
        assert_eq!(map.slice(2..6), None);
        published.advance(9);
        assert_eq!(map.slice(2..7), None, "beyond the map");
        let counters = Arc::clone(&map.counters);
        map.unlink();
        map.unlink();
        drop(map);
        assert_eq!(counters.snapshot().pinned_bytes, 6);
        assert_eq!(kept, "cde");
        drop(kept);
        assert_eq!(counters.snapshot().pinned_bytes, 0);
        assert_eq!(counters.snapshot().maps, 0);
    }

    #[test]
    fn heap_twin_shows_published_ranges_only() {
        ranges_below_the_published_length_are_the_only_ones(heap);
    }

    #[test]
    #[cfg(not(miri))]
    fn mapped_file_shows_published_ranges_only() {
        ranges_below_the_published_length_are_the_only_ones(file);
    }

    #[test]
    #[cfg(not(miri))]
    fn a_file_shorter_than_the_map_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk
            .open(&dir.path().join("f"), OpenMode::CreateNew)
            .unwrap();
        assert!(Map::new(&*file, 4_096, Arc::default(), Arc::default()).is_err());
    }

    #[test]
    fn readers_see_what_a_publisher_wrote_before() {
        let published = Arc::new(Published::new(0));
        let map = heap(&[7; 64], Arc::clone(&published));
        let reader = std::thread::Builder::new()
            .spawn(move || {
                loop {
                    if let Some(bytes) = map.get(0..64) {
                        return bytes.iter().all(|&b| b == 7);
                    }
                    std::hint::spin_loop();
                }
            })
            .unwrap();
        published.advance(64);
        assert!(reader.join().unwrap());
    }
}
