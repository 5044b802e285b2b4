//! The credentials of a configuration file: who may do what through the AWS-compatible APIs.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use afflux_deliver::Login;
use afflux_types::{Error, Result};
use serde::Deserialize;

/// An access key and what requests that are signed with it may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Names the key in requests and in logs.
    pub access_key_id: String,
    /// The secret itself.
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the secret.
    pub secret_env: Option<String>,
    /// What requests must send as `X-Amz-Security-Token`, for temporary credentials.
    pub session_token: Option<Secret>,
    /// The twelve digits of the account that the key belongs to; the server's own if there are none.
    pub account: Option<String>,
    /// What the key allows: actions such as `kinesis:PutRecords`; `*` stands for any characters.
    pub actions: Vec<String>,
    /// Names of streams that the actions hold for; `*` stands for any characters.
    #[serde(default = "every_stream")]
    pub streams: Vec<String>,
}

/// A text that logs never show.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secret from the one place that is given; `what` it belongs to is named in errors.
///
/// # Errors
/// `Invalid` unless there is one place, and it can be read.
pub(crate) fn read_secret(
    what: &str,
    secret: Option<&Secret>,
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<Secret> {
    let secret = match (secret, file, variable) {
        (Some(secret), None, None) => secret.expose().to_owned(),
        (None, Some(path), None) => fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            Error::invalid(format!("read the secret of {what} from {path}")).with_source(error)
        })?,
        (None, None, Some(name)) => std::env::var(name).map_err(|error| {
            let message = format!("read the secret of {what} from the environment variable {name}");
            Error::invalid(message).with_source(error)
        })?,
        _ => {
            return Err(Error::invalid(format!(
                "{what} needs exactly one of secret, secret_file and secret_env"
            )));
        }
    };
    Ok(Secret(secret.trim().to_owned()))
}

/// The user's name and the password that belong to it, if there is one; `what` it belongs to is named in errors.
///
/// # Errors
/// `Invalid` for a password without a name, and as [`read_secret`] reports.
pub(crate) fn read_login(
    what: &str,
    username: Option<&str>,
    secret: Option<&Secret>,
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<Option<Login>> {
    let Some(username) = username else {
        return match secret.is_some() || file.is_some() || variable.is_some() {
            true => Err(Error::invalid(format!(
                "{what} has a secret and no username"
            ))),
            false => Ok(None),
        };
    };
    let secret = read_secret(what, secret, file, variable)?;
    Ok(Some(Login {
        username: username.to_owned(),
        password: secret.expose().to_owned(),
    }))
}

fn every_stream() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What the generated file says about credentials.
pub(super) const DOCUMENTATION: &str = r#"# Credentials: who may do what through the AWS-compatible APIs. With any credential, token or
# tls.client_ca, every request must be signed with a credential, also on loopback.
#
# access_key_id  names the key in requests and in logs: 1 to 128 letters, digits, '_' and '-'.
# secret         of at least 16 characters; or better
# secret_file    a file with the secret; or
# secret_env     an environment variable with the secret.
# session_token  what requests must send as X-Amz-Security-Token. Default: none, and none is asked for.
# account        its twelve digits. Default: aws.account. A credential of another account may do only
#                what its actions and the policy of the stream or consumer allow both; within the
#                account either is enough. Policies call it arn:aws:iam::ACCOUNT:user/ACCESS_KEY_ID.
# actions        such as "kinesis:PutRecords"; * stands for any characters.
# streams        names that the actions hold for; * stands for any characters. Default: ["*"].
#
#[[credentials]]
#access_key_id = "ORDERS"
#secret_file = "/etc/afflux/orders.secret"
#actions = ["kinesis:PutRecord*", "kinesis:ListShards", "kinesis:DescribeStream*"]
#streams = ["orders-*"]
"#;
