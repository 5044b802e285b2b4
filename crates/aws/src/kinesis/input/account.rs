//! Inputs about consumers, tags, policies and the account.

use std::collections::BTreeMap;

use afflux_types::ServerTime;

use crate::kinesis::values::{
    ANY_STRING, ANY_TIME, CONSUMER_ARN_SHAPE, CONSUMER_NAME_SHAPE, CommitmentRequest,
    NEXT_TOKEN_SHAPE, PAGE_SHAPE, RESOURCE_ARN_SHAPE, STREAM_ARN_SHAPE, STREAM_ID_SHAPE,
    STREAM_NAME_SHAPE, TAG_KEY_SHAPE, TAG_KEYS_SHAPE, TAG_PAGE_SHAPE, TAGS_SHAPE,
};
use crate::macros::input;

input! {
    /// Input of `RegisterStreamConsumer`.
    RegisterStreamConsumerInput {
        /// The ARN of the stream.
        stream_arn: String = "StreamARN" is STREAM_ARN_SHAPE,
        /// The name of the consumer.
        consumer_name: String = "ConsumerName" is CONSUMER_NAME_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// The tags.
        tags: Option<BTreeMap<String, String>> = "Tags" is TAGS_SHAPE,
    }
}

input! {
    /// Input of `DeregisterStreamConsumer`.
    DeregisterStreamConsumerInput {
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// The name of the consumer.
        consumer_name: Option<String> = "ConsumerName" is CONSUMER_NAME_SHAPE,
        /// The ARN of the consumer.
        consumer_arn: Option<String> = "ConsumerARN" is CONSUMER_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `DescribeStreamConsumer`.
    DescribeStreamConsumerInput {
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// The name of the consumer.
        consumer_name: Option<String> = "ConsumerName" is CONSUMER_NAME_SHAPE,
        /// The ARN of the consumer.
        consumer_arn: Option<String> = "ConsumerARN" is CONSUMER_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `ListStreamConsumers`.
    ListStreamConsumersInput {
        /// The ARN of the stream.
        stream_arn: String = "StreamARN" is STREAM_ARN_SHAPE,
        /// Where the last page ended.
        next_token: Option<String> = "NextToken" is NEXT_TOKEN_SHAPE,
        /// The most that one page holds.
        max_results: Option<u32> = "MaxResults" is PAGE_SHAPE,
        /// Tells two streams of one name apart.
        stream_creation_timestamp: Option<ServerTime> = "StreamCreationTimestamp" is ANY_TIME,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `AddTagsToStream`.
    AddTagsToStreamInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The tags.
        tags: BTreeMap<String, String> = "Tags" is TAGS_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `RemoveTagsFromStream`.
    RemoveTagsFromStreamInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The keys of the tags.
        tag_keys: Vec<String> = "TagKeys" is TAG_KEYS_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `ListTagsForStream`.
    ListTagsForStreamInput {
        /// The name of the stream.
        stream_name: Option<String> = "StreamName" is STREAM_NAME_SHAPE,
        /// The last key of the page before.
        exclusive_start_tag_key: Option<String> = "ExclusiveStartTagKey" is TAG_KEY_SHAPE,
        /// The most tags of one answer.
        limit: Option<u32> = "Limit" is TAG_PAGE_SHAPE,
        /// The ARN of the stream.
        stream_arn: Option<String> = "StreamARN" is STREAM_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `TagResource`.
    TagResourceInput {
        /// The tags.
        tags: BTreeMap<String, String> = "Tags" is TAGS_SHAPE,
        /// The ARN of a stream or consumer.
        resource_arn: String = "ResourceARN" is RESOURCE_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `UntagResource`.
    UntagResourceInput {
        /// The keys of the tags.
        tag_keys: Vec<String> = "TagKeys" is TAG_KEYS_SHAPE,
        /// The ARN of a stream or consumer.
        resource_arn: String = "ResourceARN" is RESOURCE_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `ListTagsForResource`.
    ListTagsForResourceInput {
        /// The ARN of a stream or consumer.
        resource_arn: String = "ResourceARN" is RESOURCE_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `PutResourcePolicy`.
    PutResourcePolicyInput {
        /// The ARN of a stream or consumer.
        resource_arn: String = "ResourceARN" is RESOURCE_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
        /// The policy in JSON.
        policy: String = "Policy" is ANY_STRING,
    }
}

input! {
    /// Input of `GetResourcePolicy`.
    GetResourcePolicyInput {
        /// The ARN of a stream or consumer.
        resource_arn: String = "ResourceARN" is RESOURCE_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `DeleteResourcePolicy`.
    DeleteResourcePolicyInput {
        /// The ARN of a stream or consumer.
        resource_arn: String = "ResourceARN" is RESOURCE_ARN_SHAPE,
        /// Reserved by the service; never used.
        stream_id: Option<String> = "StreamId" is STREAM_ID_SHAPE,
    }
}

input! {
    /// Input of `DescribeLimits`.
    DescribeLimitsInput {
    }
}

input! {
    /// Input of `DescribeAccountSettings`.
    DescribeAccountSettingsInput {
    }
}

input! {
    /// What the account commits to.
    MinimumThroughputBillingCommitment {
        /// On or off.
        status: CommitmentRequest = "Status" is CommitmentRequest::SHAPE,
    }
}

input! {
    /// Input of `UpdateAccountSettings`.
    UpdateAccountSettingsInput {
        /// The commitment.
        minimum_throughput_billing_commitment: MinimumThroughputBillingCommitment = "MinimumThroughputBillingCommitment" is MinimumThroughputBillingCommitment::SHAPE,
    }
}
