//! Documents of an `OpenSearch` or Elasticsearch cluster. The service has two destinations for them, which differ
//! in their names only.

use super::change::{Change, Describe, Described, destination};
use super::hints::OpenSearchBufferingHints;
use super::processing::{CloudWatchLoggingOptions, ProcessingConfiguration, RetryOptions};
use super::s3::{S3DestinationConfiguration, S3DestinationUpdate};
use crate::document::Encoder;
use crate::firehose::Error;
use crate::firehose::pattern::{CLUSTER_URL, DOMAIN_ARN, LINE};
use crate::firehose::values::{
    DefaultDocumentIdFormat, IndexRotationPeriod, OpenSearchS3BackupMode, ROLE_ARN_SHAPE,
    SOLID_SHAPE, STRING,
};
use crate::macros::both;
use crate::validate::{Kind, Shape};

const DOMAIN_ARN_SHAPE: Shape = STRING.min(1).max(512).pattern(&DOMAIN_ARN);
const CLUSTER_URL_SHAPE: Shape = STRING.min(1).max(512).pattern(&CLUSTER_URL);
const INDEX_NAME_SHAPE: Shape = STRING.min(1).max(80).pattern(&LINE);
const TYPE_NAME_SHAPE: Shape = STRING.min(0).max(100).pattern(&LINE);
const SUBNETS_SHAPE: Shape = Shape::new(Kind::List(&SOLID_SHAPE)).min(1).max(16);
const SECURITY_GROUPS_SHAPE: Shape = Shape::new(Kind::List(&SOLID_SHAPE)).min(1).max(5);

const MB_DEFAULT: u32 = 5;

both! {
    /// The private network that a cluster is in.
    VpcConfiguration {
        /// Its parts.
        subnet_ids: Vec<String> = "SubnetIds" is SUBNETS_SHAPE,
        /// The role that enters it.
        role_arn: String = "RoleARN" is ROLE_ARN_SHAPE,
        /// What guards it.
        security_group_ids: Vec<String> = "SecurityGroupIds" is SECURITY_GROUPS_SHAPE,
    }
}

both! {
    /// The ids of documents.
    DocumentIdOptions {
        /// Who gives them.
        default_document_id_format: DefaultDocumentIdFormat = "DefaultDocumentIdFormat" is DefaultDocumentIdFormat::SHAPE,
    }
}

destination! {
    /// A cluster, and a bucket for what it does not take.
    OpenSearchDestinationConfiguration
    /// Changes of an [`OpenSearchDestinationConfiguration`].
    OpenSearchDestinationUpdate
    must {
        /// The role that delivers.
        role_arn: String = "RoleARN" is ROLE_ARN_SHAPE,
        /// What the names of indices begin with.
        index_name: String = "IndexName" is INDEX_NAME_SHAPE,
    }
    may {
        /// The cluster, as the service's own.
        domain_arn: String = "DomainARN" is DOMAIN_ARN_SHAPE,
        /// The address of the cluster.
        cluster_endpoint: String = "ClusterEndpoint" is CLUSTER_URL_SHAPE,
        /// The type of documents, which old clusters want.
        type_name: String = "TypeName" is TYPE_NAME_SHAPE,
        /// How often there is a new index.
        index_rotation_period: IndexRotationPeriod = "IndexRotationPeriod" is IndexRotationPeriod::SHAPE,
        /// How much is collected for one request.
        buffering_hints: OpenSearchBufferingHints = "BufferingHints" is OpenSearchBufferingHints::SHAPE,
        /// For how long a delivery is tried again.
        retry_options: RetryOptions = "RetryOptions" is RetryOptions::SHAPE,
        /// What is done with records on their way.
        processing: ProcessingConfiguration = "ProcessingConfiguration" is ProcessingConfiguration::SHAPE,
        /// Where faults are told.
        cloud_watch_logging_options: CloudWatchLoggingOptions = "CloudWatchLoggingOptions" is CloudWatchLoggingOptions::SHAPE,
        /// The ids of documents.
        document_id_options: DocumentIdOptions = "DocumentIdOptions" is DocumentIdOptions::SHAPE,
    }
    fixed {
        /// What is also kept in the bucket.
        s3_backup_mode: OpenSearchS3BackupMode = "S3BackupMode" is OpenSearchS3BackupMode::SHAPE,
            described as "S3BackupMode";
        /// The private network that the cluster is in.
        vpc: VpcConfiguration = "VpcConfiguration" is VpcConfiguration::SHAPE,
            described as "VpcConfigurationDescription";
    }
    nested {
        /// The bucket.
        s3: S3DestinationConfiguration = "S3Configuration" is S3DestinationConfiguration::SHAPE,
            changed by S3DestinationUpdate = "S3Update" is S3DestinationUpdate::SHAPE,
            described as "S3DestinationDescription";
    }
}

impl OpenSearchDestinationConfiguration {
    /// As [`S3DestinationConfiguration::completed`].
    pub(super) fn completed(self) -> Result<Self, Error> {
        let hints = OpenSearchBufferingHints::completed(self.buffering_hints, MB_DEFAULT)?;
        let rotation = self.index_rotation_period;
        let backup = self.s3_backup_mode;
        Ok(Self {
            index_rotation_period: rotation.or(Some(IndexRotationPeriod::OneDay)),
            buffering_hints: Some(hints),
            retry_options: Some(RetryOptions::completed(self.retry_options)),
            cloud_watch_logging_options: self
                .cloud_watch_logging_options
                .or(Some(CloudWatchLoggingOptions::OFF)),
            document_id_options: self.document_id_options.or(Some(DocumentIdOptions {
                default_document_id_format: DefaultDocumentIdFormat::FirehoseDefault,
            })),
            s3_backup_mode: backup.or(Some(OpenSearchS3BackupMode::FailedDocumentsOnly)),
            s3: self.s3.completed()?,
            ..self
        })
    }
}
