//! The Kafka clusters of a configuration file: where delivery streams may send messages.

use std::path::PathBuf;

use afflux_deliver::KafkaCluster;
use afflux_types::{Error, Result};
use serde::Deserialize;

use super::credential::{Secret, read_login};
use super::timeout::timeout;

const TIMEOUT_SECONDS_MAX: u64 = 900;
/// The least that librdkafka takes, and more than any record of a stream.
const MESSAGE_BYTES: std::ops::RangeInclusive<u32> = 1_000..=16 << 20;

/// A Kafka cluster that delivery streams may send messages to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// The cluster's name, as delivery streams know it.
    pub name: String,
    /// Brokers that are asked for the others, each as `HOST:PORT`.
    pub brokers: Vec<String>,
    /// How long a transaction may take, and connecting before it.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u64,
    /// Bytes of a message with its key, at most.
    #[serde(default = "message_bytes_default")]
    pub message_bytes_max: u32,
    /// The user whose name and password brokers are shown.
    pub username: Option<String>,
    /// The password itself.
    pub secret: Option<Secret>,
    /// A file with the password; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the password.
    pub secret_env: Option<String>,
}

impl Kafka {
    /// What the delivery is told.
    ///
    /// # Errors
    /// `Invalid` if a number is out of its bounds, or there is a name without a password, a password without a
    /// name, or one that cannot be read.
    pub(crate) fn settings(&self) -> Result<KafkaCluster> {
        let (what, bytes) = (
            format!("Kafka cluster {:?}", self.name),
            self.message_bytes_max,
        );
        let timeout = timeout(&what, self.timeout_seconds, TIMEOUT_SECONDS_MAX)?;
        if !MESSAGE_BYTES.contains(&bytes) {
            return Err(Error::invalid(format!(
                "message_bytes_max of {what} is {bytes}; allowed are {} to {}",
                MESSAGE_BYTES.start(),
                MESSAGE_BYTES.end()
            )));
        }
        Ok(KafkaCluster {
            name: self.name.clone(),
            brokers: self.brokers.clone(),
            timeout,
            message_bytes_max: bytes,
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

fn timeout_default() -> u64 {
    60
}

/// What librdkafka assumes, and a little less than brokers do.
fn message_bytes_default() -> u32 {
    1_000_000
}

/// What the generated file says about Kafka clusters.
pub(super) const DOCUMENTATION: &str = r#"# Kafka: clusters that delivery streams may send records to, in a build with the feature "kafka". One that is not
# here does not exist for them. Connections are not encrypted: TLS (SSL, SASL_SSL) is not in this build, and of SASL
# only PLAIN is. Over networks that are not trusted, let a proxy such as stunnel encrypt them.
# A user needs the rights Write and Describe for topics and for transactional ids that begin with "afflux-", and Read
# for consumer groups that do.
#
# name               as delivery streams know it.
# brokers            brokers that are asked for the others: ["HOST:PORT", ...].
# timeout_seconds    how long a transaction may take, and connecting before it, 1 to 900. Default: 60.
# message_bytes_max  bytes of a message with its key, 1000 to 16777216; larger ones go to the error prefix. Not more
#                    than max.message.bytes of the topics. Default: 1000000.
# username           the user that brokers are shown, by SASL_PLAINTEXT. Default: none, and they are shown nobody.
# secret             the user's password; or better
# secret_file        a file with the password; or
# secret_env         an environment variable with the password.
#
#[[kafka]]
#name = "events"
#brokers = ["kafka1.example.com:9092", "kafka2.example.com:9092"]
"#;
