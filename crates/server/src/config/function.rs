//! The functions of a configuration file: what delivery streams may have their records changed by.

use std::path::PathBuf;

use afflux_deliver::FunctionSettings;
use afflux_types::Result;
use serde::Deserialize;

use super::credential::{Secret, read_secret};
use super::timeout::timeout;

/// The longest that a call may take: what Firehose waits for Lambda.
const TIMEOUT_SECONDS_MAX: u64 = 300;

/// A function that delivery streams may call, by HTTP, as Firehose calls one of Lambda.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The function's name, as ARNs have it.
    pub name: String,
    /// Where it is called.
    pub url: String,
    /// How long a call may take, with its answer.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u64,
    /// What calls show as a bearer token.
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the secret.
    pub secret_env: Option<String>,
}

impl Function {
    /// What the delivery is told.
    ///
    /// # Errors
    /// `Invalid` if the timeout is out of its bounds, or the secret cannot be read.
    pub(crate) fn settings(&self) -> Result<FunctionSettings> {
        let what = format!("function {:?}", self.name);
        let timeout = timeout(&what, self.timeout_seconds, TIMEOUT_SECONDS_MAX)?;
        Ok(FunctionSettings {
            name: self.name.clone(),
            url: self.url.clone(),
            token: self.token(&what)?,
            timeout,
        })
    }

    fn token(&self, what: &str) -> Result<String> {
        let (secret, file, variable) = (&self.secret, &self.secret_file, &self.secret_env);
        if secret.is_none() && file.is_none() && variable.is_none() {
            return Ok(String::new());
        }
        let secret = read_secret(what, secret.as_ref(), file.as_deref(), variable.as_deref())?;
        Ok(secret.expose().to_owned())
    }
}

fn timeout_default() -> u64 {
    60
}

/// What the generated file says about functions.
pub(super) const DOCUMENTATION: &str = r#"# Functions: what delivery streams may have their records changed by. They are called by HTTP, as
# Firehose calls functions of Lambda. A function that is not here does not exist for them.
#
# name             as ARNs have it: that of arn:aws:lambda:REGION:ACCOUNT:function:NAME, wherever it is.
# url              where it is called: what the delivery stream says is posted as JSON, and the answer is
#                  what the function returns. Such is also the URL at which a runtime of Lambda is invoked.
# timeout_seconds  how long a call may take, 1 to 300. Default: 60.
# secret           what calls show as "Authorization: Bearer". Default: none, and they show nothing. Better
# secret_file      a file with the secret; or
# secret_env       an environment variable with the secret.
#
#[[functions]]
#name = "enrich"
#url = "http://localhost:9000/2015-03-31/functions/function/invocations"
"#;
