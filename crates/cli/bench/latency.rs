//! `afflux bench latency`: from the call that puts a record to the moment a consumer has it.
//!
//! The load is open: records leave at their time whether or not earlier ones have arrived, and a
//! record's time counts from when it should have left.

use std::time::Duration;

use afflux_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, From, Producer, PutError};
use anyhow::{Context, Result, anyhow, ensure};
use hdrhistogram::Histogram;

use super::bare::{self, Settings};
use super::child::Server;
use super::load;
use super::raw::bare::Load;
use super::raw::{Stopwatch, process, sync};
use super::report::Report;
use crate::args::BenchLatency;

/// A put is due this often; each put sends what is due by then.
const TICK: Duration = Duration::from_micros(200);

/// Longer times are counted as this long.
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &BenchLatency) -> Result<()> {
    let seconds = Duration::from_secs(args.common.seconds);
    let mut report = Report::new("latency");
    let server = Server::start(args.common.data_dir.as_deref())?;
    let echo = Load::Echo {
        bytes: 1024,
        background_bytes_per_second: 0,
    };
    let echo = bare::run(echo, Settings::Product, seconds)?
        .latency
        .context("an echo has a latency")?;
    report.number("bare QUIC echo, p50", echo.p50_us, "us");
    report.number("bare QUIC echo, p99", echo.p99_us, "us");
    let synced = sync::latency(server.data(), 4 << 10, sync::Blocks::Written, seconds / 5)?;
    let synced_us = synced.first().context("a sync has a latency")?.value * 1_000.0;
    report.number("fdatasync of 4 KiB, p50", synced_us, "us");

    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    process::forget_peak_memory()?;
    let (cpu, server_cpu) = (process::own_cpu(), server.cpu());
    let (rate, times) = runtime.block_on(measure(&server, args, seconds))?;
    report.number("records", rate as f64 / 1e6, "M/s");
    let allowed = echo.p50_us + 1.5 * synced_us + 80.0;
    let micros = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
    report.ratio(
        "put to push, p50",
        (micros(0.5), "us"),
        (allowed, "echo + 1.5 syncs + 80 us"),
    );
    report.ratio(
        "put to push, p99",
        (micros(0.99), "us"),
        (5.0 * allowed, "five times that"),
    );
    report.number("put to push, p99.9", micros(0.999), "us");
    report.number("put to push, max", micros(1.0), "us");
    report.cost(
        "client",
        process::own_cpu() - cpu,
        process::peak_memory(std::process::id())?,
    );
    report.cost("server", server.cpu() - server_cpu, server.peak_memory());
    report.print(args.common.output)
}

async fn measure(
    server: &Server,
    args: &BenchLatency,
    limit: Duration,
) -> Result<(u64, Histogram<u64>)> {
    let client = load::client(server).await?;
    let rate = match args.rate {
        Some(rate) => rate,
        None => full_load(&client, args).await? / 10,
    };
    ensure!(rate > 0, "there is no load of zero records a second");
    let stream = load::Stream::single("latency", args.durability)
        .create(&client)
        .await?;
    let options = ConsumerOptions {
        from: From::Latest,
        ..ConsumerOptions::default()
    };
    let mut consumer = load::client(server)
        .await?
        .consumer(&stream, options)
        .await?;
    // The subscription must stand before the first record leaves.
    while !matches!(consumer.next().await?, Some(ConsumerEvent::Progress { .. })) {}
    let mut options = load::options(64 << 10);
    options.linger = Duration::ZERO;
    let producer = client.producer(&stream, options).await?;
    let clock = Stopwatch::start();
    let bytes = args.record_bytes.max(8);
    let sending = producer.clone();
    let sender = std::thread::Builder::new()
        .name("bench-load".to_owned())
        .spawn(move || send(&sending, clock, rate, limit, bytes))
        .context("start the sender")?;
    let times = receive(&mut consumer, clock, rate, limit).await?;
    tokio::task::spawn_blocking(|| sender.join())
        .await
        .context("join the sender")?
        .map_err(|_| anyhow!("the sender panicked"))??;
    producer.flush().await?;
    Ok((rate, times))
}

/// Records in a second that the server takes at most.
async fn full_load(client: &Client, args: &BenchLatency) -> Result<u64> {
    let stream = load::Stream::single("full", args.durability)
        .create(client)
        .await?;
    let producer = client.producer(&stream, load::options(256 << 10)).await?;
    let data = load::payload(args.record_bytes);
    let limit = Duration::from_secs(2);
    let produced = load::produce(&producer, &load::keys(1), &data, limit, u64::MAX).await?;
    let micros = produced.took.as_micros().max(1);
    Ok(u64::try_from(
        u128::from(produced.records) * 1_000_000 / micros,
    )?)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Records that are to be sent within `time`, at whole records a second.
fn due(time: Duration, rate: u64) -> u64 {
    let records = time.as_micros() * u128::from(rate) / 1_000_000;
    u64::try_from(records).unwrap_or(u64::MAX)
}

/// Puts records at their times, on a thread of its own: the runtime's timer knows whole milliseconds only.
fn send(
    producer: &Producer,
    clock: Stopwatch,
    rate: u64,
    limit: Duration,
    bytes: usize,
) -> Result<()> {
    let mut data = load::payload(bytes);
    let mut sent = 0_u64;
    let mut tick = Duration::ZERO;
    while clock.elapsed() < limit {
        tick += TICK;
        sleep(tick.saturating_sub(clock.elapsed()));
        let due = due(clock.elapsed(), rate);
        while sent < due {
            // A record counts from its put, unless the generator itself fell behind its plan.
            let planned = Duration::from_secs_f64(sent as f64 / rate as f64);
            let now = clock.elapsed();
            let start = if now > planned + 2 * TICK {
                planned
            } else {
                now
            };
            if let Some(stamp) = data.first_chunk_mut() {
                *stamp = nanos(start).to_le_bytes();
            }
            match producer.put_nowait(b"bench", None, &data) {
                Ok(()) => sent += 1,
                // It is late now, and counts from its plan.
                Err(PutError::Full { .. }) => break,
                Err(error) => return Err(error).context("put a record"),
            }
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a load has its times")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

async fn receive(
    consumer: &mut Consumer,
    clock: Stopwatch,
    rate: u64,
    limit: Duration,
) -> Result<Histogram<u64>> {
    let mut times = Histogram::new_with_max(nanos(MINUTE), 3).context("make a histogram")?;
    let expected = due(limit.mul_f64(0.99), rate);
    // Connections and caches warm up in the first tenth.
    let warm = nanos(limit / 10);
    let mut seen = 0_u64;
    while seen < expected {
        let Some(event) = consumer.next().await? else {
            break;
        };
        let ConsumerEvent::Batch(batch) = event else {
            continue;
        };
        let now = nanos(clock.elapsed());
        for record in batch.records() {
            let data = record?.record.data;
            let sent = data
                .first_chunk::<8>()
                .copied()
                .map_or(0, u64::from_le_bytes);
            seen += 1;
            if sent >= warm {
                times.saturating_record(now.saturating_sub(sent));
            }
        }
    }
    Ok(times)
}
