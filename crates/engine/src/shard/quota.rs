//! A shard's quota as two token buckets, each kept as one point in time.
//!
//! A bucket holds one second's worth. Instead of tokens it keeps the time at which it will be full
//! again: taking an amount moves that time on by `amount / rate`. An entry passes while the bucket is
//! not empty, so one that is larger than a second's worth passes too, and leaves a debt. A record that
//! is judged by itself passes if the bucket holds all of it, so that a bucket never gives more than it
//! has; only one that no bucket could ever hold is treated like an entry.

use std::time::Duration;

use crate::stream;

/// What may come at once, as time.
const BURST: Duration = Duration::from_secs(1);
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Buckets for the bytes and the records of one shard.
#[derive(Debug)]
pub(crate) struct Quota {
    bytes: Bucket,
    records: Bucket,
}

impl Quota {
    pub(crate) fn new(quota: stream::Quota) -> Self {
        Self {
            bytes: Bucket::new(quota.bytes_per_second),
            records: Bucket::new(quota.records_per_second),
        }
    }

    /// How long to wait; zero: an entry may pass.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        self.bytes.wait(now).max(self.records.wait(now))
    }

    /// Takes one record's worth, or nothing if there is not enough of both.
    pub(crate) fn admit(&mut self, now: Duration, bytes: u64) -> bool {
        let fits = self.bytes.holds(now, bytes) && self.records.holds(now, 1);
        if fits {
            self.take(now, bytes, 1);
        }
        fits
    }

    /// Returns what was taken for records that were not appended.
    pub(crate) fn give_back(&mut self, bytes: u64, records: u64) {
        self.bytes.give_back(bytes);
        self.records.give_back(records);
    }

    /// Takes an entry's worth.
    pub(crate) fn take(&mut self, now: Duration, bytes: u64, records: u64) {
        self.bytes.take(now, bytes);
        self.records.take(now, records);
    }
}

#[derive(Debug)]
struct Bucket {
    /// Zero: no limit.
    per_second: u64,
    full_at: Duration,
}

impl Bucket {
    fn new(per_second: u64) -> Self {
        Self {
            per_second,
            full_at: Duration::ZERO,
        }
    }

    fn wait(&self, now: Duration) -> Duration {
        let empty_until = self.full_at.saturating_sub(now);
        if empty_until < BURST {
            return Duration::ZERO;
        }
        // One more, because a bucket that is exactly empty lets nothing pass.
        empty_until - BURST + Duration::from_millis(1)
    }

    fn holds(&self, now: Duration, amount: u64) -> bool {
        let time = self.time(amount);
        if time > BURST {
            return self.wait(now).is_zero();
        }
        self.full_at.saturating_sub(now) + time <= BURST
    }

    fn take(&mut self, now: Duration, amount: u64) {
        self.full_at = self.full_at.max(now).saturating_add(self.time(amount));
    }

    fn give_back(&mut self, amount: u64) {
        self.full_at = self.full_at.saturating_sub(self.time(amount));
    }

    /// How long it takes until `amount` has come in again.
    fn time(&self, amount: u64) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        let nanos = u128::from(amount) * NANOS_PER_SECOND / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn quota(bytes_per_second: u64, records_per_second: u64) -> Quota {
        Quota::new(stream::Quota {
            bytes_per_second,
            records_per_second,
        })
    }

    #[test]
    fn a_second_of_quota_passes_at_once_and_then_its_rate() {
        let mut quota = quota(1_000, 0);
        let mut passed = 0;
        let mut now = Duration::from_secs(100);
        while quota.wait(now).is_zero() {
            quota.take(now, 100, 1);
            passed += 1;
        }
        assert_eq!(passed, 10);
        assert_eq!(quota.wait(now), MS);
        now += quota.wait(now);
        quota.take(now, 100, 1);
        assert_eq!(quota.wait(now), 100 * MS);
        now += Duration::from_secs(3_600);
        assert_eq!(quota.wait(now), Duration::ZERO);
    }

    #[test]
    fn an_entry_above_the_quota_passes_and_is_paid_for() {
        let mut quota = quota(0, 10);
        let now = Duration::from_secs(1);
        assert!(quota.wait(now).is_zero());
        quota.take(now, u64::MAX, 100);
        assert_eq!(quota.wait(now), Duration::from_secs(9) + MS);
    }

    #[test]
    fn records_are_admitted_one_by_one_and_those_that_are_not_take_nothing() {
        let mut quota = quota(1_000, 4);
        let now = Duration::from_secs(1);
        assert!(quota.admit(now, 600));
        assert!(!quota.admit(now, 401));
        assert!(quota.admit(now, 400));
        assert!(!quota.admit(now, 1));
        // No bytes, but records are counted too.
        assert!(quota.admit(now, 0));
        assert!(quota.admit(now, 0));
        assert!(!quota.admit(now, 0));
        let later = now + 250 * MS;
        assert!(!quota.admit(later, 251));
        assert!(quota.admit(later, 250));
        assert!(!quota.admit(later, 0));
        quota.give_back(250, 1);
        assert!(quota.admit(later, 250));
    }

    #[test]
    fn a_record_above_a_seconds_worth_is_admitted_and_paid_for() {
        let mut quota = quota(1_000, 0);
        let now = Duration::from_secs(1);
        assert!(quota.admit(now, 500));
        assert!(quota.admit(now, 10_000));
        assert!(!quota.admit(now + 10_499 * MS, 1_000));
        assert!(!quota.admit(now + 9_500 * MS, 1));
        assert!(quota.admit(now + 9_501 * MS, 1));
        assert!(!quota.admit(now + 9_501 * MS, 1));
        assert!(quota.admit(now + 10_502 * MS, 1_000));
    }
}
