//! Every key of the configuration but the tokens, with its effect, its cost and its limits.

use std::net::SocketAddr;
use std::path::PathBuf;

use afflux_types::limits::{RETENTION_HOURS_DEFAULT, RETENTION_HOURS_MAX, RETENTION_HOURS_MIN};

use super::section::LogFormat;

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
        /// Larger packets double the throughput of jumbo networks; elsewhere the probes are lost
        /// now and then and nothing else happens.
        mtu_max: u64 = 6_500, in 1_200..=6_500;
        /// Bytes that may be under way to the server on one QUIC stream.
        /// More is faster over long distances: throughput is at most this per round trip. Costs
        /// as much memory per stream in the worst case; a connection as a whole may use twice
        /// as much.
        window_bytes: u64 = 8 * MIB, in 64 * KIB..=64 * MIB;
        /// Bytes of each of the UDP socket's two buffers.
        /// Small buffers lose packets under load. The kernel cuts it to `net.core.rmem_max` and
        /// `net.core.wmem_max`; a warning in the log says so.
        socket_buffer_bytes: u64 = 8 * MIB, in 64 * KIB..=256 * MIB;
    }
}

section! {
    /// HTTP: health and metrics.
    "http" => Http, HttpLayer {
        /// The TCP address to listen on.
        /// An address that is not loopback needs a token with the right "metrics", which /metrics
        /// then asks for as a bearer. It is not encrypted: put a proxy with TLS in front of it.
        listen: SocketAddr = loopback(4567);
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
        /// Seconds in which a handshake must end, and a QUIC stream must say what it wants.
        /// A client that does not is disconnected.
        handshake_seconds: u64 = 10, in 1..=60;
        /// Bytes that one producer may have sent and not yet got acknowledged.
        /// More hides a slow disk; costs as much memory per producing stream in the worst case.
        unacked_bytes: u64 = 16 * MIB, in 64 * KIB..=64 * MIB;
        /// HTTP connections at once; the next ones wait.
        http_connections: u64 = 1_024, in 1..=65_536;
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
    /// Log lines, which go to standard error.
    "log" => Log, LogLayer {
        /// "text" for people or "json" for collectors.
        format: LogFormat = LogFormat::Text;
        /// Which lines: a level, or a list such as `info,afflux_server=debug`.
        filter: String = "info".to_owned();
    }
}
