//! Two clocks that must not be mixed up: the server's and the producer's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Error, Result};

macro_rules! unix_time {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        ///
        /// # Units
        /// Milliseconds since 1970-01-01 UTC.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $type(i64);

        impl $type {
            /// Wraps milliseconds since 1970-01-01 UTC.
            #[must_use]
            pub fn from_millis(millis: i64) -> Self {
                Self(millis)
            }

            /// Milliseconds since 1970-01-01 UTC.
            #[must_use]
            pub fn as_millis(self) -> i64 {
                self.0
            }

            /// How long after `earlier` this is; zero if it is before.
            #[must_use]
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
            }

            /// This time moved forwards; saturates.
            #[must_use]
            pub fn plus(self, by: Duration) -> Self {
                Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
            }

            /// This time moved backwards; saturates.
            #[must_use]
            pub fn minus(self, by: Duration) -> Self {
                Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
            }
        }

        impl fmt::Display for $type {
            /// Writes RFC 3339 in UTC with milliseconds.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match Timestamp::from_millisecond(self.0) {
                    Ok(time) => write!(f, "{time:.3}"),
                    Err(_) => write!(f, "{} ms", self.0),
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = Error;

            /// Reads RFC 3339 (`2026-11-21T10:00:00Z`) or seconds since 1970 with a fraction.
            fn from_str(text: &str) -> Result<Self> {
                parse(text).map(Self)
            }
        }
    };
}

unix_time!(
    /// A time by the server's clock. Arrival times never decrease within a shard.
    ServerTime
);
unix_time!(
    /// A time by a producer's clock, which may be wrong, jump, or run backwards.
    ProducerTime
);

fn parse(text: &str) -> Result<i64> {
    let malformed = || {
        Error::invalid(format!(
            "{text:?} is not a time; write 2026-11-21T10:00:00Z or seconds since 1970"
        ))
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    let seconds: i64 = whole.parse().map_err(|_| malformed())?;
    let millis: i64 = format!("{fraction:0<3}")
        .get(..3)
        .unwrap_or("0")
        .parse()
        .map_err(|_| malformed())?;
    let millis = if whole.starts_with('-') {
        -millis
    } else {
        millis
    };
    seconds
        .checked_mul(1_000)
        .and_then(|ms| ms.checked_add(millis))
        .ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_reads_both_forms_and_writes_one() {
        let time: ServerTime = "2026-11-21T10:00:00.25Z".parse().unwrap();
        assert_eq!(time.as_millis(), 1_795_255_200_250);
        assert_eq!("1795255200.25".parse::<ServerTime>().unwrap(), time);
        assert_eq!(time.to_string(), "2026-11-21T10:00:00.250Z");
        assert_eq!("-1.5".parse::<ProducerTime>().unwrap().as_millis(), -1_500);
        for bad in ["", "yesterday", "1.2.3", "1.x", "99999999999999999999"] {
            assert!(bad.parse::<ServerTime>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let end = ServerTime::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(ServerTime::from_millis(1).since(end), Duration::ZERO);
    }
}
