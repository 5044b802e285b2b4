//! Which part of a shard is surely in memory.
//!
//! What was appended a moment ago is in the page cache; what lies further back may have to come from
//! the disk, and a read of it through the map would stall the thread that touches it. The boundary is
//! kept from the writing side, where the bytes are counted anyway: it trails the end by one to two
//! times [`HOT_BYTES`].

use std::sync::atomic::{AtomicU64, Ordering};

use afflux_types::Position;

/// Bytes of a shard that readers take as being in memory; up to twice that.
const HOT_BYTES: u64 = 32 << 20;

/// The boundary, for readers.
#[derive(Debug)]
pub(crate) struct Hot(AtomicU64);

impl Hot {
    /// A shard that was just opened: nothing before `end` is hot.
    pub(crate) fn new(end: Position) -> Self {
        Self(AtomicU64::new(end.get()))
    }

    /// Whether what stands at `position` and after it was appended lately.
    pub(crate) fn contains(&self, position: Position) -> bool {
        position.get() >= self.0.load(Ordering::Relaxed)
    }
}

/// The writing side of a [`Hot`].
#[derive(Debug)]
pub(crate) struct Heat {
    next: Position,
    bytes: u64,
}

impl Heat {
    pub(crate) fn new(end: Position) -> Self {
        Self {
            next: end,
            bytes: 0,
        }
    }

    /// Notes an entry and moves the boundary when enough has come.
    pub(crate) fn append(&mut self, hot: &Hot, position: Position, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= HOT_BYTES {
            hot.0.store(self.next.get(), Ordering::Relaxed);
            self.next = position;
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_trails_the_end() {
        let hot = Hot::new(Position::new(7));
        let mut heat = Heat::new(Position::new(7));
        assert!(!hot.contains(Position::new(6)) && hot.contains(Position::new(7)));
        heat.append(&hot, Position::new(10), HOT_BYTES);
        assert!(hot.contains(Position::new(7)));
        heat.append(&hot, Position::new(20), HOT_BYTES);
        assert!(!hot.contains(Position::new(9)) && hot.contains(Position::new(10)));
    }
}
