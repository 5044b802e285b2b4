//! QUIC with nothing above it: what the product's transport could do if the product cost nothing.
//!
//! Two roles, best run in two processes, because a process has one allocator, one CPU clock and one runtime:
//! [`serve()`] waits for one client and carries out what it asks; [`send()`] is the client, asks for one [`Load`] and
//! measures. The server's address and certificate travel in [`Ready`], which the parent of both passes on.
//!
//! Every connection opens one bidirectional stream whose first bytes are a length and a [`Task`](request::Task) as JSON.

mod echo;
mod fanout;
mod request;
mod send;
mod serve;
#[cfg(test)]
mod tests;
mod upload;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

pub(crate) use self::send::send;
pub(crate) use self::serve::serve;
use super::process;

/// Names the protocol of this module, so that nothing else answers by accident.
const ALPN: &[u8] = b"afflux-bench-raw/1";
/// The name in the server's certificate.
const SERVER_NAME: &str = "localhost";

/// Where a server listens and how to know it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The address that it listens on.
    pub(crate) address: SocketAddr,
    /// Its certificate, DER.
    pub(crate) certificate: Vec<u8>,
}

/// How a role is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Threads {
    /// Everything on the calling thread.
    One,
    /// A pool of so many workers.
    Pool(usize),
}

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Load {
    /// One stream, constant bytes.
    Bulk {
        /// Bytes of one chunk.
        chunk_bytes: usize,
        /// Chunks per write.
        write_chunks: usize,
        /// Chunks that the server takes per read; one packet is one chunk.
        read_chunks: usize,
    },
    /// One stream, records with lengths in batches with a checksum, which the server checks.
    Records {
        /// Bytes of one record.
        record_bytes: usize,
        /// Records in one batch.
        batch_records: usize,
    },
    /// The server pushes one constant buffer to every connection.
    Fanout {
        /// How many connections.
        connections: u32,
        /// Bytes per write.
        write_bytes: u32,
    },
    /// One message at a time there and back on one stream.
    Echo {
        /// Bytes of the message.
        bytes: u32,
        /// Bulk upload on a second connection at the same time, in bytes a second; none if zero.
        background_bytes_per_second: u64,
    },
}

/// What one role saw.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Payload bytes that arrived at the receiver.
    pub(crate) bytes: u64,
    /// From the first request to the last confirmation.
    pub(crate) took: Duration,
    /// User plus system time of this role's process.
    pub(crate) cpu: Duration,
    /// The most memory that this role's process has had resident, in bytes.
    pub(crate) memory_peak_bytes: u64,
    /// Packets that this role sent, and those of them declared lost.
    pub(crate) packets: Packets,
    /// Round-trip times, for an echo.
    pub(crate) latency: Option<Latency>,
}

/// What the connections of a role counted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Packets {
    /// Packets sent.
    pub(crate) sent: u64,
    /// Packets declared lost.
    pub(crate) lost: u64,
    /// System calls that sent something.
    pub(crate) sends: u64,
    /// UDP payload at the end, the largest of all connections.
    pub(crate) mtu: u16,
}

/// Round-trip times in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// How many round trips.
    pub(crate) count: u64,
    /// The median.
    pub(crate) p50_us: f64,
    /// 99 of 100 were at most this long.
    pub(crate) p99_us: f64,
    /// 999 of 1,000 were at most this long.
    pub(crate) p999_us: f64,
}

impl Report {
    /// The payload rate, in GB/s.
    pub(crate) fn rate(&self) -> f64 {
        super::gigabytes_per_second(self.bytes, self.took)
    }
}

impl Packets {
    fn add(&mut self, connection: &quinn::Connection) {
        let stats = connection.stats();
        self.sent += stats.path.sent_packets;
        self.lost += stats.path.lost_packets;
        self.sends += stats.udp_tx.ios;
        self.mtu = self.mtu.max(stats.path.current_mtu);
    }
}

impl Threads {
    fn runtime(self) -> Result<Runtime> {
        match self {
            Self::One => Builder::new_current_thread().enable_all().build(),
            Self::Pool(workers) => Builder::new_multi_thread()
                .worker_threads(workers.max(1))
                .enable_all()
                .build(),
        }
        .context("start a runtime")
    }
}

fn memory_peak_bytes() -> Result<u64> {
    process::peak_memory(std::process::id())
}
