//! Answers of the data plane: results of puts, iterators, records.

use std::borrow::Cow;

use afflux_types::{ServerTime, ShardId};
use bytes::Bytes;

use super::HashKeyRange;
use crate::document::{Encoder, Format};
use crate::kinesis::sequence::SequenceNumber;
use crate::kinesis::values::EncryptionType;
use crate::macros::output;

output! {
    /// Answer of `PutRecord`.
    PutRecordOutput {
        /// The shard that took the record.
        shard_id: ShardId = "ShardId",
        /// The record's number.
        sequence_number: SequenceNumber = "SequenceNumber",
        /// How it is encrypted.
        encryption_type: Option<EncryptionType> = "EncryptionType",
    }
}

output! {
    /// What became of one record of `PutRecords`: a place, or an error.
    PutRecordsResultEntry {
        /// The record's number.
        sequence_number: Option<SequenceNumber> = "SequenceNumber",
        /// The shard that took the record.
        shard_id: Option<ShardId> = "ShardId",
        /// `ProvisionedThroughputExceededException` or `InternalFailure`.
        error_code: Option<&'static str> = "ErrorCode",
        /// The sentence.
        error_message: Option<Cow<'static, str>> = "ErrorMessage",
    }
}

impl PutRecordsResultEntry {
    /// A record that was taken.
    #[must_use]
    pub fn accepted(shard_id: ShardId, sequence_number: SequenceNumber) -> Self {
        Self {
            sequence_number: Some(sequence_number),
            shard_id: Some(shard_id),
            error_code: None,
            error_message: None,
        }
    }

    /// A record that was not.
    #[must_use]
    pub fn refused(error_code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sequence_number: None,
            shard_id: None,
            error_code: Some(error_code),
            error_message: Some(message.into()),
        }
    }
}

output! {
    /// Answer of `PutRecords`.
    PutRecordsOutput {
        /// Entries with an error; there even if zero.
        failed_record_count: u32 = "FailedRecordCount",
        /// One for each record, in the order of the request.
        records: Vec<PutRecordsResultEntry> = "Records",
        /// How records are encrypted.
        encryption_type: Option<EncryptionType> = "EncryptionType",
    }
}

impl PutRecordsOutput {
    /// The answer, in one buffer that need not grow.
    #[must_use]
    pub fn to_bytes(&self, format: Format) -> Bytes {
        // A result is a number of 56 digits, a shard id of 20 characters, and two names.
        Encoder::to_bytes(format, 128 + self.records.len() * 144, self)
    }
}

output! {
    /// Answer of `GetShardIterator`.
    GetShardIteratorOutput {
        /// The iterator.
        shard_iterator: String = "ShardIterator",
    }
}

output! {
    /// A record on its way out, borrowed from where it lies.
    Record<'a> {
        /// The record's number.
        sequence_number: SequenceNumber = "SequenceNumber",
        /// When it arrived.
        approximate_arrival_timestamp: Option<ServerTime> = "ApproximateArrivalTimestamp",
        /// The payload.
        data: &'a [u8] = "Data",
        /// The key it came with.
        partition_key: Option<&'a str> = "PartitionKey",
        /// How it is encrypted.
        encryption_type: Option<EncryptionType> = "EncryptionType",
    }
}

output! {
    /// A shard that continues a closed one.
    ChildShard {
        /// The child.
        shard_id: ShardId = "ShardId",
        /// The shards that it continues.
        parent_shards: Vec<ShardId> = "ParentShards",
        /// Its share of the hash space.
        hash_key_range: HashKeyRange = "HashKeyRange",
    }
}

output! {
    /// Answer of `GetRecords`.
    ///
    /// At the end of a closed shard there is no next iterator and there are children; anywhere else
    /// it is the other way round. Client libraries refuse every other combination.
    GetRecordsOutput<'a> {
        /// The records.
        records: Vec<Record<'a>> = "Records",
        /// Where to go on.
        next_shard_iterator: Option<String> = "NextShardIterator",
        /// How far the last record is behind the newest.
        millis_behind_latest: u64 = "MillisBehindLatest",
        /// What continues a shard that has ended.
        child_shards: Option<Vec<ChildShard>> = "ChildShards",
    }
}

impl GetRecordsOutput<'_> {
    /// The answer, in one buffer that need not grow.
    #[must_use]
    pub fn to_bytes(&self, format: Format) -> Bytes {
        Encoder::to_bytes(format, 1_024 + capacity(format, &self.records), self)
    }
}

output! {
    /// One push of `SubscribeToShard`.
    ///
    /// At the end of a closed shard there is no continuation and there are children; anywhere else it
    /// is the other way round.
    SubscribeToShardEvent<'a> {
        /// The records.
        records: Vec<Record<'a>> = "Records",
        /// Where another subscription would go on.
        continuation_sequence_number: Option<SequenceNumber> = "ContinuationSequenceNumber",
        /// How far the last record is behind the newest.
        millis_behind_latest: u64 = "MillisBehindLatest",
        /// What continues a shard that has ended.
        child_shards: Option<Vec<ChildShard>> = "ChildShards",
    }
}

impl SubscribeToShardEvent<'_> {
    /// Bytes to reserve for the event.
    #[must_use]
    pub fn capacity(&self, format: Format) -> usize {
        1_024 + capacity(format, &self.records)
    }
}

/// An upper bound of what `records` take, unless their keys are full of escapes.
fn capacity(format: Format, records: &[Record<'_>]) -> usize {
    let one = |record: &Record<'_>| {
        let data = match format {
            Format::Json => record.data.len().div_ceil(3) * 4,
            Format::Cbor => record.data.len(),
        };
        data + record.partition_key.map_or(0, str::len) + 224
    };
    records.iter().map(one).sum()
}
