//! How long something may take, as a configuration file says it.

use std::time::Duration;

use afflux_types::{Error, Result};

/// So many seconds, for `what` they are given.
///
/// # Errors
/// `Invalid` for none, or more than `most`.
pub(super) fn timeout(what: &str, seconds: u64, most: u64) -> Result<Duration> {
    match (1..=most).contains(&seconds) {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(Error::invalid(format!(
            "timeout_seconds of {what} is {seconds}; allowed are 1 to {most}"
        ))),
    }
}
