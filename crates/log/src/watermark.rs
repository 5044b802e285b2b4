//! A shard's published positions: one writer, any number of readers, no lock.
//!
//! `trim_horizon <= durable <= appended`, each only ever grows. A snapshot loads them in that order,
//! so that the relation also holds in it although the three are not read at one instant.

use std::sync::atomic::{AtomicU64, Ordering};

use afflux_types::Position;

/// How far a shard's log is trimmed, durable and appended.
///
/// `trim_horizon <= durable <= appended`; all ends are exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// The first position that can be read.
    pub trim_horizon: Position,
    /// Everything below survives, as the shard's durability promises, and can be read.
    pub durable: Position,
    /// Everything below has been accepted.
    pub appended: Position,
    /// Every entry whose [`Appended::serial`](crate::Appended::serial) is at most this is durable,
    /// also those that take no position.
    pub durable_serial: u64,
}

/// The shared cells behind [`Watermarks`].
#[derive(Debug)]
pub(crate) struct Marks {
    trim_horizon: AtomicU64,
    durable: AtomicU64,
    appended: AtomicU64,
    durable_serial: AtomicU64,
}

impl Marks {
    pub(crate) fn new(trim_horizon: Position, end: Position) -> Self {
        Self {
            trim_horizon: AtomicU64::new(trim_horizon.get()),
            durable: AtomicU64::new(end.get()),
            appended: AtomicU64::new(end.get()),
            durable_serial: AtomicU64::new(0),
        }
    }

    pub(crate) fn snapshot(&self) -> Watermarks {
        Watermarks {
            trim_horizon: self.trim_horizon(),
            durable_serial: self.durable_serial.load(Ordering::Acquire),
            durable: self.durable(),
            appended: Position::new(self.appended.load(Ordering::Acquire)),
        }
    }

    pub(crate) fn trim_horizon(&self) -> Position {
        Position::new(self.trim_horizon.load(Ordering::Acquire))
    }

    pub(crate) fn durable(&self) -> Position {
        Position::new(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn trim(&self, to: Position) {
        self.trim_horizon.fetch_max(to.get(), Ordering::AcqRel);
    }

    pub(crate) fn publish(&self, durable: Position, serial: u64) {
        self.durable.fetch_max(durable.get(), Ordering::AcqRel);
        self.durable_serial.fetch_max(serial, Ordering::AcqRel);
    }

    pub(crate) fn append(&self, to: Position) {
        self.appended.fetch_max(to.get(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_never_go_back() {
        let marks = Marks::new(Position::ZERO, Position::new(5));
        marks.append(Position::new(9));
        marks.publish(Position::new(8), 2);
        marks.publish(Position::new(7), 1);
        marks.trim(Position::new(3));
        marks.trim(Position::new(2));
        assert_eq!(
            marks.snapshot(),
            Watermarks {
                trim_horizon: Position::new(3),
                durable: Position::new(8),
                appended: Position::new(9),
                durable_serial: 2,
            }
        );
    }
}
