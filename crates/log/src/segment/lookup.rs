//! Reading a segment: from a position or a time to a range of the map.
//!
//! The index leads to a block, walking the block leads to the entry. Blocks of a segment that this
//! process neither wrote nor scanned are verified, entry by entry, the first time a read touches them.
//! Of a block with a damaged entry, the entries before it are still served.

use std::sync::Arc;

use afflux_entry::{HEADER_LEN, Header};
use afflux_types::{Position, ServerTime};

use super::{Index, Segment, to_usize};
use crate::error::{Damage, Fault, StoreError};
use crate::format::{Block, Summary};
use crate::index::{SealedIndex, block_before, block_before_arrival, block_below};
use crate::map::Map;
use crate::scan::{Expected, header_at};
use crate::slice::Slice;

/// An entry's place in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    offset: usize,
    position: Position,
}

impl Segment {
    /// Whole entries from the one that contains `from`, up to `bytes_max` bytes but at least up to
    /// the first entry that takes a position; `None` if the segment has no such entry.
    ///
    /// The slice ends with an entry that takes a position, so that reading on at its end neither
    /// repeats nor skips the entries that take none.
    pub(crate) fn slice(
        self: &Arc<Self>,
        from: Position,
        bytes_max: usize,
    ) -> Result<Option<Slice>, StoreError> {
        let Some(view) = self.view(self.published.get())? else {
            return Ok(None);
        };
        match self.slice_of(&view, from, bytes_max) {
            Err(StoreError::Damage(damage)) => {
                let whole = View {
                    end: to_usize(damage.offset),
                    ..view
                };
                match self.slice_of(&whole, from, bytes_max) {
                    Ok(Some(slice)) => Ok(Some(slice)),
                    _ => Err(damage.into()),
                }
            }
            result => result,
        }
    }

    fn slice_of(
        self: &Arc<Self>,
        view: &View,
        from: Position,
        bytes_max: usize,
    ) -> Result<Option<Slice>, StoreError> {
        let block = self.blocks(|blocks| block_before(blocks, from))?;
        let found = self.seek(view, block, |header, position| {
            position >= from || header.end() > from
        })?;
        let Some(start) = found else {
            return Ok(None);
        };
        let Some(cut) = self.cut(view, start, bytes_max)? else {
            return Ok(None);
        };
        let bytes = view.map.slice(start.offset..cut.offset);
        Ok(bytes.map(|bytes| Slice {
            bytes,
            first: start.position,
            end: cut.position,
        }))
    }

    /// The entries that take no position at the segment's end, if it is sealed.
    pub(crate) fn trailing(self: &Arc<Self>) -> Result<bytes::Bytes, StoreError> {
        let summary = self.loaded_summary()?;
        let (start, end) = (to_usize(summary.counted_end), to_usize(summary.data_len));
        if start >= end {
            return Ok(bytes::Bytes::new());
        }
        let Some(view) = self.view(end)? else {
            return Ok(bytes::Bytes::new());
        };
        self.ensure_verified(&view, start, end)?;
        Ok(view.map.slice(start..end).unwrap_or_default())
    }

    /// The position of the first entry that arrived at or after `arrival`; `None` if all arrived
    /// before.
    pub(crate) fn position_at(
        self: &Arc<Self>,
        arrival: ServerTime,
    ) -> Result<Option<Position>, StoreError> {
        let Some(view) = self.view(self.published.get())? else {
            return Ok(None);
        };
        let block = self.blocks(|blocks| block_before_arrival(blocks, arrival))?;
        let found = self.seek(&view, block, |header, _| {
            header.stamp.is_some_and(|stamp| stamp.arrival >= arrival)
        })?;
        Ok(found.map(|place| place.position))
    }

    /// The summary of the whole segment; loads the index if need be.
    pub(crate) fn loaded_summary(self: &Arc<Self>) -> Result<Summary, StoreError> {
        loop {
            if let Some(summary) = self.summary() {
                return Ok(summary);
            }
            self.load()?;
        }
    }

    /// The map, if there is anything to read below `end`.
    fn view(self: &Arc<Self>, end: usize) -> Result<Option<View>, StoreError> {
        // A sealed segment found on disk publishes its bytes when its index is loaded.
        let end = if self.is_sealed() {
            self.loaded_summary()?;
            end.max(self.published.get())
        } else {
            end
        };
        if end <= crate::format::SEGMENT_HEADER_LEN {
            return Ok(None);
        }
        let map = self.map()?;
        Ok(Some(View { map, end }))
    }

    /// Runs `look` on the index's blocks.
    fn blocks<R>(self: &Arc<Self>, look: impl Fn(&[Block]) -> R) -> Result<R, StoreError> {
        loop {
            match &*self.index.read() {
                Index::Growing(index) => return Ok(look(index.blocks())),
                Index::Sealed(index) => return Ok(look(&index.blocks)),
                Index::Unloaded => {}
            }
            self.load()?;
        }
    }

    /// The first entry from the start of block number `block` on that `wanted` accepts.
    fn seek(
        self: &Arc<Self>,
        view: &View,
        mut block: usize,
        wanted: impl Fn(&Header, Position) -> bool,
    ) -> Result<Option<Place>, StoreError> {
        loop {
            let place = |blocks: &[Block]| {
                let offset = |i: usize| blocks.get(i).map(|block| to_usize(block.offset));
                offset(block).map(|start| (start, offset(block + 1)))
            };
            let Some((mut offset, next)) = self.blocks(place)? else {
                return Ok(None);
            };
            let limit = next.map_or(view.end, |next| next.min(view.end));
            self.ensure_verified(view, offset, limit)?;
            while offset < limit {
                let (header, end) = self.entry(view, offset)?;
                let position = position_of(&header);
                if wanted(&header, position) {
                    return Ok(Some(Place { offset, position }));
                }
                offset = end;
            }
            if next.is_none_or(|next| next >= view.end) {
                return Ok(None);
            }
            block += 1;
        }
    }

    /// The end of the last entry that takes a position and ends within `bytes_max` bytes of `start`;
    /// the end of the first such entry if none does; `None` if there is none below the view's end.
    fn cut(
        self: &Arc<Self>,
        view: &View,
        start: Place,
        bytes_max: usize,
    ) -> Result<Option<Place>, StoreError> {
        let target = start.offset.saturating_add(bytes_max).min(view.end);
        self.ensure_verified(view, start.offset, target)?;
        let mut block = self.blocks(|blocks| block_below(blocks, target as u64))?;
        loop {
            let block_start =
                self.blocks(|blocks| blocks.get(block).map(|block| to_usize(block.offset)))?;
            let from = block_start.map_or(start.offset, |offset| offset.max(start.offset));
            if let Some(cut) = self.last_counted(view, from, target)? {
                return Ok(Some(cut));
            }
            if from == start.offset {
                break;
            }
            block = block.saturating_sub(1);
        }
        let mut offset = start.offset;
        while offset < view.end {
            self.ensure_verified(view, offset, offset + 1)?;
            let (header, end) = self.entry(view, offset)?;
            if header.record_count > 0 {
                return Ok(Some(Place {
                    offset: end,
                    position: header.end(),
                }));
            }
            offset = end;
        }
        Ok(None)
    }

    /// The end of the last entry from `offset` on that takes a position and ends by `target`.
    fn last_counted(
        &self,
        view: &View,
        mut offset: usize,
        target: usize,
    ) -> Result<Option<Place>, StoreError> {
        let mut cut = None;
        while offset + HEADER_LEN <= target {
            let (header, end) = self.entry(view, offset)?;
            if end > target {
                break;
            }
            if header.record_count > 0 {
                cut = Some(Place {
                    offset: end,
                    position: header.end(),
                });
            }
            offset = end;
        }
        Ok(cut)
    }

    /// The entry at `offset` and its end.
    fn entry(&self, view: &View, offset: usize) -> Result<(Header, usize), StoreError> {
        let bytes = view.map.get(0..view.end).unwrap_or_default();
        Ok(header_at(bytes, offset).map_err(|fault| self.damage(offset, fault))?)
    }

    /// Verifies the blocks that overlap `start..end`, unless that has been done.
    fn ensure_verified(
        self: &Arc<Self>,
        view: &View,
        start: usize,
        end: usize,
    ) -> Result<(), StoreError> {
        let index = match &*self.index.read() {
            Index::Sealed(index) => Arc::clone(index),
            Index::Growing(_) | Index::Unloaded => return Ok(()),
        };
        let first = block_below(&index.blocks, start as u64 + 1);
        for block in first..index.blocks.len() {
            if index.blocks[block].offset >= end as u64 && block > first {
                break;
            }
            if !index.is_verified(block) && self.verify_block(view, &index, block)? {
                index.set_verified(block);
            }
        }
        Ok(())
    }

    /// Verifies the entries of block `i` below the view's end; whether those are all of the block.
    fn verify_block(&self, view: &View, index: &SealedIndex, i: usize) -> Result<bool, Damage> {
        let block = index.blocks[i];
        let (limit, after) = index
            .blocks
            .get(i + 1)
            .map_or((index.summary.data_len, index.summary.end), |next| {
                (next.offset, next.position)
            });
        let limit = to_usize(limit);
        let bytes = view.map.get(0..limit).unwrap_or_default();
        let end = limit.min(view.end);
        let mut expected = Expected {
            position: block.position,
            arrival: block.arrival,
        };
        let mut offset = to_usize(block.offset);
        while offset < end {
            let at = offset;
            offset = header_at(bytes, at)
                .and_then(|(header, end)| {
                    expected.accept(&header)?;
                    let body = bytes.get(at + HEADER_LEN..end).unwrap_or_default();
                    header.verify(&[body])?;
                    Ok(end)
                })
                .map_err(|fault| self.damage(at, fault))?;
        }
        if end < limit {
            return Ok(false);
        }
        if expected.position != after {
            let fault = Fault::Position {
                expected: after,
                found: expected.position,
            };
            return Err(self.damage(offset, fault));
        }
        Ok(true)
    }

    pub(super) fn damage(&self, offset: usize, fault: Fault) -> Damage {
        Damage {
            key: self.identity.key,
            ordinal: self.identity.ordinal,
            offset: offset as u64,
            fault,
        }
    }
}

/// A segment's map and the end of what may be read of it.
struct View {
    map: Arc<Map>,
    end: usize,
}

fn position_of(header: &Header) -> Position {
    header.stamp.map_or(Position::ZERO, |stamp| stamp.position)
}
