//! Memory for what is on its way to destinations: objects and requests, over all delivery streams of a server.
//!
//! An object is in memory as a whole while it is written to a store: only so can the store be told to
//! create it or nothing. So the number of those that are, and not only of each delivery stream's, is bounded
//! by their bytes. Between two attempts nothing is held: a destination that is down takes no room from others.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits stand for so many bytes: their number has to fit into 32 bits.
const UNIT_BYTES: u64 = 1 << 10;

/// Room for bytes; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    units_max: u32,
}

/// Room that is in use, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    _units: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let units_max = u32::try_from(bytes_max / UNIT_BYTES).unwrap_or(u32::MAX);
        let units_max = units_max.max(1);
        let units = usize::try_from(units_max).unwrap_or(usize::MAX);
        Self {
            free: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            units_max,
        }
    }

    /// Waits for room, in the order of those who ask. What is larger than all of it has all of it.
    pub(crate) async fn take(&self, bytes: u64) -> Reserved {
        // Nobody closes it.
        let units = Arc::clone(&self.free).acquire_many_owned(self.units(bytes));
        Reserved {
            _units: units.await.ok(),
        }
    }

    /// Takes room if there is enough now.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Reserved> {
        let units = Arc::clone(&self.free).try_acquire_many_owned(self.units(bytes));
        Some(Reserved {
            _units: Some(units.ok()?),
        })
    }

    fn units(&self, bytes: u64) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        units.min(self.units_max)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_waits_and_what_is_too_large_goes_alone() {
        let room = Room::new(100 << 10);
        let small = room.take(60 << 10).await;
        let mut waits = std::pin::pin!(room.take((40 << 10) + 1));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(small);
        let Poll::Ready(taken) = waits.poll(&mut context) else {
            panic!("there is room");
        };
        assert_eq!(room.free.available_permits(), 59);
        drop(taken);
        let all = room.take(u64::MAX).await;
        assert_eq!(room.free.available_permits(), 0);
        drop(all);
        assert_eq!(room.free.available_permits(), 100);
    }
}
