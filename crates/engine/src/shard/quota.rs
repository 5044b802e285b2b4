//! A shard's quota as two token buckets, each kept as one point in time.
//!
//! A bucket holds one second's worth. Instead of tokens it keeps the time at which it will be full
//! again: taking an amount moves that time on by `amount / rate`. An entry passes while the bucket is
//! not empty, so one that is larger than a second's worth passes too, and leaves a debt.

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

    fn take(&mut self, now: Duration, amount: u64) {
        if self.per_second == 0 {
            return;
        }
        let nanos = u128::from(amount) * NANOS_PER_SECOND / u128::from(self.per_second);
        let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.full_at = self.full_at.max(now).saturating_add(time);
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
}
