//! The Kafka clusters that an operator allows.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, Result};

use super::super::Login;

/// A cluster that delivery streams may send records to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaCluster {
    /// As delivery streams know it.
    pub name: String,
    /// Brokers that are asked for the others: `HOST:PORT` each.
    pub brokers: Vec<String>,
    /// How long a transaction may take, and finding the brokers before it; 1 to 900 seconds.
    pub timeout: Duration,
    /// Bytes of a message with its key, at most; and of messages that are sent together.
    pub message_bytes_max: u32,
    /// Who sends messages, if they are to say so, by SASL's mechanism PLAIN.
    pub login: Option<Login>,
}

/// The Kafka clusters of a server; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct KafkaClusters(Arc<[KafkaCluster]>);

impl KafkaClusters {
    /// The clusters of these settings. Nobody is connected yet.
    ///
    /// # Errors
    /// `Invalid` for a cluster without brokers or with the name of another one, and for any in a build without the
    /// feature `kafka`.
    pub fn new(clusters: &[KafkaCluster]) -> Result<Self> {
        for (index, cluster) in clusters.iter().enumerate() {
            let name = &cluster.name;
            check_build()?;
            // Brokers are joined to one list, in which a comma would make two of one.
            let is_broker = |broker: &String| !broker.is_empty() && !broker.contains([',', '/']);
            if cluster.brokers.is_empty() || !cluster.brokers.iter().all(is_broker) {
                return Err(Error::invalid(format!(
                    "Kafka cluster {name:?} needs brokers, each as \"HOST:PORT\""
                )));
            }
            let before = clusters.iter().take(index);
            if before.map(|cluster| &cluster.name).any(|it| it == name) {
                return Err(Error::invalid(format!(
                    "there are two Kafka clusters {name:?}"
                )));
            }
        }
        Ok(Self(clusters.into()))
    }

    /// The cluster of this name.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Invalid` in a build without the feature `kafka`.
    pub(crate) fn find(&self, name: &str) -> Result<&KafkaCluster> {
        check_build()?;
        let mut clusters = self.0.iter();
        let cluster = clusters.find(|cluster| cluster.name == name);
        cluster.ok_or_else(|| {
            Error::not_found(format!(
                "Kafka cluster {name:?} is not among the [[kafka]] of the server's configuration"
            ))
        })
    }
}

fn check_build() -> Result<()> {
    match cfg!(feature = "kafka") {
        true => Ok(()),
        false => Err(Error::invalid(
            "this build has no Kafka: build with --features kafka",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, brokers: &[&str]) -> KafkaCluster {
        KafkaCluster {
            name: name.to_owned(),
            brokers: brokers.iter().map(|&broker| broker.to_owned()).collect(),
            timeout: Duration::from_secs(60),
            message_bytes_max: 1_000_000,
            login: None,
        }
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn a_cluster_has_brokers_and_a_name_of_its_own() {
        let refused = |clusters: &[KafkaCluster]| {
            let error = KafkaClusters::new(clusters).unwrap_err();
            error.message().to_owned()
        };
        for brokers in [&[][..], &[""], &["a:1,b:1"], &["kafka://a:1"]] {
            let message = refused(&[cluster("events", brokers)]);
            assert_eq!(
                message,
                "Kafka cluster \"events\" needs brokers, each as \"HOST:PORT\""
            );
        }
        let twice = [cluster("events", &["a:1"]), cluster("events", &["b:1"])];
        assert_eq!(refused(&twice), "there are two Kafka clusters \"events\"");
        let clusters = KafkaClusters::new(&[cluster("events", &["a:1"])]).unwrap();
        assert_eq!(clusters.find("events").unwrap().brokers, ["a:1"]);
        let error = clusters.find("others").unwrap_err();
        assert!(
            error
                .message()
                .contains("\"others\" is not among the [[kafka]]")
        );
    }

    #[cfg(not(feature = "kafka"))]
    #[test]
    fn a_build_without_kafka_says_how_to_have_it() {
        let none = KafkaClusters::new(&[]).unwrap();
        for error in [
            KafkaClusters::new(&[cluster("events", &["a:1"])]).unwrap_err(),
            none.find("events").unwrap_err(),
        ] {
            let message = "this build has no Kafka: build with --features kafka";
            assert_eq!(error.message(), message);
        }
    }
}
