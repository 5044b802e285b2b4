//! Who takes what comes out of a delivery stream, if it does not become objects.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use afflux_transform::{ErrorOutput, Record};
use afflux_types::{Error, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::http::EndpointSettings;
use super::kafka::{KafkaSettings, Message};
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
    /// A topic of Kafka.
    Kafka(KafkaSettings),
}

impl Receiver {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Http(endpoint) => endpoint.check(),
            Self::OpenSearch(cluster) => cluster.check(),
            Self::Kafka(kafka) => kafka.check(),
        }
    }

    /// What is kept of a record, and of what comes out of it, until it is sent.
    pub(crate) fn keep<'a>(&self, record: &Record, payload: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Http(_) | Self::OpenSearch(_) => Cow::Borrowed(payload),
            Self::Kafka(_) => Cow::Owned(Message::keep(record, payload)),
        }
    }

    /// The payload of a record, of what was kept of it.
    pub(super) fn payload(&self, kept: &Bytes) -> Bytes {
        match self {
            Self::Http(_) | Self::OpenSearch(_) => kept.clone(),
            Self::Kafka(_) => {
                let message = Message::read(kept.clone());
                message.map_or_else(|| kept.clone(), |message| message.payload)
            }
        }
    }

    /// A request is complete with so many bytes, and so long after its first record.
    pub(crate) fn buffer(&self) -> (u64, Duration) {
        let (bytes, seconds) = match self {
            Self::Http(endpoint) => (endpoint.buffer_bytes, endpoint.buffer_seconds),
            Self::OpenSearch(cluster) => (cluster.buffer_bytes, cluster.buffer_seconds),
            Self::Kafka(kafka) => (kafka.buffer_bytes, kafka.buffer_seconds),
        };
        (bytes, Duration::from_secs(seconds))
    }

    /// How long a request that failed is repeated; one to Kafka for ever.
    pub(super) fn retry(&self) -> Duration {
        match self {
            Self::Http(endpoint) => Duration::from_secs(endpoint.retry_seconds),
            Self::OpenSearch(cluster) => Duration::from_secs(cluster.retry_seconds),
            Self::Kafka(_) => Duration::MAX,
        }
    }

    /// Requests that are sent at a time; those to Kafka keep their order.
    pub(super) fn at_once(&self) -> usize {
        match self {
            Self::Http(_) | Self::OpenSearch(_) => 2,
            Self::Kafka(_) => 1,
        }
    }

    /// Where records go that it does not take.
    pub(crate) fn error_output(&self) -> ErrorOutput {
        match self {
            Self::Http(_) => ErrorOutput::HttpEndpoint,
            Self::OpenSearch(_) => ErrorOutput::OpenSearch,
            Self::Kafka(_) => ErrorOutput::Kafka,
        }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(endpoint) => f.write_str(&endpoint.url),
            Self::OpenSearch(cluster) => f.write_str(&cluster.url),
            Self::Kafka(KafkaSettings { cluster, topic, .. }) => {
                write!(f, "topic {topic} of Kafka cluster {cluster}")
            }
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
