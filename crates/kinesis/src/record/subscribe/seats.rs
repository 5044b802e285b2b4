//! Who is subscribed: one reader for each consumer and shard.
//!
//! A reader that has held its seat for five seconds loses it to whoever comes; before, it keeps it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afflux_types::{ConsumerName, ServerTime, ShardId};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How long a seat is safe.
const SAFE: Duration = Duration::from_secs(5);

/// A consumer and a shard. Stream and consumer are told apart from others that had their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) stream: u64,
    pub(super) consumer: ConsumerName,
    pub(super) registered: ServerTime,
    pub(super) shard: ShardId,
}

/// Every seat that is taken.
#[derive(Debug, Default)]
pub(crate) struct Seats(Arc<Mutex<BTreeMap<Place, Holder>>>);

#[derive(Debug)]
struct Holder {
    since: Duration,
    lost: Arc<Lost>,
}

/// Tells a reader that somebody has taken its seat.
#[derive(Debug, Default)]
struct Lost {
    is_lost: AtomicBool,
    notify: Notify,
}

/// A seat; dropping it leaves it.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Mutex<BTreeMap<Place, Holder>>>,
    place: Place,
    lost: Arc<Lost>,
}

/// Somebody has the seat, and not for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occupied;

impl Seats {
    /// Takes a seat at the time `now`.
    pub(super) fn take(&self, place: Place, now: Duration) -> Result<Seat, Occupied> {
        let lost = Arc::new(Lost::default());
        let holder = Holder {
            since: now,
            lost: Arc::clone(&lost),
        };
        let mut seats = self.0.lock();
        match seats.entry(place.clone()) {
            Entry::Occupied(held) if now.saturating_sub(held.get().since) < SAFE => {
                return Err(Occupied);
            }
            Entry::Occupied(mut held) => held.insert(holder).lost.set(),
            Entry::Vacant(free) => {
                free.insert(holder);
            }
        }
        Ok(Seat {
            seats: Arc::clone(&self.0),
            place,
            lost,
        })
    }
}

impl Seat {
    /// Waits until somebody takes the seat. Cancel safe.
    pub(super) async fn lost(&self) {
        while !self.is_lost() {
            self.lost.notify.notified().await;
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_lost.load(Ordering::Acquire)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock();
        let is_ours = |held: &Holder| Arc::ptr_eq(&held.lost, &self.lost);
        if seats.get(&self.place).is_some_and(is_ours) {
            seats.remove(&self.place);
        }
    }
}

impl Lost {
    fn set(&self) {
        self.is_lost.store(true, Ordering::Release);
        // Keeps a permit for a reader that is not waiting now.
        self.notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(shard: u32) -> Place {
        Place {
            stream: 1,
            consumer: ConsumerName::new("c").unwrap(),
            registered: ServerTime::from_millis(0),
            shard: ShardId::new(shard),
        }
    }

    #[tokio::test]
    async fn a_seat_is_safe_for_five_seconds_and_then_taken() {
        let seats = Seats::default();
        let first = seats.take(place(0), Duration::from_secs(1)).unwrap();
        let early = seats.take(place(0), Duration::from_millis(5_999));
        assert_eq!(early.unwrap_err(), Occupied);
        assert!(!first.is_lost());
        let second = seats.take(place(0), Duration::from_secs(6)).unwrap();
        first.lost().await;
        assert!(!second.is_lost());
        // Who has lost a seat does not leave it for the other.
        drop(first);
        let early = seats.take(place(0), Duration::from_secs(6));
        assert_eq!(early.unwrap_err(), Occupied);
        let _other_shard = seats.take(place(1), Duration::from_secs(6)).unwrap();
        drop(second);
        let _at_once = seats.take(place(0), Duration::from_secs(6)).unwrap();
    }
}
