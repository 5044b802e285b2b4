//! What can be typed after `afflux bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Durability, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum BenchWhat {
    /// Append to the log in this process, with checksum.
    Append(BenchCommon),
    /// Produce durably over QUIC from another process.
    #[command(
        after_help = "Examples:\n  afflux bench produce\n  afflux bench produce --record-bytes 100\n  afflux bench produce --shards 1024\n  afflux bench produce --retain-bytes 268435456"
    )]
    Produce(BenchProduce),
    /// Push one shard to many consumers.
    Fanout(BenchFanout),
    /// Record many cameras in real time, watch them live, and fetch what they recorded.
    #[command(
        after_help = "Examples:\n  afflux bench video\n  afflux bench video --cameras 200 --viewers 0 --seconds 60\n  afflux bench video --cameras 20 --over put-media --viewers 20"
    )]
    Video(BenchVideo),
    /// Time from put to push at a tenth of full load.
    Latency(BenchLatency),
    /// Put, get and subscribe through the Kinesis API over HTTP.
    #[command(
        after_help = "Examples:\n  afflux bench kinesis\n  afflux bench kinesis --cbor --connections 16\n  afflux bench kinesis --endpoint http://127.0.0.1:4567"
    )]
    Kinesis(BenchKinesis),
    /// Deliver records as objects to a directory and to a store.
    #[command(
        after_help = "Examples:\n  afflux bench delivery\n  afflux bench delivery --megabytes 1000 --partitions 2000"
    )]
    Delivery(BenchDelivery),
    /// One side of a bare transfer, started by the other commands.
    #[command(hide = true)]
    Bare(BenchBare),
    /// A bare HTTP server that answers with its standard input, started by the other commands.
    #[command(hide = true)]
    BareHttp(BenchBareHttp),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchBareHttp {
    /// The version that it speaks.
    pub(crate) http: HttpVersion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HttpVersion {
    #[value(name = "1")]
    One,
    #[value(name = "2")]
    Two,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchBare {
    /// The job, as JSON.
    pub(crate) job: String,
    /// Where the other side is, as JSON; the server's side has none.
    pub(crate) ready: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchCommon {
    /// How long each measurement takes.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) seconds: u64,
    /// Where the data goes; a temporary directory beside the current one if absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchDelivery {
    #[command(flatten)]
    pub(crate) common: BenchCommon,
    /// Megabytes of records that are delivered in each form, whatever the time.
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub(crate) megabytes: u64,
    /// Partitions that are open at a time while the memory is measured.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) partitions: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchProduce {
    #[command(flatten)]
    pub(crate) common: BenchCommon,
    /// Bytes of data in each record.
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    pub(crate) record_bytes: usize,
    /// Shards that the records are spread over.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) shards: u32,
    /// Bytes of one batch.
    #[arg(long, default_value_t = 256 << 10, value_name = "BYTES")]
    pub(crate) batch_bytes: usize,
    /// How many bytes each shard keeps at most: the steady state of a server that deletes as much as
    /// it takes. Without, everything is kept.
    #[arg(long, value_name = "BYTES")]
    pub(crate) retain_bytes: Option<u64>,
    /// What an acknowledgement promises.
    #[arg(long, value_enum, default_value_t = Durability::Fsync)]
    pub(crate) durability: Durability,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchFanout {
    #[command(flatten)]
    pub(crate) common: BenchCommon,
    /// Push consumers of the one shard.
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) consumers: usize,
    /// Bytes of data in each record.
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    pub(crate) record_bytes: usize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchVideo {
    #[command(flatten)]
    pub(crate) common: BenchCommon,
    /// Cameras at 4 Mbit/s with a key frame every two seconds, 30 frames a second.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) cameras: u32,
    /// How the cameras send.
    #[arg(long, value_enum, default_value_t = CameraProtocol::Both)]
    pub(crate) over: CameraProtocol,
    /// Live viewers: one half reads `GetMedia`, the other half plays low-latency HLS.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub(crate) viewers: u32,
    /// Connections that fetch stored HLS segments after the cameras have ended, as fast as they can.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub(crate) connections: u32,
}

/// How cameras send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CameraProtocol {
    /// Fragmented MP4 over QUIC.
    Quic,
    /// Matroska by the Kinesis operation `PutMedia`.
    PutMedia,
    /// One half so, the other half so.
    Both,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchLatency {
    #[command(flatten)]
    pub(crate) common: BenchCommon,
    /// Bytes of data in each record.
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    pub(crate) record_bytes: usize,
    /// Records in a second; a tenth of this machine's full load if absent.
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<u64>,
    /// What an acknowledgement promises.
    #[arg(long, value_enum, default_value_t = Durability::Fsync)]
    pub(crate) durability: Durability,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchKinesis {
    #[command(flatten)]
    pub(crate) common: BenchCommon,
    /// Connections of `PutRecords` and `GetRecords`.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) connections: usize,
    /// Subscribers of `SubscribeToShard`, each with a connection of its own.
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) subscribers: usize,
    /// Write bodies as CBOR instead of JSON.
    #[arg(long)]
    pub(crate) cbor: bool,
    /// Another server than a new one of ours. Its CPU and memory are not known.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
}
