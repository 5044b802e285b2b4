//! Waits between attempts, and for the end.

use std::time::Duration;

use tokio::sync::watch;

/// The first wait after a failure; each further one is twice as long.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait: a freed disk or a mounted directory is noticed within this.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Waits longer after each failure in a row.
#[derive(Debug)]
pub(crate) struct BackOff(Duration);

impl BackOff {
    pub(crate) fn new() -> Self {
        Self(BACK_OFF_MIN)
    }

    /// One that begins with a longer wait.
    pub(crate) fn starting(wait: Duration) -> Self {
        Self(wait)
    }

    /// How long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = wait.saturating_mul(2).min(BACK_OFF_MAX);
        wait
    }

    pub(crate) fn reset(&mut self) {
        self.0 = BACK_OFF_MIN;
    }
}

/// Waits, or returns early and true when the delivery is to stop.
pub(crate) async fn wait(duration: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(duration, stopped(stop)).await.is_ok()
}

/// Waits until the delivery is to end.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A manager that is gone stops its deliveries too.
    let _ = stop.wait_for(|stop| *stop).await;
}
