//! What a shard may be read: five calls and 2 MiB a second, as the service allows.
//!
//! A bucket is kept as the time at which it will be full again. Calls pass while there is one left. Bytes
//! pass while the bucket is not empty, so that more than it holds passes too, and is paid for by the time
//! after it.

use std::collections::BTreeMap;
use std::time::Duration;

use afflux_types::{ShardId, StreamName};
use parking_lot::Mutex;

/// Bytes that a reader of a shard gets in a second.
pub(super) const READ_BYTES_PER_SECOND: u64 = 2 << 20;
const CALLS_PER_SECOND: u64 = 5;
/// Shards whose use is kept; those whose buckets are full make room.
const SHARDS_MAX: usize = 4_096;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A bucket that a reader draws from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_second: u64,
    burst: Duration,
    full_at: Duration,
}

impl Bucket {
    /// A full bucket that holds `burst`'s worth.
    pub(super) fn new(per_second: u64, burst: Duration) -> Self {
        Self {
            per_second,
            burst,
            full_at: Duration::ZERO,
        }
    }

    /// How long to wait; zero: a call may pass.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        let empty_until = self.full_at.saturating_sub(now);
        if empty_until < self.burst {
            return Duration::ZERO;
        }
        // One more, because a bucket that is exactly empty lets nothing pass.
        empty_until - self.burst + Duration::from_millis(1)
    }

    /// Whether there is `amount` in the bucket.
    fn holds(&self, now: Duration, amount: usize) -> bool {
        self.full_at.saturating_sub(now) + self.time(amount) <= self.burst
    }

    /// Takes `amount`, if need be from the time to come.
    pub(super) fn take(&mut self, now: Duration, amount: usize) {
        let time = self.time(amount);
        self.full_at = self.full_at.max(now).saturating_add(time);
    }

    /// Takes `amount`. More than the bucket holds is waited for in full: after 10 MiB of 2 MiB a second
    /// nothing passes for five seconds.
    pub(super) fn take_and_rest(&mut self, now: Duration, amount: usize) {
        self.take(now, amount);
        if self.time(amount) > self.burst {
            self.full_at = self.full_at.saturating_add(self.burst);
        }
    }

    fn time(&self, amount: usize) -> Duration {
        let amount = u128::try_from(amount).unwrap_or(u128::MAX);
        let nanos = amount.saturating_mul(NANOS_PER_SECOND) / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// The use of every shard that is read.
#[derive(Debug, Default)]
pub(super) struct Reads(Mutex<BTreeMap<(StreamName, ShardId), Use>>);

#[derive(Debug)]
struct Use {
    reads: Bucket,
    iterators: Bucket,
    bytes: Bucket,
}

/// A shard's reads are exhausted for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

impl Reads {
    /// Counts a call for records.
    pub(super) fn begin(
        &self,
        stream: &StreamName,
        shard: ShardId,
        now: Duration,
    ) -> Result<(), Exceeded> {
        self.with(stream, shard, now, |used| {
            let passes = used.reads.holds(now, 1) && used.bytes.wait(now).is_zero();
            passes.then(|| used.reads.take(now, 1)).ok_or(Exceeded)
        })
    }

    /// Counts what a call for records returned.
    pub(super) fn end(&self, stream: &StreamName, shard: ShardId, now: Duration, bytes: usize) {
        self.with(stream, shard, now, |used| {
            used.bytes.take_and_rest(now, bytes);
        });
    }

    /// Counts a call for an iterator.
    pub(super) fn iterator(
        &self,
        stream: &StreamName,
        shard: ShardId,
        now: Duration,
    ) -> Result<(), Exceeded> {
        self.with(stream, shard, now, |used| {
            let passes = used.iterators.holds(now, 1);
            passes.then(|| used.iterators.take(now, 1)).ok_or(Exceeded)
        })
    }

    fn with<T>(
        &self,
        stream: &StreamName,
        shard: ShardId,
        now: Duration,
        visit: impl FnOnce(&mut Use) -> T,
    ) -> T {
        let mut shards = self.0.lock();
        if shards.len() >= SHARDS_MAX {
            shards.retain(|_, used| used.is_busy(now));
        }
        visit(shards.entry((stream.clone(), shard)).or_default())
    }
}

impl Default for Use {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            reads: Bucket::new(CALLS_PER_SECOND, second),
            iterators: Bucket::new(CALLS_PER_SECOND, second),
            bytes: Bucket::new(READ_BYTES_PER_SECOND, second),
        }
    }
}

impl Use {
    fn is_busy(&self, now: Duration) -> bool {
        let buckets = [&self.reads, &self.iterators, &self.bytes];
        buckets.iter().any(|bucket| bucket.full_at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MIB: usize = 1 << 20;

    fn shard() -> (StreamName, ShardId) {
        (StreamName::new("a").unwrap(), ShardId::new(0))
    }

    #[test]
    fn five_calls_pass_and_then_one_every_200_ms() {
        let (stream, shard) = shard();
        let reads = Reads::default();
        let mut now = Duration::from_secs(9);
        for _ in 0..5 {
            assert_eq!(reads.begin(&stream, shard, now), Ok(()));
            assert_eq!(reads.iterator(&stream, shard, now), Ok(()));
        }
        assert_eq!(reads.begin(&stream, shard, now), Err(Exceeded));
        assert_eq!(reads.iterator(&stream, shard, now), Err(Exceeded));
        now += 199 * MS;
        assert_eq!(reads.begin(&stream, shard, now), Err(Exceeded));
        now += MS;
        assert_eq!(reads.begin(&stream, shard, now), Ok(()));
        assert_eq!(reads.begin(&stream, shard, now), Err(Exceeded));
    }

    #[test]
    fn ten_mib_rest_for_five_seconds_and_two_for_a_moment() {
        let (stream, shard) = shard();
        let reads = Reads::default();
        let start = Duration::from_secs(9);
        reads.end(&stream, shard, start, 10 * MIB);
        let mut now = start + 5_000 * MS;
        assert_eq!(reads.begin(&stream, shard, now), Err(Exceeded));
        now += MS;
        assert_eq!(reads.begin(&stream, shard, now), Ok(()));
        let rested = now + Duration::from_secs(2);
        reads.end(&stream, shard, rested, 2 * MIB);
        assert_eq!(reads.begin(&stream, shard, rested), Err(Exceeded));
        assert_eq!(reads.begin(&stream, shard, rested + MS), Ok(()));
    }

    #[test]
    fn shards_that_rest_are_forgotten() {
        let (stream, _) = shard();
        let reads = Reads::default();
        for number in 0..u32::try_from(3 * SHARDS_MAX).unwrap() {
            let now = Duration::from_secs(u64::from(number));
            let _counted = reads.begin(&stream, ShardId::new(number), now);
        }
        assert!(reads.0.lock().len() <= SHARDS_MAX);
    }
}
