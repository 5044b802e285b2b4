//! Every key of the configuration but the tokens, with its effect, its cost and its limits.

use std::net::SocketAddr;
use std::path::PathBuf;

use afflux_types::limits::{RETENTION_HOURS_DEFAULT, RETENTION_HOURS_MAX, RETENTION_HOURS_MIN};

use super::section::{HttpTls, LogFormat};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

section! {
    /// The native protocol: producers, consumers, cameras, administration.
    "quic" => Quic, QuicLayer {
        /// The UDP address to listen on.
        /// An address that is not loopback needs tokens or `tls.client_ca`, so that nobody opens a
        /// server to the network by accident. Port 0 lets the system choose one.
        listen: SocketAddr = loopback(4433);
        /// The largest UDP payload in bytes that path discovery tries beyond loopback.
        /// The default is what an Ethernet carries. On a network with jumbo frames 8,900 doubles the
        /// throughput; elsewhere its probes are lost now and then and nothing else happens.
        mtu_max: u64 = 1_452, in 1_200..=32_700;
        /// Bytes that may be under way to the server on one QUIC stream.
        /// More is faster over long distances: throughput is at most this per round trip. Costs
        /// as much memory per stream in the worst case; a connection as a whole may use twice
        /// as much.
        window_bytes: u64 = 8 * MIB, in 64 * KIB..=64 * MIB;
        /// Bytes of each of the UDP socket's two buffers.
        /// Small buffers lose packets under load. Without the capability `CAP_NET_ADMIN` the kernel
        /// cuts it to `net.core.rmem_max` and `net.core.wmem_max`; below 1 MiB the log warns of it.
        socket_buffer_bytes: u64 = 8 * MIB, in 64 * KIB..=256 * MIB;
    }
}

section! {
    /// HTTP/1.1 and HTTP/2: the AWS-compatible APIs, health and metrics.
    "http" => Http, HttpLayer {
        /// The TCP address to listen on.
        /// An address that is not loopback needs credentials for the APIs, or a token with the right
        /// "metrics", which /metrics then asks for as a bearer.
        listen: SocketAddr = loopback(4567);
        /// Who may speak without TLS on the port, which recognizes by itself who does.
        /// "auto": clients on this machine, such as a proxy. "optional": everybody; requests are
        /// signed then, but everybody on the way reads the records. "required": nobody.
        tls: HttpTls = HttpTls::Auto;
        /// The URL at which clients reach the port, such as `https://video.example.org`, for answers
        /// that name it: those that say where media is.
        /// Empty: the host that a request names, which is right unless a proxy changes it.
        public_url: String = String::new();
    }
}

section! {
    /// What the AWS-compatible APIs say of themselves.
    "aws" => Aws, AwsLayer {
        /// The region in names of resources, and the one that signatures must be made for.
        region: String = "us-east-1".to_owned();
        /// The twelve digits of the account in names of resources.
        account: String = "000000000000".to_owned();
    }
}

section! {
    /// Kinesis Data Streams.
    "kinesis" => Kinesis, KinesisLayer {
        /// Whether the shards of streams that are made through this API take no more than those of
        /// AWS: 1 MiB and 1,000 records a second in, 2 MiB and 5 calls a second out.
        /// Without, programs never meet the throttling that they will meet there.
        throttled: bool = true;
        /// Open shards of all streams together that this API makes.
        shards_max: u64 = 20_000, in 1..=1_000_000;
    }
}

section! {
    /// Kinesis Video Streams.
    "video" => Video, VideoLayer {
        /// The directory below which pictures are written that streams have made of them.
        /// Empty: none are, whatever the streams ask for.
        images_dir: PathBuf = PathBuf::new();
        /// A program that decodes pictures of H.265 and other codecs: ffmpeg. H.264 needs none.
        /// Empty: there are no pictures of such streams.
        ffmpeg: PathBuf = PathBuf::new();
    }
}

section! {
    /// Delivery streams.
    "delivery" => Delivery, DeliveryLayer {
        /// Bytes of memory over all delivery streams: one half for records that wait to become objects, the
        /// other for objects and requests on their way to stores and endpoints. Records that have no room wait
        /// in files below `data_dir`, which costs a write more; objects wait for others to be written, and one
        /// that is larger than its half goes alone.
        memory_bytes: u64 = 256 * MIB, in MIB..=64 * KIB * MIB;
    }
}

section! {
    /// Certificates. Without any of these keys the server makes its own certificate at first start,
    /// keeps it in `data_dir/tls`, and clients pin its fingerprint.
    "tls" => Tls, TlsLayer {
        /// A PEM file with the server's certificate and its chain.
        /// Empty: the server's own. Read at start; restart after a renewal.
        certificate: PathBuf = PathBuf::new();
        /// A PEM file with the private key of `certificate`.
        key: PathBuf = PathBuf::new();
        /// A PEM file with the authorities that sign client certificates.
        /// A client whose certificate names a token of this file as a DNS name has that token's
        /// rights without its secret. If no token has a secret, every client needs a certificate.
        client_ca: PathBuf = PathBuf::new();
    }
}

section! {
    /// What clients may take of the server.
    "limits" => Limits, LimitsLayer {
        /// QUIC connections at once; the next one is refused.
        /// An idle connection costs some 60 KiB.
        connections: u64 = 10_000, in 1..=1_000_000;
        /// QUIC streams at once of one connection: a producer takes one per shard, a consumer one
        /// per subscription. A client that wants more waits.
        connection_streams: u64 = 4_096, in 1..=65_536;
        /// Seconds without a packet after which a connection is closed.
        /// Clients send a packet before that; less notices dead cameras sooner.
        idle_seconds: u64 = 30, in 2..=3_600;
        /// Seconds in which a handshake must end, a QUIC stream must say what it wants, and an HTTP
        /// connection must send the head of its first request.
        /// A client that does not is disconnected.
        handshake_seconds: u64 = 10, in 1..=60;
        /// Bytes that one producer may have sent and not yet got acknowledged.
        /// More hides a slow disk; costs as much memory per producing stream in the worst case.
        unacked_bytes: u64 = 16 * MIB, in 64 * KIB..=64 * MIB;
        /// HTTP connections at once; the next ones wait.
        /// Some clients take one for each subscription. A busy one costs some 100 KiB.
        http_connections: u64 = 4_096, in 1..=65_536;
        /// Requests at once of one HTTP/2 connection; clients keep to it.
        http_streams: u64 = 1_024, in 1..=65_536;
        /// Seconds after which an HTTP connection without a request is closed, and one whose client
        /// takes nothing of an answer.
        http_idle_seconds: u64 = 180, in 1..=3_600;
        /// Seconds in which the body of an HTTP request must arrive.
        http_body_seconds: u64 = 60, in 1..=3_600;
        /// Bytes that the bodies of all HTTP requests under way may take together; others wait.
        /// One request takes at most 16 MiB.
        http_bodies_bytes: u64 = 256 * MIB, in 16 * MIB..=64 * KIB * MIB;
    }
}

section! {
    /// The log on disk.
    "storage" => Storage, StorageLayer {
        /// Bytes of a shard's first segment; each next one is twice as large up to the maximum.
        /// Many shards with little traffic want it small: it is reserved for each.
        segment_bytes_min: u64 = 256 * KIB, in 64 * KIB..=64 * MIB;
        /// Bytes of a shard's largest segment: what retention deletes at once.
        /// Larger means fewer files; a slow reader keeps a whole segment from being freed.
        segment_bytes_max: u64 = 64 * MIB, in MIB..=1_024 * MIB;
        /// Hours for which a stream keeps its records if its creator names none.
        retention_hours: u64 = RETENTION_HOURS_DEFAULT, in RETENTION_HOURS_MIN..=RETENTION_HOURS_MAX;
    }
}

section! {
    /// Keys for streams whose records are encrypted on disk.
    "encryption" => Encryption, EncryptionLayer {
        /// A directory of master keys: `<key id>.key` with 32 bytes in hex or Base64 and mode 0600, and
        /// `aliases` with a line `alias/<name> <key id>` for each alias.
        /// Empty: no stream can be encrypted, and none that is can be read. It must not be in `data_dir`:
        /// whoever takes the disk would have the keys. Without a key's file its streams cannot be read.
        keyring: PathBuf = PathBuf::new();
    }
}

section! {
    /// Log lines, which go to standard error.
    "log" => Log, LogLayer {
        /// "text" for people or "json" for collectors.
        format: LogFormat = LogFormat::Text;
        /// Which lines: a level, or a list such as `info,afflux_server=debug`.
        filter: String = "info".to_owned();
    }
}
