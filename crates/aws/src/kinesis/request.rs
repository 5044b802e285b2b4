//! One type for every request that is served.

use bytes::Bytes;

use super::input::*;
use super::{Code, Error, Operation};
use crate::document::Format;
use crate::macros::requests;

requests! {
    AddTagsToStream(AddTagsToStreamInput),
    CreateStream(CreateStreamInput),
    DecreaseStreamRetentionPeriod(DecreaseStreamRetentionPeriodInput),
    DeleteResourcePolicy(DeleteResourcePolicyInput),
    DeleteStream(DeleteStreamInput),
    DeregisterStreamConsumer(DeregisterStreamConsumerInput),
    DescribeAccountSettings(DescribeAccountSettingsInput),
    DescribeLimits(DescribeLimitsInput),
    DescribeStream(DescribeStreamInput),
    DescribeStreamConsumer(DescribeStreamConsumerInput),
    DescribeStreamSummary(DescribeStreamSummaryInput),
    DisableEnhancedMonitoring(DisableEnhancedMonitoringInput),
    EnableEnhancedMonitoring(EnableEnhancedMonitoringInput),
    GetRecords(GetRecordsInput),
    GetResourcePolicy(GetResourcePolicyInput),
    GetShardIterator(GetShardIteratorInput),
    IncreaseStreamRetentionPeriod(IncreaseStreamRetentionPeriodInput),
    ListShards(ListShardsInput),
    ListStreamConsumers(ListStreamConsumersInput),
    ListStreams(ListStreamsInput),
    ListTagsForResource(ListTagsForResourceInput),
    ListTagsForStream(ListTagsForStreamInput),
    MergeShards(MergeShardsInput),
    PutRecord(PutRecordInput),
    PutRecords(PutRecordsInput),
    PutResourcePolicy(PutResourcePolicyInput),
    RegisterStreamConsumer(RegisterStreamConsumerInput),
    RemoveTagsFromStream(RemoveTagsFromStreamInput),
    SplitShard(SplitShardInput),
    StartStreamEncryption(StartStreamEncryptionInput),
    StopStreamEncryption(StopStreamEncryptionInput),
    SubscribeToShard(SubscribeToShardInput),
    TagResource(TagResourceInput),
    UntagResource(UntagResourceInput),
    UpdateAccountSettings(UpdateAccountSettingsInput),
    UpdateMaxRecordSize(UpdateMaxRecordSizeInput),
    UpdateShardCount(UpdateShardCountInput),
    UpdateStreamMode(UpdateStreamModeInput),
    UpdateStreamRecordDistributionStrategy(UpdateStreamRecordDistributionStrategyInput),
    UpdateStreamWarmThroughput(UpdateStreamWarmThroughputInput),
    ; other
}

impl Request {
    /// Reads and validates the body of a request.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`, or for channels and queues the answer that they
    /// are not supported.
    pub fn decode(operation: Operation, format: Format, body: &Bytes) -> Result<Self, Error> {
        Self::parse(operation, format, body)
    }
}
