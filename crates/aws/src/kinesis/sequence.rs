//! The decimal numbers that clients see, and the positions behind them.

#![doc = include_str!("../../SEQUENCE.md")]
#![expect(
    clippy::module_name_repetitions,
    reason = "the field calls it a sequence number"
)]

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use afflux_types::{Position, ServerTime, ShardId};

use crate::document::{Encode, Encoder};

const MARK: u64 = 2;
const VERSION: u64 = 2;
const TIME_BITS: u32 = 36;
const TIME_MAX: u64 = (1 << TIME_BITS) - 1;
const INDEX_MAX: u64 = 0x7fff_ffff_ffff_ffff;
const SHARD_MAX: u64 = 0x7fff_ffff;

// The number in three limbs of 64 bits, the lowest first.
const LOW_SHARD: u32 = 4;
const LOW_ARRIVED: u32 = 36;
const LOW_ARRIVED_BITS: u32 = 64 - LOW_ARRIVED;
const MIDDLE_INDEX: u32 = 16;
const MIDDLE_INDEX_BITS: u32 = 64 - MIDDLE_INDEX;
const HIGH_NIBBLE: u32 = 16;
const HIGH_CREATED: u32 = 20;
const HIGH_MARK: u32 = 56;

const DIGITS: usize = 56;
const LIMB_DIGITS: usize = 19;
const LIMB: u64 = 10_u64.pow(19);

/// What all sequence numbers of one shard share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    shard: ShardId,
    created: u64,
}

impl Origin {
    /// The shard and the time at which it was made.
    #[must_use]
    pub fn new(shard: ShardId, created: ServerTime) -> Self {
        Self {
            shard,
            created: seconds(created),
        }
    }

    /// The time to give a child of shards made at `parents`, if it is made now: whole seconds later
    /// than each of them.
    #[must_use]
    pub fn child_created(
        now: ServerTime,
        parents: impl IntoIterator<Item = ServerTime>,
    ) -> ServerTime {
        let after = parents
            .into_iter()
            .map(|parent| parent.plus(Duration::from_secs(1)))
            .max();
        after.map_or(now, |after| after.max(now))
    }

    /// The number of the record at `position`.
    #[must_use]
    pub fn record(self, position: Position, arrived: ServerTime) -> SequenceNumber {
        self.before(position.advance(1), arrived)
    }

    /// A number after which the record at `position` is the next one; no record need have it.
    #[must_use]
    pub fn before(self, position: Position, at: ServerTime) -> SequenceNumber {
        SequenceNumber {
            shard: self.shard,
            index: position.get().min(INDEX_MAX - 1),
            times: Some(Times {
                created: self.created,
                arrived: seconds(at),
            }),
        }
    }

    /// The starting number of the shard, below that of its first record.
    #[must_use]
    pub fn start(self) -> SequenceNumber {
        SequenceNumber {
            shard: self.shard,
            index: 0,
            times: Some(Times {
                created: self.created,
                arrived: self.created,
            }),
        }
    }

    /// The ending number of the shard, which was closed at `closed`.
    #[must_use]
    pub fn end(self, closed: ServerTime) -> SequenceNumber {
        SequenceNumber {
            index: INDEX_MAX,
            ..self.before(Position::ZERO, closed)
        }
    }
}

/// A sequence number, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceNumber {
    shard: ShardId,
    index: u64,
    /// Absent in the older form.
    times: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    created: u64,
    arrived: u64,
}

/// Text that is no sequence number of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sequence number of this service")]
pub struct ParseError;

impl SequenceNumber {
    /// The shard that the number belongs to.
    #[must_use]
    pub fn shard(self) -> ShardId {
        self.shard
    }

    /// The second in which the record arrived; absent in the older form.
    #[must_use]
    pub fn arrived(self) -> Option<ServerTime> {
        self.times.map(|times| time(times.arrived))
    }

    /// Where `AT_SEQUENCE_NUMBER` reads from.
    #[must_use]
    pub fn at(self) -> Position {
        Position::new(self.index.saturating_sub(1))
    }

    /// Where `AFTER_SEQUENCE_NUMBER` reads from; beyond the end for a shard's ending number.
    #[must_use]
    pub fn after(self) -> Position {
        Position::new(self.index)
    }

    /// Whether the number can be of this shard and no other that had its name.
    #[must_use]
    pub fn belongs_to(self, origin: Origin) -> bool {
        self.shard == origin.shard
            && self
                .times
                .is_none_or(|times| times.created == origin.created)
    }

    fn to_limbs(self, times: Times) -> [u64; 3] {
        let shard = u64::from(self.shard.get()) & SHARD_MAX;
        [
            VERSION | shard << LOW_SHARD | times.arrived << LOW_ARRIVED,
            times.arrived >> LOW_ARRIVED_BITS | self.index << MIDDLE_INDEX,
            self.index >> MIDDLE_INDEX_BITS
                | (shard & 0xf) << HIGH_NIBBLE
                | times.created << HIGH_CREATED
                | MARK << HIGH_MARK,
        ]
    }

    fn from_limbs([low, middle, high]: [u64; 3]) -> Result<Self, ParseError> {
        let shard = low >> LOW_SHARD & 0xffff_ffff;
        let arrived = low >> LOW_ARRIVED | (middle & 0xff) << LOW_ARRIVED_BITS;
        let zero = middle >> 8 & 0xff;
        let index = middle >> MIDDLE_INDEX | (high & 0xffff) << MIDDLE_INDEX_BITS;
        let created = high >> HIGH_CREATED & TIME_MAX;
        let sound = low & 0xf == VERSION
            && high >> HIGH_MARK == MARK
            && high >> HIGH_NIBBLE & 0xf == shard & 0xf
            && zero == 0
            && index <= INDEX_MAX
            && shard <= SHARD_MAX;
        if !sound {
            return Err(ParseError);
        }
        Ok(Self {
            shard: ShardId::new(u32::try_from(shard).map_err(|_| ParseError)?),
            index,
            times: Some(Times { created, arrived }),
        })
    }

    /// The number in decimal digits.
    #[must_use]
    pub fn digits(self) -> Digits {
        let Some(times) = self.times else {
            let older = afflux_types::SequenceNumber::new(self.shard, self.at()).to_string();
            return Digits(older.as_bytes().try_into().unwrap_or([b'0'; DIGITS]));
        };
        let (rest, low) = divide(self.to_limbs(times));
        let (rest, middle) = divide(rest);
        let mut digits = [0; DIGITS];
        let (high_part, rest_part) = digits.split_at_mut(DIGITS - 2 * LIMB_DIGITS);
        let (middle_part, low_part) = rest_part.split_at_mut(LIMB_DIGITS);
        // The number is below 2 · 10^56, so that what is left fits into one limb.
        let [high, _, _] = rest;
        write_decimal(high, high_part);
        write_decimal(middle, middle_part);
        write_decimal(low, low_part);
        Digits(digits)
    }
}

/// The text of a sequence number, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digits([u8; DIGITS]);

impl Digits {
    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits().as_str())
    }
}

impl Encode for SequenceNumber {
    fn encode(&self, to: &mut Encoder) {
        to.plain_text(self.digits().as_str());
    }
}

impl FromStr for SequenceNumber {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseError);
        }
        let mut limbs = [0; 3];
        for chunk in text.as_bytes().chunks(14) {
            let digits = std::str::from_utf8(chunk).map_err(|_| ParseError)?;
            let value: u64 = digits.parse().map_err(|_| ParseError)?;
            multiply_add(&mut limbs, 10_u64.pow(14), value);
        }
        let [_, _, high] = limbs;
        if high >> (HIGH_MARK + 1) != 0 {
            return Self::from_limbs(limbs);
        }
        let older: afflux_types::SequenceNumber = text.parse().map_err(|_| ParseError)?;
        let index = older.position().advance(1).get();
        if index > INDEX_MAX {
            return Err(ParseError);
        }
        Ok(Self {
            shard: older.shard(),
            index,
            times: None,
        })
    }
}

/// Whole seconds since 1970, as far as the field reaches.
fn seconds(time: ServerTime) -> u64 {
    let seconds = time.as_millis().div_euclid(1_000);
    u64::try_from(seconds).unwrap_or(0).min(TIME_MAX)
}

fn time(seconds: u64) -> ServerTime {
    ServerTime::from_millis(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))
}

/// Divides by [`LIMB`]: the quotient and the rest.
fn divide(limbs: [u64; 3]) -> ([u64; 3], u64) {
    let mut quotient = [0; 3];
    let mut rest = 0_u64;
    for (to, limb) in quotient.iter_mut().zip(limbs).rev() {
        let value = u128::from(rest) << 64 | u128::from(limb);
        // The rest is below the divisor, so that the quotient of this step fits.
        *to = u64::try_from(value / u128::from(LIMB)).unwrap_or(u64::MAX);
        rest = u64::try_from(value % u128::from(LIMB)).unwrap_or(0);
    }
    (quotient, rest)
}

/// Multiplies by `factor` and adds `value`; what is beyond three limbs is lost, and the caller has
/// seen to it that nothing is.
fn multiply_add(limbs: &mut [u64; 3], factor: u64, value: u64) {
    let mut carry = u128::from(value);
    for limb in limbs {
        let product = u128::from(*limb) * u128::from(factor) + carry;
        *limb = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        carry = product >> 64;
    }
}

/// Writes as many digits as there is room, in pairs: a number is asked for with every record.
fn write_decimal(mut value: u64, to: &mut [u8]) {
    let mut pairs = to.rchunks_exact_mut(2);
    for pair in &mut pairs {
        let digits = usize::try_from(value % 100).unwrap_or(0);
        pair.copy_from_slice(PAIRS.get(digits).unwrap_or(b"00"));
        value /= 100;
    }
    if let [digit] = pairs.into_remainder() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
    }
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0_u8;
    while i < 100 {
        pairs[i as usize] = [b'0' + i / 10, b'0' + i % 10];
        i += 1;
    }
    pairs
};

#[cfg(test)]
mod tests;
