//! Inputs of the control plane that make, describe and change streams and their shards.

use std::collections::BTreeMap;

use afflux_types::ServerTime;

use crate::kinesis::values::{
    ANY_BOOLEAN, ANY_INTEGER, ANY_TIME, EncryptionType, HASH_KEY_SHAPE, KEY_ID_SHAPE,
    METRICS_SHAPE, MetricName, NATURAL, NEXT_TOKEN_SHAPE, PAGE_SHAPE, POSITIVE, RECORD_KIB_SHAPE,
    RecordDistributionStrategy, SHARD_ID_SHAPE, STREAM_ARN_SHAPE, STREAM_ID_SHAPE,
    STREAM_NAME_SHAPE, ScalingType, ShardFilterType, StreamMode, TAGS_SHAPE,
};
use crate::macros::input;

input! {
    /// Who decides how many shards a stream has.
    StreamModeDetails {
        /// The mode.
        stream_mode: StreamMode = "StreamMode" is StreamMode::SHAPE,
    }
}

input! {
    /// Input of `CreateStream`.
    CreateStreamInput {
        /// The name of the stream.
        stream_name: String = "StreamName" is STREAM_NAME_SHAPE,
        /// Shards to start with.
        shard_count: Option<u32> = "ShardCount" is POSITIVE,
        /// The mode.
        stream_mode_details: Option<StreamModeDetails> = "StreamModeDetails" is StreamModeDetails::SHAPE,
        /// The tags.
        tags: Option<BTreeMap<String, String>> = "Tags" is TAGS_SHAPE,
        /// MiB/s that the stream is ready for.
        warm_throughput_mibps: Option<u32> = "WarmThroughputMiBps" is NATURAL,
        /// KiB of the largest record.
        max_record_size_kib: Option<u32> = "MaxRecordSizeInKiB" is RECORD_KIB_SHAPE,
        /// Who decides the shard of a record.
        record_distribution_strategy: Option<RecordDistributionStrategy> = "RecordDistributionStrategy" is RecordDistributionStrategy::SHAPE,
    }
}

input! {
    /// Input of `DeleteStream`.
    DeleteStreamInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// Deletes registered consumers too.
        enforce_consumer_deletion: Option<bool> = "EnforceConsumerDeletion" is ANY_BOOLEAN,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `DescribeStream`.
    DescribeStreamInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The most shards of one answer.
        limit: Option<u32> = "Limit" is PAGE_SHAPE,
        /// The last shard of the page before.
        exclusive_start_shard_id: Option<String> = "ExclusiveStartShardId" is SHARD_ID_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `DescribeStreamSummary`.
    DescribeStreamSummaryInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `ListStreams`.
    ListStreamsInput {
        /// The most that one page holds.
        limit: Option<u32> = "Limit" is PAGE_SHAPE,
        /// The last stream of the page before.
        exclusive_start_stream_name: Option<String> = "ExclusiveStartStreamName" is STREAM_NAME_SHAPE,
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is NEXT_TOKEN_SHAPE,
    }
}

input! {
    /// Which shards to list.
    ShardFilter {
        /// The rule.
        kind: ShardFilterType = "Type" is ShardFilterType::SHAPE,
        /// For the rule that names a shard.
        shard_id: Option<String> = "ShardId" is SHARD_ID_SHAPE,
        /// For the rules that name a time.
        timestamp: Option<ServerTime> = "Timestamp" is ANY_TIME,
    }
}

input! {
    /// Input of `ListShards`.
    ListShardsInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is NEXT_TOKEN_SHAPE,
        /// List the shards after this one.
        exclusive_start_shard_id: Option<String> = "ExclusiveStartShardId" is SHARD_ID_SHAPE,
        /// The most that one page holds.
        max_results: Option<u32> = "MaxResults" is PAGE_SHAPE,
        /// Tells two streams of one name apart.
        stream_creation_timestamp: Option<ServerTime> = "StreamCreationTimestamp" is ANY_TIME,
        /// Which shards.
        shard_filter: Option<ShardFilter> = "ShardFilter" is ShardFilter::SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `SplitShard`.
    SplitShardInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The shard.
        shard_to_split: String = "ShardToSplit" is SHARD_ID_SHAPE,
        /// Where the second child starts.
        new_starting_hash_key: String = "NewStartingHashKey" is HASH_KEY_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `MergeShards`.
    MergeShardsInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// One shard.
        shard_to_merge: String = "ShardToMerge" is SHARD_ID_SHAPE,
        /// Its neighbor.
        adjacent_shard_to_merge: String = "AdjacentShardToMerge" is SHARD_ID_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `UpdateShardCount`.
    UpdateShardCountInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// Open shards to end with.
        target_shard_count: u32 = "TargetShardCount" is POSITIVE,
        /// How ranges are chosen.
        scaling_type: ScalingType = "ScalingType" is ScalingType::SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `IncreaseStreamRetentionPeriod`.
    IncreaseStreamRetentionPeriodInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// Hours that records are kept.
        retention_period_hours: i32 = "RetentionPeriodHours" is ANY_INTEGER,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `DecreaseStreamRetentionPeriod`.
    DecreaseStreamRetentionPeriodInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// Hours that records are kept.
        retention_period_hours: i32 = "RetentionPeriodHours" is ANY_INTEGER,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `UpdateStreamMode`.
    UpdateStreamModeInput {
        /// The ARN of the stream.
        stream_arn: String = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// The mode.
        stream_mode_details: StreamModeDetails = "StreamModeDetails" is StreamModeDetails::SHAPE,
        /// MiB/s that the stream is ready for.
        warm_throughput_mibps: Option<u32> = "WarmThroughputMiBps" is NATURAL,
    }
}

input! {
    /// Input of `UpdateMaxRecordSize`.
    UpdateMaxRecordSizeInput {
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// KiB of the largest record.
        max_record_size_kib: u32 = "MaxRecordSizeInKiB" is RECORD_KIB_SHAPE,
    }
}

input! {
    /// Input of `UpdateStreamWarmThroughput`.
    UpdateStreamWarmThroughputInput {
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// MiB/s that the stream is ready for.
        warm_throughput_mibps: u32 = "WarmThroughputMiBps" is NATURAL,
    }
}

input! {
    /// Input of `UpdateStreamRecordDistributionStrategy`.
    UpdateStreamRecordDistributionStrategyInput {
        /// The ARN of the stream.
        stream_arn: String = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// Who decides the shard of a record.
        record_distribution_strategy: RecordDistributionStrategy = "RecordDistributionStrategy" is RecordDistributionStrategy::SHAPE,
    }
}

input! {
    /// Input of `StartStreamEncryption`.
    StartStreamEncryptionInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// How records are encrypted.
        encryption_type: EncryptionType = "EncryptionType" is EncryptionType::SHAPE,
        /// The master key: an id, an ARN or an alias.
        key_id: String = "KeyId" is KEY_ID_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `StopStreamEncryption`.
    StopStreamEncryptionInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// How records are encrypted.
        encryption_type: EncryptionType = "EncryptionType" is EncryptionType::SHAPE,
        /// The master key: an id, an ARN or an alias.
        key_id: String = "KeyId" is KEY_ID_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `EnableEnhancedMonitoring`.
    EnableEnhancedMonitoringInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The metrics.
        shard_level_metrics: Vec<MetricName> = "ShardLevelMetrics" is METRICS_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `DisableEnhancedMonitoring`.
    DisableEnhancedMonitoringInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The metrics.
        shard_level_metrics: Vec<MetricName> = "ShardLevelMetrics" is METRICS_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}
