//! What was typed of a delivery stream, put into its settings.

use afflux_deliver::{
    ClusterSettings, DeliverySettings, KafkaSettings, MessageKey, Place, Receiver, TableSettings,
};
use afflux_transform::{Conversion, IndexSettings, ParquetCompression, Processor, Rotation};
use anyhow::{Context, Result, bail};

use crate::args::{DeliveryObjects, IndexRotation, KafkaKey, ObjectCompression, PageCompression};
use crate::printer::usage;

/// Where objects go, if that was typed.
pub(super) fn place(typed: &DeliveryObjects) -> Result<Option<Place>> {
    Ok(match (&typed.to, &typed.bucket) {
        (Some(directory), _) => Some(Place::Directory(
            std::path::absolute(directory).context("find the directory")?,
        )),
        (None, Some(bucket)) => Some(Place::Bucket(bucket.clone())),
        (None, None) => None,
    })
}

/// Puts what was typed into settings.
pub(super) fn apply(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    let objects = &mut settings.objects;
    if let Some(place) = place(typed)? {
        objects.place = place;
    }
    if let Some(prefix) = &typed.prefix {
        objects.prefix.clone_from(prefix);
    }
    if let Some(prefix) = &typed.error_prefix {
        objects.error_prefix.clone_from(prefix);
    }
    if let Some(zone) = &typed.time_zone {
        objects.time_zone.clone_from(zone);
    }
    if let Some(extension) = &typed.extension {
        objects.extension = Some(extension.clone());
    }
    if let Some(compression) = typed.compression {
        objects.compression = match compression {
            ObjectCompression::None => afflux_transform::Compression::None,
            ObjectCompression::Gzip => afflux_transform::Compression::Gzip,
            ObjectCompression::Zip => afflux_transform::Compression::Zip,
            ObjectCompression::Snappy => afflux_transform::Compression::Snappy,
            ObjectCompression::HadoopSnappy => afflux_transform::Compression::HadoopSnappy,
            ObjectCompression::Zstd => afflux_transform::Compression::Zstd,
        };
    }
    if let Some(mib) = typed.size_mib {
        objects.buffer_bytes = mib.saturating_mul(1 << 20);
    }
    if let Some(seconds) = typed.interval {
        objects.buffer_seconds = seconds;
    }
    if let Some(query) = &typed.partition_by {
        let others = settings.processors.drain(..);
        settings.processors = others
            .filter(|other| !matches!(other, Processor::MetadataExtraction { .. }))
            .collect();
        let query = query.clone();
        settings
            .processors
            .push(Processor::MetadataExtraction { query });
        settings.partitioned = true;
    }
    apply_account(typed, settings);
    apply_cluster(typed, settings)?;
    apply_kafka(typed, settings)?;
    if let (Some(catalog), Some(table)) = (&typed.iceberg, &typed.table) {
        settings.table = Some(usage(TableSettings::new(catalog, table))?);
    }
    convert(typed, settings)
}

/// Puts what was typed of envelopes and manifests into settings.
fn apply_account(typed: &DeliveryObjects, settings: &mut DeliverySettings) {
    if let Some(enveloped) = typed.envelope {
        settings.enveloped = enveloped;
        // An envelope is a line already.
        let is_line_feed =
            |one: &Processor| matches!(one, Processor::AppendDelimiter(end) if end == b"\n");
        settings.processors.retain(|one| !is_line_feed(one));
        if !enveloped {
            settings.processors.push(line_feed());
        }
    }
    if let Some(manifests) = typed.manifest {
        settings.manifests = manifests;
    }
}

/// What puts each record into a line.
pub(super) fn line_feed() -> Processor {
    Processor::AppendDelimiter(b"\n".to_vec())
}

/// Puts what was typed of a cluster into settings.
fn apply_cluster(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    let (url, index) = (&typed.opensearch_url, &typed.index);
    let mut cluster = match (&settings.receiver, url, index) {
        (Some(Receiver::OpenSearch(cluster)), _, _) => cluster.clone(),
        (_, Some(url), Some(index)) => {
            ClusterSettings::new(url.clone(), IndexSettings::new(index.clone()))
        }
        (_, None, None) if typed.rotation.is_none() => return Ok(()),
        _ => bail!("a cluster has an address and an index: --opensearch-url URL --index NAME"),
    };
    if let Some(url) = url {
        cluster.url.clone_from(url);
    }
    if let Some(index) = index {
        cluster.index.name.clone_from(index);
    }
    if let Some(rotation) = typed.rotation {
        cluster.index.rotation = match rotation {
            IndexRotation::None => Rotation::None,
            IndexRotation::Hour => Rotation::Hour,
            IndexRotation::Day => Rotation::Day,
            IndexRotation::Week => Rotation::Week,
            IndexRotation::Month => Rotation::Month,
        };
    }
    if let Some(mib) = typed.size_mib {
        cluster.buffer_bytes = mib.saturating_mul(1 << 20);
    }
    if let Some(seconds) = typed.interval {
        cluster.buffer_seconds = seconds;
    }
    settings.receiver = Some(Receiver::OpenSearch(cluster));
    Ok(())
}

/// Puts what was typed of Kafka into settings.
fn apply_kafka(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    let (cluster, topic) = (&typed.kafka, &typed.topic);
    let mut kafka = match (&settings.receiver, cluster, topic) {
        (Some(Receiver::Kafka(kafka)), _, _) => kafka.clone(),
        (_, Some(cluster), Some(topic)) => KafkaSettings::new(cluster.clone(), topic.clone()),
        (_, None, None) if typed.key.is_none() => return Ok(()),
        _ => bail!("Kafka has clusters and topics: --kafka NAME --topic TOPIC"),
    };
    if let Some(cluster) = cluster {
        kafka.cluster.clone_from(cluster);
    }
    if let Some(topic) = topic {
        kafka.topic.clone_from(topic);
    }
    if let Some(key) = typed.key {
        kafka.key = match key {
            KafkaKey::PartitionKey => MessageKey::PartitionKey,
            KafkaKey::None => MessageKey::None,
        };
    }
    if let Some(mib) = typed.size_mib {
        kafka.buffer_bytes = mib.saturating_mul(1 << 20);
    }
    if let Some(seconds) = typed.interval {
        kafka.buffer_seconds = seconds;
    }
    settings.receiver = Some(Receiver::Kafka(kafka));
    Ok(())
}

/// Puts what was typed about Parquet files into settings.
fn convert(typed: &DeliveryObjects, settings: &mut DeliverySettings) -> Result<()> {
    if let Some(file) = &typed.parquet_schema {
        let reading = || format!("read the columns of {}", file.display());
        let text = std::fs::read_to_string(file).with_context(reading)?;
        let columns = serde_json::from_str(&text).with_context(reading)?;
        match &mut settings.conversion {
            Some(conversion) => conversion.columns = columns,
            none => *none = Some(Conversion::new(columns)),
        }
    }
    if let Some(compression) = typed.parquet_compression {
        let Some(conversion) = &mut settings.conversion else {
            bail!("--parquet-compression needs --parquet-schema FILE, the columns of the files");
        };
        conversion.parquet.compression = match compression {
            PageCompression::None => ParquetCompression::Uncompressed,
            PageCompression::Gzip => ParquetCompression::Gzip,
            PageCompression::Snappy => ParquetCompression::Snappy,
            PageCompression::Zstd => ParquetCompression::Zstd,
        };
    }
    Ok(())
}
