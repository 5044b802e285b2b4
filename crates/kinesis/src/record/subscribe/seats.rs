//! Who is subscribed: one reader for each consumer and shard.
//!
//! # Shape
//! A call that succeeds takes the seat for five seconds, also if its reader leaves before; then the
//! reader keeps it until it leaves or somebody comes. Calls that find the seat free come once a second.
//!
//! # Invariants
//! - Within five seconds of a call that succeeded every call is refused as in use, and not counted.
//! - A refused call changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afflux_types::{ConsumerName, ServerTime, ShardId};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How long a seat is safe.
const SAFE: Duration = Duration::from_secs(5);
/// How often a seat may be asked for.
const CALL_EVERY: Duration = Duration::from_secs(1);
/// Seats that are kept before those are looked for that nobody has an interest in.
const SEATS_MAX: usize = 4_096;

/// A consumer and a shard. Stream and consumer are told apart from others that had their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) stream: u64,
    pub(super) consumer: ConsumerName,
    pub(super) registered: ServerTime,
    pub(super) shard: ShardId,
}

/// Which rules hold beside that of one reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Those of the service.
    Strict,
    /// Calls come as often as they like, and who leaves takes nothing along.
    Lenient,
}

/// Every seat that is taken, or was of late.
#[derive(Debug, Default)]
pub(crate) struct Seats(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    held: BTreeMap<Place, Held>,
    /// How many there were after the last search for those that can go.
    kept: usize,
}

/// One seat.
#[derive(Debug, Default)]
struct Held {
    /// When the last call was counted.
    called: Option<Duration>,
    /// When the last call succeeded.
    since: Option<Duration>,
    reader: Option<Arc<Lost>>,
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
    table: Arc<Mutex<Table>>,
    place: Place,
    rules: Rules,
    lost: Arc<Lost>,
}

/// Why somebody may not sit down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Somebody has taken the seat, and not long ago.
    Occupied,
    /// There was a call within the last second.
    TooSoon,
}

impl Seats {
    /// Counts a call for a seat at the time `now`.
    pub(super) fn call(&self, place: &Place, rules: Rules, now: Duration) -> Result<(), Refused> {
        let mut table = self.0.lock();
        if let Some(held) = table.held.get(place) {
            held.check_safe(now)?;
            if rules == Rules::Strict && within(held.called, CALL_EVERY, now) {
                return Err(Refused::TooSoon);
            }
        }
        if rules == Rules::Strict {
            table.of(place, now).called = Some(now);
        }
        Ok(())
    }

    /// Takes a seat at the time `now`, from its reader if need be.
    pub(super) fn take(&self, place: Place, rules: Rules, now: Duration) -> Result<Seat, Refused> {
        let mut table = self.0.lock();
        if let Some(held) = table.held.get(&place) {
            held.check_safe(now)?;
        }
        let lost = Arc::new(Lost::default());
        let held = table.of(&place, now);
        held.since = Some(now);
        if let Some(before) = held.reader.replace(Arc::clone(&lost)) {
            before.set();
        }
        Ok(Seat {
            table: Arc::clone(&self.0),
            place,
            rules,
            lost,
        })
    }
}

impl Table {
    /// The seat of a place, which is made if need be.
    fn of(&mut self, place: &Place, now: Duration) -> &mut Held {
        // Twice as many as stayed the last time, so that a look at all of them is paid for by as many
        // calls.
        if self.held.len() >= SEATS_MAX.max(2 * self.kept) {
            self.held.retain(|_, held| held.is_needed(now));
            self.kept = self.held.len();
        }
        self.held.entry(place.clone()).or_default()
    }
}

impl Held {
    fn check_safe(&self, now: Duration) -> Result<(), Refused> {
        match within(self.since, SAFE, now) {
            true => Err(Refused::Occupied),
            false => Ok(()),
        }
    }

    fn is_needed(&self, now: Duration) -> bool {
        self.reader.is_some()
            || within(self.since, SAFE, now)
            || within(self.called, CALL_EVERY, now)
    }
}

/// Whether `then` was less than `span` ago.
fn within(then: Option<Duration>, span: Duration, now: Duration) -> bool {
    then.is_some_and(|then| now.saturating_sub(then) < span)
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
        let mut table = self.table.lock();
        let Some(held) = table.held.get_mut(&self.place) else {
            return;
        };
        let is_ours = |reader: &Arc<Lost>| Arc::ptr_eq(reader, &self.lost);
        if !held.reader.as_ref().is_some_and(is_ours) {
            return;
        }
        held.reader = None;
        if self.rules == Rules::Lenient {
            table.held.remove(&self.place);
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

    const MS: Duration = Duration::from_millis(1);

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
        for rules in [Rules::Strict, Rules::Lenient] {
            let seats = Seats::default();
            let take = |shard, now| seats.take(place(shard), rules, now);
            let first = take(0, 1_000 * MS).unwrap();
            let early = take(0, 5_999 * MS);
            assert_eq!(early.unwrap_err(), Refused::Occupied);
            assert!(!first.is_lost());
            let second = take(0, 6_000 * MS).unwrap();
            first.lost().await;
            assert!(!second.is_lost());
            // Who has lost a seat does not leave it for the other.
            drop(first);
            let early = take(0, 6_000 * MS);
            assert_eq!(early.unwrap_err(), Refused::Occupied);
            let _other_shard = take(1, 6_000 * MS).unwrap();
            drop(second);
            let at_once = take(0, 10_999 * MS);
            assert_eq!(at_once.is_err(), rules == Rules::Strict);
            drop(at_once);
            take(0, 16_000 * MS).unwrap();
        }
    }

    #[test]
    fn a_free_seat_is_asked_for_once_a_second_and_a_taken_one_at_will() {
        let seats = Seats::default();
        let call = |now| seats.call(&place(0), Rules::Strict, now);
        assert_eq!(call(1_000 * MS), Ok(()));
        assert_eq!(call(1_999 * MS), Err(Refused::TooSoon));
        assert_eq!(call(2_000 * MS), Ok(()));
        let _seat = seats.take(place(0), Rules::Strict, 2_000 * MS).unwrap();
        for now in [2_000 * MS, 6_999 * MS] {
            assert_eq!(call(now), Err(Refused::Occupied));
        }
        assert_eq!(call(7_000 * MS), Ok(()));
        for _ in 0..2 {
            assert_eq!(seats.call(&place(1), Rules::Lenient, MS), Ok(()));
        }
    }

    #[test]
    fn seats_that_nobody_needs_are_forgotten_and_readers_are_not() {
        let seats = Seats::default();
        let of = |number: usize| place(u32::try_from(number).unwrap());
        let take = |number, now| seats.take(of(number), Rules::Strict, now).unwrap();
        let readers: Vec<Seat> = (0..10).map(|number| take(number, MS)).collect();
        for number in 10..3 * SEATS_MAX {
            drop(take(number, MS * u32::try_from(number).unwrap()));
        }
        // In the last five seconds there were five thousand.
        assert!(seats.0.lock().held.len() <= 2 * 5_100);
        let now = Duration::from_secs(3_600);
        for (number, reader) in readers.iter().enumerate() {
            drop(take(number, now));
            assert!(reader.is_lost());
        }
    }
}
