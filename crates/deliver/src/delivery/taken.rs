//! Records between the log and the batch: read, taken apart, and not in the batch yet.
//!
//! They come in pieces that fit into memory, however much the entries of a slice hold when they are
//! decompressed, and a piece ends between two records of the log. So a batch can end before any piece, and
//! what of a piece waits for its transformer delays nothing that was taken before. Entries that are no
//! batches are taken one by one.

use afflux_entry::{Batch, Header, Kind};
use afflux_transform::{Failed, Origin, Record, Steps};
use afflux_types::{PartitionKey, Position, ServerTime, ShardId};
use bytes::Bytes;

use crate::entries::{Entry, unreadable};
use crate::fault::Result;

/// Records of one piece, at most, unless the last is taken apart into more.
const RECORDS_MAX: usize = 10_000;

/// What is left of a slice of a shard's log: whole stamped entries.
#[derive(Debug)]
pub(crate) struct Slice {
    shard: ShardId,
    rest: Bytes,
    /// What is left of an entry of which some records were taken.
    entry: Option<Entry>,
}

/// A piece of a slice.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) shard: ShardId,
    /// Where the shard goes on behind it.
    pub(crate) next: Position,
    /// Records that are gone from the log.
    pub(crate) missing: u64,
    /// Records of the log.
    pub(crate) count: usize,
    /// When the last one arrived.
    pub(crate) newest: Option<ServerTime>,
    /// As they came, if a backup wants them.
    pub(crate) originals: Vec<(ServerTime, Bytes)>,
    /// As they are now.
    pub(crate) records: Vec<Record>,
    pub(crate) failed: Vec<Failed>,
}

/// How slices are taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taking<'a> {
    pub(crate) steps: &'a Steps,
    /// Nothing from this position on is taken.
    pub(crate) end: Position,
    /// Payload of one piece, at most, unless its last record has more.
    pub(crate) bytes_max: usize,
    /// Whether records have partition keys that mean something.
    pub(crate) has_keys: bool,
    pub(crate) has_backup: bool,
}

impl Slice {
    pub(crate) fn new(shard: ShardId, entries: Bytes) -> Self {
        Self {
            shard,
            rest: entries,
            entry: None,
        }
    }

    pub(crate) fn shard(&self) -> ShardId {
        self.shard
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.entry.is_none()
    }

    /// Whether the next entry is a batch of records, or cannot be read.
    pub(crate) fn is_batch(&self) -> bool {
        let kind = match &self.entry {
            Some(entry) => Some(entry.header.kind),
            None => Header::decode(&self.rest).ok().map(|header| header.kind),
        };
        kind.is_none_or(|kind| kind == Kind::Batch)
    }

    /// Takes the next entry as a whole.
    pub(crate) fn take_entry(&mut self, next: Position) -> Result<Entry> {
        match self.entry.take() {
            Some(entry) => Ok(entry),
            None => Entry::take(&mut self.rest, self.shard, next),
        }
    }

    /// Lets the next entry be one that was taken.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        self.entry = Some(entry);
    }

    /// Lets go of what is left.
    pub(crate) fn clear(&mut self) {
        self.rest = Bytes::new();
        self.entry = None;
    }

    /// Takes the next piece, with the records from `next` on.
    pub(crate) fn take(&mut self, next: Position, taking: Taking<'_>) -> Result<Taken> {
        let mut taken = Taken {
            shard: self.shard,
            next,
            missing: 0,
            count: 0,
            newest: None,
            originals: Vec::new(),
            records: Vec::new(),
            failed: Vec::new(),
        };
        let mut left = taking.bytes_max;
        while !self.is_empty() && left > 0 && taken.next < taking.end {
            let mut entry = self.take_entry(taken.next)?;
            if !taken.take(&mut entry, taking, &mut left)? {
                self.entry = Some(entry);
            }
        }
        if taken.next >= taking.end {
            self.clear();
        }
        Ok(taken)
    }
}

impl Taken {
    /// Takes records of an entry while there is something left; false if the entry has more of them then.
    fn take(&mut self, entry: &mut Entry, taking: Taking<'_>, left: &mut usize) -> Result<bool> {
        let end = entry.header.end();
        if entry.header.kind != Kind::Batch || end <= self.next {
            self.next = self.next.max(end);
            return Ok(true);
        }
        let arrival = entry.stamp.arrival;
        let mut position = entry.stamp.position;
        let reached = position.min(taking.end);
        self.missing += reached.get().saturating_sub(self.next.get());
        self.next = self.next.max(reached);
        if reached == taking.end {
            return Ok(true);
        }
        self.newest = Some(arrival);
        let body = entry.body.clone();
        let mut records = Batch::new(&body, entry.header.record_count);
        loop {
            let rest = records.rest();
            let Some(record) = records.next() else { break };
            let shard = self.shard;
            let record = record.map_err(|error| unreadable(shard, position, &error))?;
            if position >= taking.end {
                return Ok(true);
            }
            if position >= self.next {
                if self.count > 0 && record.data.len() > *left {
                    *left = 0;
                }
                if *left == 0 {
                    entry.skip_to(position, rest);
                    return Ok(false);
                }
                let key = partition_key(record.partition_key);
                let key = key.map_err(|error| unreadable(shard, position, &error))?;
                let origin = Origin {
                    shard,
                    position,
                    sub_sequence: None,
                };
                let data = body.slice_ref(record.data);
                let key = taking.has_keys.then_some(key);
                let explicit_hash_key = record.explicit_hash_key.filter(|_| taking.has_keys);
                let record = Record {
                    explicit_hash_key,
                    ..Record::new(data, arrival, origin, key)
                };
                self.push(record, taking, left);
                self.next = position.advance(1);
            }
            position = position.advance(1);
        }
        self.next = end;
        Ok(true)
    }

    fn push(&mut self, record: Record, taking: Taking<'_>, left: &mut usize) {
        self.count += 1;
        if taking.has_backup {
            self.originals.push((record.arrival, record.data.clone()));
        }
        let before = self.records.len();
        taking
            .steps
            .before(record, &mut self.records, &mut self.failed);
        let new = self.records.iter().skip(before);
        *left = left.saturating_sub(new.map(|record| record.data.len()).sum());
        if self.count >= RECORDS_MAX || self.records.len() >= RECORDS_MAX {
            *left = 0;
        }
    }
}

fn partition_key(bytes: &[u8]) -> Result<PartitionKey, Box<dyn std::error::Error>> {
    Ok(PartitionKey::new(std::str::from_utf8(bytes)?)?)
}
