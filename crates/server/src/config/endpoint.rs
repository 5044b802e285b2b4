//! The HTTP endpoints of a configuration file: where delivery streams may send requests.

use std::time::Duration;

use afflux_deliver::AllowedEndpoint;
use afflux_types::{Error, Result};
use serde::Deserialize;

const TIMEOUT_SECONDS_MAX: u64 = 900;

/// HTTP endpoints that delivery streams may send requests to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What their URLs begin with: the same host and port, and the beginning of a path.
    pub url: String,
    /// How long a request may take, with its answer.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u64,
}

impl Endpoint {
    /// What the delivery is told.
    ///
    /// # Errors
    /// `Invalid` if the timeout is out of its bounds.
    pub(crate) fn settings(&self) -> Result<AllowedEndpoint> {
        let (url, seconds) = (&self.url, self.timeout_seconds);
        if !(1..=TIMEOUT_SECONDS_MAX).contains(&seconds) {
            return Err(Error::invalid(format!(
                "timeout_seconds of endpoint {url:?} is {seconds}; allowed are 1 to \
                 {TIMEOUT_SECONDS_MAX}"
            )));
        }
        Ok(AllowedEndpoint {
            url: url.clone(),
            timeout: Duration::from_secs(seconds),
        })
    }
}

/// What Firehose waits.
fn timeout_default() -> u64 {
    180
}

/// What the generated file says about endpoints.
pub(super) const DOCUMENTATION: &str = r#"# Endpoints: where delivery streams may send records by HTTP. One that is not here does not exist for
# them, so that who makes delivery streams reaches nothing else of the network.
#
# url              what the URLs of endpoints begin with: the same host and port, and the beginning of a path.
# timeout_seconds  how long a request may take, 1 to 900. Default: 180.
#
#[[endpoints]]
#url = "https://collector.example.com/firehose"
"#;
