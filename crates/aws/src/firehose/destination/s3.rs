//! Objects in a bucket.

use super::change::{Change, Describe, Described, destination, missing};
use super::conversion::DataFormatConversionConfiguration;
use super::hints::BufferingHints;
use super::processing::{CloudWatchLoggingOptions, ProcessingConfiguration, RetryOptions};
use crate::document::Encoder;
use crate::firehose::Error;
use crate::firehose::pattern::{BUCKET_ARN, FILE_EXTENSION, TIME_ZONE};
use crate::firehose::values::{
    ANY_BOOLEAN, CompressionFormat, KEY_OR_ALIAS_ARN_SHAPE, LINE_SHAPE, NoEncryptionConfig,
    ROLE_ARN_SHAPE, S3BackupMode, STRING,
};
use crate::macros::both;
use crate::validate::Shape;

const BUCKET_ARN_SHAPE: Shape = STRING.min(1).max(2_048).pattern(&BUCKET_ARN);
const FILE_EXTENSION_SHAPE: Shape = STRING.min(0).max(128).pattern(&FILE_EXTENSION);
const TIME_ZONE_SHAPE: Shape = STRING.min(0).max(50).pattern(&TIME_ZONE);

const MB_DEFAULT: u32 = 5;
/// Files of a column store are worth little when they are small.
const MB_DEFAULT_CONVERTED: u32 = 128;

both! {
    /// The key that encrypts objects.
    KmsEncryptionConfig {
        /// Its ARN.
        aws_kms_key_arn: String = "AWSKMSKeyARN" is KEY_OR_ALIAS_ARN_SHAPE,
    }
}

both! {
    /// How objects are encrypted: one of these.
    EncryptionConfiguration {
        /// They are not.
        no_encryption: Option<NoEncryptionConfig> = "NoEncryptionConfig" is NoEncryptionConfig::SHAPE,
        /// With a key.
        kms_encryption: Option<KmsEncryptionConfig> = "KMSEncryptionConfig" is KmsEncryptionConfig::SHAPE,
    }
}

impl EncryptionConfiguration {
    /// They are not.
    const NONE: Self = Self {
        no_encryption: Some(NoEncryptionConfig::NoEncryption),
        kms_encryption: None,
    };
}

both! {
    /// Objects by values in their records.
    DynamicPartitioningConfiguration {
        /// For how long a delivery is tried again.
        retry_options: Option<RetryOptions> = "RetryOptions" is RetryOptions::SHAPE,
        /// Whether it is done. Only a new delivery stream can choose it, and it stays.
        enabled: Option<bool> = "Enabled" is ANY_BOOLEAN,
    }
}

destination! {
    /// A bucket, without what was added later; also where other destinations keep what they cannot
    /// deliver.
    S3DestinationConfiguration
    /// Changes of an [`S3DestinationConfiguration`].
    S3DestinationUpdate
    must {
        /// The role that writes.
        role_arn: String = "RoleARN" is ROLE_ARN_SHAPE,
        /// The bucket.
        bucket_arn: String = "BucketARN" is BUCKET_ARN_SHAPE,
    }
    may {
        /// What stands before the names of objects.
        prefix: String = "Prefix" is LINE_SHAPE,
        /// What stands before the names of objects of records that failed.
        error_output_prefix: String = "ErrorOutputPrefix" is LINE_SHAPE,
        /// How much is collected for one object.
        buffering_hints: BufferingHints = "BufferingHints" is BufferingHints::SHAPE,
        /// How objects are compressed.
        compression_format: CompressionFormat = "CompressionFormat" is CompressionFormat::SHAPE,
        /// How objects are encrypted.
        encryption: EncryptionConfiguration = "EncryptionConfiguration" is EncryptionConfiguration::SHAPE,
        /// Where faults are told.
        cloud_watch_logging_options: CloudWatchLoggingOptions = "CloudWatchLoggingOptions" is CloudWatchLoggingOptions::SHAPE,
    }
    nested {}
}

destination! {
    /// A bucket.
    ExtendedS3DestinationConfiguration
    /// Changes of an [`ExtendedS3DestinationConfiguration`].
    ///
    /// The service does not let a backup be switched off that is on, nor partitioning be switched; whoever
    /// applies the changes sees to it.
    ExtendedS3DestinationUpdate
    must {
        /// The role that writes.
        role_arn: String = "RoleARN" is ROLE_ARN_SHAPE,
        /// The bucket.
        bucket_arn: String = "BucketARN" is BUCKET_ARN_SHAPE,
    }
    may {
        /// What stands before the names of objects.
        prefix: String = "Prefix" is LINE_SHAPE,
        /// What stands before the names of objects of records that failed.
        error_output_prefix: String = "ErrorOutputPrefix" is LINE_SHAPE,
        /// How much is collected for one object.
        buffering_hints: BufferingHints = "BufferingHints" is BufferingHints::SHAPE,
        /// How objects are compressed.
        compression_format: CompressionFormat = "CompressionFormat" is CompressionFormat::SHAPE,
        /// How objects are encrypted.
        encryption: EncryptionConfiguration = "EncryptionConfiguration" is EncryptionConfiguration::SHAPE,
        /// Where faults are told.
        cloud_watch_logging_options: CloudWatchLoggingOptions = "CloudWatchLoggingOptions" is CloudWatchLoggingOptions::SHAPE,
        /// What is done with records on their way.
        processing: ProcessingConfiguration = "ProcessingConfiguration" is ProcessingConfiguration::SHAPE,
        /// Whether records are also kept as they came.
        s3_backup_mode: S3BackupMode = "S3BackupMode" is S3BackupMode::SHAPE,
        /// Whether objects are files of a column store.
        data_format_conversion: DataFormatConversionConfiguration = "DataFormatConversionConfiguration" is DataFormatConversionConfiguration::SHAPE,
        /// Objects by values in their records.
        dynamic_partitioning: DynamicPartitioningConfiguration = "DynamicPartitioningConfiguration" is DynamicPartitioningConfiguration::SHAPE,
        /// What names of objects end with.
        file_extension: String = "FileExtension" is FILE_EXTENSION_SHAPE,
        /// The time zone of prefixes; UTC unless said otherwise.
        custom_time_zone: String = "CustomTimeZone" is TIME_ZONE_SHAPE,
    }
    nested {
        /// Where records are kept as they came.
        s3_backup: Option<S3DestinationConfiguration> = "S3BackupConfiguration" is S3DestinationConfiguration::SHAPE,
            changed by S3DestinationUpdate = "S3BackupUpdate" is S3DestinationUpdate::SHAPE,
            described as "S3BackupDescription";
    }
}

/// A bucket that must be there.
impl Change<Option<S3DestinationUpdate>> for S3DestinationConfiguration {
    fn change(
        current: Option<&Self>,
        update: Option<S3DestinationUpdate>,
        member: &'static str,
    ) -> Result<Self, Error> {
        match (update, current) {
            (Some(update), current) => Self::change(current, update, member),
            (None, Some(current)) => Ok(current.clone()),
            (None, None) => Err(missing(member)),
        }
    }
}

/// A bucket that may be there.
impl Change<Option<S3DestinationUpdate>> for Option<S3DestinationConfiguration> {
    fn change(
        current: Option<&Self>,
        update: Option<S3DestinationUpdate>,
        member: &'static str,
    ) -> Result<Self, Error> {
        let current = current.and_then(Self::as_ref);
        match update {
            Some(update) => Change::change(current, update, member).map(Some),
            None => Ok(current.cloned()),
        }
    }
}

impl S3DestinationConfiguration {
    /// With what the service assumes where nothing is said.
    ///
    /// # Errors
    /// `InvalidArgumentException` if one buffering hint is given without the other.
    pub(super) fn completed(self) -> Result<Self, Error> {
        Ok(Self {
            buffering_hints: Some(BufferingHints::completed(self.buffering_hints, MB_DEFAULT)?),
            compression_format: self
                .compression_format
                .or(Some(CompressionFormat::Uncompressed)),
            encryption: self.encryption.or(Some(EncryptionConfiguration::NONE)),
            cloud_watch_logging_options: self
                .cloud_watch_logging_options
                .or(Some(CloudWatchLoggingOptions::OFF)),
            ..self
        })
    }
}

impl ExtendedS3DestinationConfiguration {
    /// As [`S3DestinationConfiguration::completed`].
    pub(super) fn completed(self) -> Result<Self, Error> {
        let conversion = self.data_format_conversion.as_ref();
        let mb_default = match conversion.is_some_and(|it| it.enabled != Some(false)) {
            true => MB_DEFAULT_CONVERTED,
            false => MB_DEFAULT,
        };
        let hints = BufferingHints::completed(self.buffering_hints.clone(), mb_default)?;
        let S3DestinationConfiguration {
            buffering_hints,
            compression_format,
            encryption,
            cloud_watch_logging_options,
            ..
        } = S3DestinationConfiguration {
            buffering_hints: Some(hints),
            ..self.plain()
        }
        .completed()?;
        let s3_backup = self.s3_backup.map(S3DestinationConfiguration::completed);
        Ok(Self {
            buffering_hints,
            compression_format,
            encryption,
            cloud_watch_logging_options,
            s3_backup_mode: self.s3_backup_mode.or(Some(S3BackupMode::Disabled)),
            s3_backup: s3_backup.transpose()?,
            ..self
        })
    }

    /// What the older structure knows of it.
    pub(super) fn plain(&self) -> S3DestinationConfiguration {
        S3DestinationConfiguration {
            role_arn: self.role_arn.clone(),
            bucket_arn: self.bucket_arn.clone(),
            prefix: self.prefix.clone(),
            error_output_prefix: self.error_output_prefix.clone(),
            buffering_hints: self.buffering_hints.clone(),
            compression_format: self.compression_format,
            encryption: self.encryption.clone(),
            cloud_watch_logging_options: self.cloud_watch_logging_options.clone(),
        }
    }
}

/// Changes by the older structure.
impl From<S3DestinationUpdate> for ExtendedS3DestinationUpdate {
    fn from(update: S3DestinationUpdate) -> Self {
        Self {
            role_arn: update.role_arn,
            bucket_arn: update.bucket_arn,
            prefix: update.prefix,
            error_output_prefix: update.error_output_prefix,
            buffering_hints: update.buffering_hints,
            compression_format: update.compression_format,
            encryption: update.encryption,
            cloud_watch_logging_options: update.cloud_watch_logging_options,
            processing: None,
            s3_backup_mode: None,
            data_format_conversion: None,
            dynamic_partitioning: None,
            file_extension: None,
            custom_time_zone: None,
            s3_backup: None,
        }
    }
}

/// A bucket by the older structure.
impl From<S3DestinationConfiguration> for ExtendedS3DestinationConfiguration {
    fn from(s3: S3DestinationConfiguration) -> Self {
        Self {
            role_arn: s3.role_arn,
            bucket_arn: s3.bucket_arn,
            prefix: s3.prefix,
            error_output_prefix: s3.error_output_prefix,
            buffering_hints: s3.buffering_hints,
            compression_format: s3.compression_format,
            encryption: s3.encryption,
            cloud_watch_logging_options: s3.cloud_watch_logging_options,
            processing: None,
            s3_backup_mode: None,
            data_format_conversion: None,
            dynamic_partitioning: None,
            file_extension: None,
            custom_time_zone: None,
            s3_backup: None,
        }
    }
}
