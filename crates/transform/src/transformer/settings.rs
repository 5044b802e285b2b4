//! Which transformer a delivery stream has, and how it is asked.

use serde::{Deserialize, Serialize};

use crate::Fault;

/// How often a failed call is repeated unless the settings say otherwise.
const RETRIES_DEFAULT: u32 = 3;
const RETRIES_MAX: u32 = 300;
/// Bytes of a call unless the settings say otherwise: 1 MiB.
const BUFFER_BYTES_DEFAULT: u64 = 1 << 20;
/// 0.2 MiB.
const BUFFER_BYTES_MIN: u64 = 209_715;
const BUFFER_BYTES_MAX: u64 = 3 << 20;
const BUFFER_SECONDS_DEFAULT: u32 = 60;
const BUFFER_SECONDS_MAX: u32 = 900;

/// Which transformer is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformerSettings {
    /// Its ARN.
    pub arn: String,
    /// How often a failed call is repeated.
    pub retries: u32,
    /// Records are collected for a call until they have so many bytes,
    pub buffer_bytes: u64,
    /// or until the oldest waited so long.
    pub buffer_seconds: u32,
}

impl TransformerSettings {
    /// The transformer of this ARN with every default.
    #[must_use]
    pub fn new(arn: String) -> Self {
        Self {
            arn,
            retries: RETRIES_DEFAULT,
            buffer_bytes: BUFFER_BYTES_DEFAULT,
            buffer_seconds: BUFFER_SECONDS_DEFAULT,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        let within = |name, value: u64, least: u64, most: u64| match (least..=most).contains(&value)
        {
            true => Ok(()),
            false => Err(Fault::Transformer {
                name,
                value,
                least,
                most,
            }),
        };
        within("retries", self.retries.into(), 0, RETRIES_MAX.into())?;
        let (least, most) = (BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        within("buffer_bytes", self.buffer_bytes, least, most)?;
        let seconds = self.buffer_seconds.into();
        within("buffer_seconds", seconds, 0, BUFFER_SECONDS_MAX.into())
    }
}
