//! What waits to become objects: one part for each group of records, in memory, then in the spool.
//!
//! A batch ends as a whole: when its oldest record has waited for long enough, when an object of a
//! delivery that does not partition is complete, or when it has grown beyond its bounds. So its end is
//! one place in each shard, which one intent can hold; a group that fills several objects in the
//! meantime has several. While a batch is published the next one goes on to fill, so that a delivery that
//! is behind makes the disk's and the store's waits for many objects at once.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use afflux_transform::{Compression, ErrorOutput, PartitionKeys};
use afflux_types::ServerTime;
use bytes::Bytes;

use super::output::Output;
use super::spool::{PartFile, Spool, Written};
use super::video::KEY_FRAME_WAIT;
use crate::fault::Result;

/// Groups beyond which a batch ends; AWS calls them active partitions.
const GROUPS_MAX: usize = 500;
/// Objects that are complete, at most, before a batch ends.
const FULL_MAX: usize = 64;
/// Bytes that a batch has at most before it ends.
const BYTES_MAX: u64 = 1 << 30;

/// Bytes of video that are taken into memory before it is looked how much there is.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes that a batch may hold whatever the others do.
const HELD_MIN: usize = 64 << 10;

/// Memory that all batches of a server share.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    used: AtomicUsize,
    max: usize,
}

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Cells {
            used: AtomicUsize::new(0),
            max,
        }))
    }

    /// Bytes that are held now.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether a batch that holds so many bytes is to move some to the disk. What others hold is theirs to
    /// move: one that holds next to nothing would only write single records.
    fn is_short(&self, held: usize) -> bool {
        self.0.used.load(Ordering::Relaxed) > self.0.max && held >= HELD_MIN.min(self.0.max / 4)
    }
}

/// Which objects a record goes into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// Those of what came out of the processors, of this partition.
    Output(String),
    /// Those of records that failed in this way.
    Failed(ErrorOutput),
    /// Those of what came from the source.
    Backup,
    /// Those of fragments.
    Video,
}

/// When a batch ends and its objects are complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of an object of the output, and of those that failed.
    pub(crate) object_bytes: u64,
    /// Records of an object of the output.
    pub(crate) object_records: u32,
    /// Bytes of an object of the backup.
    pub(crate) backup_bytes: u64,
    /// How long the oldest record waits.
    pub(crate) wait: Duration,
    /// Whether the output is partitioned.
    pub(crate) partitioned: bool,
}

/// Records that are delivered together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    bounds: Bounds,
    memory: Memory,
    growing: BTreeMap<Group, Part>,
    full: Vec<(Group, Part)>,
    parts: u32,
    bytes: u64,
    /// Of these, in memory.
    held: usize,
    /// By the clock's elapsed time.
    opened: Option<Duration>,
    /// Since when it may end: the one before is published. By the same clock.
    is_next: Duration,
    pub(crate) newest: Option<ServerTime>,
}

/// One object to be.
#[derive(Debug)]
pub(crate) struct Part {
    index: u32,
    pub(crate) oldest: ServerTime,
    /// Those that its name tells.
    pub(crate) keys: PartitionKeys,
    pub(crate) bytes: u64,
    pub(crate) records: u32,
    file: Option<PartFile>,
    buffer: Held,
}

/// Bytes in memory, which go back to the server's with them.
#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    memory: Memory,
}

impl Held {
    fn extend(&mut self, piece: &[u8]) {
        let before = self.bytes.capacity();
        self.bytes.extend_from_slice(piece);
        self.memory.take(self.bytes.capacity() - before);
    }

    fn release(&mut self) {
        self.memory.give(self.bytes.capacity());
        self.bytes = Vec::new();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

impl Batch {
    pub(crate) fn new(number: u64, bounds: Bounds, memory: Memory) -> Self {
        Self {
            number,
            bounds,
            memory,
            growing: BTreeMap::new(),
            full: Vec::new(),
            parts: 0,
            bytes: 0,
            held: 0,
            opened: None,
            is_next: Duration::ZERO,
            newest: None,
        }
    }

    /// Notes that records that arrived at `arrival` are being taken: the batch begins to wait.
    pub(crate) fn open(&mut self, arrival: ServerTime, now: Duration) {
        self.opened.get_or_insert(now);
        self.newest = self.newest.max(Some(arrival));
    }

    /// Puts a record behind those of its group.
    pub(crate) fn push(
        &mut self,
        spool: &Spool,
        group: Group,
        arrival: ServerTime,
        keys: &PartitionKeys,
        data: &[u8],
    ) -> Result<()> {
        let object_bytes = match group {
            Group::Backup => self.bounds.backup_bytes,
            Group::Output(_) | Group::Failed(_) => self.bounds.object_bytes,
            // Whose objects end where a key frame follows: see `end_video`.
            Group::Video => u64::MAX,
        };
        let (bytes, records) = self.grow(&group, arrival, keys, data);
        let is_complete = bytes >= object_bytes || records >= self.bounds.object_records;
        if is_complete && let Some(full) = self.growing.remove_entry(&group) {
            self.full.push(full);
        }
        if self.memory.is_short(self.held) {
            self.spill(spool)?;
        }
        Ok(())
    }

    /// Puts video behind what its object has; gives what tells that from the others of the batch.
    pub(crate) fn push_video(
        &mut self,
        spool: &Spool,
        arrival: ServerTime,
        pieces: &[Bytes],
    ) -> Result<u32> {
        let no_keys = PartitionKeys::default();
        for piece in pieces.iter().flat_map(|piece| piece.chunks(PIECE_BYTES)) {
            self.push(spool, Group::Video, arrival, &no_keys, piece)?;
        }
        Ok(self.growing.get(&Group::Video).map_or(0, Part::index))
    }

    /// Ends the object of video that grows.
    pub(crate) fn end_video(&mut self) {
        let part = self.growing.remove(&Group::Video);
        self.full.extend(part.map(|part| (Group::Video, part)));
    }

    /// Puts a record behind those of its group, whatever has room; gives their bytes and their number.
    fn grow(
        &mut self,
        group: &Group,
        arrival: ServerTime,
        keys: &PartitionKeys,
        data: &[u8],
    ) -> (u64, u32) {
        let part = match self.growing.get_mut(group) {
            Some(part) => part,
            None => {
                self.parts += 1;
                let part = Part::new(self.parts, arrival, keys.clone(), self.memory.clone());
                self.growing.entry(group.clone()).or_insert(part)
            }
        };
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        part.oldest = part.oldest.min(arrival);
        part.bytes = part.bytes.saturating_add(len);
        part.records = part.records.saturating_add(1);
        part.buffer.extend(data);
        self.bytes = self.bytes.saturating_add(len);
        self.held += data.len();
        (part.bytes, part.records)
    }

    /// Moves the larger half of what is in memory to the disk: a few long writes, not many short ones.
    fn spill(&mut self, spool: &Spool) -> Result<()> {
        let growing = self.growing.values_mut();
        let full = self.full.iter_mut().map(|(_, part)| part);
        let mut parts: Vec<&mut Part> = growing.chain(full).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.buffer.bytes.len()));
        let mut left = parts
            .iter()
            .map(|part| part.buffer.bytes.len())
            .sum::<usize>()
            / 2;
        for part in parts {
            let held = part.buffer.bytes.len();
            if held == 0 {
                break;
            }
            let (number, index) = (self.number, part.index);
            let file = part.file.get_or_insert_with(|| spool.part(number, index));
            spool.append(file, &part.buffer.bytes)?;
            part.buffer.release();
            self.held = self.held.saturating_sub(held);
            left = left.saturating_sub(held);
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Notes that the batch before is published.
    pub(crate) fn begin_next(&mut self, now: Duration) {
        self.is_next = now;
    }

    /// When the batch ends if nothing ends it before, by the clock's elapsed time; none if it is empty.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let due = self.due()?;
        if !self.has_video() {
            return Some(due);
        }
        // Video waits a little longer, for the key frame that its next object is to begin with; also when the
        // batch is late because of the one before.
        let more = KEY_FRAME_WAIT.min(self.bounds.wait);
        Some(due.max(self.is_next).saturating_add(more))
    }

    fn due(&self) -> Option<Duration> {
        let opened = self.opened?;
        Some(opened.saturating_add(self.bounds.wait))
    }

    /// Whether the batch is to end, as soon as the one before is published.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        let is_late = self.deadline().is_some_and(|deadline| deadline <= now);
        let mut full = self.full.iter();
        let has_full = full.any(|(group, _)| *group != Group::Video);
        is_late || self.is_full() || (!self.bounds.partitioned && has_full)
    }

    /// Whether the batch, which holds video, is to end before a key frame that follows, if it may end.
    pub(crate) fn ends_before_key_frame(&self, now: Duration) -> bool {
        let is_late = self.due().is_some_and(|due| due <= now);
        self.has_video() && (is_late || self.has_enough())
    }

    /// Whether the batch must not take more: with what a destination that is slow or down leaves waiting,
    /// the log goes on alone. Video goes on to the end of its object.
    pub(crate) fn is_full(&self) -> bool {
        self.has_enough() && !self.has_video()
    }

    /// Whether the batch has grown to its bounds.
    pub(crate) fn has_enough(&self) -> bool {
        self.full.len() >= FULL_MAX || self.growing.len() > GROUPS_MAX || self.bytes >= BYTES_MAX
    }

    fn has_video(&self) -> bool {
        self.growing.contains_key(&Group::Video)
    }

    /// Whether nothing was taken yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.opened.is_none()
    }

    /// Bytes that wait, before compression.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many objects it has so far.
    pub(crate) fn parts(&self) -> u32 {
        self.parts
    }

    /// Whether records came out of the processors.
    pub(crate) fn has_output(&self) -> bool {
        let full = self.full.iter().map(|(group, _)| group);
        let mut groups = full.chain(self.growing.keys());
        groups.any(|group| matches!(group, Group::Output(_)))
    }

    /// Everything, each group's objects in their order. What is put into the batch later is apart from it.
    pub(crate) fn take_parts(&mut self) -> Vec<(Group, Part)> {
        let mut parts = std::mem::take(&mut self.full);
        parts.extend(std::mem::take(&mut self.growing));
        self.held = 0;
        parts
    }
}

impl Part {
    fn new(index: u32, oldest: ServerTime, keys: PartitionKeys, memory: Memory) -> Self {
        let bytes = Vec::new();
        Self {
            index,
            oldest,
            keys,
            bytes: 0,
            records: 0,
            file: None,
            buffer: Held { bytes, memory },
        }
    }

    /// Writes the object into the spool.
    pub(crate) fn write(
        self,
        spool: &Spool,
        batch: u64,
        form: (Compression, [u8; 16]),
    ) -> Result<Written> {
        let from = (self.file.as_ref(), &self.buffer.bytes[..]);
        spool.object((batch, self.index), form, from)
    }

    /// As [`write`](Self::write), with what `make` makes of the part's bytes.
    pub(crate) fn make(
        self,
        spool: &Spool,
        batch: u64,
        make: impl FnOnce(&mut dyn Read, Output) -> io::Result<Output>,
    ) -> Result<Written> {
        let from = (self.file.as_ref(), &self.buffer.bytes[..]);
        spool.make((batch, self.index), from, make)
    }

    /// What tells the object from all others of the batch.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fs::FileSystem as _;
    use crate::fs::sim::SimFs;

    const DATA: &str = "/data";

    fn spool() -> (SimFs, Spool) {
        let fs = SimFs::new(Path::new(DATA));
        let spool = Spool::new(Arc::new(fs.clone()), Path::new(DATA), 1);
        spool.open(Path::new(DATA), 0).unwrap();
        (fs, spool)
    }

    fn batch(memory: &Memory, partitioned: bool) -> Batch {
        let bounds = Bounds {
            object_bytes: 1_000,
            object_records: u32::MAX,
            backup_bytes: 1_000,
            wait: Duration::from_secs(10),
            partitioned,
        };
        let mut batch = Batch::new(1, bounds, memory.clone());
        batch.open(ServerTime::from_millis(0), Duration::ZERO);
        batch
    }

    fn push(batch: &mut Batch, spool: &Spool, partition: usize, bytes: usize) {
        let group = Group::Output(partition.to_string());
        let (arrival, keys) = (ServerTime::from_millis(0), PartitionKeys::default());
        let data = vec![b'x'; bytes];
        batch.push(spool, group, arrival, &keys, &data).unwrap();
    }

    #[test]
    fn five_hundred_partitions_are_active_and_one_more_ends_the_batch() {
        let ((_, spool), memory) = (spool(), Memory::new(1 << 20));
        let mut batch = batch(&memory, true);
        for partition in 0..500 {
            push(&mut batch, &spool, partition, 1);
        }
        assert!(!batch.is_due(Duration::ZERO));
        push(&mut batch, &spool, 500, 1);
        assert!(batch.is_due(Duration::ZERO) && batch.is_full());
        assert_eq!(batch.take_parts().len(), 501);
    }

    #[test]
    fn a_full_object_ends_a_batch_without_partitions_and_none_with() {
        let ((_, spool), memory) = (spool(), Memory::new(1 << 20));
        for partitioned in [false, true] {
            let mut batch = batch(&memory, partitioned);
            push(&mut batch, &spool, 0, 999);
            assert!(!batch.is_due(Duration::ZERO));
            push(&mut batch, &spool, 0, 1);
            assert_eq!(batch.is_due(Duration::ZERO), !partitioned);
            assert!(!batch.is_full());
            assert!(batch.is_due(Duration::from_secs(10)));
        }
    }

    #[test]
    fn what_has_no_room_in_memory_goes_to_the_disk_and_the_memory_comes_back() {
        let ((fs, spool), memory) = (spool(), Memory::new(10_000));
        let mut batch = batch(&memory, true);
        for round in 0..40 {
            push(&mut batch, &spool, round % 40, 900);
            assert!(memory.0.used.load(Ordering::Relaxed) <= 11_000);
        }
        let parts = fs.list(&spool.path("")).unwrap();
        assert!(parts.iter().any(|(name, _)| name.ends_with(".part")));
        drop(batch);
        assert_eq!(memory.0.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_batch_that_holds_little_is_not_made_to_write_for_the_others() {
        let ((fs, spool), memory) = (spool(), Memory::new(1 << 20));
        memory.take(2 << 20);
        let mut batch = batch(&memory, true);
        push(&mut batch, &spool, 0, 900);
        assert_eq!(fs.list(&spool.path("")).unwrap(), []);
        memory.give(2 << 20);
    }
}
