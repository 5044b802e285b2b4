//! The tokens of a configuration file: who may do what on which streams.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// One thing that a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Send records and video.
    Produce,
    /// Read records and video, list fragments, and describe streams.
    Consume,
    /// Create, change and delete streams, and everything else about them.
    Admin,
    /// Read `/metrics` of an HTTP address that is not loopback.
    Metrics,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        })
    }
}

/// A named set of rights, proved by a secret or by a client certificate with that name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Shows in logs; with `tls.client_ca` also the DNS name of client certificates.
    pub name: String,
    /// The SHA-256 of the secret as 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// A file with the secret itself, of at least 16 characters; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
    /// What the token allows.
    pub rights: Vec<Right>,
    /// Names of streams that the rights hold for; `*` stands for any characters.
    #[serde(default = "every_stream")]
    pub streams: Vec<String>,
}

fn every_stream() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What the generated file says about tokens.
pub(super) const DOCUMENTATION: &str = r#"# Tokens: who may do what. With any token or tls.client_ca, every client must prove itself, also on
# loopback. Without, everybody may do everything, and only loopback addresses are allowed.
#
# name         shows in logs; with tls.client_ca also the DNS name in a client's certificate.
# sha256       of the secret: printf %s "$SECRET" | sha256sum. Make secrets with: openssl rand -hex 32
# secret_file  instead of sha256: a file with the secret itself, of at least 16 characters.
# rights       any of "produce", "consume", "admin" (streams and deliveries) and "metrics".
# streams      names that the rights hold for; * stands for any characters. Default: ["*"].
#
#[[tokens]]
#name = "cameras"
#sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
#rights = ["produce"]
#streams = ["camera-*"]
"#;
