//! The input of a push parser: what was pushed and has not been read, in pieces.
//!
//! Its bound is the caller's: poll the parser until it wants more, then push.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::rope::length;

/// Bytes that wait to be parsed.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// None is empty.
    pieces: VecDeque<Bytes>,
    position: u64,
}

impl Input {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// Offset in the whole input of the next byte to read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// What the next bytes are, as many as lie in one piece; none are read.
    pub(crate) fn peek(&self) -> Option<&[u8]> {
        self.pieces.front().map(|front| &front[..])
    }

    /// Reads the next bytes: at least one, at most `count`, and no more than lie in one piece.
    pub(crate) fn take(&mut self, count: u64) -> Option<Bytes> {
        let front = self.pieces.front_mut()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let piece = if count < front.len() {
            front.split_to(count)
        } else {
            self.pieces.pop_front()?
        };
        self.position += length(&piece);
        Some(piece)
    }

    /// Reads past `count` bytes; returns how many of them have not been pushed yet.
    pub(crate) fn skip(&mut self, mut count: u64) -> u64 {
        while count > 0
            && let Some(piece) = self.take(count)
        {
            count -= length(&piece);
        }
        count
    }

    /// Throws away what has not been read.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
    }
}
