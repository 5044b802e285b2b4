//! Partition keys and the 128-bit space that they hash into.

use std::fmt;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::limits::PARTITION_KEY_CHARS_MAX;
use crate::{Error, Result};

/// What decides a record's shard: 1 to 256 Unicode characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey(Bytes);

impl PartitionKey {
    /// Checks and wraps a key.
    ///
    /// # Errors
    /// `Invalid` if it is empty or longer than 256 characters.
    pub fn new(key: &str) -> Result<Self> {
        Self::from_bytes(Bytes::copy_from_slice(key.as_bytes()))
    }

    /// Checks and wraps the bytes of a key without copying them.
    ///
    /// # Errors
    /// As [`PartitionKey::new`], and `Invalid` if the bytes are not UTF-8.
    pub fn from_bytes(key: Bytes) -> Result<Self> {
        Self::check(&key)?;
        Ok(Self(key))
    }

    /// Checks a key in place.
    ///
    /// # Errors
    /// As [`PartitionKey::from_bytes`].
    pub fn check(key: &[u8]) -> Result<()> {
        // Every UTF-8 character has at least one byte, so short keys need no counting.
        let text = std::str::from_utf8(key)
            .map_err(|error| Error::invalid("partition key is not UTF-8").with_source(error))?;
        let chars = if key.len() <= PARTITION_KEY_CHARS_MAX {
            key.len()
        } else {
            text.chars().count()
        };
        if chars == 0 {
            return Err(Error::invalid(
                "partition key is empty; it needs 1 to 256 characters",
            ));
        }
        if chars > PARTITION_KEY_CHARS_MAX {
            return Err(Error::invalid(format!(
                "partition key has {chars} characters; the limit is {PARTITION_KEY_CHARS_MAX}"
            )));
        }
        Ok(())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The key's UTF-8 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A point in the hash space: the MD5 of a partition key as a big-endian number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(u128);

impl HashKey {
    /// The lowest hash key.
    pub const MIN: Self = Self(0);
    /// The highest hash key.
    pub const MAX: Self = Self(u128::MAX);

    /// Wraps a number.
    #[must_use]
    pub fn new(value: u128) -> Self {
        Self(value)
    }

    /// Hashes the UTF-8 bytes of a partition key.
    #[must_use]
    pub fn of(partition_key: &[u8]) -> Self {
        Self(u128::from_be_bytes(Md5::digest(partition_key).into()))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#034x}", self.0)
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A shard's share of the hash space; both ends belong to it, as in the Kinesis API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKeyRange {
    start: HashKey,
    end: HashKey,
}

impl HashKeyRange {
    /// The whole hash space.
    pub const FULL: Self = Self {
        start: HashKey::MIN,
        end: HashKey::MAX,
    };

    /// A range from `start` to `end`, both included.
    ///
    /// # Errors
    /// `Invalid` if `start` is above `end`.
    pub fn new(start: HashKey, end: HashKey) -> Result<Self> {
        if start > end {
            return Err(Error::invalid(format!(
                "hash key range starts at {start}, above its end {end}"
            )));
        }
        Ok(Self { start, end })
    }

    /// The `count` equal ranges that cover the whole hash space.
    ///
    /// # Panics
    /// If `count` is zero.
    pub fn even(count: u32) -> impl Iterator<Item = Self> {
        assert!(count > 0, "a hash space is divided into at least one range");
        // start(i) = floor(i * 2^128 / count), in 128 bits: 2^128 = size * count + rest.
        let divisor = u128::from(count);
        let (size, rest) = match divisor {
            1 => (0, 0),
            _ => {
                let size = u128::MAX / divisor;
                let rest = u128::MAX % divisor + 1;
                (size + rest / divisor, rest % divisor)
            }
        };
        let start = move |i: u128| i.wrapping_mul(size).wrapping_add(i * rest / divisor);
        (0..divisor).map(move |i| Self {
            start: HashKey(start(i)),
            end: if i + 1 == divisor {
                HashKey::MAX
            } else {
                HashKey(start(i + 1) - 1)
            },
        })
    }

    /// The lowest hash key in the range.
    #[must_use]
    pub fn start(self) -> HashKey {
        self.start
    }

    /// The highest hash key in the range.
    #[must_use]
    pub fn end(self) -> HashKey {
        self.end
    }

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Cuts the range so that the second half starts at `at`.
    ///
    /// # Errors
    /// `Invalid` unless `at` lies inside the range and above its start.
    pub fn split(self, at: HashKey) -> Result<(Self, Self)> {
        if at <= self.start || at > self.end {
            return Err(Error::invalid(format!(
                "new starting hash key {at} is not inside {} to {} and above its start",
                self.start, self.end
            )));
        }
        Ok((
            Self {
                start: self.start,
                end: HashKey(at.0 - 1),
            },
            Self {
                start: at,
                end: self.end,
            },
        ))
    }

    /// The middle of the range, where an even split cuts; `None` if the range is one key.
    #[must_use]
    pub fn middle(self) -> Option<HashKey> {
        let half = (self.end.0 - self.start.0) / 2;
        (self.start < self.end).then(|| HashKey(self.start.0 + half + 1))
    }

    /// The two ranges as one, if they touch.
    ///
    /// # Errors
    /// `Invalid` if they overlap or leave a gap.
    pub fn merge(self, other: Self) -> Result<Self> {
        let (low, high) = if self.start <= other.start {
            (self, other)
        } else {
            (other, self)
        };
        if low.end.0.checked_add(1) != Some(high.start.0) {
            return Err(Error::invalid(format!(
                "hash key ranges {} to {} and {} to {} are not adjacent",
                low.start, low.end, high.start, high.end
            )));
        }
        Ok(Self {
            start: low.start,
            end: high.end,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_holds_its_edges() {
        assert!(PartitionKey::new("").is_err());
        assert!(PartitionKey::new(&"ä".repeat(256)).is_ok());
        let error = PartitionKey::new(&"ä".repeat(257)).unwrap_err();
        assert_eq!(
            error.message(),
            "partition key has 257 characters; the limit is 256"
        );
        assert!(PartitionKey::from_bytes(Bytes::from_static(&[0xff])).is_err());
    }

    #[test]
    fn hash_key_is_the_md5_as_a_number() {
        // printf user-1 | md5sum
        assert_eq!(
            HashKey::of(b"user-1").get(),
            0xd6d7_7053_92bc_7af6_3332_8bea_8c4c_6904_u128
        );
    }

    #[test]
    fn even_ranges_start_where_the_service_documents_them() {
        let starts: Vec<u128> = HashKeyRange::even(3)
            .map(|range| range.start().get())
            .collect();
        assert_eq!(
            starts,
            [
                0,
                113_427_455_640_312_821_154_458_202_477_256_070_485,
                226_854_911_280_625_642_308_916_404_954_512_140_970
            ]
        );
        assert_eq!(
            HashKeyRange::even(1).collect::<Vec<_>>(),
            [HashKeyRange::FULL]
        );
    }

    proptest! {
        #[test]
        fn even_ranges_cover_the_space_without_gap_or_overlap(count in 1_u32..5_000) {
            let ranges: Vec<HashKeyRange> = HashKeyRange::even(count).collect();
            prop_assert_eq!(ranges[0].start(), HashKey::MIN);
            prop_assert_eq!(ranges[ranges.len() - 1].end(), HashKey::MAX);
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].end().get() + 1, pair[1].start().get());
            }
        }

        #[test]
        fn merge_undoes_split(start: u128, end: u128, at: u128) {
            let range = HashKeyRange::new(HashKey::new(start.min(end)), HashKey::new(start.max(end))).unwrap();
            if let Ok((low, high)) = range.split(HashKey::new(at)) {
                prop_assert_eq!(low.merge(high).unwrap(), range);
                prop_assert_eq!(high.merge(low).unwrap(), range);
            }
        }
    }
}
