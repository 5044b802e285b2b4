//! What can be typed about delivery streams.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Connection, ConnectionOnly, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum Delivery {
    /// Make a delivery stream: it delivers what a stream holds, or what `PutRecord` of the Firehose API gives it.
    Create(DeliveryCreate),
    /// List delivery streams and how far they are.
    List(ConnectionOnly),
    /// Show everything of a delivery stream.
    Describe(DeliveryNamed),
    /// Change where and how objects are written.
    Update(DeliveryUpdate),
    /// Let a delivery stream wait, after what it has taken.
    Pause(DeliveryNamed),
    /// Let a delivery stream go on.
    Resume(DeliveryNamed),
    /// Deliver again what a delivery stream delivered from one time to another, by a new delivery stream.
    Replay(DeliveryReplay),
    /// End a delivery stream; its objects stay.
    Delete(DeliveryNamed),
    /// Check the objects of a directory against the manifests in it, without a server.
    Verify(DeliveryVerify),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  afflux delivery create lake --stream orders --to /srv/lake --compression gzip\n  afflux delivery create lake --stream orders --bucket lake --interval 60 \\\n    --partition-by '{customer: .customer}' --prefix 'customer=!{partitionKeyFromQuery:customer}/' \\\n    --error-prefix 'failed/!{firehose:error-output-type}/'\n  afflux delivery create search --stream orders --to /srv/failed \\\n    --opensearch-url https://search.example.com:9200 --index orders --rotation day\n  afflux delivery create stream --stream orders --to /srv/failed --kafka events --topic orders\n  afflux delivery create table --stream orders --to /srv/table --size-mib 64 --parquet-schema orders.json\n  afflux delivery create orders --stream orders --to /srv/failed --iceberg lake --table shop.orders\n  afflux delivery create door --stream front-door --to /srv/video --interval 60\n  afflux delivery create archive --stream orders --to /srv/archive --envelope --manifest"
)]
pub(crate) struct DeliveryCreate {
    /// The delivery stream's name.
    pub(crate) name: String,
    /// The stream whose records or video are delivered; without, what is put into the delivery stream.
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<String>,
    /// Where in the stream to begin: trim-horizon, latest, or a time.
    #[arg(long, value_name = "WHERE", default_value = "trim-horizon")]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) objects: DeliveryObjects,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct DeliveryUpdate {
    /// The delivery stream's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) objects: DeliveryObjects,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  afflux delivery replay lake lake-again --from 2026-11-21T10:00:00Z --until 2026-11-21T11:00:00Z --prefix again/"
)]
pub(crate) struct DeliveryReplay {
    /// The delivery stream's name.
    pub(crate) name: String,
    /// The name of the new one.
    pub(crate) replay: String,
    /// The first records to deliver: a time.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// The first records to deliver no more: a time that is over.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: String,
    #[command(flatten)]
    pub(crate) objects: DeliveryObjects,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct DeliveryVerify {
    /// The directory, or a copy of a bucket.
    pub(crate) directory: PathBuf,
    /// How to print results.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct DeliveryNamed {
    /// The delivery stream's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Where and how objects are written.
#[derive(Debug, Args)]
pub(crate) struct DeliveryObjects {
    /// An existing directory on the server's machine.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "bucket")]
    pub(crate) to: Option<PathBuf>,
    /// A bucket of the server's configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// What names of objects begin with, with `!{…}` expressions; by default the hour, in UTC.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    /// What names of objects with records that failed begin with.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) error_prefix: Option<String>,
    /// The time zone of names.
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    /// What names of objects end with, instead of what the compression says.
    #[arg(long, value_name = "EXTENSION")]
    pub(crate) extension: Option<String>,
    /// How objects are compressed.
    #[arg(long, value_enum)]
    pub(crate) compression: Option<ObjectCompression>,
    /// An object, a request to a cluster, or a transaction of Kafka is complete with so many MiB before compression: 1
    /// to 128, 100, or 32.
    #[arg(long, value_name = "MIB")]
    pub(crate) size_mib: Option<u64>,
    /// An object, a request to a cluster, or a transaction of Kafka is complete so many seconds after its first record:
    /// 0 to 900.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) interval: Option<u64>,
    /// Write each record as a line of JSON with its stream, shard, sequence number, key and time.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) envelope: Option<bool>,
    /// Write a manifest beside the objects of each batch: their names, sizes and SHA-256, and what they account for.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) manifest: Option<bool>,
    /// A jq query whose result says which partition a record belongs to.
    #[arg(long, value_name = "QUERY")]
    pub(crate) partition_by: Option<String>,
    /// A cluster that takes the records by the bulk API; objects have what it does not take.
    #[arg(long, value_name = "URL")]
    pub(crate) opensearch_url: Option<String>,
    /// What the names of the cluster's indices begin with.
    #[arg(long, value_name = "NAME")]
    pub(crate) index: Option<String>,
    /// How often there is a new index, by when records arrived, in UTC; by default every day.
    #[arg(long, value_enum)]
    pub(crate) rotation: Option<IndexRotation>,
    /// A Kafka cluster of the server's configuration that takes the records, each exactly once; objects have what it
    /// never takes. Only in builds with the feature kafka.
    #[arg(long, value_name = "NAME", conflicts_with = "opensearch_url")]
    pub(crate) kafka: Option<String>,
    /// The topic of the Kafka cluster.
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// What is the key of messages; the record's partition key unless said otherwise.
    #[arg(long, value_enum)]
    pub(crate) key: Option<KafkaKey>,
    /// A catalog of the server's configuration, to whose table the records of JSON are appended; objects have what
    /// does not fit its columns.
    #[arg(long, value_name = "CATALOG", requires = "table")]
    pub(crate) iceberg: Option<String>,
    /// The table with its namespace, such as shop.orders.
    #[arg(long, value_name = "NAMESPACE.TABLE", requires = "iceberg")]
    pub(crate) table: Option<String>,
    /// A file with the columns of Parquet files, into which records of JSON are converted: a list such as
    /// [{"name": "id", "type": "bigint"}], with types as Hive writes them.
    #[arg(long, value_name = "FILE")]
    pub(crate) parquet_schema: Option<PathBuf>,
    /// How Parquet files are compressed inside; snappy unless said otherwise.
    #[arg(long, value_enum)]
    pub(crate) parquet_compression: Option<PageCompression>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KafkaKey {
    PartitionKey,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IndexRotation {
    None,
    Hour,
    Day,
    Week,
    Month,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageCompression {
    None,
    Gzip,
    Snappy,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectCompression {
    None,
    Gzip,
    Zip,
    Snappy,
    HadoopSnappy,
    Zstd,
}
