//! Destinations of the API as settings of a delivery: the one place that says what is served of them.
//!
//! The checks here are those that only the API has; those of all delivery streams are the delivery's own.

mod cluster;
mod conversion;
mod describe;
mod endpoint;
mod iceberg;
mod processor;

use afflux_aws::firehose::arn::bucket;
use afflux_aws::firehose::destination::{
    BufferingHints, EncryptionConfiguration, ExtendedS3DestinationConfiguration,
    ProcessingConfiguration, S3DestinationConfiguration,
};
use afflux_aws::firehose::values::{CompressionFormat, S3BackupMode};
use afflux_aws::firehose::{Destination, Error};
use afflux_deliver::{DeliverySettings, DeliverySource, ObjectSettings, Place};
use afflux_transform::{Compression, Processor};

use crate::Table;
use crate::context::invalid;

pub(crate) use describe::destination;

/// What a delivery stream does from `source` into `destination`; its columns, if it converts, are those of one of
/// the tables.
///
/// # Errors
/// `InvalidArgumentException` for what is not served. What the delivery refuses it says itself.
pub(crate) fn of(
    destination: &Destination,
    source: DeliverySource,
    tables: &[Table],
) -> Result<DeliverySettings, Error> {
    match destination {
        Destination::ExtendedS3(s3) => extended(s3, source, tables),
        Destination::HttpEndpoint(http) => endpoint::settings(http, source),
        Destination::OpenSearch(cluster) | Destination::Elasticsearch(cluster) => {
            cluster::settings(cluster, source)
        }
        Destination::Iceberg(table) => iceberg::settings(table, source),
    }
}

/// Whether objects are written by values in their records.
pub(crate) fn is_partitioned(s3: &ExtendedS3DestinationConfiguration) -> bool {
    let partitioning = s3.dynamic_partitioning.as_ref();
    partitioning.is_some_and(|it| it.enabled == Some(true))
}

/// Says that something of the API is not to be had.
fn unserved(what: &str) -> Error {
    invalid(format!("{what} is not served by this server."))
}

fn extended(
    s3: &ExtendedS3DestinationConfiguration,
    source: DeliverySource,
    tables: &[Table],
) -> Result<DeliverySettings, Error> {
    let conversion = conversion::settings(s3, tables)?;
    let objects = ObjectSettings {
        time_zone: or_utc(s3.custom_time_zone.as_deref()),
        extension: s3.file_extension.clone().filter(|text| !text.is_empty()),
        ..objects(&Said {
            bucket_arn: &s3.bucket_arn,
            prefix: s3.prefix.as_deref(),
            error_prefix: s3.error_output_prefix.as_deref(),
            hints: s3.buffering_hints.as_ref(),
            compression: s3.compression_format,
            encryption: s3.encryption.as_ref(),
        })?
    };
    let processors = processors(s3.processing.as_ref())?;
    let partitioned = is_partitioned(s3);
    if partitioned && !processors.iter().any(finds_keys) {
        return Err(invalid(
            "Dynamic partitioning needs a ProcessingConfiguration that is enabled, with a \
             MetadataExtraction or a Lambda processor.",
        ));
    }
    let backup = match s3.s3_backup_mode {
        Some(S3BackupMode::Enabled) => {
            let backup = s3.s3_backup.as_ref().ok_or_else(|| {
                invalid("S3BackupConfiguration must be given when S3BackupMode is Enabled.")
            })?;
            Some(older(backup)?)
        }
        Some(S3BackupMode::Disabled) | None => None,
    };
    Ok(DeliverySettings {
        processors,
        partitioned,
        backup,
        conversion,
        ..DeliverySettings::new(source, objects)
    })
}

/// Objects in a bucket by the older structure.
fn older(s3: &S3DestinationConfiguration) -> Result<ObjectSettings, Error> {
    objects(&Said {
        bucket_arn: &s3.bucket_arn,
        prefix: s3.prefix.as_deref(),
        error_prefix: s3.error_output_prefix.as_deref(),
        hints: s3.buffering_hints.as_ref(),
        compression: s3.compression_format,
        encryption: s3.encryption.as_ref(),
    })
}

/// What both forms of a bucket say.
struct Said<'a> {
    bucket_arn: &'a str,
    prefix: Option<&'a str>,
    error_prefix: Option<&'a str>,
    hints: Option<&'a BufferingHints>,
    compression: Option<CompressionFormat>,
    encryption: Option<&'a EncryptionConfiguration>,
}

fn objects(said: &Said<'_>) -> Result<ObjectSettings, Error> {
    if said
        .encryption
        .is_some_and(|encryption| encryption.kms_encryption.is_some())
    {
        return Err(unserved("KMSEncryptionConfig"));
    }
    let assumed = ObjectSettings::new(Place::Bucket(bucket(said.bucket_arn)?.to_owned()));
    let (bytes, seconds) = BufferingHints::numbers(said.hints);
    Ok(ObjectSettings {
        prefix: said.prefix.unwrap_or_default().to_owned(),
        error_prefix: said.error_prefix.unwrap_or_default().to_owned(),
        compression: compression(said.compression),
        buffer_bytes: bytes.unwrap_or(assumed.buffer_bytes),
        buffer_seconds: seconds.unwrap_or(assumed.buffer_seconds),
        ..assumed
    })
}

fn compression(format: Option<CompressionFormat>) -> Compression {
    match format {
        Some(CompressionFormat::Uncompressed) | None => Compression::None,
        Some(CompressionFormat::Gzip) => Compression::Gzip,
        Some(CompressionFormat::Zip) => Compression::Zip,
        Some(CompressionFormat::Snappy) => Compression::Snappy,
        Some(CompressionFormat::HadoopSnappy) => Compression::HadoopSnappy,
    }
}

fn or_utc(zone: Option<&str>) -> String {
    let zone = zone.filter(|zone| !zone.is_empty());
    zone.unwrap_or("UTC").to_owned()
}

fn processors(given: Option<&ProcessingConfiguration>) -> Result<Vec<Processor>, Error> {
    let given = given.filter(|given| given.enabled != Some(false));
    let all = given.and_then(|given| given.processors.as_deref());
    all.unwrap_or_default()
        .iter()
        .map(processor::read)
        .collect()
}

/// Whether a processor gives records the keys of their partition.
fn finds_keys(processor: &Processor) -> bool {
    matches!(
        processor,
        Processor::MetadataExtraction { .. } | Processor::Transformer(_)
    )
}
