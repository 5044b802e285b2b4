//! How much is collected before it is delivered.

use crate::firehose::values::INTEGER;
use crate::firehose::{Code, Error};
use crate::macros::both;
use crate::validate::Shape;

const SECONDS_SHAPE: Shape = INTEGER.min(0).max(900);
const S3_MB_SHAPE: Shape = INTEGER.min(1).max(128);
const HTTP_MB_SHAPE: Shape = INTEGER.min(1).max(64);
const OPENSEARCH_MB_SHAPE: Shape = INTEGER.min(1).max(100);

const SECONDS_DEFAULT: u32 = 300;
/// From bytes to the megabytes of hints, and back.
const MEGABYTE_SHIFT: u32 = 20;

macro_rules! hints {
    ($(#[$doc:meta])* $name:ident, $mb_shape:expr) => {
        both! {
            $(#[$doc])*
            $name {
                /// This much, before it is compressed.
                ///
                /// # Units
                /// Megabytes of 1,048,576 bytes.
                size_in_mbs: Option<u32> = "SizeInMBs" is $mb_shape,
                /// For this long.
                ///
                /// # Units
                /// Seconds.
                interval_in_seconds: Option<u32> = "IntervalInSeconds" is SECONDS_SHAPE,
            }
        }

        impl $name {
            /// So many bytes, as whole megabytes, for so many seconds.
            #[must_use]
            pub fn new(bytes: u64, seconds: u64) -> Self {
                Self {
                    size_in_mbs: u32::try_from(bytes >> MEGABYTE_SHIFT).ok(),
                    interval_in_seconds: u32::try_from(seconds).ok(),
                }
            }

            /// The bytes and the seconds that are given.
            #[must_use]
            pub fn numbers(given: Option<&Self>) -> (Option<u64>, Option<u64>) {
                let megabytes = given.and_then(|hints| hints.size_in_mbs);
                let seconds = given.and_then(|hints| hints.interval_in_seconds);
                (
                    megabytes.map(|size| u64::from(size) << MEGABYTE_SHIFT),
                    seconds.map(u64::from),
                )
            }

            /// Hints with both numbers, which are given together or not at all.
            pub(super) fn completed(given: Option<Self>, mb_default: u32) -> Result<Self, Error> {
                let (mb, seconds) = match given {
                    Some(hints) => (hints.size_in_mbs, hints.interval_in_seconds),
                    None => (None, None),
                };
                if mb.is_some() != seconds.is_some() {
                    return Err(Error::new(
                        Code::InvalidArgument,
                        "BufferingHints must have both SizeInMBs and IntervalInSeconds, or neither.",
                    ));
                }
                Ok(Self {
                    size_in_mbs: mb.or(Some(mb_default)),
                    interval_in_seconds: seconds.or(Some(SECONDS_DEFAULT)),
                })
            }
        }
    };
}

hints! {
    /// How much is collected for one object.
    BufferingHints, S3_MB_SHAPE
}

hints! {
    /// How much is collected for one request.
    HttpEndpointBufferingHints, HTTP_MB_SHAPE
}

hints! {
    /// How much is collected for one request to a cluster.
    OpenSearchBufferingHints, OPENSEARCH_MB_SHAPE
}
