//! Threads that help to write the objects of a batch: while one waits for the disk, another compresses.
//!
//! The thread that completes a batch writes its objects. Helpers take some of them off it, for as long as there are
//! objects, helpers, and room for what a helper has in memory. All delivery streams of a server share these, so that
//! they are bounded however many batches end at a time. Without helpers everything happens in the order of the objects.

use std::collections::{BTreeMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Builder, Scope, ScopedJoinHandle, available_parallelism, scope};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::room::{Reserved, Room};
use crate::fault::Result;

/// Threads that write the objects of a batch, at most; no more than there are cores.
const WRITERS_MAX: usize = 4;

/// The helpers of a server; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Helpers {
    idle: Arc<Semaphore>,
    room: Room,
}

impl Helpers {
    /// One for each core but that of the thread that is helped; what they have in memory is in `room`.
    pub(crate) fn new(room: Room) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::with(cores.min(WRITERS_MAX) - 1, room)
    }

    /// Nobody helps.
    pub(crate) fn none() -> Self {
        Self::with(0, Room::new(0))
    }

    fn with(count: usize, room: Room) -> Self {
        Self {
            idle: Arc::new(Semaphore::new(count)),
            room,
        }
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.idle).try_acquire_owned().ok()
    }
}

/// Makes something of each item, with what help there is, and gives it in the order of the items; after a failure
/// no other item is begun. A helper needs so many bytes for an item as `weigh` says.
pub(super) fn make_each<T: Send, M: Send>(
    helpers: &Helpers,
    items: Vec<T>,
    weigh: impl Fn(&T) -> u64 + Sync,
    make: impl Fn(T) -> Result<M> + Sync,
) -> Result<Vec<M>> {
    let others = items.len().saturating_sub(1);
    let bench = Bench {
        items: Mutex::new(items.into_iter().enumerate().collect()),
        made: Mutex::default(),
        weigh,
        make,
    };
    scope(|scope| {
        let idle = std::iter::from_fn(|| helpers.take()).take(others);
        let helping = idle.map_while(|permit| bench.help(scope, permit, &helpers.room));
        let helping: Vec<_> = helping.collect();
        bench.work();
        for helper in helping {
            helper.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    bench.made.into_inner().into_values().collect()
}

/// What is made.
struct Bench<T, M, W, F> {
    /// With their places among all of them.
    items: Mutex<VecDeque<(usize, T)>>,
    made: Mutex<BTreeMap<usize, Result<M>>>,
    weigh: W,
    make: F,
}

impl<T, M, W, F> Bench<T, M, W, F>
where
    T: Send,
    M: Send,
    W: Fn(&T) -> u64 + Sync,
    F: Fn(T) -> Result<M> + Sync,
{
    /// Lets a thread help; none if there cannot be more threads.
    fn help<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        permit: OwnedSemaphorePermit,
        room: &'scope Room,
    ) -> Option<ScopedJoinHandle<'scope, ()>> {
        let thread = Builder::new().name("afflux-objects".to_owned());
        let spawned = thread.spawn_scoped(scope, move || {
            let _permit = permit;
            while let Some((next, _room)) = self.next_within(room) {
                self.make(next);
            }
        });
        spawned.ok()
    }

    fn work(&self) {
        let next = || self.items.lock().pop_front();
        while let Some(next) = next() {
            self.make(next);
        }
    }

    /// The next item, if there is room for it.
    fn next_within(&self, room: &Room) -> Option<((usize, T), Reserved)> {
        let mut items = self.items.lock();
        let room = room.try_take((self.weigh)(&items.front()?.1))?;
        Some((items.pop_front()?, room))
    }

    fn make(&self, (index, item): (usize, T)) {
        let made = (self.make)(item);
        if made.is_err() {
            self.items.lock().clear();
        }
        self.made.lock().insert(index, made);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::fault::Fault;

    const KIB: u64 = 1 << 10;

    fn helpers(count: usize, kib: usize) -> Helpers {
        Helpers::with(count, Room::new(kib << 10))
    }

    /// The names of the threads that make four items, each of which waits for `together` of them.
    fn threads(helpers: &Helpers, together: usize) -> Vec<Option<String>> {
        let all = Barrier::new(together);
        let make = |item: usize| {
            all.wait();
            Ok((item, thread::current().name().map(str::to_owned)))
        };
        let made = make_each(helpers, vec![0, 1, 2, 3], |_| KIB, make).unwrap();
        let (items, names): (Vec<usize>, Vec<_>) = made.into_iter().unzip();
        assert_eq!(items, [0, 1, 2, 3]);
        names
    }

    fn count_helped(threads: &[Option<String>]) -> usize {
        let own = thread::current().name().map(str::to_owned);
        threads.iter().filter(|name| **name != own).count()
    }

    #[test]
    fn helpers_make_items_at_the_same_time_and_the_order_stays() {
        let helpers = helpers(3, 3);
        // They would wait for ever if one of them made two.
        assert_eq!(count_helped(&threads(&helpers, 4)), 3);
        assert_eq!(helpers.idle.available_permits(), 3);
    }

    #[test]
    fn without_helpers_or_room_for_them_one_thread_makes_all() {
        assert_eq!(count_helped(&threads(&Helpers::none(), 1)), 0);
        let full = helpers(3, 1);
        let _taken = full.room.try_take(1).unwrap();
        assert_eq!(count_helped(&threads(&full, 1)), 0);
    }

    #[test]
    fn after_a_failure_nothing_else_is_begun() {
        let make = |item: u32| match item {
            2 => Err(Fault::Name {
                reason: item.to_string(),
            }),
            item => {
                assert!(item < 2, "{item} was begun");
                Ok(item)
            }
        };
        let failed = make_each(&Helpers::none(), (0..10).collect(), |_| KIB, make);
        assert_eq!(failed.unwrap_err().to_string(), name_fault(2));
    }

    fn name_fault(item: u32) -> String {
        let reason = item.to_string();
        Fault::Name { reason }.to_string()
    }

    #[test]
    fn a_helper_that_panics_is_heard() {
        let helpers = helpers(1, 9);
        let both = Barrier::new(2);
        let own = thread::current().id();
        let make = |_| {
            both.wait();
            assert_eq!(thread::current().id(), own, "a helper fails");
            Ok(())
        };
        let made = || make_each(&helpers, vec![0, 1], |_| KIB, make);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(made));
        assert!(panicked.is_err());
        assert_eq!(helpers.idle.available_permits(), 1);
    }
}
