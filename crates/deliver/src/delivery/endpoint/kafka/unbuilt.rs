//! The producer of a build without Kafka: it sends nothing.

use afflux_types::{Clock, Result};

use super::super::refusal::{Outcome, Refusal};
use super::{KafkaClusters, KafkaSettings, Transaction};

/// What a delivery stream sends its records to Kafka with.
#[derive(Clone, Debug)]
pub(crate) struct Producer(KafkaClusters);

impl Producer {
    pub(crate) fn new(_: u64, clusters: KafkaClusters, _: Clock) -> Self {
        Self(clusters)
    }

    /// # Errors
    /// `Invalid`, always.
    pub(in super::super) async fn open(&self, settings: &KafkaSettings) -> Result<Option<Refusal>> {
        self.0.find(&settings.cluster)?;
        Ok(None)
    }

    /// # Errors
    /// `Invalid`, always.
    pub(in super::super) async fn deliver(&self, transaction: Transaction) -> Result<Outcome> {
        self.0.find(&transaction.settings.cluster)?;
        Ok(Outcome::Taken)
    }
}
