//! Who takes what comes out of a delivery stream, if it does not become objects.

use std::time::Duration;

use afflux_transform::ErrorOutput;
use afflux_types::{Error, Result};
use serde::{Deserialize, Serialize};

use super::http::EndpointSettings;
use super::opensearch::ClusterSettings;

/// The longest that a request that failed is repeated.
pub(super) const RETRY_SECONDS_MAX: u64 = 7_200;

/// Who takes what comes out of a delivery stream, instead of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// An HTTP endpoint that speaks Firehose's protocol.
    Http(EndpointSettings),
    /// An `OpenSearch` or Elasticsearch cluster.
    OpenSearch(ClusterSettings),
}

impl Receiver {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Http(endpoint) => endpoint.check(),
            Self::OpenSearch(cluster) => cluster.check(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Http(endpoint) => &endpoint.url,
            Self::OpenSearch(cluster) => &cluster.url,
        }
    }

    /// A request is complete with so many bytes, and so long after its first record.
    pub(crate) fn buffer(&self) -> (u64, Duration) {
        let (bytes, seconds) = match self {
            Self::Http(endpoint) => (endpoint.buffer_bytes, endpoint.buffer_seconds),
            Self::OpenSearch(cluster) => (cluster.buffer_bytes, cluster.buffer_seconds),
        };
        (bytes, Duration::from_secs(seconds))
    }

    /// How long a request that failed is repeated.
    pub(super) fn retry(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Http(endpoint) => endpoint.retry_seconds,
            Self::OpenSearch(cluster) => cluster.retry_seconds,
        })
    }

    /// Where records go that it does not take.
    pub(crate) fn error_output(&self) -> ErrorOutput {
        match self {
            Self::Http(_) => ErrorOutput::HttpEndpoint,
            Self::OpenSearch(_) => ErrorOutput::OpenSearch,
        }
    }
}

/// Checks numbers of `what`: each a name, a value, the least and the most.
pub(crate) fn within(
    what: &str,
    limits: impl IntoIterator<Item = (&'static str, u64, u64, u64)>,
) -> Result<()> {
    for (name, value, least, most) in limits {
        if !(least..=most).contains(&value) {
            return Err(Error::invalid(format!(
                "{name} of {what} is {value}; allowed are {least} to {most}"
            )));
        }
    }
    Ok(())
}
