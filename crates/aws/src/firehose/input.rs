//! Typed inputs of every operation.
//!
//! A field that is an `Option` is optional in the service model; any other member must be there.

use bytes::Bytes;

use super::destination::{
    ExtendedS3DestinationConfiguration, ExtendedS3DestinationUpdate,
    HttpEndpointDestinationConfiguration, HttpEndpointDestinationUpdate,
    IcebergDestinationConfiguration, IcebergDestinationUpdate, OpenSearchDestinationConfiguration,
    OpenSearchDestinationUpdate, S3DestinationConfiguration, S3DestinationUpdate,
};
use super::values::{
    ANY_BOOLEAN, DATA_SHAPE, DESTINATION_ID_SHAPE, DeliveryStreamType, KEY_ARN_SHAPE,
    KINESIS_STREAM_ARN_SHAPE, KeyType, PAGE_SHAPE, ROLE_ARN_SHAPE, STREAM_NAME_SHAPE,
    TAG_KEY_SHAPE, TAG_KEYS_SHAPE, TAG_PAGE_SHAPE, TAG_VALUE_SHAPE, THROUGHPUT_SHAPE,
    VERSION_SHAPE,
};
use crate::macros::{both, input};
use crate::parse::Structure as _;
use crate::validate::{Kind, Shape};

/// The most bytes that the records of one `PutRecordBatch` may have together.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

input! {
    /// A source or a destination that is known by name only: nothing of it is looked at.
    Unserved {}
}

both! {
    /// What a caller says of the records that it will put.
    DirectPutSourceConfiguration {
        /// The rate that is expected, in megabytes a second; for information only.
        throughput_hint_in_mbs: u32 = "ThroughputHintInMBs" is THROUGHPUT_SHAPE,
    }
}

both! {
    /// The data stream whose records are delivered.
    KinesisStreamSourceConfiguration {
        /// The ARN of the data stream.
        kinesis_stream_arn: String = "KinesisStreamARN" is KINESIS_STREAM_ARN_SHAPE,
        /// The role that reads it.
        role_arn: String = "RoleARN" is ROLE_ARN_SHAPE,
    }
}

both! {
    /// The key that encrypts records while they wait.
    DeliveryStreamEncryptionConfigurationInput {
        /// The key, if it is the caller's.
        key_arn: Option<String> = "KeyARN" is KEY_ARN_SHAPE,
        /// Whose it is.
        key_type: KeyType = "KeyType" is KeyType::SHAPE,
    }
}

both! {
    /// A tag.
    Tag {
        /// The key.
        key: String = "Key" is TAG_KEY_SHAPE,
        /// The value.
        value: Option<String> = "Value" is TAG_VALUE_SHAPE,
    }
}

const TAGS_SHAPE: Shape = Shape::new(Kind::List(&Tag::SHAPE)).min(1).max(50);

input! {
    /// Input of `CreateDeliveryStream`.
    ///
    /// Its destination is made by [`Destination::of`](super::Destination::of).
    CreateDeliveryStreamInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// Where records come from; from callers unless said otherwise.
        delivery_stream_type: Option<DeliveryStreamType> = "DeliveryStreamType" is DeliveryStreamType::SHAPE,
        /// For records from callers.
        direct_put_source: Option<DirectPutSourceConfiguration> = "DirectPutSourceConfiguration" is DirectPutSourceConfiguration::SHAPE,
        /// For records from a data stream.
        kinesis_stream_source: Option<KinesisStreamSourceConfiguration> = "KinesisStreamSourceConfiguration" is KinesisStreamSourceConfiguration::SHAPE,
        /// How records are encrypted while they wait.
        encryption: Option<DeliveryStreamEncryptionConfigurationInput> = "DeliveryStreamEncryptionConfigurationInput" is DeliveryStreamEncryptionConfigurationInput::SHAPE,
        /// A bucket, as it was once said.
        s3: Option<Box<S3DestinationConfiguration>> = "S3DestinationConfiguration" is S3DestinationConfiguration::SHAPE,
        /// A bucket.
        extended_s3: Option<Box<ExtendedS3DestinationConfiguration>> = "ExtendedS3DestinationConfiguration" is ExtendedS3DestinationConfiguration::SHAPE,
        /// Amazon Redshift.
        redshift: Option<Unserved> = "RedshiftDestinationConfiguration" is Unserved::SHAPE,
        /// Elasticsearch.
        elasticsearch: Option<Box<OpenSearchDestinationConfiguration>> = "ElasticsearchDestinationConfiguration" is OpenSearchDestinationConfiguration::SHAPE,
        /// `OpenSearch`.
        opensearch: Option<Box<OpenSearchDestinationConfiguration>> = "AmazonopensearchserviceDestinationConfiguration" is OpenSearchDestinationConfiguration::SHAPE,
        /// Splunk.
        splunk: Option<Unserved> = "SplunkDestinationConfiguration" is Unserved::SHAPE,
        /// An HTTP endpoint.
        http_endpoint: Option<Box<HttpEndpointDestinationConfiguration>> = "HttpEndpointDestinationConfiguration" is HttpEndpointDestinationConfiguration::SHAPE,
        /// Tags.
        tags: Option<Vec<Tag>> = "Tags" is TAGS_SHAPE,
        /// `OpenSearch` without servers.
        opensearch_serverless: Option<Unserved> = "AmazonOpenSearchServerlessDestinationConfiguration" is Unserved::SHAPE,
        /// For records from a Kafka cluster.
        msk_source: Option<Unserved> = "MSKSourceConfiguration" is Unserved::SHAPE,
        /// Snowflake.
        snowflake: Option<Unserved> = "SnowflakeDestinationConfiguration" is Unserved::SHAPE,
        /// Iceberg tables.
        iceberg: Option<Box<IcebergDestinationConfiguration>> = "IcebergDestinationConfiguration" is IcebergDestinationConfiguration::SHAPE,
        /// For changes of a database.
        database_source: Option<Unserved> = "DatabaseSourceConfiguration" is Unserved::SHAPE,
    }
}

input! {
    /// Input of `DeleteDeliveryStream`.
    DeleteDeliveryStreamInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// Also if the key that encrypts it cannot be given back.
        allow_force_delete: Option<bool> = "AllowForceDelete" is ANY_BOOLEAN,
    }
}

input! {
    /// Input of `DescribeDeliveryStream`.
    DescribeDeliveryStreamInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// The most destinations of one answer.
        limit: Option<u32> = "Limit" is PAGE_SHAPE,
        /// The destination before the first to describe.
        exclusive_start_destination_id: Option<String> = "ExclusiveStartDestinationId" is DESTINATION_ID_SHAPE,
    }
}

input! {
    /// Input of `ListDeliveryStreams`.
    ListDeliveryStreamsInput {
        /// The most names of one answer; 10 unless said otherwise.
        limit: Option<u32> = "Limit" is PAGE_SHAPE,
        /// Only those of a type.
        delivery_stream_type: Option<DeliveryStreamType> = "DeliveryStreamType" is DeliveryStreamType::SHAPE,
        /// The name before the first to list.
        exclusive_start_delivery_stream_name: Option<String> = "ExclusiveStartDeliveryStreamName" is STREAM_NAME_SHAPE,
    }
}

input! {
    /// Input of `ListTagsForDeliveryStream`.
    ListTagsForDeliveryStreamInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// The key before the first to list.
        exclusive_start_tag_key: Option<String> = "ExclusiveStartTagKey" is TAG_KEY_SHAPE,
        /// The most tags of one answer.
        limit: Option<u32> = "Limit" is TAG_PAGE_SHAPE,
    }
}

input! {
    /// A record.
    Record {
        /// The payload.
        data: Bytes = "Data" is DATA_SHAPE,
    }
}

input! {
    /// Input of `PutRecord`.
    PutRecordInput {
        /// The name of the delivery stream.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// The record.
        record: Record = "Record" is Record::SHAPE,
    }
}

const RECORDS_SHAPE: Shape = Shape::new(Kind::List(&Record::SHAPE)).min(1).max(500);

input! {
    /// Input of `PutRecordBatch`.
    PutRecordBatchInput {
        /// The name of the delivery stream.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// 1 to 500 records, together at most [`BATCH_BYTES_MAX`], which the model does not say.
        records: Vec<Record> = "Records" is RECORDS_SHAPE,
    }
}

input! {
    /// Input of `StartDeliveryStreamEncryption`.
    StartDeliveryStreamEncryptionInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// The key; one of the service unless said otherwise.
        encryption: Option<DeliveryStreamEncryptionConfigurationInput> = "DeliveryStreamEncryptionConfigurationInput" is DeliveryStreamEncryptionConfigurationInput::SHAPE,
    }
}

input! {
    /// Input of `StopDeliveryStreamEncryption`.
    StopDeliveryStreamEncryptionInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
    }
}

input! {
    /// Input of `TagDeliveryStream`.
    TagDeliveryStreamInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// The tags; those of the same keys are replaced.
        tags: Vec<Tag> = "Tags" is TAGS_SHAPE,
    }
}

input! {
    /// Input of `UntagDeliveryStream`.
    UntagDeliveryStreamInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// The keys of the tags to remove.
        tag_keys: Vec<String> = "TagKeys" is TAG_KEYS_SHAPE,
    }
}

input! {
    /// Input of `UpdateDestination`.
    ///
    /// It is applied by [`Destination::updated`](super::Destination::updated).
    UpdateDestinationInput {
        /// The name.
        delivery_stream_name: String = "DeliveryStreamName" is STREAM_NAME_SHAPE,
        /// The version that the caller has seen.
        current_delivery_stream_version_id: String = "CurrentDeliveryStreamVersionId" is VERSION_SHAPE,
        /// The destination.
        destination_id: String = "DestinationId" is DESTINATION_ID_SHAPE,
        /// A bucket, as it was once said.
        s3: Option<Box<S3DestinationUpdate>> = "S3DestinationUpdate" is S3DestinationUpdate::SHAPE,
        /// A bucket.
        extended_s3: Option<Box<ExtendedS3DestinationUpdate>> = "ExtendedS3DestinationUpdate" is ExtendedS3DestinationUpdate::SHAPE,
        /// Amazon Redshift.
        redshift: Option<Unserved> = "RedshiftDestinationUpdate" is Unserved::SHAPE,
        /// Elasticsearch.
        elasticsearch: Option<Box<OpenSearchDestinationUpdate>> = "ElasticsearchDestinationUpdate" is OpenSearchDestinationUpdate::SHAPE,
        /// `OpenSearch`.
        opensearch: Option<Box<OpenSearchDestinationUpdate>> = "AmazonopensearchserviceDestinationUpdate" is OpenSearchDestinationUpdate::SHAPE,
        /// Splunk.
        splunk: Option<Unserved> = "SplunkDestinationUpdate" is Unserved::SHAPE,
        /// An HTTP endpoint.
        http_endpoint: Option<Box<HttpEndpointDestinationUpdate>> = "HttpEndpointDestinationUpdate" is HttpEndpointDestinationUpdate::SHAPE,
        /// `OpenSearch` without servers.
        opensearch_serverless: Option<Unserved> = "AmazonOpenSearchServerlessDestinationUpdate" is Unserved::SHAPE,
        /// Snowflake.
        snowflake: Option<Unserved> = "SnowflakeDestinationUpdate" is Unserved::SHAPE,
        /// Iceberg tables.
        iceberg: Option<Box<IcebergDestinationUpdate>> = "IcebergDestinationUpdate" is IcebergDestinationUpdate::SHAPE,
    }
}
