//! Typed answers of every operation that is served.
//!
//! A field that is `None` is left out. Operations that are not here answer with an empty body.
//! `StreamId` is in no answer on purpose: clients that see one dial a host of the service's own.

#![expect(
    clippy::module_name_repetitions,
    reason = "the names are the service's own"
)]

mod control;
mod records;

pub use control::{
    Consumer, ConsumerDescription, DescribeAccountSettingsOutput, DescribeLimitsOutput,
    DescribeStreamConsumerOutput, DescribeStreamOutput, DescribeStreamSummaryOutput,
    EnhancedMetrics, EnhancedMonitoringOutput, GetResourcePolicyOutput, HashKeyRange,
    ListShardsOutput, ListStreamConsumersOutput, ListStreamsOutput, ListTagsForResourceOutput,
    ListTagsForStreamOutput, MinimumThroughputBillingCommitment, RegisterStreamConsumerOutput,
    SequenceNumberRange, Shard, StreamDescription, StreamDescriptionSummary, StreamModeDetails,
    StreamSummary, Tag, UpdateAccountSettingsOutput, UpdateShardCountOutput,
    UpdateStreamWarmThroughputOutput, WarmThroughput,
};
pub use records::{
    ChildShard, GetRecordsOutput, GetShardIteratorOutput, PutRecordOutput, PutRecordsOutput,
    PutRecordsResultEntry, Record, SubscribeToShardEvent,
};
