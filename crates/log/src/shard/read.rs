//! Reading a shard: which segment, and what changes at the seam between two.

use std::sync::Arc;

use afflux_types::{Position, ServerTime};
use bytes::{Bytes, BytesMut};

use super::Shard;
use crate::error::StoreError;
use crate::segment::Segment;
use crate::{ReadError, SegmentInfo, Slice};

impl Shard {
    pub(super) fn read(&self, from: Position, bytes_max: usize) -> Result<Slice, ReadError> {
        let durable = self.marks.durable();
        if from > durable {
            return Err(ReadError::Beyond { durable });
        }
        let horizon = self.marks.trim_horizon();
        if from < horizon {
            return Err(ReadError::Trimmed { horizon });
        }
        if from == durable {
            return Ok(Slice::empty(from));
        }
        self.read_durable(from, bytes_max).map_err(|error| {
            // Retention may have removed the segment meanwhile.
            let horizon = self.marks.trim_horizon();
            if from < horizon {
                ReadError::Trimmed { horizon }
            } else {
                error.into()
            }
        })
    }

    fn read_durable(&self, from: Position, bytes_max: usize) -> Result<Slice, StoreError> {
        let (segment, before) = self.segment_of(from);
        let Some(segment) = segment else {
            return Ok(Slice::empty(from));
        };
        let lead = if from == segment.first() {
            trailing(&before)?
        } else {
            Vec::new()
        };
        if lead.is_empty() {
            return Ok(segment
                .slice(from, bytes_max)?
                .unwrap_or_else(|| Slice::empty(from)));
        }
        // The entries without a position at the end of the segment before belong to the entry that
        // follows them: that one is copied, once for every reader that crosses the seam.
        let Some(slice) = segment.slice(from, 1)? else {
            return Ok(Slice::empty(from));
        };
        let len = lead.iter().map(Bytes::len).sum::<usize>() + slice.bytes.len();
        let mut bytes = BytesMut::with_capacity(len);
        for piece in lead.iter().chain([&slice.bytes]) {
            bytes.extend_from_slice(piece);
        }
        Ok(Slice {
            bytes: bytes.freeze(),
            ..slice
        })
    }

    /// The segment that holds `from`, and those right before it that may end with entries which
    /// belong to `from`, in order.
    fn segment_of(&self, from: Position) -> (Option<Arc<Segment>>, Vec<Arc<Segment>>) {
        let segments = self.segments.read();
        let after = segments.partition_point(|segment| segment.first() <= from);
        let Some(i) = after.checked_sub(1) else {
            return (None, Vec::new());
        };
        let mut before = Vec::new();
        if segments[i].first() == from {
            for j in (0..i).rev() {
                before.push(Arc::clone(&segments[j]));
                if segments[j].first() < from {
                    break;
                }
            }
            before.reverse();
        }
        (Some(Arc::clone(&segments[i])), before)
    }

    pub(super) fn position_at(&self, arrival: ServerTime) -> Result<Position, ReadError> {
        let horizon = self.marks.trim_horizon();
        let segment = {
            let segments = self.segments.read();
            let after = segments.partition_point(|segment| segment.created() < arrival);
            match after.checked_sub(1) {
                None => return Ok(horizon.min(self.marks.durable())),
                Some(i) => (Arc::clone(&segments[i]), segments.get(i + 1).cloned()),
            }
        };
        let (segment, next) = segment;
        let found = segment.position_at(arrival)?;
        let position =
            found.unwrap_or_else(|| next.map_or_else(|| self.marks.durable(), |next| next.first()));
        Ok(position.max(horizon).min(self.marks.durable()))
    }

    pub(super) fn infos(&self) -> Vec<SegmentInfo> {
        let segments: Vec<_> = self.segments.read().iter().cloned().collect();
        let durable = self.marks.durable();
        segments
            .iter()
            .map(|segment| segment.info(durable.max(segment.first())))
            .collect()
    }
}

/// The entries without a position at the ends of `segments`.
fn trailing(segments: &[Arc<Segment>]) -> Result<Vec<Bytes>, StoreError> {
    let mut pieces = Vec::new();
    for segment in segments {
        let piece = segment.trailing()?;
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    Ok(pieces)
}
