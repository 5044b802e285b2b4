//! Load for a server: a stream, a client, and records sent as fast as they are taken.

use std::time::Duration;

use afflux_client::{Client, Config, Producer, ProducerOptions, Trust};
use afflux_types::{HashKey, HashKeyRange, StreamName};
use afflux_wire::message::{self, CreateStream, StreamKind};
use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use super::child::Server;
use super::raw::Stopwatch;
use crate::args::Durability;
use crate::commands::stream::durability;

/// The runtime of a client process: one worker for the connection, and the calling thread.
pub(crate) fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(1)
        .enable_all()
        .thread_name("afflux-bench");
    builder.build().context("start the runtime")
}

/// A client of its own connection.
pub(crate) async fn client(server: &Server) -> Result<Client> {
    Ok(Client::connect(Config::new(server.address(), Trust::LoopbackAny)).await?)
}

/// A stream of records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    pub(crate) shards: u32,
    pub(crate) durability: Durability,
    /// Bytes that each shard keeps; everything if absent.
    pub(crate) retain_bytes: Option<u64>,
}

impl Stream {
    /// With one shard that keeps everything.
    pub(crate) fn single(name: &'static str, durability: Durability) -> Self {
        Self {
            name,
            shards: 1,
            durability,
            retain_bytes: None,
        }
    }

    /// Makes it.
    pub(crate) async fn create(self, client: &Client) -> Result<StreamName> {
        let request = CreateStream {
            stream: self.name.to_owned(),
            kind: StreamKind::Records.into(),
            shards: self.shards,
            retention_bytes: self.retain_bytes.unwrap_or(0),
            durability: message::Durability::into(durability(self.durability)),
            ..CreateStream::default()
        };
        client.create_stream(request).await?;
        Ok(self.name.parse()?)
    }
}

/// A partition key for each of `shards` even shards.
pub(crate) fn keys(shards: u32) -> Vec<String> {
    let ranges: Vec<HashKeyRange> = HashKeyRange::even(shards).collect();
    let mut keys: Vec<Option<String>> = vec![None; ranges.len()];
    let mut missing = keys.len();
    let mut candidates = (0_u64..).map(|i| format!("key-{i}"));
    while missing > 0 {
        let Some(key) = candidates.next() else { break };
        let hash = HashKey::of(key.as_bytes());
        let at = ranges.partition_point(|range| range.end() < hash);
        if let Some(slot @ None) = keys.get_mut(at) {
            *slot = Some(key);
            missing -= 1;
        }
    }
    keys.into_iter().flatten().collect()
}

/// What a producer achieved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Produced {
    /// Records that are durable.
    pub(crate) records: u64,
    /// From the first record to the last acknowledgement.
    pub(crate) took: Duration,
}

impl Produced {
    /// Records in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }
}

/// Sends records of `data` to the shards in turn for `limit`, or until there are `records_max`.
pub(crate) async fn produce(
    producer: &Producer,
    keys: &[String],
    data: &[u8],
    limit: Duration,
    records_max: u64,
) -> Result<Produced> {
    /// Reading the clock costs about as much as a small record: not for each one.
    const RECORDS_PER_LOOK: u64 = 256;
    let before = producer.counts().acked_records;
    let clock = Stopwatch::start();
    let mut sent = 0;
    for key in keys.iter().cycle() {
        producer.send(key, data).await?;
        sent += 1;
        if sent >= records_max || (sent % RECORDS_PER_LOOK == 0 && clock.elapsed() >= limit) {
            break;
        }
    }
    producer.flush().await?;
    let records = producer.counts().acked_records - before;
    Ok(Produced {
        records,
        took: clock.elapsed(),
    })
}

/// Options for throughput.
pub(crate) fn options(batch_bytes: usize) -> ProducerOptions {
    ProducerOptions {
        batch_bytes,
        linger: Duration::from_millis(5),
        ..ProducerOptions::default()
    }
}

/// Bytes of a record that do not compress.
pub(crate) fn payload(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rand::random()).collect()
}
