//! Fragment numbers in the form that video clients expect.

use std::fmt;
use std::str::FromStr;

use crate::{Position, ServerTime};

/// The number of a video fragment: 47 decimal digits, increasing in the order of ingest.
///
/// # Shape
/// `2^156 + position · 2^92 + server time in ms · 2^28`, so a number leads to its place in the log
/// without an index. Positions below 2^60 fit into 47 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentNumber {
    position: Position,
    server_time: ServerTime,
}

/// Text that is not a fragment number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a fragment number of 47 digits")]
pub struct FragmentNumberError(String);

const DIGITS: usize = 47;

impl FragmentNumber {
    /// The number of the fragment at `position` that arrived at `server_time`.
    #[must_use]
    pub fn new(position: Position, server_time: ServerTime) -> Self {
        Self {
            position,
            server_time,
        }
    }

    /// The fragment's position in its shard.
    #[must_use]
    pub fn position(self) -> Position {
        self.position
    }

    /// When the fragment arrived.
    #[must_use]
    pub fn server_time(self) -> ServerTime {
        self.server_time
    }

    /// The number as five 32-bit words, most significant first: 160 bits hold 2^156 and below.
    fn words(self) -> [u32; 5] {
        let position = self.position.get();
        let millis = u64::try_from(self.server_time.as_millis()).unwrap_or(0);
        // Bits 28..92 hold the time, 92..156 the position, bit 156 is one.
        let low = u128::from(millis) << 28 | u128::from(position) << 92;
        let high = u32::try_from(position >> 36).unwrap_or(u32::MAX) | 1 << 28;
        let word = |shift: u32| u32::try_from(low >> shift & 0xffff_ffff).unwrap_or(u32::MAX);
        [high, word(96), word(64), word(32), word(0)]
    }
}

impl fmt::Display for FragmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.words();
        let mut digits = [0_u8; DIGITS];
        for digit in digits.iter_mut().rev() {
            let mut rest = 0_u64;
            for word in &mut words {
                let value = rest << 32 | u64::from(*word);
                *word = u32::try_from(value / 10).unwrap_or(0);
                rest = value % 10;
            }
            *digit = b'0' + u8::try_from(rest).unwrap_or(0);
        }
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl FromStr for FragmentNumber {
    type Err = FragmentNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || FragmentNumberError(text.to_owned());
        if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let mut words = [0_u32; 5];
        for digit in text.bytes() {
            let mut carry = u64::from(digit - b'0');
            for word in words.iter_mut().rev() {
                let value = u64::from(*word) * 10 + carry;
                *word = u32::try_from(value & 0xffff_ffff).unwrap_or(0);
                carry = value >> 32;
            }
            if carry != 0 {
                return Err(malformed());
            }
        }
        let [high, rest @ ..] = words;
        let low = rest
            .into_iter()
            .fold(0_u128, |low, word| low << 32 | u128::from(word));
        if high >> 28 != 1 {
            return Err(malformed());
        }
        let bits = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
        let position = bits(low >> 92) | u64::from(high & 0x0fff_ffff) << 36;
        let millis = i64::try_from(bits(low >> 28)).map_err(|_| malformed())?;
        Ok(Self::new(
            Position::new(position),
            ServerTime::from_millis(millis),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn number_has_the_documented_form() {
        // python3 -c 'print(2**156 | 1 << 92 | 1690707289209 << 28)'
        let number =
            FragmentNumber::new(Position::new(1), ServerTime::from_millis(1_690_707_289_209));
        assert_eq!(
            number.to_string(),
            "91343852333181432392682062655754991969434075136"
        );
    }

    proptest! {
        #[test]
        fn number_reads_back_and_orders_by_position(a in 0..1_u64 << 60, b in 0..1_u64 << 60, ms in 0_i64..=i64::MAX) {
            let number = |position| FragmentNumber::new(Position::new(position), ServerTime::from_millis(ms));
            let text = number(a).to_string();
            prop_assert_eq!(text.parse::<FragmentNumber>().unwrap(), number(a));
            prop_assert_eq!(text.cmp(&number(b).to_string()), a.cmp(&b));
        }

        #[test]
        fn parsing_never_panics(text in "[0-9]{47}|\\PC*") {
            let _ = text.parse::<FragmentNumber>();
        }
    }
}
