//! A record on its way, with where it came from and which partition it is for.

use std::collections::BTreeMap;

use afflux_types::{HashKey, PartitionKey, Position, ServerTime, ShardId};
use bytes::Bytes;

/// A record on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The payload as it is now.
    pub data: Bytes,
    /// The payload as it came in, where it was compressed: that is what an error object shows.
    pub compressed: Option<Bytes>,
    /// When the record that this is (a part of) was stored.
    pub arrival: ServerTime,
    /// Where it stands in the stream.
    pub origin: Origin,
    /// The partition key of a data stream's record; a record that was put to the delivery stream has none.
    pub partition_key: Option<PartitionKey>,
    /// What its producer gave instead of the hash of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// What dynamic partitioning found out so far.
    pub keys: PartitionKeys,
}

impl Record {
    /// A record as it is read from a stream.
    #[must_use]
    pub fn new(
        data: Bytes,
        arrival: ServerTime,
        origin: Origin,
        partition_key: Option<PartitionKey>,
    ) -> Self {
        Self {
            data,
            compressed: None,
            arrival,
            origin,
            partition_key,
            explicit_hash_key: None,
            keys: PartitionKeys::default(),
        }
    }

    /// The payload that an error object shows.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        self.compressed.as_ref().unwrap_or(&self.data)
    }

    /// This record with another payload, which is a part of its own.
    pub(crate) fn part(&self, data: Bytes) -> Self {
        Self {
            data,
            compressed: None,
            ..self.clone()
        }
    }
}

/// Where a record stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The shard.
    pub shard: ShardId,
    /// The position of the stored record.
    pub position: Position,
    /// The place inside an aggregated record of the Kinesis Producer Library.
    pub sub_sequence: Option<u64>,
}

/// The values of dynamic partitioning, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionKeys {
    /// From the query: `!{partitionKeyFromQuery:name}`.
    pub query: BTreeMap<String, String>,
    /// From the transformer: `!{partitionKeyFromLambda:name}`.
    pub transformer: BTreeMap<String, String>,
}
