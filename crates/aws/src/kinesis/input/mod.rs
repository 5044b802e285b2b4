//! Typed inputs of every operation that is served.
//!
//! A field that is an `Option` is optional in the service model; any other member must be there.
//! Members named `stream_id` are reserved by the service: they are checked and ignored.

#![expect(
    clippy::module_name_repetitions,
    reason = "the names are the service's own"
)]

mod account;
mod data;
mod stream;

pub use account::{
    AddTagsToStreamInput, DeleteResourcePolicyInput, DeregisterStreamConsumerInput,
    DescribeAccountSettingsInput, DescribeLimitsInput, DescribeStreamConsumerInput,
    GetResourcePolicyInput, ListStreamConsumersInput, ListTagsForResourceInput,
    ListTagsForStreamInput, MinimumThroughputBillingCommitment, PutResourcePolicyInput,
    RegisterStreamConsumerInput, RemoveTagsFromStreamInput, TagResourceInput, UntagResourceInput,
    UpdateAccountSettingsInput,
};
pub use data::{
    GetRecordsInput, GetShardIteratorInput, PutRecordInput, PutRecordsInput,
    PutRecordsRequestEntry, StartingPosition, SubscribeToShardInput,
};
pub use stream::{
    CreateStreamInput, DecreaseStreamRetentionPeriodInput, DeleteStreamInput, DescribeStreamInput,
    DescribeStreamSummaryInput, DisableEnhancedMonitoringInput, EnableEnhancedMonitoringInput,
    IncreaseStreamRetentionPeriodInput, ListShardsInput, ListStreamsInput, MergeShardsInput,
    ShardFilter, SplitShardInput, StartStreamEncryptionInput, StopStreamEncryptionInput,
    StreamModeDetails, UpdateMaxRecordSizeInput, UpdateShardCountInput, UpdateStreamModeInput,
    UpdateStreamRecordDistributionStrategyInput, UpdateStreamWarmThroughputInput,
};
