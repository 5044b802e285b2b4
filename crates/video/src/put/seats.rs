//! Who brings the media of a stream: one connection at a time.
//!
//! The newest is refused, as in the service, unless the one before has said that its last fragment has
//! ended: producers that change over to a new connection open it before the old one's last
//! acknowledgement is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use afflux_types::StreamName;
use parking_lot::Mutex;

/// The seats of all streams; a cheap handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats(Arc<Mutex<BTreeMap<StreamName, Arc<Sitter>>>>);

#[derive(Debug, Default)]
struct Sitter {
    /// Nothing of a fragment is open.
    is_quiet: AtomicBool,
    is_lost: AtomicBool,
}

/// The right to bring a stream's media; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    stream: StreamName,
    sitter: Arc<Sitter>,
}

impl Seats {
    /// Takes the seat of a stream, if it is free or its sitter is quiet.
    pub(super) fn take(&self, stream: &StreamName) -> Option<Seat> {
        let mut seats = self.0.lock();
        if let Some(before) = seats.get(stream) {
            if !before.is_quiet.load(Ordering::Acquire) {
                return None;
            }
            before.is_lost.store(true, Ordering::Release);
        }
        let sitter = Arc::new(Sitter::default());
        seats.insert(stream.clone(), Arc::clone(&sitter));
        Some(Seat {
            seats: self.clone(),
            stream: stream.clone(),
            sitter,
        })
    }
}

impl Seat {
    /// Says whether the connection is between two fragments.
    pub(super) fn set_quiet(&self, is_quiet: bool) {
        self.sitter.is_quiet.store(is_quiet, Ordering::Release);
    }

    /// Whether another connection has taken over.
    pub(super) fn is_lost(&self) -> bool {
        self.sitter.is_lost.load(Ordering::Acquire)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.0.lock();
        let is_mine = |sitter: &Arc<Sitter>| Arc::ptr_eq(sitter, &self.sitter);
        if seats.get(&self.stream).is_some_and(is_mine) {
            seats.remove(&self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_refused_until_the_one_before_leaves_or_is_quiet() {
        let seats = Seats::default();
        let stream = StreamName::new("camera").unwrap();
        let first = seats.take(&stream).unwrap();
        assert!(seats.take(&stream).is_none());
        assert!(seats.take(&StreamName::new("other").unwrap()).is_some());
        first.set_quiet(true);
        let second = seats.take(&stream).unwrap();
        assert!(first.is_lost() && !second.is_lost());
        drop(first);
        assert!(seats.take(&stream).is_none(), "the second sits there");
        drop(second);
        assert!(seats.take(&stream).is_some());
        assert!(seats.0.lock().is_empty());
    }
}
