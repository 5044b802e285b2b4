//! The HTTP endpoints of a configuration file: where delivery streams may send requests.

use std::path::PathBuf;

use afflux_deliver::AllowedEndpoint;
use afflux_types::Result;
use serde::Deserialize;

use super::credential::{Secret, read_login};
use super::timeout::timeout;

const TIMEOUT_SECONDS_MAX: u64 = 900;

/// HTTP endpoints and search clusters that delivery streams may send requests to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What their URLs begin with: the same host and port, and the beginning of a path.
    pub url: String,
    /// How long a request may take, with its answer.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u64,
    /// The user whose name and password requests show.
    pub username: Option<String>,
    /// The password itself.
    pub secret: Option<Secret>,
    /// A file with the password; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the password.
    pub secret_env: Option<String>,
}

impl Endpoint {
    /// What the delivery is told.
    ///
    /// # Errors
    /// `Invalid` if the timeout is out of its bounds, or there is a name without a password, a password without a
    /// name, or one that cannot be read.
    pub(crate) fn settings(&self) -> Result<AllowedEndpoint> {
        let what = format!("endpoint {:?}", self.url);
        let timeout = timeout(&what, self.timeout_seconds, TIMEOUT_SECONDS_MAX)?;
        Ok(AllowedEndpoint {
            url: self.url.clone(),
            timeout,
            login: read_login(
                &what,
                self.username.as_deref(),
                self.secret.as_ref(),
                self.secret_file.as_deref(),
                self.secret_env.as_deref(),
            )?,
        })
    }
}

/// What Firehose waits.
fn timeout_default() -> u64 {
    180
}

/// What the generated file says about endpoints.
pub(super) const DOCUMENTATION: &str = r#"# Endpoints: where delivery streams may send records by HTTP: endpoints of Firehose's protocol, and clusters of
# OpenSearch and Elasticsearch. One that is not here does not exist for them, so that who makes delivery
# streams reaches nothing else of the network.
#
# url              what the URLs of endpoints begin with: the same host and port, and the beginning of a path.
# timeout_seconds  how long a request may take, 1 to 900. Default: 180.
# username         the user that requests show by "Authorization: Basic". Default: none, and they show nothing.
# secret           the user's password; or better
# secret_file      a file with the password; or
# secret_env       an environment variable with the password.
#
#[[endpoints]]
#url = "https://collector.example.com/firehose"
"#;
