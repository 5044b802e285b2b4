//! Whether anybody uses a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request that is under way until this is dropped with the last of its answer.
#[derive(Debug)]
pub(super) struct Busy(Arc<Pulse>);

impl Pulse {
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Completes when no head has arrived within `first`, or later when there was no request for
    /// `idle`; at the latest after twice that. It looks now and then, so that requests cost no timer.
    pub(super) async fn stops(&self, first: Duration, idle: Duration) {
        sleep(first).await;
        let mut seen = self.begun.load(Ordering::Relaxed);
        while seen > 0 {
            sleep(idle).await;
            let begun = self.begun.load(Ordering::Relaxed);
            if begun == seen && self.ended.load(Ordering::Relaxed) == begun {
                return;
            }
            seen = begun;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_stops_early() {
        let start = tokio::time::Instant::now();
        Pulse::default().stops(FIRST, IDLE).await;
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_under_way_keeps_its_connection() {
        let start = tokio::time::Instant::now();
        let pulse = Arc::new(Pulse::default());
        let busy = pulse.begin();
        let long = async move {
            sleep(10 * IDLE).await;
            drop(busy);
        };
        tokio::join!(pulse.stops(FIRST, IDLE), long);
        assert!(start.elapsed() >= 10 * IDLE);
        assert!(start.elapsed() <= 12 * IDLE);
    }
}
