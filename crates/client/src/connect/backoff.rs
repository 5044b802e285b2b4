//! Pauses between attempts: longer each time, with chance, and not for ever.

use std::time::Duration;

use afflux_types::Clock;
use rand::Rng;

use super::config::Retry;

/// The pauses of one activity since it last got anywhere.
#[derive(Debug)]
pub(crate) struct Backoff {
    retry: Retry,
    clock: Clock,
    pause: Duration,
    /// When the trouble began; `None` while all is well.
    since: Option<Duration>,
}

impl Backoff {
    pub(crate) fn new(retry: Retry, clock: Clock) -> Self {
        Self {
            pause: retry.pause_min,
            since: None,
            retry,
            clock,
        }
    }

    /// There was progress: the next trouble starts from the beginning.
    pub(crate) fn reset(&mut self) {
        self.pause = self.retry.pause_min;
        self.since = None;
    }

    /// How long to pause now, at least `least`; `None` if it is time to give up.
    pub(crate) fn next(&mut self, least: Duration) -> Option<Duration> {
        let now = self.clock.elapsed();
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) >= self.retry.give_up_after {
            return None;
        }
        let part = rand::rng().random_range(0.5..=1.0);
        let pause = self.pause.mul_f64(part).max(least);
        self.pause = self.pause.saturating_mul(2).min(self.retry.pause_max);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use afflux_types::ServerTime;

    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_end() {
        let clock = Clock::manual(ServerTime::from_millis(0));
        let retry = Retry {
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_millis(400),
            give_up_after: Duration::from_secs(10),
            ..Retry::default()
        };
        let mut backoff = Backoff::new(retry, clock.clone());
        for full in [100, 200, 400, 400] {
            let pause = backoff.next(Duration::ZERO).unwrap();
            let full = Duration::from_millis(full);
            assert!(pause <= full && pause >= full / 2, "{pause:?} of {full:?}");
        }
        assert_eq!(
            backoff.next(Duration::from_secs(1)),
            Some(Duration::from_secs(1))
        );
        clock.advance(Duration::from_secs(10));
        assert_eq!(backoff.next(Duration::ZERO), None);
        backoff.reset();
        assert!(backoff.next(Duration::ZERO).unwrap() <= Duration::from_millis(100));
    }
}
