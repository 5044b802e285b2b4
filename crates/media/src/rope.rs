//! Bytes in pieces: finds and slices ranges without joining the pieces.

use bytes::{Bytes, BytesMut};

/// A sequence of pieces that is addressed like one buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rope {
    pieces: Vec<Bytes>,
    /// Where each piece ends; as long as `pieces`, strictly increasing.
    ends: Vec<u64>,
}

impl Rope {
    pub(crate) fn new(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        let mut end = 0;
        let ends = pieces
            .iter()
            .map(|piece| {
                end += length(piece);
                end
            })
            .collect();
        Self { pieces, ends }
    }

    /// Bytes in all pieces.
    pub(crate) fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Appends slices of the range `start..end` to `out`; the range is cut at the end of the rope.
    pub(crate) fn slice(&self, start: u64, end: u64, out: &mut Vec<Bytes>) {
        let first = self.ends.partition_point(|piece_end| *piece_end <= start);
        let pieces = self.pieces.iter().zip(&self.ends).skip(first);
        for (piece, piece_end) in pieces {
            let piece_start = piece_end - length(piece);
            if piece_start >= end {
                return;
            }
            let from = index(start.saturating_sub(piece_start)).min(piece.len());
            let to = index(end - piece_start).min(piece.len());
            if from < to {
                out.push(piece.slice(from..to));
            }
        }
    }

    /// The range `start..end` in one piece: a slice if it lies in one, else a copy. The caller
    /// bounds the range.
    pub(crate) fn contiguous(&self, start: u64, end: u64) -> Bytes {
        let mut slices = Vec::new();
        self.slice(start, end, &mut slices);
        match slices.as_slice() {
            [single] => single.clone(),
            _ => {
                let mut joined =
                    BytesMut::with_capacity(slices.iter().map(Bytes::len).sum::<usize>());
                slices
                    .iter()
                    .for_each(|slice| joined.extend_from_slice(slice));
                joined.freeze()
            }
        }
    }
}

/// The length of a piece as the 64-bit number that sizes in a file are.
pub(crate) fn length(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

/// A place in memory; saturates on machines with small pointers, where no such memory exists.
fn index(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_range_equals_the_range_of_the_joined_pieces(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..8),
            start in 0_usize..30,
            count in 0_usize..30,
        ) {
            let joined: Vec<u8> = pieces.concat();
            let rope = Rope::new(pieces.into_iter().map(Bytes::from).collect());
            prop_assert_eq!(rope.len(), length(&joined));
            let found = rope.contiguous(length(&vec![0; start]), length(&vec![0; start + count]));
            let to = (start + count).min(joined.len());
            prop_assert_eq!(&found[..], &joined[start.min(to)..to]);
        }
    }
}
