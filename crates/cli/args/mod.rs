//! What can be typed: every command, flag and default. Nothing here looks at the machine.

mod bench;
mod delivery;
mod pull;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

pub(crate) use bench::{
    BenchBare, BenchBareHttp, BenchCommon, BenchDelivery, BenchFanout, BenchKinesis, BenchLatency,
    BenchProduce, BenchVideo, BenchWhat, CameraProtocol, HttpVersion,
};
pub(crate) use delivery::{
    Delivery, DeliveryCreate, DeliveryNamed, DeliveryObjects, DeliveryReplay, DeliveryUpdate,
    DeliveryVerify, IndexRotation, KafkaKey, ObjectCompression, PageCompression,
};
pub(crate) use pull::{PullTransport, VideoPull};

/// Ingest records and video over QUIC, keep them durably, push them to many consumers.
#[derive(Debug, Parser)]
#[command(
    name = "afflux",
    version,
    propagate_version = true,
    after_help = "Examples:\n  \
        afflux demo                              watch the whole system at work\n  \
        afflux serve --data-dir /var/lib/afflux  run a server\n  \
        afflux stream create orders --shards 4   create a stream\n  \
        echo hello | afflux put orders           send a line\n  \
        afflux tail orders --from trim-horizon   follow it\n\n\
        Exit codes: 0 success, 1 the request failed, 2 wrong usage."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server.
    Serve(Serve),
    /// Run a server with producers, cameras, consumers and deliveries, and verify what they did.
    Demo(Demo),
    /// Create, list, describe, delete, split and merge streams.
    #[command(subcommand)]
    Stream(Stream),
    /// Send records to a stream: one for each line of the input.
    Put(Put),
    /// Print the records of a stream as they arrive.
    ///
    /// A record of the Kinesis Producer Library that holds several is printed as those, each with its
    /// sub-sequence number in JSON.
    Tail(Tail),
    /// Register, list and deregister consumers.
    #[command(subcommand)]
    Consumer(Consumer),
    /// Upload, pull, list, cut and follow video.
    #[command(subcommand)]
    Video(Video),
    /// Deliver records and video to directories, buckets and search clusters.
    #[command(subcommand)]
    Delivery(Box<Delivery>),
    /// Print the environment that points the AWS CLI and SDKs at this server.
    AwsEnv(AwsEnv),
    /// Verify every checksum and index of a data directory.
    Check(Check),
    /// Measure this machine and Afflux on it.
    Bench(Bench),
}

/// A number that is not zero: in the protocol zero stands for the default, which nobody types.
fn from_one() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..)
}

/// Where the server is and how to talk to it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The server's QUIC address.
    #[arg(
        long,
        env = "AFFLUX_SERVER",
        default_value = "127.0.0.1:4433",
        value_name = "HOST:PORT",
        global = true
    )]
    pub(crate) server: String,
    /// A bearer token; only servers beyond loopback ask for one.
    #[arg(
        long,
        env = "AFFLUX_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        global = true
    )]
    pub(crate) token: Option<String>,
    /// The SHA-256 fingerprint of the server's certificate; not needed on loopback.
    #[arg(long, env = "AFFLUX_FINGERPRINT", value_name = "HEX", global = true)]
    pub(crate) fingerprint: Option<String>,
    /// A file with the certificate authority that signed the server's certificate.
    #[arg(long, env = "AFFLUX_CA", value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Output::Text, global = true)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON document, or one per line where there is no end.
    Json,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Listen {
    /// The directory for all data; made if it does not exist.
    #[arg(long, env = "AFFLUX_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The address for QUIC.
    #[arg(long, env = "AFFLUX_QUIC", value_name = "IP:PORT")]
    pub(crate) quic: Option<SocketAddr>,
    /// The address for HTTP.
    #[arg(long, env = "AFFLUX_HTTP", value_name = "IP:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// A configuration file; flags and environment come before it.
    #[arg(long, env = "AFFLUX_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  afflux serve --data-dir ./data\n  afflux serve --config /etc/afflux/config.toml"
)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// Print the documented default configuration and exit.
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  eval \"$(afflux aws-env)\"\n  aws kinesis list-streams")]
pub(crate) struct AwsEnv {
    #[command(flatten)]
    pub(crate) listen: Listen,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  afflux demo\n  afflux demo --seconds 60 --keep-serving")]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// How long producers and cameras run.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) seconds: u64,
    /// Go on serving after the verification.
    #[arg(long)]
    pub(crate) keep_serving: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Stream {
    /// Create a stream of records.
    #[command(
        after_help = "Examples:\n  afflux stream create orders --shards 4\n  afflux stream create ticks --durability os"
    )]
    Create(StreamCreate),
    /// List all streams.
    List(ConnectionOnly),
    /// Show a stream and its shards.
    Describe(StreamName),
    /// Delete a stream and everything in it.
    Delete(StreamName),
    /// Split a shard in two.
    #[command(
        after_help = "Examples:\n  afflux stream split orders --shard 0\n  afflux stream split orders --shard 0 --at 85070591730234615865843651857942052864"
    )]
    Split(StreamSplit),
    /// Merge two adjacent shards.
    Merge(StreamMerge),
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionOnly {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct StreamName {
    /// The stream's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// Acknowledged records survive a power cut.
    Fsync,
    /// Acknowledged records survive a crash of the server, not a power cut.
    Os,
}

#[derive(Debug, Args)]
pub(crate) struct StreamSettings {
    /// How long records are kept.
    #[arg(long, default_value_t = 24, value_name = "HOURS", value_parser = from_one())]
    pub(crate) retention_hours: u64,
    /// How many bytes each shard keeps at most.
    #[arg(long, value_name = "BYTES", value_parser = from_one())]
    pub(crate) retention_bytes: Option<u64>,
    /// What an acknowledgement promises.
    #[arg(long, value_enum, default_value_t = Durability::Fsync)]
    pub(crate) durability: Durability,
}

#[derive(Debug, Args)]
pub(crate) struct StreamCreate {
    /// The stream's name: letters, digits, '_', '.' and '-'.
    pub(crate) name: String,
    /// How many shards it starts with.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub(crate) shards: u32,
    #[command(flatten)]
    pub(crate) settings: StreamSettings,
    /// The largest record, key and data together; at most 10 MiB.
    #[arg(long, value_name = "BYTES", value_parser = from_one())]
    pub(crate) record_bytes_max: Option<u64>,
    /// Bytes that each shard takes in a second.
    #[arg(long, value_name = "BYTES", value_parser = from_one())]
    pub(crate) quota_bytes: Option<u64>,
    /// Records that each shard takes in a second.
    #[arg(long, value_name = "N", value_parser = from_one())]
    pub(crate) quota_records: Option<u64>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct StreamSplit {
    /// The stream's name.
    pub(crate) name: String,
    /// The shard to split.
    #[arg(long, value_name = "ID")]
    pub(crate) shard: String,
    /// The hash key where the second child starts; the middle if absent.
    #[arg(long, value_name = "HASH-KEY")]
    pub(crate) at: Option<u128>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct StreamMerge {
    /// The stream's name.
    pub(crate) name: String,
    /// One shard.
    #[arg(long, value_name = "ID")]
    pub(crate) shard: String,
    /// The shard next to it.
    #[arg(long, value_name = "ID")]
    pub(crate) adjacent: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  echo hello | afflux put orders\n  afflux put orders --key customer-7 --lines events.jsonl"
)]
pub(crate) struct Put {
    /// The stream's name.
    pub(crate) stream: String,
    /// The partition key of every record; without it each record gets its own.
    #[arg(long, value_name = "K")]
    pub(crate) key: Option<String>,
    /// Where the lines come from; '-' is the standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) lines: PathBuf,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  afflux tail orders\n  afflux tail orders --from trim-horizon --limit 10 --output json\n  afflux tail orders --from 2026-11-21T10:00:00Z"
)]
pub(crate) struct Tail {
    /// The stream's name.
    pub(crate) stream: String,
    /// Where to start: trim-horizon, latest, a time, or a sequence number.
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    pub(crate) from: String,
    /// Only this shard.
    #[arg(long, value_name = "ID")]
    pub(crate) shard: Option<String>,
    /// Stop after so many records as they are printed, also in the middle of an aggregated one.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Stop at the end instead of waiting for more.
    #[arg(long)]
    pub(crate) no_follow: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Consumer {
    /// Register a consumer of a stream.
    Register(ConsumerName),
    /// List a stream's consumers.
    List(StreamName),
    /// Deregister a consumer.
    Deregister(ConsumerName),
}

#[derive(Debug, Args)]
pub(crate) struct ConsumerName {
    /// The stream's name.
    pub(crate) stream: String,
    /// The consumer's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Video {
    /// Create a video stream.
    Create(VideoCreate),
    /// Upload fragmented MP4 from a file or a pipe.
    #[command(after_help = "Examples:\n  \
        afflux video put cam camera.mp4 --realtime\n  \
        ffmpeg -i … -movflags frag_keyframe+empty_moov+default_base_moof+cmaf -f mp4 - | afflux video put cam -")]
    Put(VideoPut),
    Pull(VideoPull),
    /// List the fragments of a video stream.
    List(VideoList),
    /// Write a range of time as a playable MP4.
    #[command(
        after_help = "Examples:\n  afflux video clip cam --from 2026-11-21T10:00:00Z --to 2026-11-21T10:01:00Z -o clip.mp4\n  afflux video clip cam --from 2026-11-21T10:00:02.4Z --to 2026-11-21T10:00:03Z --exact -o moment.mp4"
    )]
    Clip(VideoClip),
    /// Write fragments to the standard output as they arrive, as fragmented MP4.
    #[command(after_help = "Examples:\n  afflux video tail cam | ffplay -")]
    Tail(VideoTail),
}

#[derive(Debug, Args)]
pub(crate) struct VideoCreate {
    /// The stream's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) settings: StreamSettings,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct VideoPut {
    /// The stream's name.
    pub(crate) name: String,
    /// A fragmented MP4 file; '-' is the standard input.
    pub(crate) file: PathBuf,
    /// Send no faster than the video plays.
    #[arg(long)]
    pub(crate) realtime: bool,
    /// The producer's time of the first fragment; now if absent.
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<String>,
    /// Where fragments wait while the server cannot be reached; a temporary directory if absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Axis {
    /// The camera's clock.
    Producer,
    /// The server's clock.
    Server,
}

#[derive(Debug, Args)]
pub(crate) struct VideoList {
    /// The stream's name.
    pub(crate) name: String,
    /// Fragments that start at or after this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Fragments that start before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Whose clock the times are read from.
    #[arg(long, value_enum, default_value_t = Axis::Producer)]
    pub(crate) axis: Axis,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct VideoClip {
    /// The stream's name.
    pub(crate) name: String,
    /// The clip starts with the fragment that plays at this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// The clip ends with the last fragment that starts before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: String,
    /// Show the range and nothing else, also where it begins or ends within fragments.
    #[arg(long)]
    pub(crate) exact: bool,
    /// Whose clock the times are read from.
    #[arg(long, value_enum, default_value_t = Axis::Producer)]
    pub(crate) axis: Axis,
    /// The file to write.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct VideoTail {
    /// The stream's name.
    pub(crate) name: String,
    /// Where to start: trim-horizon, latest, or a time.
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    pub(crate) from: String,
    /// Stop after so many fragments.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  afflux check /var/lib/afflux\n  afflux check /var/lib/afflux --repair\n\nThe server must not be running."
)]
pub(crate) struct Check {
    /// The data directory.
    pub(crate) dir: PathBuf,
    /// Cut a torn tail and rebuild indexes; nothing else is ever changed.
    #[arg(long)]
    pub(crate) repair: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  afflux bench produce\n  afflux bench fanout --consumers 64\n  afflux bench latency --output json"
)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) what: BenchWhat,
}
