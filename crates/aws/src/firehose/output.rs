//! Typed answers of every operation.
//!
//! A field that is `None` is left out.

use std::borrow::Cow;

use afflux_types::ServerTime;
use bytes::Bytes;

use super::destination::{
    Described, ExtendedS3DestinationConfiguration, HttpEndpointDestinationConfiguration,
    IcebergDestinationConfiguration, OpenSearchDestinationConfiguration,
    S3DestinationConfiguration,
};
use super::input::{DirectPutSourceConfiguration, Tag};
use super::values::{
    DeliveryStreamEncryptionStatus, DeliveryStreamFailureType, DeliveryStreamStatus,
    DeliveryStreamType, KeyType,
};
use crate::document::{Encoder, Format};
use crate::macros::output;

output! {
    /// Answer of `DeleteDeliveryStream`, `StartDeliveryStreamEncryption`, `StopDeliveryStreamEncryption`,
    /// `TagDeliveryStream`, `UntagDeliveryStream` and `UpdateDestination`.
    EmptyOutput {}
}

output! {
    /// Answer of `CreateDeliveryStream`.
    CreateDeliveryStreamOutput {
        /// The ARN.
        delivery_stream_arn: String = "DeliveryStreamARN",
    }
}

output! {
    /// Answer of `ListDeliveryStreams`.
    ListDeliveryStreamsOutput {
        /// A page of names, in their order.
        delivery_stream_names: Vec<String> = "DeliveryStreamNames",
        /// Whether there are more.
        has_more_delivery_streams: bool = "HasMoreDeliveryStreams",
    }
}

output! {
    /// Answer of `ListTagsForDeliveryStream`.
    ListTagsForDeliveryStreamOutput {
        /// A page of tags, in the order of their keys.
        tags: Vec<Tag> = "Tags",
        /// Whether there are more.
        has_more_tags: bool = "HasMoreTags",
    }
}

output! {
    /// Why something failed.
    FailureDescription {
        /// The kind.
        kind: DeliveryStreamFailureType = "Type",
        /// The sentence.
        details: String = "Details",
    }
}

output! {
    /// How records are encrypted while they wait.
    DeliveryStreamEncryptionConfiguration {
        /// The key, if it is the caller's.
        key_arn: Option<String> = "KeyARN",
        /// Whose it is.
        key_type: Option<KeyType> = "KeyType",
        /// Whether it is used.
        status: DeliveryStreamEncryptionStatus = "Status",
        /// Why it is not.
        failure: Option<FailureDescription> = "FailureDescription",
    }
}

output! {
    /// The data stream whose records are delivered.
    KinesisStreamSourceDescription {
        /// The ARN of the data stream.
        kinesis_stream_arn: String = "KinesisStreamARN",
        /// The role that reads it.
        role_arn: String = "RoleARN",
        /// The arrival of the first record that is delivered.
        delivery_start: Option<ServerTime> = "DeliveryStartTimestamp",
    }
}

output! {
    /// Where records come from: one of these.
    SourceDescription {
        /// From callers.
        direct_put: Option<DirectPutSourceConfiguration> = "DirectPutSourceDescription",
        /// From a data stream.
        kinesis_stream: Option<KinesisStreamSourceDescription> = "KinesisStreamSourceDescription",
    }
}

output! {
    /// Where records go: see [`Destination::describe`](super::Destination::describe).
    DestinationDescription<'a> {
        /// The id, within the delivery stream.
        destination_id: &'a str = "DestinationId",
        /// A bucket, as it was once said.
        s3: Option<S3DestinationConfiguration> = "S3DestinationDescription",
        /// A bucket.
        extended_s3: Option<Described<'a, ExtendedS3DestinationConfiguration>> = "ExtendedS3DestinationDescription",
        /// An Elasticsearch cluster.
        elasticsearch: Option<Described<'a, OpenSearchDestinationConfiguration>> = "ElasticsearchDestinationDescription",
        /// An `OpenSearch` cluster.
        opensearch: Option<Described<'a, OpenSearchDestinationConfiguration>> = "AmazonopensearchserviceDestinationDescription",
        /// An HTTP endpoint.
        http_endpoint: Option<Described<'a, HttpEndpointDestinationConfiguration>> = "HttpEndpointDestinationDescription",
        /// An Iceberg table.
        iceberg: Option<Described<'a, IcebergDestinationConfiguration>> = "IcebergDestinationDescription",
    }
}

output! {
    /// A delivery stream.
    DeliveryStreamDescription<'a> {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName",
        /// The ARN.
        delivery_stream_arn: String = "DeliveryStreamARN",
        /// The state.
        status: DeliveryStreamStatus = "DeliveryStreamStatus",
        /// Why it has failed.
        failure: Option<FailureDescription> = "FailureDescription",
        /// How records are encrypted while they wait.
        encryption: Option<DeliveryStreamEncryptionConfiguration> = "DeliveryStreamEncryptionConfiguration",
        /// Where records come from.
        kind: DeliveryStreamType = "DeliveryStreamType",
        /// Changes with every change of the destination; `1` at first.
        version_id: String = "VersionId",
        /// When it was made.
        created: Option<ServerTime> = "CreateTimestamp",
        /// When its destination was changed last.
        last_update: Option<ServerTime> = "LastUpdateTimestamp",
        /// Where records come from, in detail.
        source: Option<SourceDescription> = "Source",
        /// Where they go.
        destinations: Vec<DestinationDescription<'a>> = "Destinations",
        /// Whether there are more destinations.
        has_more_destinations: bool = "HasMoreDestinations",
    }
}

output! {
    /// Answer of `DescribeDeliveryStream`.
    DescribeDeliveryStreamOutput<'a> {
        /// The delivery stream.
        delivery_stream_description: DeliveryStreamDescription<'a> = "DeliveryStreamDescription",
    }
}

output! {
    /// Answer of `PutRecord`.
    PutRecordOutput {
        /// Names the record.
        record_id: String = "RecordId",
        /// Whether it is encrypted while it waits.
        encrypted: Option<bool> = "Encrypted",
    }
}

output! {
    /// What became of one record of `PutRecordBatch`: an id, or an error.
    PutRecordBatchResponseEntry {
        /// Names the record.
        record_id: Option<String> = "RecordId",
        /// `ServiceUnavailableException` or `InternalFailure`.
        error_code: Option<&'static str> = "ErrorCode",
        /// The sentence.
        error_message: Option<Cow<'static, str>> = "ErrorMessage",
    }
}

impl PutRecordBatchResponseEntry {
    /// A record that was taken.
    #[must_use]
    pub fn accepted(record_id: String) -> Self {
        Self {
            record_id: Some(record_id),
            error_code: None,
            error_message: None,
        }
    }

    /// A record that was not.
    #[must_use]
    pub fn refused(error_code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            record_id: None,
            error_code: Some(error_code),
            error_message: Some(message.into()),
        }
    }
}

output! {
    /// Answer of `PutRecordBatch`.
    PutRecordBatchOutput {
        /// Entries with an error; there even if zero.
        failed_put_count: u32 = "FailedPutCount",
        /// Whether records are encrypted while they wait.
        encrypted: Option<bool> = "Encrypted",
        /// One for each record, in the order of the request.
        request_responses: Vec<PutRecordBatchResponseEntry> = "RequestResponses",
    }
}

impl PutRecordBatchOutput {
    /// The answer, in one buffer that need not grow for ids of up to 240 characters.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Encoder::to_bytes(Format::Json, 128 + self.request_responses.len() * 256, self)
    }
}
