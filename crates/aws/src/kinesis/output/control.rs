//! Answers of the control plane.

use afflux_types::{HashKey, ServerTime, ShardId};

use crate::kinesis::sequence::SequenceNumber;
use crate::kinesis::values::{
    CommitmentStatus, ConsumerStatus, EncryptionType, MetricName, RecordDistributionStrategy,
    StreamMode, StreamStatus,
};
use crate::macros::output;

output! {
    /// Both ends belong to the range.
    HashKeyRange {
        /// The lowest.
        starting_hash_key: HashKey = "StartingHashKey",
        /// The highest.
        ending_hash_key: HashKey = "EndingHashKey",
    }
}

output! {
    /// The sequence numbers of a shard.
    SequenceNumberRange {
        /// Before the first record.
        starting_sequence_number: SequenceNumber = "StartingSequenceNumber",
        /// After the last; `None` while the shard is open.
        ending_sequence_number: Option<SequenceNumber> = "EndingSequenceNumber",
    }
}

output! {
    /// A shard.
    Shard {
        /// The shard.
        shard_id: ShardId = "ShardId",
        /// The shard it came from.
        parent_shard_id: Option<ShardId> = "ParentShardId",
        /// The other one, after a merge.
        adjacent_parent_shard_id: Option<ShardId> = "AdjacentParentShardId",
        /// Its share of the hash space.
        hash_key_range: HashKeyRange = "HashKeyRange",
        /// Its sequence numbers.
        sequence_number_range: SequenceNumberRange = "SequenceNumberRange",
    }
}

output! {
    /// Who decides how many shards a stream has.
    StreamModeDetails {
        /// The mode.
        stream_mode: StreamMode = "StreamMode",
    }
}

output! {
    /// The metrics of each shard that are collected.
    EnhancedMetrics {
        /// The metrics.
        shard_level_metrics: Vec<MetricName> = "ShardLevelMetrics",
    }
}

output! {
    /// What an on-demand stream is ready for.
    WarmThroughput {
        /// What was asked for.
        target_mibps: u32 = "TargetMiBps",
        /// What there is.
        current_mibps: u32 = "CurrentMiBps",
    }
}

output! {
    /// A stream with a page of its shards.
    StreamDescription {
        /// The name.
        stream_name: String = "StreamName",
        /// The ARN.
        stream_arn: String = "StreamARN",
        /// The state.
        stream_status: StreamStatus = "StreamStatus",
        /// The mode.
        stream_mode_details: Option<StreamModeDetails> = "StreamModeDetails",
        /// A page of shards.
        shards: Vec<Shard> = "Shards",
        /// Whether there are more.
        has_more_shards: bool = "HasMoreShards",
        /// Hours that records are kept.
        retention_period_hours: u32 = "RetentionPeriodHours",
        /// When it was made.
        stream_creation_timestamp: ServerTime = "StreamCreationTimestamp",
        /// Always one entry.
        enhanced_monitoring: Vec<EnhancedMetrics> = "EnhancedMonitoring",
        /// How records are encrypted.
        encryption_type: Option<EncryptionType> = "EncryptionType",
        /// The master key; absent without encryption.
        key_id: Option<String> = "KeyId",
    }
}

output! {
    /// Answer of `DescribeStream`.
    DescribeStreamOutput {
        /// The stream.
        stream_description: StreamDescription = "StreamDescription",
    }
}

output! {
    /// A stream without its shards.
    StreamDescriptionSummary {
        /// The name.
        stream_name: String = "StreamName",
        /// The ARN.
        stream_arn: String = "StreamARN",
        /// The state.
        stream_status: StreamStatus = "StreamStatus",
        /// The mode.
        stream_mode_details: Option<StreamModeDetails> = "StreamModeDetails",
        /// Hours that records are kept.
        retention_period_hours: u32 = "RetentionPeriodHours",
        /// When it was made.
        stream_creation_timestamp: ServerTime = "StreamCreationTimestamp",
        /// Always one entry.
        enhanced_monitoring: Vec<EnhancedMetrics> = "EnhancedMonitoring",
        /// How records are encrypted.
        encryption_type: Option<EncryptionType> = "EncryptionType",
        /// The master key; absent without encryption.
        key_id: Option<String> = "KeyId",
        /// Open shards.
        open_shard_count: u32 = "OpenShardCount",
        /// Registered consumers.
        consumer_count: Option<u32> = "ConsumerCount",
        /// What it is ready for.
        warm_throughput: Option<WarmThroughput> = "WarmThroughput",
        /// KiB of the largest record.
        max_record_size_kib: Option<u32> = "MaxRecordSizeInKiB",
        /// Channels.
        channel_count: Option<u32> = "ChannelCount",
        /// Who decides the shard of a record.
        record_distribution_strategy: Option<RecordDistributionStrategy> = "RecordDistributionStrategy",
        /// Queues.
        queue_count: Option<u32> = "QueueCount",
    }
}

output! {
    /// Answer of `DescribeStreamSummary`.
    DescribeStreamSummaryOutput {
        /// The stream.
        stream_description_summary: StreamDescriptionSummary = "StreamDescriptionSummary",
    }
}

output! {
    /// A stream in a list.
    StreamSummary {
        /// The name.
        stream_name: String = "StreamName",
        /// The ARN.
        stream_arn: String = "StreamARN",
        /// The state.
        stream_status: StreamStatus = "StreamStatus",
        /// The mode.
        stream_mode_details: Option<StreamModeDetails> = "StreamModeDetails",
        /// When it was made.
        stream_creation_timestamp: Option<ServerTime> = "StreamCreationTimestamp",
    }
}

output! {
    /// Answer of `ListStreams`.
    ListStreamsOutput {
        /// The names, in order.
        stream_names: Vec<String> = "StreamNames",
        /// Whether there are more.
        has_more_streams: bool = "HasMoreStreams",
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
        /// The same streams.
        stream_summaries: Vec<StreamSummary> = "StreamSummaries",
    }
}

output! {
    /// Answer of `ListShards`.
    ListShardsOutput {
        /// A page of shards.
        shards: Vec<Shard> = "Shards",
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
    }
}

output! {
    /// Answer of `UpdateShardCount`.
    UpdateShardCountOutput {
        /// The name.
        stream_name: Option<String> = "StreamName",
        /// Open shards before.
        current_shard_count: u32 = "CurrentShardCount",
        /// Open shards after.
        target_shard_count: u32 = "TargetShardCount",
        /// The ARN.
        stream_arn: Option<String> = "StreamARN",
    }
}

output! {
    /// Answer of `UpdateStreamWarmThroughput`.
    UpdateStreamWarmThroughputOutput {
        /// The ARN.
        stream_arn: Option<String> = "StreamARN",
        /// The name.
        stream_name: Option<String> = "StreamName",
        /// What it will be ready for.
        warm_throughput: WarmThroughput = "WarmThroughput",
    }
}

output! {
    /// Answer of `EnableEnhancedMonitoring` and `DisableEnhancedMonitoring`.
    EnhancedMonitoringOutput {
        /// The name.
        stream_name: Option<String> = "StreamName",
        /// Before.
        current_shard_level_metrics: Vec<MetricName> = "CurrentShardLevelMetrics",
        /// After.
        desired_shard_level_metrics: Vec<MetricName> = "DesiredShardLevelMetrics",
        /// The ARN.
        stream_arn: Option<String> = "StreamARN",
    }
}

output! {
    /// A registered consumer.
    Consumer {
        /// The name.
        consumer_name: String = "ConsumerName",
        /// The ARN.
        consumer_arn: String = "ConsumerARN",
        /// The state.
        consumer_status: ConsumerStatus = "ConsumerStatus",
        /// When it was registered.
        consumer_creation_timestamp: ServerTime = "ConsumerCreationTimestamp",
    }
}

output! {
    /// A registered consumer with its stream.
    ConsumerDescription {
        /// The name.
        consumer_name: String = "ConsumerName",
        /// The ARN.
        consumer_arn: String = "ConsumerARN",
        /// The state.
        consumer_status: ConsumerStatus = "ConsumerStatus",
        /// When it was registered.
        consumer_creation_timestamp: ServerTime = "ConsumerCreationTimestamp",
        /// The ARN of the stream.
        stream_arn: String = "StreamARN",
    }
}

output! {
    /// Answer of `RegisterStreamConsumer`.
    RegisterStreamConsumerOutput {
        /// The consumer.
        consumer: Consumer = "Consumer",
    }
}

output! {
    /// Answer of `DescribeStreamConsumer`.
    DescribeStreamConsumerOutput {
        /// The consumer.
        consumer_description: ConsumerDescription = "ConsumerDescription",
    }
}

output! {
    /// Answer of `ListStreamConsumers`.
    ListStreamConsumersOutput {
        /// A page of consumers.
        consumers: Vec<Consumer> = "Consumers",
        /// Where the next page starts.
        next_token: Option<String> = "NextToken",
    }
}

output! {
    /// A tag.
    Tag {
        /// The key.
        key: String = "Key",
        /// The value.
        value: Option<String> = "Value",
    }
}

output! {
    /// Answer of `ListTagsForStream`.
    ListTagsForStreamOutput {
        /// A page of tags, by key.
        tags: Vec<Tag> = "Tags",
        /// Whether there are more.
        has_more_tags: bool = "HasMoreTags",
    }
}

output! {
    /// Answer of `ListTagsForResource`.
    ListTagsForResourceOutput {
        /// The tags, by key.
        tags: Vec<Tag> = "Tags",
    }
}

output! {
    /// Answer of `GetResourcePolicy`.
    GetResourcePolicyOutput {
        /// The policy in JSON; `{}` if there is none.
        policy: String = "Policy",
    }
}

output! {
    /// Answer of `DescribeLimits`.
    DescribeLimitsOutput {
        /// Shards that the account may have.
        shard_limit: u32 = "ShardLimit",
        /// Shards that it has.
        open_shard_count: u32 = "OpenShardCount",
        /// On-demand streams.
        on_demand_stream_count: u32 = "OnDemandStreamCount",
        /// On-demand streams that it may have.
        on_demand_stream_count_limit: u32 = "OnDemandStreamCountLimit",
        /// Channels.
        channel_count: Option<u32> = "ChannelCount",
        /// Channels that it may have.
        channel_count_limit: Option<u32> = "ChannelCountLimit",
    }
}

output! {
    /// What the account is committed to.
    MinimumThroughputBillingCommitment {
        /// The state.
        status: CommitmentStatus = "Status",
        /// When it started.
        started_at: Option<ServerTime> = "StartedAt",
        /// When it ended.
        ended_at: Option<ServerTime> = "EndedAt",
        /// When it may end.
        earliest_allowed_end_at: Option<ServerTime> = "EarliestAllowedEndAt",
    }
}

output! {
    /// Answer of `DescribeAccountSettings`.
    DescribeAccountSettingsOutput {
        /// The commitment.
        minimum_throughput_billing_commitment: Option<MinimumThroughputBillingCommitment> = "MinimumThroughputBillingCommitment",
    }
}

output! {
    /// Answer of `UpdateAccountSettings`.
    UpdateAccountSettingsOutput {
        /// The commitment.
        minimum_throughput_billing_commitment: Option<MinimumThroughputBillingCommitment> = "MinimumThroughputBillingCommitment",
    }
}
