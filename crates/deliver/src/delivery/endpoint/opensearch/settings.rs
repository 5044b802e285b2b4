//! What is sent to a cluster, and how.

use afflux_transform::IndexSettings;
use afflux_types::{Error, Result};
use serde::{Deserialize, Serialize};

use super::super::receiver::{RETRY_SECONDS_MAX, within};
use crate::delivery::http;
use crate::delivery::settings::BUFFER_SECONDS_MAX;

const BUFFER_BYTES_MAX: u64 = 100 << 20;

/// An `OpenSearch` or Elasticsearch cluster that takes what comes out of a delivery stream, instead of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    /// Where its API is.
    pub url: String,
    /// Which index records go to.
    pub index: IndexSettings,
    /// A request is complete when it has this many bytes of payload, or as many as fit into one.
    pub buffer_bytes: u64,
    /// A request is complete this long after its first record, in seconds.
    pub buffer_seconds: u64,
    /// How long a request that failed is repeated, in seconds; then its records become error objects.
    pub retry_seconds: u64,
}

impl ClusterSettings {
    /// The cluster at `url` with every default.
    #[must_use]
    pub fn new(url: String, index: IndexSettings) -> Self {
        Self {
            url,
            index,
            buffer_bytes: 5 << 20,
            buffer_seconds: 300,
            retry_seconds: 300,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let url = http::parse(&self.url)?;
        // What is told of a delivery stream holds no password; the path of the API comes behind this one.
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if has_more {
            return Err(Error::invalid(
                "the URL of the cluster has more than a host and a path; a user's name and password belong to \
                 the [[endpoints]] of the server's configuration",
            ));
        }
        self.index.check()?;
        let limits = [
            ("buffer_bytes", self.buffer_bytes, 1 << 20, BUFFER_BYTES_MAX),
            ("buffer_seconds", self.buffer_seconds, 0, BUFFER_SECONDS_MAX),
            ("retry_seconds", self.retry_seconds, 0, RETRY_SECONDS_MAX),
        ];
        within("the cluster", limits)
    }
}
