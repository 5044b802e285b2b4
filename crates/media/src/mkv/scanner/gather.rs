//! The content of one element as it arrives in pieces.

use std::mem;

use bytes::{Bytes, BytesMut};

/// Pieces of an element below this size are copied.
const SLIVER_BYTES: usize = 256;

/// The content of an element as it arrives. Slivers are put together, so that an input in tiny
/// pieces does not take many times its own size.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pieces: Vec<Bytes>,
    slivers: BytesMut,
}

impl Gather {
    pub(super) fn push(&mut self, piece: Bytes, is_last: bool) {
        let is_whole = is_last && self.pieces.is_empty() && self.slivers.is_empty();
        if piece.len() < SLIVER_BYTES && !is_whole {
            self.slivers.extend_from_slice(&piece);
            return;
        }
        self.flush();
        self.pieces.push(piece);
    }

    fn flush(&mut self) {
        if !self.slivers.is_empty() {
            self.pieces.push(mem::take(&mut self.slivers).freeze());
        }
    }

    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.flush();
        self.pieces
    }
}
