//! Where a record stands: a position within a shard, and the number that the API shows for it.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, ShardId};

/// The place of the next record within a shard, counted in records from zero.
///
/// Ends are exclusive: a batch of `n` records at position `p` ends at `p + n`, and an empty shard
/// reaches from 0 to 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The start of every shard.
    pub const ZERO: Self = Self(0);
    /// Beyond every record that a shard can hold.
    pub const MAX: Self = Self(u64::MAX);

    /// Wraps a number.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The position `records` further on; saturates at [`Position::MAX`].
    #[must_use]
    pub fn advance(self, records: u64) -> Self {
        Self(self.0.saturating_add(records))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A record's number as clients see it: 56 decimal digits, opaque, strictly increasing in a shard
/// and larger in a child than in its parents.
///
/// # Shape
/// `49`, the shard's number in ten digits, the position in twenty, and 24 digits for the place of a
/// record inside an aggregated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    shard: ShardId,
    position: Position,
    sub_sequence: u64,
}

const PREFIX: &str = "49";
const DIGITS: usize = 56;

impl SequenceNumber {
    /// The number of the record at `position` of `shard`.
    #[must_use]
    pub fn new(shard: ShardId, position: Position) -> Self {
        Self {
            shard,
            position,
            sub_sequence: 0,
        }
    }

    /// The same record's part `sub_sequence`.
    #[must_use]
    pub fn with_sub_sequence(self, sub_sequence: u64) -> Self {
        Self {
            sub_sequence,
            ..self
        }
    }

    /// The shard that the number belongs to.
    #[must_use]
    pub fn shard(self) -> ShardId {
        self.shard
    }

    /// The record's position in its shard.
    #[must_use]
    pub fn position(self) -> Position {
        self.position
    }

    /// The place inside an aggregated record; zero otherwise.
    #[must_use]
    pub fn sub_sequence(self) -> u64 {
        self.sub_sequence
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PREFIX}{:010}{:020}{:024}",
            self.shard.get(),
            self.position.get(),
            self.sub_sequence
        )
    }
}

impl FromStr for SequenceNumber {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid(format!(
                "{text:?} is not a sequence number of {DIGITS} digits"
            ))
        };
        if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let digits = text.strip_prefix(PREFIX).ok_or_else(malformed)?;
        let (shard, digits) = digits.split_at(10);
        let (position, sub_sequence) = digits.split_at(20);
        Ok(Self {
            shard: ShardId::new(shard.parse().map_err(|_| malformed())?),
            position: Position::new(position.parse().map_err(|_| malformed())?),
            sub_sequence: sub_sequence.parse().map_err(|_| malformed())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_orders_as_shard_then_position(a: (u32, u64, u64), b: (u32, u64, u64)) {
            let number = |(shard, position, sub): (u32, u64, u64)| {
                SequenceNumber::new(ShardId::new(shard), Position::new(position)).with_sub_sequence(sub)
            };
            let (a, b) = (number(a), number(b));
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
            prop_assert_eq!(a.to_string().parse::<SequenceNumber>().unwrap(), a);
            prop_assert_eq!(a.to_string().len(), DIGITS);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = text.parse::<SequenceNumber>();
        }
    }

    #[test]
    fn malformed_numbers_are_refused() {
        for text in [
            "",
            "49",
            &"9".repeat(56),
            &"4".repeat(57),
            &format!("49{}", "x".repeat(54)),
        ] {
            assert!(
                text.parse::<SequenceNumber>().is_err(),
                "{text:?} was accepted"
            );
        }
    }
}
