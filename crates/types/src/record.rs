//! A record as a producer hands it over and a consumer gets it back.

use bytes::Bytes;

use crate::{HashKey, PartitionKey};

/// One payload with what decides its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Decides the shard, by its hash.
    pub partition_key: PartitionKey,
    /// Overrides the hash of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// The payload; may be empty.
    pub data: Bytes,
}

impl Record {
    /// A record routed by its partition key.
    #[must_use]
    pub fn new(partition_key: PartitionKey, data: Bytes) -> Self {
        Self {
            partition_key,
            explicit_hash_key: None,
            data,
        }
    }

    /// The key that decides the shard.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of(self.partition_key.as_bytes()))
    }
}
