//! The destination of a delivery stream that another door made, as the API would say it.

use afflux_aws::firehose::Destination;
use afflux_aws::firehose::destination::{
    BufferingHints, CloudWatchLoggingOptions, DynamicPartitioningConfiguration,
    EncryptionConfiguration, ExtendedS3DestinationConfiguration, ProcessingConfiguration,
    S3DestinationConfiguration,
};
use afflux_aws::firehose::values::{CompressionFormat, NoEncryptionConfig, S3BackupMode};
use afflux_deliver::{DeliverySettings, ObjectSettings, Place, Receiver};
use afflux_transform::Compression;

use super::{cluster, conversion, endpoint, iceberg, processor};

/// What a directory is called where the API wants a bucket.
const DIRECTORY: &str = "directory";

/// The destination of these settings. `role_arn` stands where the API wants a role.
pub(crate) fn destination(settings: &DeliverySettings, role_arn: &str) -> Destination {
    let objects = bucket(&settings.objects, role_arn);
    match &settings.receiver {
        Some(Receiver::Http(endpoint)) => {
            return endpoint::destination(endpoint, settings, objects);
        }
        Some(Receiver::OpenSearch(cluster)) => {
            return cluster::destination(cluster, settings, objects, role_arn);
        }
        // The API knows no such destination: what it can show is where records go that Kafka does not take.
        Some(Receiver::Kafka(_)) | None => {}
    }
    if let Some(table) = &settings.table {
        return iceberg::destination(table, settings, objects, role_arn);
    }
    let backup = settings.backup.as_ref();
    let partitioned = DynamicPartitioningConfiguration {
        retry_options: None,
        enabled: Some(true),
    };
    Destination::ExtendedS3(Box::new(ExtendedS3DestinationConfiguration {
        processing: processing(settings),
        s3_backup_mode: Some(match backup {
            Some(_) => S3BackupMode::Enabled,
            None => S3BackupMode::Disabled,
        }),
        dynamic_partitioning: settings.partitioned.then_some(partitioned),
        data_format_conversion: settings.conversion.as_ref().map(conversion::describe),
        file_extension: settings.objects.extension.clone(),
        custom_time_zone: Some(settings.objects.time_zone.clone()),
        s3_backup: backup.map(|objects| bucket(objects, role_arn)),
        ..objects.into()
    }))
}

/// The processors, if there are any.
pub(super) fn processing(settings: &DeliverySettings) -> Option<ProcessingConfiguration> {
    let processors = settings.processors.iter().map(processor::write);
    (!settings.processors.is_empty()).then(|| ProcessingConfiguration {
        enabled: Some(true),
        processors: Some(processors.collect()),
    })
}

/// A number of the API.
pub(super) fn whole(number: u64) -> Option<u32> {
    u32::try_from(number).ok()
}

fn bucket(objects: &ObjectSettings, role_arn: &str) -> S3DestinationConfiguration {
    let name = match &objects.place {
        Place::Bucket(name) => name,
        Place::Directory(_) => DIRECTORY,
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    S3DestinationConfiguration {
        role_arn: role_arn.to_owned(),
        bucket_arn: format!("arn:aws:s3:::{name}"),
        prefix: some(&objects.prefix),
        error_output_prefix: some(&objects.error_prefix),
        buffering_hints: Some(BufferingHints::new(
            objects.buffer_bytes,
            objects.buffer_seconds,
        )),
        compression_format: compression(objects.compression),
        encryption: Some(EncryptionConfiguration {
            no_encryption: Some(NoEncryptionConfig::NoEncryption),
            kms_encryption: None,
        }),
        cloud_watch_logging_options: Some(CloudWatchLoggingOptions::OFF),
    }
}

/// The word of the API; it has none for Zstandard.
fn compression(compression: Compression) -> Option<CompressionFormat> {
    match compression {
        Compression::None => Some(CompressionFormat::Uncompressed),
        Compression::Gzip => Some(CompressionFormat::Gzip),
        Compression::Zip => Some(CompressionFormat::Zip),
        Compression::Snappy => Some(CompressionFormat::Snappy),
        Compression::HadoopSnappy => Some(CompressionFormat::HadoopSnappy),
        Compression::Zstd => None,
    }
}

#[cfg(test)]
mod tests {
    use afflux_deliver::{DeliverySource, KafkaSettings};

    use super::*;

    #[test]
    fn of_what_goes_to_kafka_the_bucket_of_refused_records_is_told() {
        let objects = ObjectSettings::new(Place::Bucket("failed".into()));
        let kafka = KafkaSettings::new("events".into(), "orders".into());
        let settings = DeliverySettings {
            receiver: Some(Receiver::Kafka(kafka)),
            ..DeliverySettings::new(DeliverySource::Direct, objects)
        };
        let Destination::ExtendedS3(told) = destination(&settings, "role") else {
            panic!("not a bucket")
        };
        assert_eq!(told.bucket_arn, "arn:aws:s3:::failed");
    }
}
