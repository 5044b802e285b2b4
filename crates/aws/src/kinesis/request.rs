//! One type for every request that is served.

use bytes::Bytes;

use super::input::*;
use super::{Code, Error, Operation};
use crate::document::{self, Format};
use crate::parse::{Parse, Structure};
use crate::validate::{self, Shape};

macro_rules! requests {
    ($($name:ident($input:ident)),* $(,)?) => {
        /// An operation with its input.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name($input),)*
        }

        impl Request {
            /// The operation.
            #[must_use]
            pub fn operation(&self) -> Operation {
                match self { $(Self::$name(_) => Operation::$name,)* }
            }

            /// Reads and validates the body of a request.
            ///
            /// # Errors
            /// `SerializationException`, `ValidationException`, or for channels and queues the answer
            /// that they are not supported.
            pub fn decode(operation: Operation, format: Format, body: &Bytes) -> Result<Self, Error> {
                match operation {
                    $(Operation::$name => parse(format, body).map(Self::$name),)*
                    other => Err(other
                        .unserved()
                        .unwrap_or_else(|| Error::bare(Code::UnknownOperation))),
                }
            }

            /// The members of an operation's input and their constraints; `None` for an operation
            /// that is known by name only.
            #[must_use]
            pub fn shape(operation: Operation) -> Option<Shape> {
                match operation {
                    $(Operation::$name => Some($input::SHAPE),)*
                    _ => None,
                }
            }
        }
    };
}

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
}

fn parse<T: Structure>(format: Format, body: &Bytes) -> Result<T, Error> {
    let value = validate::read(format, body, &T::SHAPE)?;
    // Unreachable while tables and fields agree.
    <T as Parse>::parse(value, body).ok_or_else(|| document::Error::NotAMap.into())
}
