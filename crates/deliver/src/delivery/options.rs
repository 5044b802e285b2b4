//! What the delivery streams of a server share.

use std::path::PathBuf;

use afflux_types::Result;

use super::endpoint::{Endpoints, KafkaClusters, Receiver};
use super::functions::Functions;
use super::stores::Stores;
use super::tables::Catalogs;
use super::transformer::Owner;

/// What the deliveries of a server share.
#[derive(Clone, Debug)]
pub struct DeliveryOptions {
    /// An existing directory, below which records wait that have no room in memory.
    pub directory: PathBuf,
    /// The buckets that may be written to.
    pub stores: Stores,
    /// The functions that may be called.
    pub functions: Functions,
    /// The endpoints that may be sent to.
    pub endpoints: Endpoints,
    /// The Kafka clusters that may be sent to.
    pub kafka: KafkaClusters,
    /// The catalogs whose tables may be appended to.
    pub catalogs: Catalogs,
    /// Whose the delivery streams are, which functions are told.
    pub owner: Owner,
    /// Bytes in memory over all delivery streams: one half is for records that wait, the other for objects and
    /// requests on their way to stores and endpoints. One that is larger than its half goes alone.
    pub memory_bytes: usize,
}

impl DeliveryOptions {
    /// No buckets, no functions, and 256 MiB of memory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            stores: Stores::default(),
            functions: Functions::default(),
            endpoints: Endpoints::default(),
            kafka: KafkaClusters::default(),
            catalogs: Catalogs::default(),
            owner: Owner::default(),
            memory_bytes: 256 << 20,
        }
    }

    /// Checks that a receiver may be sent to.
    pub(crate) fn check(&self, receiver: &Receiver) -> Result<()> {
        match receiver {
            Receiver::Http(endpoint) => self.endpoints.find(&endpoint.url).map(drop),
            Receiver::OpenSearch(cluster) => self.endpoints.find(&cluster.url).map(drop),
            Receiver::Kafka(kafka) => self.kafka.find(&kafka.cluster).map(drop),
        }
    }
}
