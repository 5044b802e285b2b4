//! Inputs of the data plane: records in, iterators, records out, subscriptions.

use afflux_types::{PartitionKey, ServerTime};
use bytes::Bytes;

use crate::kinesis::values::{
    ANY_BOOLEAN, ANY_TIME, CONSUMER_ARN_SHAPE, DATA_SHAPE, HASH_KEY_SHAPE, PAGE_SHAPE,
    PARTITION_KEY_SHAPE, SEQUENCE_NUMBER_SHAPE, SHARD_ID_SHAPE, SHARD_ITERATOR_SHAPE,
    STREAM_ARN_SHAPE, STREAM_ID_SHAPE, STREAM_NAME_SHAPE, ShardIteratorType,
};
use crate::macros::input;
use crate::parse::Structure as _;
use crate::validate::{Kind, Shape};

input! {
    /// Input of `PutRecord`.
    PutRecordInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The payload.
        data: Bytes = "Data" is DATA_SHAPE,
        /// Decides the shard; required unless the service distributes the records.
        partition_key: Option<PartitionKey> = "PartitionKey" is PARTITION_KEY_SHAPE,
        /// Overrides the hash of the partition key.
        explicit_hash_key: Option<String> = "ExplicitHashKey" is HASH_KEY_SHAPE,
        /// The new record comes after this one.
        sequence_number_for_ordering: Option<String> = "SequenceNumberForOrdering" is SEQUENCE_NUMBER_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// Only checks the request and the rights.
        dry_run: Option<bool> = "DryRun" is ANY_BOOLEAN,
    }
}

input! {
    /// A record of [`PutRecordsInput`].
    PutRecordsRequestEntry {
        /// The payload.
        data: Bytes = "Data" is DATA_SHAPE,
        /// Overrides the hash of the partition key.
        explicit_hash_key: Option<String> = "ExplicitHashKey" is HASH_KEY_SHAPE,
        /// Decides the shard; required unless the service distributes the records.
        partition_key: Option<PartitionKey> = "PartitionKey" is PARTITION_KEY_SHAPE,
    }
}

const PUT_RECORDS_SHAPE: Shape = Shape::new(Kind::List(&PutRecordsRequestEntry::SHAPE))
    .min(1)
    .max(500);

input! {
    /// Input of `PutRecords`.
    PutRecordsInput {
        /// 1 to 500 records.
        records: Vec<PutRecordsRequestEntry> = "Records" is PUT_RECORDS_SHAPE,
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// Only checks the request and the rights.
        dry_run: Option<bool> = "DryRun" is ANY_BOOLEAN,
    }
}

input! {
    /// Input of `GetShardIterator`.
    GetShardIteratorInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The shard.
        shard_id: String = "ShardId" is SHARD_ID_SHAPE,
        /// Where to start.
        shard_iterator_type: ShardIteratorType = "ShardIteratorType" is ShardIteratorType::SHAPE,
        /// For the types that name a sequence number.
        starting_sequence_number: Option<String> = "StartingSequenceNumber" is SEQUENCE_NUMBER_SHAPE,
        /// For the type that names a time.
        timestamp: Option<ServerTime> = "Timestamp" is ANY_TIME,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// Only checks the request and the rights.
        dry_run: Option<bool> = "DryRun" is ANY_BOOLEAN,
    }
}

input! {
    /// Input of `GetRecords`.
    GetRecordsInput {
        /// Where to read.
        shard_iterator: String = "ShardIterator" is SHARD_ITERATOR_SHAPE,
        /// The most records of one answer.
        limit: Option<u32> = "Limit" is PAGE_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// Only checks the request and the rights.
        dry_run: Option<bool> = "DryRun" is ANY_BOOLEAN,
    }
}

input! {
    /// Where a subscription starts.
    StartingPosition {
        /// The kind of place.
        kind: ShardIteratorType = "Type" is ShardIteratorType::SHAPE,
        /// For the types that name a sequence number.
        sequence_number: Option<String> = "SequenceNumber" is SEQUENCE_NUMBER_SHAPE,
        /// For the type that names a time.
        timestamp: Option<ServerTime> = "Timestamp" is ANY_TIME,
    }
}

input! {
    /// Input of `SubscribeToShard`.
    SubscribeToShardInput {
        /// The ARN of the consumer.
        consumer_arn: String = "ConsumerARN" is CONSUMER_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// The shard.
        shard_id: String = "ShardId" is SHARD_ID_SHAPE,
        /// Where to start.
        starting_position: StartingPosition = "StartingPosition" is StartingPosition::SHAPE,
        /// Only checks the request and the rights.
        dry_run: Option<bool> = "DryRun" is ANY_BOOLEAN,
    }
}
