//! Shard ids: a stream's shards are numbered in the order of their creation, never reused.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// The number of a shard within its stream, written `shardId-000000000007`.
///
/// A child's number is larger than its parents'.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u32);

impl ShardId {
    /// Wraps a number.
    #[must_use]
    pub fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ShardId {
    type Err = Error;

    /// Reads `shardId-000000000007` and the short forms `shardId-7` and `7`.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("shardId-").unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain
            .then(|| digits.parse().ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "{text:?} is not a shard id such as shardId-000000000000"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_id_reads_what_it_writes() {
        let id = ShardId::new(7);
        assert_eq!(id.to_string(), "shardId-000000000007");
        for text in ["shardId-000000000007", "shardId-7", "7"] {
            assert_eq!(text.parse::<ShardId>().unwrap(), id);
        }
        for text in ["", "shardId-", "shardId-x", "-7", "+7", "99999999999"] {
            assert!(text.parse::<ShardId>().is_err(), "{text:?} was accepted");
        }
    }
}
