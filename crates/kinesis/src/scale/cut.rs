//! Where a shard is to be split: at the middle of its range if both halves are busy, else where the load
//! divides best, and nowhere if one key makes nearly all of it.

use afflux_types::{HashKey, HashKeyRange};

/// Fewer samples say nothing.
const SAMPLES_MIN: usize = 4;
/// The part of the load that each half of the range must carry at least, in hundredths. Halves of ranges
/// can be merged again to what they were, so they are preferred to better cuts.
const HALF_MIN: u64 = 30;
/// The part of the load that must be left on the smaller side of any cut. A split that takes less from a
/// hot shard is of no use to it.
const SIDE_MIN: u64 = 20;

/// A hash key that stands for a part of the load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighed {
    pub(super) key: HashKey,
    pub(super) weight: u64,
}

/// Where the higher of two shards is to begin.
pub(super) fn cut(range: HashKeyRange, mut samples: Vec<Weighed>) -> Option<HashKey> {
    if samples.len() < SAMPLES_MIN {
        return None;
    }
    samples.sort_by_key(|sample| sample.key);
    let total = sum(&samples);
    if total == 0 {
        return None;
    }
    let carries = |side: u64, least: u64| side.saturating_mul(100) >= total.saturating_mul(least);
    let smaller_side = |below: usize| {
        let below = sum(samples.get(..below).unwrap_or_default());
        below.min(total - below)
    };
    let middle = range.middle()?;
    let below = samples.partition_point(|sample| sample.key < middle);
    if carries(smaller_side(below), HALF_MIN) {
        return Some(middle);
    }
    let pairs = samples.iter().zip(samples.iter().skip(1));
    let gaps = (1..)
        .zip(pairs)
        .filter(|(_, (low, high))| low.key < high.key);
    let (below, (low, high)) = gaps.max_by_key(|(below, _)| smaller_side(*below))?;
    let between = low.key.get() + (high.key.get() - low.key.get()).div_ceil(2);
    let at = HashKey::new(between);
    let is_inside = range.start() < at && at <= range.end();
    (is_inside && carries(smaller_side(below), SIDE_MIN)).then_some(at)
}

fn sum(samples: &[Weighed]) -> u64 {
    let weights = samples.iter().map(|sample| sample.weight);
    weights.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
    }

    /// Samples of these keys and weights.
    fn at(range: HashKeyRange, samples: &[(u128, u64)]) -> Option<u128> {
        let samples = samples.iter().map(|&(key, weight)| Weighed {
            key: HashKey::new(key),
            weight,
        });
        cut(range, samples.collect()).map(HashKey::get)
    }

    #[test]
    fn a_range_that_is_busy_everywhere_is_halved() {
        let samples = [(900, 1), (1, 1), (450, 1), (600, 1)];
        assert_eq!(at(range(0, 999), &samples), Some(500));
        // Three tenths are enough, weights counted.
        let samples = [(1, 30), (600, 50), (700, 10), (999, 10)];
        assert_eq!(at(range(0, 999), &samples), Some(500));
    }

    #[test]
    fn a_load_on_one_side_is_cut_where_it_divides() {
        let samples = [(2, 1), (4, 1), (10, 1), (12, 1)];
        assert_eq!(at(range(0, 999), &samples), Some(7));
        let samples = [(990, 5), (991, 29), (992, 29), (993, 37)];
        assert_eq!(at(range(0, 999), &samples), Some(993));
    }

    #[test]
    fn a_single_hot_key_is_not_cut_off() {
        assert_eq!(at(range(0, 999), &[(7, 1); 50]), None);
        // Nor if there is a little beside it.
        assert_eq!(
            at(range(0, 999), &[(7, 80), (8, 7), (9, 6), (600, 6)]),
            None
        );
        assert_eq!(
            at(range(0, 999), &[(1, 7), (2, 6), (3, 6), (600, 80)]),
            None
        );
        // But if there is a fifth.
        let samples = [(7, 80), (8, 7), (9, 6), (600, 7)];
        assert_eq!(at(range(0, 999), &samples), Some(8));
    }

    #[test]
    fn too_little_to_go_by_cuts_nothing() {
        assert_eq!(at(range(0, 999), &[]), None);
        assert_eq!(at(range(0, 999), &[(1, 1), (500, 1), (700, 1)]), None);
        assert_eq!(
            at(range(0, 999), &[(1, 0), (2, 0), (800, 0), (900, 0)]),
            None
        );
        assert_eq!(at(range(5, 5), &[(5, 1); 9]), None);
    }

    #[test]
    fn a_cut_lies_inside_the_range_to_its_last_key() {
        assert_eq!(at(range(8, 9), &[(8, 1), (8, 1), (9, 1), (9, 1)]), Some(9));
        let top = u128::MAX;
        let samples = [(top - 1, 2), (top - 1, 2), (top, 2), (top, 2)];
        assert_eq!(at(range(0, top), &samples), Some(top));
        // Sampled keys beyond the range are an entry's whose first record alone was checked.
        assert_eq!(
            at(range(0, 99), &[(200, 1), (201, 1), (300, 1), (301, 1)]),
            None
        );
    }
}
