//! The sparse index of a segment: grown entry by entry, or loaded for a sealed segment.
//!
//! A block starts at an entry and holds the entries up to the next block's start. Blocks are short
//! enough that walking one costs a few microseconds.

use std::sync::atomic::{AtomicU64, Ordering};

use afflux_entry::Header;
use afflux_types::{Position, ServerTime};

use crate::format::{Activation, Block, SEGMENT_HEADER_LEN, Summary};

/// A block ends when it holds this many bytes or
const BLOCK_BYTES: u64 = 64 << 10;
/// this many entries: walking them costs about four microseconds.
const BLOCK_ENTRIES: u32 = 128;

/// The index of a segment while entries are added.
#[derive(Clone, Debug)]
pub(crate) struct IndexBuilder {
    blocks: Vec<Block>,
    block_entries: u32,
    summary: Summary,
}

impl IndexBuilder {
    pub(crate) fn new(first: Position) -> Self {
        Self {
            blocks: Vec::new(),
            block_entries: 0,
            summary: Summary {
                data_len: SEGMENT_HEADER_LEN as u64,
                counted_end: SEGMENT_HEADER_LEN as u64,
                first,
                end: first,
                entries: 0,
                arrival: None,
                producer: None,
            },
        }
    }

    /// Adds the stamped entry that follows the last one.
    pub(crate) fn push(&mut self, header: &Header) {
        let Some(stamp) = header.stamp else { return };
        let offset = self.summary.data_len;
        let full = self.block_entries >= BLOCK_ENTRIES
            || self
                .blocks
                .last()
                .is_none_or(|block| offset - block.offset >= BLOCK_BYTES);
        if full {
            self.blocks.push(Block {
                offset,
                position: stamp.position,
                arrival: stamp.arrival,
            });
            self.block_entries = 0;
        }
        self.block_entries += 1;
        let summary = &mut self.summary;
        summary.data_len += header.entry_len() as u64;
        summary.end = header.end();
        summary.entries += 1;
        if header.record_count > 0 {
            summary.counted_end = summary.data_len;
        }
        let min = summary.arrival.map_or(stamp.arrival, |(min, _)| min);
        summary.arrival = Some((min, stamp.arrival));
        if let Some(time) = header.producer_time {
            let time = time.as_millis();
            let (min, max) = summary.producer.unwrap_or((time, time));
            summary.producer = Some((min.min(time), max.max(time)));
        }
    }

    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

/// The index of a sealed segment.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    pub(crate) summary: Summary,
    pub(crate) blocks: Vec<Block>,
    /// One bit per block whose bytes have been verified; `None` if this process wrote or verified
    /// all of them.
    verified: Option<Box<[AtomicU64]>>,
}

impl SealedIndex {
    pub(crate) fn trusted(summary: Summary, blocks: Vec<Block>) -> Self {
        Self {
            summary,
            blocks,
            verified: None,
        }
    }

    pub(crate) fn unverified(summary: Summary, blocks: Vec<Block>) -> Self {
        let words = blocks.len().div_ceil(64);
        Self {
            summary,
            blocks,
            verified: Some((0..words).map(|_| AtomicU64::new(0)).collect()),
        }
    }

    /// Whether the block's bytes may be served without looking at their checksums.
    pub(crate) fn is_verified(&self, block: usize) -> bool {
        self.verified.as_ref().is_none_or(|words| {
            words
                .get(block / 64)
                .is_some_and(|word| word.load(Ordering::Acquire) >> (block % 64) & 1 == 1)
        })
    }

    pub(crate) fn set_verified(&self, block: usize) {
        if let Some(word) = self
            .verified
            .as_ref()
            .and_then(|words| words.get(block / 64))
        {
            word.fetch_or(1 << (block % 64), Ordering::AcqRel);
        }
    }
}

/// The last block that starts before `from`, or the first one: where an entry that contains `from`,
/// or a first one at `from`, can start.
pub(crate) fn block_before(blocks: &[Block], from: Position) -> usize {
    blocks
        .partition_point(|block| block.position < from)
        .saturating_sub(1)
}

/// The last block whose first entry arrived before `arrival`, or the first one.
pub(crate) fn block_before_arrival(blocks: &[Block], arrival: ServerTime) -> usize {
    blocks
        .partition_point(|block| block.arrival < arrival)
        .saturating_sub(1)
}

/// The last block that starts below `offset`, or the first one.
pub(crate) fn block_below(blocks: &[Block], offset: u64) -> usize {
    blocks
        .partition_point(|block| block.offset < offset)
        .saturating_sub(1)
}

/// The floor from which a segment's arrivals may not fall.
pub(crate) fn arrival_floor(activation: &Activation, summary: &Summary) -> ServerTime {
    summary
        .arrival
        .map_or(activation.arrival_floor, |(_, max)| max)
}

#[cfg(test)]
mod tests {
    use afflux_entry::{Kind, Stamp};
    use afflux_types::ProducerTime;

    use super::*;

    fn entry(position: u64, count: u32, len: usize, producer: i64) -> Header {
        let kind = if count == 0 { Kind::Init } else { Kind::Batch };
        let time = Some(ProducerTime::from_millis(producer));
        let mut header = Header::for_body(kind, count, None, time, &[vec![0; len]]);
        header.stamp = Some(Stamp {
            position: Position::new(position),
            arrival: ServerTime::from_millis(100 + i64::try_from(position).unwrap()),
            unsynced: 0,
        });
        header
    }

    #[test]
    fn blocks_are_bounded_by_bytes_and_by_entries() {
        let mut index = IndexBuilder::new(Position::ZERO);
        for position in 0..300 {
            index.push(&entry(position, 1, 1, 0));
        }
        let starts: Vec<u64> = index.blocks().iter().map(|b| b.position.get()).collect();
        assert_eq!(starts, [0, 128, 256]);
        for position in 300..303 {
            index.push(&entry(position, 1, 70_000, 0));
        }
        let starts: Vec<u64> = index.blocks().iter().map(|b| b.position.get()).collect();
        assert_eq!(starts, [0, 128, 256, 301, 302]);
    }

    #[test]
    fn summary_covers_every_entry() {
        let mut index = IndexBuilder::new(Position::new(7));
        index.push(&entry(7, 2, 10, -5));
        index.push(&entry(9, 1, 10, 3));
        index.push(&entry(10, 0, 10, 99));
        let summary = index.summary();
        assert_eq!(summary.end, Position::new(10));
        assert_eq!(summary.entries, 3);
        assert_eq!(summary.data_len, 128 + 3 * 82);
        assert_eq!(summary.counted_end, 128 + 2 * 82);
        assert_eq!(summary.producer, Some((-5, 99)));
        let (min, max) = summary.arrival.unwrap();
        assert_eq!((min.as_millis(), max.as_millis()), (107, 110));
    }

    #[test]
    fn lookups_find_the_block_where_the_walk_starts() {
        let mut index = IndexBuilder::new(Position::ZERO);
        for position in 0..300 {
            index.push(&entry(position, 1, 1, 0));
        }
        let blocks = index.blocks();
        for (from, block) in [
            (0, 0),
            (1, 0),
            (128, 0),
            (129, 1),
            (256, 1),
            (299, 2),
            (900, 2),
        ] {
            assert_eq!(block_before(blocks, Position::new(from)), block, "{from}");
            let arrival = ServerTime::from_millis(100 + i64::try_from(from).unwrap());
            assert_eq!(block_before_arrival(blocks, arrival), block, "{from}");
        }
        assert_eq!(block_below(blocks, 0), 0);
        assert_eq!(block_below(blocks, blocks[1].offset), 0);
        assert_eq!(block_below(blocks, blocks[1].offset + 1), 1);
    }

    #[test]
    fn verified_blocks_are_remembered_one_by_one() {
        let mut index = IndexBuilder::new(Position::ZERO);
        for position in 0..128 * 70 {
            index.push(&entry(position, 1, 1, 0));
        }
        let sealed = SealedIndex::unverified(*index.summary(), index.blocks().to_vec());
        sealed.set_verified(65);
        assert!(sealed.is_verified(65));
        assert!(!sealed.is_verified(64) && !sealed.is_verified(1) && !sealed.is_verified(9_999));
        assert!(SealedIndex::trusted(*index.summary(), Vec::new()).is_verified(3));
    }
}
