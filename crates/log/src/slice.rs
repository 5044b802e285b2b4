//! What reading and appending hand back.

use afflux_types::{Position, ServerTime};
use bytes::Bytes;

/// Whole stamped entries, one after the other, as they stand in the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The entries, without a copy; holding them keeps their segment mapped.
    pub bytes: Bytes,
    /// The position of the first entry, which may lie below the one that was asked for.
    pub first: Position,
    /// The position after the last entry: where to read on.
    pub end: Position,
}

impl Slice {
    /// Nothing to read at `position`.
    pub(crate) fn empty(position: Position) -> Self {
        Self {
            bytes: Bytes::new(),
            first: position,
            end: position,
        }
    }

    /// Whether there is nothing to read yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Where an accepted entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of its first record.
    pub position: Position,
    /// The position after its last record.
    pub end: Position,
    /// When it arrived, never before the previous entry.
    pub arrival: ServerTime,
    /// The entry's number since this log was opened, from 1. It is durable when
    /// [`Watermarks::durable_serial`](crate::Watermarks::durable_serial) has reached it, which also
    /// holds for entries that take no position.
    pub serial: u64,
    /// Whether it is the first entry of a segment.
    pub started_segment: bool,
}

/// One segment, for listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The segment's number within its shard, from zero.
    pub ordinal: u64,
    /// The position of its first record.
    pub first: Position,
    /// The position after its last durable record.
    pub end: Position,
    /// Bytes of durable entries and of the segment's header.
    pub bytes: u64,
    /// Bytes of disk reserved.
    pub reserved: u64,
    /// Arrival of the first and of the last entry; `None` if it is empty or its index cannot be read.
    pub arrival: Option<(ServerTime, ServerTime)>,
    /// Whether it is immutable.
    pub sealed: bool,
}
