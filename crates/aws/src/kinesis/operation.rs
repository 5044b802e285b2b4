//! The operations of the service, by name.

use super::{Code, Error};
use crate::macros::{operations, targets};

/// The group that an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Streams, shards and settings.
    Control,
    /// Records.
    Data,
    /// Copies of a stream in object storage; known by name only.
    Channel,
    /// Queues over a stream; known by name only.
    Queue,
}

operations! {
    /// An operation of the service model.
    Data: GetRecords GetShardIterator PutRecord PutRecords SubscribeToShard;
    Control: AddTagsToStream CreateStream DecreaseStreamRetentionPeriod DeleteResourcePolicy
        DeleteStream DeregisterStreamConsumer DescribeAccountSettings DescribeLimits DescribeStream
        DescribeStreamConsumer DescribeStreamSummary DisableEnhancedMonitoring
        EnableEnhancedMonitoring GetResourcePolicy IncreaseStreamRetentionPeriod ListShards
        ListStreamConsumers ListStreams ListTagsForResource ListTagsForStream MergeShards
        PutResourcePolicy RegisterStreamConsumer RemoveTagsFromStream SplitShard
        StartStreamEncryption StopStreamEncryption TagResource UntagResource UpdateAccountSettings
        UpdateMaxRecordSize UpdateShardCount UpdateStreamMode
        UpdateStreamRecordDistributionStrategy UpdateStreamWarmThroughput;
    Channel: CreateChannel DeleteChannel DescribeChannel ListChannels UpdateChannel;
    Queue: AcknowledgeDeadLetterQueueRecords AcknowledgeQueueRecords CreateQueue DeleteQueue
        DescribeQueue ListQueues ReceiveDeadLetterQueueRecords ReceiveQueueRecords
        RestoreDeadLetterQueueRecords UpdateDeadLetterQueueRecordsVisibility UpdateQueue
        UpdateQueueRecordsVisibility;
}

targets!("Kinesis_20131202", Cbor Json);

impl Operation {
    /// The name as policies write it.
    #[must_use]
    pub fn action(self) -> String {
        format!("kinesis:{}", self.name())
    }

    /// The answer to an operation that is known by name only.
    #[must_use]
    pub fn unserved(self) -> Option<Error> {
        let things = match self.class() {
            Class::Control | Class::Data => return None,
            Class::Channel => "channels",
            Class::Queue => "queues",
        };
        Some(Error::new(
            Code::InvalidArgument,
            format!("{self} is not supported: this server has no {things}."),
        ))
    }
}
