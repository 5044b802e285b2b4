//! Collects a fragment's bytes as they arrive, without a copy where the pieces are worth it.

use bytes::{Bytes, BytesMut};

/// Pieces below this are joined, so that a client that sends single bytes cannot make a fragment cost
/// many times its size in bookkeeping.
const PIECE_BYTES_MIN: usize = 512;
/// Joined pieces are kept together up to this size.
const JOINED_BYTES: usize = 16 << 10;

/// The bytes of a fragment so far.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    whole: Vec<Bytes>,
    joined: BytesMut,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() >= PIECE_BYTES_MIN {
            self.pass_joined();
            self.whole.push(piece);
            return;
        }
        self.joined.extend_from_slice(&piece);
        if self.joined.len() >= JOINED_BYTES {
            self.pass_joined();
        }
    }

    /// All pieces in order; the collection is empty afterwards.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.pass_joined();
        std::mem::take(&mut self.whole)
    }

    fn pass_joined(&mut self) {
        if !self.joined.is_empty() {
            self.whole.push(std::mem::take(&mut self.joined).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_in_order_and_small_ones_are_joined() {
        let mut pieces = Pieces::default();
        let mut expected = Vec::new();
        for (len, byte) in [(1, 1), (2, 2), (600, 3), (1, 4), (0, 5), (511, 6), (512, 7)] {
            pieces.push(Bytes::from(vec![byte; len]));
            expected.extend(vec![byte; len]);
        }
        let taken = pieces.take();
        assert_eq!(taken.concat(), expected);
        assert_eq!(taken.len(), 4);
        assert!(pieces.take().is_empty());
    }

    #[test]
    fn single_bytes_cost_few_pieces() {
        let mut pieces = Pieces::default();
        for _ in 0..100_000 {
            pieces.push(Bytes::from_static(b"x"));
        }
        assert_eq!(pieces.take().len(), 100_000_usize.div_ceil(JOINED_BYTES));
    }
}
