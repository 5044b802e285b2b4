//! A table of Apache Iceberg.

use super::change::{Change, Describe, Described, destination};
use super::hints::BufferingHints;
use super::processing::{CloudWatchLoggingOptions, ProcessingConfiguration, RetryOptions};
use super::s3::S3DestinationConfiguration;
use crate::document::Encoder;
use crate::firehose::Error;
use crate::firehose::pattern::{CATALOG_ARN, LINE, TABLE_NAME, WAREHOUSE};
use crate::firehose::values::{
    ANY_BOOLEAN, IcebergS3BackupMode, ROLE_ARN_SHAPE, SOLID_SHAPE, SOLIDS_SHAPE, STRING,
};
use crate::macros::both;
use crate::parse::Structure as _;
use crate::validate::{Kind, Shape};

const CATALOG_ARN_SHAPE: Shape = STRING.min(1).max(512).pattern(&CATALOG_ARN);
const WAREHOUSE_SHAPE: Shape = STRING.min(1).max(2_048).pattern(&WAREHOUSE);
const TABLE_NAME_SHAPE: Shape = STRING.min(1).max(255).pattern(&TABLE_NAME);
const PREFIX_SHAPE: Shape = STRING.min(0).max(1_024).pattern(&LINE);
const PARTITION_FIELDS_SHAPE: Shape = Shape::new(Kind::List(&PartitionField::SHAPE));
const TABLES_SHAPE: Shape = Shape::new(Kind::List(&DestinationTableConfiguration::SHAPE));

const MB_DEFAULT: u32 = 5;

both! {
    /// The catalog that knows a table.
    CatalogConfiguration {
        /// The catalog, as the service's own.
        catalog_arn: Option<String> = "CatalogARN" is CATALOG_ARN_SHAPE,
        /// Where the tables of a database are.
        warehouse_location: Option<String> = "WarehouseLocation" is WAREHOUSE_SHAPE,
    }
}

both! {
    /// A column by which a new table is partitioned.
    PartitionField {
        /// Its name.
        source_name: String = "SourceName" is SOLID_SHAPE,
    }
}

both! {
    /// How a new table is partitioned.
    PartitionSpec {
        /// By these columns.
        identity: Option<Vec<PartitionField>> = "Identity" is PARTITION_FIELDS_SHAPE,
    }
}

both! {
    /// A table.
    DestinationTableConfiguration {
        /// Its name.
        table_name: String = "DestinationTableName" is TABLE_NAME_SHAPE,
        /// The database that it is in.
        database_name: String = "DestinationDatabaseName" is TABLE_NAME_SHAPE,
        /// The columns by which rows are found that are replaced.
        unique_keys: Option<Vec<String>> = "UniqueKeys" is SOLIDS_SHAPE,
        /// How it is partitioned when it is made.
        partition_spec: Option<PartitionSpec> = "PartitionSpec" is PartitionSpec::SHAPE,
        /// What the names of objects with its failed records begin with.
        error_output_prefix: Option<String> = "S3ErrorOutputPrefix" is PREFIX_SHAPE,
    }
}

both! {
    /// Whether tables get the columns that records have.
    SchemaEvolutionConfiguration {
        /// Whether they do.
        enabled: bool = "Enabled" is ANY_BOOLEAN,
    }
}

both! {
    /// Whether tables are made that are not there.
    TableCreationConfiguration {
        /// Whether they are.
        enabled: bool = "Enabled" is ANY_BOOLEAN,
    }
}

destination! {
    /// A table, and a bucket for what does not fit it.
    IcebergDestinationConfiguration
    /// Changes of an [`IcebergDestinationConfiguration`].
    IcebergDestinationUpdate
    must {
        /// The role that delivers.
        role_arn: String = "RoleARN" is ROLE_ARN_SHAPE,
        /// The catalog that knows the table.
        catalog: CatalogConfiguration = "CatalogConfiguration" is CatalogConfiguration::SHAPE,
    }
    may {
        /// The table.
        tables: Vec<DestinationTableConfiguration> = "DestinationTableConfigurationList" is TABLES_SHAPE,
        /// Whether tables get the columns that records have.
        schema_evolution: SchemaEvolutionConfiguration = "SchemaEvolutionConfiguration" is SchemaEvolutionConfiguration::SHAPE,
        /// Whether tables are made that are not there.
        table_creation: TableCreationConfiguration = "TableCreationConfiguration" is TableCreationConfiguration::SHAPE,
        /// How much is collected for one file.
        buffering_hints: BufferingHints = "BufferingHints" is BufferingHints::SHAPE,
        /// Where faults are told.
        cloud_watch_logging_options: CloudWatchLoggingOptions = "CloudWatchLoggingOptions" is CloudWatchLoggingOptions::SHAPE,
        /// What is done with records on their way.
        processing: ProcessingConfiguration = "ProcessingConfiguration" is ProcessingConfiguration::SHAPE,
        /// What is also kept in the bucket.
        s3_backup_mode: IcebergS3BackupMode = "S3BackupMode" is IcebergS3BackupMode::SHAPE,
        /// For how long a delivery is tried again.
        retry_options: RetryOptions = "RetryOptions" is RetryOptions::SHAPE,
        /// Whether rows are only added.
        append_only: bool = "AppendOnly" is ANY_BOOLEAN,
    }
    nested {
        /// The bucket.
        s3: S3DestinationConfiguration = "S3Configuration" is S3DestinationConfiguration::SHAPE,
            changed by S3DestinationConfiguration = "S3Configuration" is S3DestinationConfiguration::SHAPE,
            described as "S3DestinationDescription";
    }
}

impl IcebergDestinationConfiguration {
    /// As [`S3DestinationConfiguration::completed`].
    pub(super) fn completed(self) -> Result<Self, Error> {
        let hints = BufferingHints::completed(self.buffering_hints, MB_DEFAULT)?;
        let backup = self.s3_backup_mode;
        Ok(Self {
            buffering_hints: Some(hints),
            retry_options: Some(RetryOptions::completed(self.retry_options)),
            cloud_watch_logging_options: self
                .cloud_watch_logging_options
                .or(Some(CloudWatchLoggingOptions::OFF)),
            s3_backup_mode: backup.or(Some(IcebergS3BackupMode::FailedDataOnly)),
            append_only: self.append_only.or(Some(false)),
            s3: self.s3.completed()?,
            ..self
        })
    }
}
