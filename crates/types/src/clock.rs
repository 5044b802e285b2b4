//! The only door to time: a handle that reads the machine's clock, or a test's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::ServerTime;

/// A cheap handle that tells the time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System {
        origin: Instant,
    },
    Manual {
        wall_ms: Arc<AtomicI64>,
        elapsed_ms: Arc<AtomicI64>,
    },
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub fn system() -> Self {
        Self(Source::System {
            origin: Instant::now(),
        })
    }

    /// A clock that stands still until [`Clock::advance`] or [`Clock::set_wall`] moves it.
    #[must_use]
    pub fn manual(start: ServerTime) -> Self {
        Self(Source::Manual {
            wall_ms: Arc::new(AtomicI64::new(start.as_millis())),
            elapsed_ms: Arc::default(),
        })
    }

    /// The time of day. It may jump, also backwards.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub fn wall(&self) -> ServerTime {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                ServerTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Manual { wall_ms, .. } => {
                ServerTime::from_millis(wall_ms.load(Ordering::Relaxed))
            }
        }
    }

    /// Time since the clock was made. It never runs backwards.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { origin } => origin.elapsed(),
            Source::Manual { elapsed_ms, .. } => Duration::from_millis(
                u64::try_from(elapsed_ms.load(Ordering::Relaxed)).unwrap_or(0),
            ),
        }
    }

    /// Moves a manual clock forwards, both its wall and its elapsed time.
    ///
    /// # Panics
    /// On the system clock.
    pub fn advance(&self, by: Duration) {
        let Source::Manual {
            wall_ms,
            elapsed_ms,
        } = &self.0
        else {
            unreachable!("only a manual clock can be moved");
        };
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        wall_ms.fetch_add(by, Ordering::Relaxed);
        elapsed_ms.fetch_add(by, Ordering::Relaxed);
    }

    /// Sets a manual clock's time of day, also backwards.
    ///
    /// # Panics
    /// On the system clock.
    pub fn set_wall(&self, to: ServerTime) {
        let Source::Manual { wall_ms, .. } = &self.0 else {
            unreachable!("only a manual clock can be set");
        };
        wall_ms.store(to.as_millis(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System { .. } => "Clock::System",
            Source::Manual { .. } => "Clock::Manual",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_when_told() {
        let clock = Clock::manual(ServerTime::from_millis(1_000));
        clock.advance(Duration::from_millis(5));
        assert_eq!(clock.wall(), ServerTime::from_millis(1_005));
        clock.set_wall(ServerTime::from_millis(3));
        assert_eq!(clock.wall(), ServerTime::from_millis(3));
        assert_eq!(clock.elapsed(), Duration::from_millis(5));
    }
}
