//! `afflux bench fanout`: one shard pushed to many consumers, each on a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afflux_client::{Client, ConsumerEvent, ConsumerOptions, From};
use afflux_types::StreamName;
use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::bare::{self, Settings};
use super::child::Server;
use super::load;
use super::raw::bare::Load;
use super::raw::{Stopwatch, process};
use super::report::Report;
use crate::args::{BenchFanout, Durability};

/// Bytes that are in the shard before the consumers come: enough to outlast every buffer between.
const FILL_BYTES: u64 = 512 << 20;

pub(crate) fn run(args: &BenchFanout) -> Result<()> {
    let seconds = Duration::from_secs(args.common.seconds);
    let mut report = Report::new("fanout");
    let connections = u32::try_from(args.consumers).context("too many consumers")?;
    let load = Load::Fanout {
        connections,
        write_bytes: 256 << 10,
    };
    let bare = bare::run(load, Settings::Product, seconds)?;
    report.number(format!("bare QUIC to {connections}"), bare.rate(), "GB/s");

    let server = Server::start(args.common.data_dir.as_deref())?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let stream = runtime.block_on(fill(&server, args.record_bytes))?;
    process::forget_peak_memory()?;
    let (cpu, server_cpu) = (process::own_cpu(), server.cpu());
    let pushed = runtime.block_on(read(&server, &stream, args.consumers, seconds))?;
    report.ratio(
        "pushed in all",
        (pushed, "GB/s"),
        (bare.rate(), "bare QUIC"),
    );
    report.cost(
        "consumers",
        process::own_cpu() - cpu,
        process::peak_memory(std::process::id())?,
    );
    report.cost("server", server.cpu() - server_cpu, server.peak_memory());
    report.print(args.common.output)
}

async fn fill(server: &Server, record_bytes: usize) -> Result<StreamName> {
    let client = load::client(server).await?;
    let stream = load::Stream::single("bench", Durability::Fsync)
        .create(&client)
        .await?;
    let producer = client.producer(&stream, load::options(256 << 10)).await?;
    let records = FILL_BYTES / u64::try_from(record_bytes.max(1)).unwrap_or(1);
    let data = load::payload(record_bytes);
    load::produce(&producer, &load::keys(1), &data, Duration::MAX, records).await?;
    Ok(stream)
}

/// Reads the stream with `count` consumers, again and again, for `limit`; returns GB/s in all.
async fn read(server: &Server, stream: &StreamName, count: usize, limit: Duration) -> Result<f64> {
    let bytes = Arc::new(AtomicU64::new(0));
    let mut consumers = JoinSet::new();
    for _ in 0..count {
        let client = load::client(server).await?;
        consumers.spawn(read_again(client, stream.clone(), Arc::clone(&bytes)));
    }
    // The first half second fills windows and maps.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (start, clock) = (bytes.load(Ordering::Relaxed), Stopwatch::start());
    tokio::select! {
        () = tokio::time::sleep(limit) => {}
        ended = consumers.join_next() => ended.context("no consumer")?.context("a consumer panicked")??,
    }
    let moved = bytes.load(Ordering::Relaxed) - start;
    Ok(moved as f64 / clock.elapsed().as_secs_f64() / 1e9)
}

/// Reads everything from the start, again and again, and counts its bytes.
async fn read_again(client: Client, stream: StreamName, bytes: Arc<AtomicU64>) -> Result<()> {
    loop {
        let options = ConsumerOptions {
            from: From::TrimHorizon,
            credit_bytes: 4 << 20,
            ..ConsumerOptions::default()
        };
        let mut consumer = client.consumer(&stream, options).await?;
        loop {
            match consumer.next().await? {
                Some(ConsumerEvent::Batch(batch)) => {
                    let len = u64::try_from(batch.entry_len()).unwrap_or(0);
                    bytes.fetch_add(len, Ordering::Relaxed);
                }
                // Caught up: once more from the start.
                Some(ConsumerEvent::Progress { .. }) => break,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}
