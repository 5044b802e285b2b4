//! What is sent to an HTTP endpoint, and how.

use std::fmt;

use afflux_types::Result;
use serde::{Deserialize, Serialize};

use super::super::receiver::{RETRY_SECONDS_MAX, within};
use crate::delivery::http;
use crate::delivery::settings::BUFFER_SECONDS_MAX;

const BUFFER_BYTES_MAX: u64 = 64 << 20;
const ATTRIBUTES_MAX: u64 = 50;
const ACCESS_KEY_BYTES_MAX: u64 = 4_096;

/// An HTTP endpoint that takes what comes out of a delivery stream, instead of objects.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// Where requests go.
    pub url: String,
    /// The secret that it knows callers by; none if it is empty.
    pub access_key: String,
    /// What every request says: names and values.
    pub attributes: Vec<(String, String)>,
    /// Whether the bodies of requests are compressed.
    pub encoding: ContentEncoding,
    /// A request is complete when it has this many bytes of payload, or as many as fit into one.
    pub buffer_bytes: u64,
    /// A request is complete this long after its first record, in seconds.
    pub buffer_seconds: u64,
    /// How long a request that failed is repeated, in seconds; then its records become error objects.
    pub retry_seconds: u64,
}

/// How the body of a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentEncoding {
    /// As it is.
    Identity,
    /// Compressed by gzip.
    Gzip,
}

impl fmt::Debug for EndpointSettings {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSettings")
            .field("url", &self.url)
            .field("attributes", &self.attributes)
            .field("encoding", &self.encoding)
            .field("buffer_bytes", &self.buffer_bytes)
            .field("buffer_seconds", &self.buffer_seconds)
            .field("retry_seconds", &self.retry_seconds)
            .finish_non_exhaustive()
    }
}

impl EndpointSettings {
    /// The endpoint at `url` with every default.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self {
            url,
            access_key: String::new(),
            attributes: Vec::new(),
            encoding: ContentEncoding::Identity,
            buffer_bytes: 5 << 20,
            buffer_seconds: 300,
            retry_seconds: 300,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        http::parse(&self.url)?;
        let attributes = u64::try_from(self.attributes.len()).unwrap_or(u64::MAX);
        let key_bytes = u64::try_from(self.access_key.len()).unwrap_or(u64::MAX);
        let limits = [
            ("buffer_bytes", self.buffer_bytes, 1 << 20, BUFFER_BYTES_MAX),
            ("buffer_seconds", self.buffer_seconds, 0, BUFFER_SECONDS_MAX),
            ("retry_seconds", self.retry_seconds, 0, RETRY_SECONDS_MAX),
            ("the number of attributes", attributes, 0, ATTRIBUTES_MAX),
            (
                "the length of access_key",
                key_bytes,
                0,
                ACCESS_KEY_BYTES_MAX,
            ),
        ];
        within("the HTTP endpoint", limits)
    }
}
