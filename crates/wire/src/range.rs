//! Hash key ranges on their way through a message and back.

use afflux_types::{HashKey, HashKeyRange, Result};

use crate::message::Range;

impl From<HashKeyRange> for Range {
    fn from(range: HashKeyRange) -> Self {
        let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        let (start, end) = (range.start().get(), range.end().get());
        Self {
            start_high: half(start >> 64),
            start_low: half(start),
            end_high: half(end >> 64),
            end_low: half(end),
        }
    }
}

impl Range {
    /// The range as a checked value.
    ///
    /// # Errors
    /// `Invalid` if it starts above its end.
    pub fn to_range(&self) -> Result<HashKeyRange> {
        let join = |high: u64, low: u64| HashKey::new(u128::from(high) << 64 | u128::from(low));
        HashKeyRange::new(
            join(self.start_high, self.start_low),
            join(self.end_high, self.end_low),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn range_survives_the_way(a: u128, b: u128) {
            let range = HashKeyRange::new(HashKey::new(a.min(b)), HashKey::new(a.max(b))).unwrap();
            prop_assert_eq!(Range::from(range).to_range().unwrap(), range);
        }
    }
}
