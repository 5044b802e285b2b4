//! Words and simple shapes of the service model, shared by inputs, settings and outputs.

use super::pattern::{
    DESTINATION_ID, KEY_ARN, KEY_OR_ALIAS_ARN, KINESIS_STREAM_ARN, LINE, ROLE_ARN, SOLID,
    STREAM_NAME, TAG_KEY, TAG_VALUE, TEXT, VERSION,
};
use crate::macros::words;
use crate::validate::{Kind, Shape};

pub(super) const STRING: Shape = Shape::new(Kind::String);
pub(super) const INTEGER: Shape = Shape::new(Kind::Integer);

pub(super) const ANY_BOOLEAN: Shape = Shape::new(Kind::Boolean);
pub(super) const NATURAL: Shape = INTEGER.min(0);
pub(super) const PROPORTION_SHAPE: Shape = Shape::new(Kind::Double).min(0).max(1);
pub(super) const LINE_SHAPE: Shape = STRING.min(0).max(1_024).pattern(&LINE);
pub(super) const TEXT_SHAPE: Shape = STRING.min(1).max(1_024).pattern(&TEXT);
pub(super) const TEXTS_SHAPE: Shape = Shape::new(Kind::List(&TEXT_SHAPE));
pub(super) const SOLID_SHAPE: Shape = STRING.min(1).max(1_024).pattern(&SOLID);
pub(super) const SOLIDS_SHAPE: Shape = Shape::new(Kind::List(&SOLID_SHAPE));

pub(super) const STREAM_NAME_SHAPE: Shape = STRING.min(1).max(64).pattern(&STREAM_NAME);
pub(super) const VERSION_SHAPE: Shape = STRING.min(1).max(50).pattern(&VERSION);
pub(super) const DESTINATION_ID_SHAPE: Shape = STRING.min(1).max(100).pattern(&DESTINATION_ID);
pub(super) const KINESIS_STREAM_ARN_SHAPE: Shape =
    STRING.min(1).max(512).pattern(&KINESIS_STREAM_ARN);
pub(super) const ROLE_ARN_SHAPE: Shape = STRING.min(1).max(512).pattern(&ROLE_ARN);
pub(super) const KEY_ARN_SHAPE: Shape = STRING.min(1).max(512).pattern(&KEY_ARN);
pub(super) const KEY_OR_ALIAS_ARN_SHAPE: Shape = STRING.min(1).max(512).pattern(&KEY_OR_ALIAS_ARN);
pub(super) const PAGE_SHAPE: Shape = INTEGER.min(1).max(10_000);
pub(super) const TAG_PAGE_SHAPE: Shape = INTEGER.min(1).max(50);
pub(super) const TAG_KEY_SHAPE: Shape = STRING.min(1).max(128).pattern(&TAG_KEY);
pub(super) const TAG_KEYS_SHAPE: Shape = Shape::new(Kind::List(&TAG_KEY_SHAPE)).min(1).max(50);
pub(super) const TAG_VALUE_SHAPE: Shape = STRING.min(0).max(256).pattern(&TAG_VALUE);
pub(super) const THROUGHPUT_SHAPE: Shape = INTEGER.min(1).max(100);
pub(super) const RETRY_SECONDS_SHAPE: Shape = INTEGER.min(0).max(7_200);
pub(super) const DATA_SHAPE: Shape = Shape::new(Kind::Blob).min(0).max(1_024_000);

words! {
    /// Where the records of a delivery stream come from.
    DeliveryStreamType {
        /// From callers of `PutRecord` and `PutRecordBatch`.
        DirectPut = "DirectPut",
        /// From a data stream.
        KinesisStreamAsSource = "KinesisStreamAsSource",
        /// From a Kafka cluster.
        MskAsSource = "MSKAsSource",
        /// From the changes of a database.
        DatabaseAsSource = "DatabaseAsSource",
    }
}

words! {
    /// The state of a delivery stream.
    DeliveryStreamStatus {
        /// It is being made.
        Creating = "CREATING",
        /// It could not be made.
        CreatingFailed = "CREATING_FAILED",
        /// It is being deleted.
        Deleting = "DELETING",
        /// It could not be deleted.
        DeletingFailed = "DELETING_FAILED",
        /// It takes records and delivers them.
        Active = "ACTIVE",
    }
}

words! {
    /// Why a delivery stream could not be made, deleted or encrypted.
    DeliveryStreamFailureType {
        /// There is no such endpoint service.
        VpcEndpointServiceNameNotFound = "VPC_ENDPOINT_SERVICE_NAME_NOT_FOUND",
        /// The endpoint service may not be used.
        VpcInterfaceEndpointServiceAccessDenied = "VPC_INTERFACE_ENDPOINT_SERVICE_ACCESS_DENIED",
        /// A grant could not be retired.
        RetireKmsGrantFailed = "RETIRE_KMS_GRANT_FAILED",
        /// A grant could not be made.
        CreateKmsGrantFailed = "CREATE_KMS_GRANT_FAILED",
        /// The master key may not be used.
        KmsAccessDenied = "KMS_ACCESS_DENIED",
        /// The master key is switched off.
        DisabledKmsKey = "DISABLED_KMS_KEY",
        /// The master key is of the wrong kind.
        InvalidKmsKey = "INVALID_KMS_KEY",
        /// There is no such master key.
        KmsKeyNotFound = "KMS_KEY_NOT_FOUND",
        /// The account has not opted in.
        KmsOptInRequired = "KMS_OPT_IN_REQUIRED",
        /// A network interface could not be made.
        CreateEniFailed = "CREATE_ENI_FAILED",
        /// A network interface could not be deleted.
        DeleteEniFailed = "DELETE_ENI_FAILED",
        /// There is no such subnet.
        SubnetNotFound = "SUBNET_NOT_FOUND",
        /// There is no such security group.
        SecurityGroupNotFound = "SECURITY_GROUP_NOT_FOUND",
        /// The network interface may not be used.
        EniAccessDenied = "ENI_ACCESS_DENIED",
        /// The subnet may not be used.
        SubnetAccessDenied = "SUBNET_ACCESS_DENIED",
        /// The security group may not be used.
        SecurityGroupAccessDenied = "SECURITY_GROUP_ACCESS_DENIED",
        /// Anything else.
        UnknownError = "UNKNOWN_ERROR",
    }
}

words! {
    /// Whose the master key is.
    KeyType {
        /// The service's.
        AwsOwnedCmk = "AWS_OWNED_CMK",
        /// The caller's.
        CustomerManagedCmk = "CUSTOMER_MANAGED_CMK",
    }
}

words! {
    /// Whether records are encrypted while they wait.
    DeliveryStreamEncryptionStatus {
        /// They are.
        Enabled = "ENABLED",
        /// They will be.
        Enabling = "ENABLING",
        /// They could not be.
        EnablingFailed = "ENABLING_FAILED",
        /// They are not.
        Disabled = "DISABLED",
        /// They will no longer be.
        Disabling = "DISABLING",
        /// It could not be switched off.
        DisablingFailed = "DISABLING_FAILED",
    }
}

words! {
    /// How objects are compressed.
    CompressionFormat {
        /// They are not.
        Uncompressed = "UNCOMPRESSED",
        /// gzip.
        Gzip = "GZIP",
        /// A ZIP archive of one file.
        Zip = "ZIP",
        /// Snappy with its frames.
        Snappy = "Snappy",
        /// Snappy with the blocks of Hadoop.
        HadoopSnappy = "HADOOP_SNAPPY",
    }
}

words! {
    /// That objects are not encrypted.
    NoEncryptionConfig {
        /// The only word.
        NoEncryption = "NoEncryption",
    }
}

words! {
    /// Whether records are also kept as they came.
    S3BackupMode {
        /// They are not.
        Disabled = "Disabled",
        /// They are.
        Enabled = "Enabled",
    }
}

words! {
    /// What of the records for an HTTP endpoint is also kept.
    HttpEndpointS3BackupMode {
        /// What could not be delivered.
        FailedDataOnly = "FailedDataOnly",
        /// Everything.
        AllData = "AllData",
    }
}

words! {
    /// How requests to an HTTP endpoint are compressed.
    ContentEncoding {
        /// They are not.
        None = "NONE",
        /// gzip.
        Gzip = "GZIP",
    }
}

words! {
    /// What is done with a record on its way.
    ProcessorType {
        /// It is split into the records that it holds.
        RecordDeAggregation = "RecordDeAggregation",
        /// It is decompressed.
        Decompression = "Decompression",
        /// Messages are taken out of an envelope of `CloudWatch` Logs.
        CloudWatchLogProcessing = "CloudWatchLogProcessing",
        /// A function changes or drops it.
        Lambda = "Lambda",
        /// Partition keys are taken out of it.
        MetadataExtraction = "MetadataExtraction",
        /// A delimiter is appended.
        AppendDelimiterToRecord = "AppendDelimiterToRecord",
    }
}

words! {
    /// What is set of a processor.
    ProcessorParameterName {
        /// The function.
        LambdaArn = "LambdaArn",
        /// How often the function is called again.
        NumberOfRetries = "NumberOfRetries",
        /// The query that yields partition keys.
        MetadataExtractionQuery = "MetadataExtractionQuery",
        /// The language of the query.
        JsonParsingEngine = "JsonParsingEngine",
        /// The role that calls the function.
        RoleArn = "RoleArn",
        /// How much is collected for one call of the function.
        BufferSizeInMbs = "BufferSizeInMBs",
        /// How long is collected for one call of the function.
        BufferIntervalInSeconds = "BufferIntervalInSeconds",
        /// How records lie within a record.
        SubRecordType = "SubRecordType",
        /// What stands between records, or what is appended.
        Delimiter = "Delimiter",
        /// How records are compressed.
        CompressionFormat = "CompressionFormat",
        /// Whether only the messages of an envelope are kept.
        DataMessageExtraction = "DataMessageExtraction",
    }
}

words! {
    /// How often there is a new index.
    IndexRotationPeriod {
        /// Never.
        NoRotation = "NoRotation",
        /// Every hour.
        OneHour = "OneHour",
        /// Every day.
        OneDay = "OneDay",
        /// Every week.
        OneWeek = "OneWeek",
        /// Every month.
        OneMonth = "OneMonth",
    }
}

words! {
    /// What is also kept in the bucket of a cluster.
    OpenSearchS3BackupMode {
        /// What the cluster does not take.
        FailedDocumentsOnly = "FailedDocumentsOnly",
        /// Everything.
        AllDocuments = "AllDocuments",
    }
}

words! {
    /// What is also kept in the bucket of a table.
    IcebergS3BackupMode {
        /// What does not fit the table.
        FailedDataOnly = "FailedDataOnly",
        /// Everything.
        AllData = "AllData",
    }
}

words! {
    /// Who gives documents their ids.
    DefaultDocumentIdFormat {
        /// The service.
        FirehoseDefault = "FIREHOSE_DEFAULT",
        /// The cluster.
        NoDocumentId = "NO_DOCUMENT_ID",
    }
}

words! {
    /// How the pages of a Parquet file are compressed.
    ParquetCompression {
        /// They are not.
        Uncompressed = "UNCOMPRESSED",
        /// gzip.
        Gzip = "GZIP",
        /// Snappy.
        Snappy = "SNAPPY",
    }
}

words! {
    /// The version of the pages of a Parquet file.
    ParquetWriterVersion {
        /// The first.
        V1 = "V1",
        /// The second.
        V2 = "V2",
    }
}

words! {
    /// How the stripes of an ORC file are compressed.
    OrcCompression {
        /// They are not.
        None = "NONE",
        /// zlib.
        Zlib = "ZLIB",
        /// Snappy.
        Snappy = "SNAPPY",
    }
}

words! {
    /// The version of an ORC file.
    OrcFormatVersion {
        /// 0.11.
        V0_11 = "V0_11",
        /// 0.12.
        V0_12 = "V0_12",
    }
}
