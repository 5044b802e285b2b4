//! Who brings the media of a stream: one connection at a time.
//!
//! The newest is refused, as in the service, unless the one before has said that its last fragment has
//! ended: producers that change over to a new connection open it before the old one's last
//! acknowledgement is read. The AWS SDK for C opens it even before the old one's last fragment ends, so
//! that it may wait for its seat.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afflux_types::StreamName;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The seats of all streams; a cheap handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats(Arc<Mutex<BTreeMap<StreamName, Arc<Sitter>>>>);

#[derive(Debug, Default)]
struct Sitter {
    /// Nothing of a fragment is open.
    is_quiet: AtomicBool,
    is_lost: AtomicBool,
    /// Rung when it becomes quiet or leaves.
    gives_way: Notify,
}

/// The right to bring a stream's media; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    stream: StreamName,
    sitter: Arc<Sitter>,
}

impl Seats {
    /// Takes the seat of a stream once it is free or its sitter is quiet, if that is within `patience`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn wait(&self, stream: &StreamName, patience: Duration) -> Option<Seat> {
        let taken = async {
            loop {
                let before = match self.take(stream) {
                    Ok(seat) => return seat,
                    Err(before) => before,
                };
                let mut gives_way = pin!(before.gives_way.notified());
                gives_way.as_mut().enable();
                // It may have given way before anybody listened.
                match self.take(stream) {
                    Ok(seat) => return seat,
                    Err(sitter) if Arc::ptr_eq(&sitter, &before) => gives_way.await,
                    Err(_) => {}
                }
            }
        };
        timeout(patience, taken).await.ok()
    }

    /// Takes the seat of a stream if it is free or its sitter is quiet; who sits there otherwise.
    fn take(&self, stream: &StreamName) -> Result<Seat, Arc<Sitter>> {
        let mut seats = self.0.lock();
        if let Some(before) = seats.get(stream) {
            if !before.is_quiet.load(Ordering::Acquire) {
                return Err(Arc::clone(before));
            }
            before.is_lost.store(true, Ordering::Release);
        }
        let sitter = Arc::new(Sitter::default());
        seats.insert(stream.clone(), Arc::clone(&sitter));
        Ok(Seat {
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
        if is_quiet {
            self.sitter.gives_way.notify_waiters();
        }
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
        self.sitter.gives_way.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn the_newest_is_refused_until_the_one_before_leaves_or_is_quiet() {
        let seats = Seats::default();
        let stream = StreamName::new("camera").unwrap();
        let other = StreamName::new("other").unwrap();
        let first = seats.wait(&stream, NOW).await.unwrap();
        assert!(seats.wait(&stream, LONG).await.is_none());
        assert!(seats.wait(&other, NOW).await.is_some());
        first.set_quiet(true);
        let second = seats.wait(&stream, NOW).await.unwrap();
        assert!(first.is_lost() && !second.is_lost());
        drop(first);
        assert!(
            seats.wait(&stream, NOW).await.is_none(),
            "the second sits there"
        );
        drop(second);
        assert!(seats.wait(&stream, NOW).await.is_some());
        assert!(seats.0.lock().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_of_those_who_wait_gets_the_seat_when_its_sitter_gives_way() {
        let seats = Seats::default();
        let stream = StreamName::new("camera").unwrap();
        let mut sitting = seats.wait(&stream, NOW).await.unwrap();
        let (got, mut next) = tokio::sync::mpsc::channel(4);
        for _ in 0..4 {
            let (seats, stream, got) = (seats.clone(), stream.clone(), got.clone());
            tokio::spawn(async move {
                let seat = seats.wait(&stream, LONG).await;
                assert!(got.send(seat.unwrap()).await.is_ok());
            });
        }
        for is_quiet in [true, false, true, false] {
            if is_quiet {
                sitting.set_quiet(true);
            } else {
                drop(sitting);
            }
            sitting = next.recv().await.unwrap();
            assert!(!sitting.is_lost());
            assert!(next.try_recv().is_err(), "there is one seat");
        }
    }
}
