//! The operations of the service, by name.

use std::fmt;

use super::{Code, Error};

/// What stands before the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "Kinesis_20131202";

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

macro_rules! operations {
    ($($class:ident: $($name:ident)*;)*) => {
        /// An operation of the service model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[doc = concat!("`", stringify!($name), "`.")] $name,)*)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$($(Self::$name),*),*];

            /// The name of the operation, as in `X-Amz-Target` and in policies.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)*)* }
            }

            /// The operation of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($(stringify!($name) => Some(Self::$name),)*)*
                    _ => None,
                }
            }

            /// The group that the operation belongs to.
            #[must_use]
            pub fn class(self) -> Class {
                match self { $($(Self::$name)|* => Class::$class,)* }
            }
        }
    };
}

operations! {
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

impl Operation {
    /// The operation that a value of `X-Amz-Target` names.
    #[must_use]
    pub fn from_target(target: &str) -> Option<Self> {
        let (service, name) = target.split_once('.')?;
        (service == TARGET_PREFIX)
            .then(|| Self::from_name(name))
            .flatten()
    }

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

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
