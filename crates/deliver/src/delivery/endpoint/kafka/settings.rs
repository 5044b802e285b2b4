//! Where in Kafka records go, and as what.

use afflux_types::{Error, Result};
use serde::{Deserialize, Serialize};

use super::super::receiver::within;
use crate::delivery::settings::BUFFER_SECONDS_MAX;

/// As many as Kafka allows.
const TOPIC_CHARS_MAX: usize = 249;
/// With its copies a request of this size has room in half of the memory that a server assumes.
const BUFFER_BYTES_MAX: u64 = 32 << 20;

/// A topic of Kafka that takes what comes out of a delivery stream, instead of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// The name of the cluster in the server's configuration.
    pub cluster: String,
    /// The topic.
    pub topic: String,
    /// What is the key of a message.
    pub key: MessageKey,
    /// A transaction is complete when it has this many bytes of payload, or 10,000 records.
    pub buffer_bytes: u64,
    /// A transaction is complete this long after its first record, in seconds.
    pub buffer_seconds: u64,
}

/// What is the key of a message, by which Kafka finds its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKey {
    /// The record's partition key: messages of one key are in one partition, in their order.
    #[default]
    PartitionKey,
    /// Nothing: messages are in any partition.
    None,
}

impl KafkaSettings {
    /// A topic of a cluster with every default.
    #[must_use]
    pub fn new(cluster: String, topic: String) -> Self {
        Self {
            cluster,
            topic,
            key: MessageKey::default(),
            buffer_bytes: 5 << 20,
            buffer_seconds: 1,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let topic = &self.topic;
        let is_legal = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        let is_topic = (1..=TOPIC_CHARS_MAX).contains(&topic.len())
            && topic.bytes().all(is_legal)
            && !matches!(topic.as_str(), "." | "..");
        if !is_topic {
            return Err(Error::invalid(format!(
                "{topic:?} is not the name of a topic: 1 to {TOPIC_CHARS_MAX} letters, digits, '.', '_' and \
                 '-', and neither \".\" nor \"..\""
            )));
        }
        let limits = [
            ("buffer_bytes", self.buffer_bytes, 1 << 20, BUFFER_BYTES_MAX),
            ("buffer_seconds", self.buffer_seconds, 0, BUFFER_SECONDS_MAX),
        ];
        within("the Kafka topic", limits)
    }
}
