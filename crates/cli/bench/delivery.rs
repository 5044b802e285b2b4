//! `afflux bench delivery`: records of a stream to objects in a directory and in a store, in this process.
//!
//! The store is a bare HTTP server in another process that takes every object and keeps none: what is measured
//! is the way to it.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use afflux_deliver::{
    BUFFER_BYTES_DEFAULT, BucketHome, BucketSettings, Deliveries, DeliveryOptions,
    DeliverySettings, DeliverySource, ObjectSettings, Place, Start, StoreSettings, Stores,
};
use afflux_engine::{Engine, EngineOptions, NewStream, Shard, StreamKind};
use afflux_entry::{Batch, BatchBuilder, HEADER_LEN, Header, Kind};
use afflux_transform::{Compression, Encoder, Processor};
use afflux_types::{Clock, DeliveryName, Position, ShardId, StreamName};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;

use super::bare_http::Bare;
use super::load;
use super::raw::{Stopwatch, len_u64, process};
use super::report::Report;
use crate::args::BenchDelivery;

const RECORD_BYTES: usize = 1 << 10;
const BATCH_RECORDS: usize = 256;
const SLICE_BYTES: usize = 1 << 20;
/// The bucket of the store.
const BUCKET: &str = "bare";
/// How long records wait for a partition to fill: not as long as it takes to deliver all.
const PARTITION_SECONDS: u64 = 5;

pub(crate) fn run(args: &BenchDelivery) -> Result<()> {
    let parent = args.common.data_dir.clone().unwrap_or_else(|| ".".into());
    std::fs::create_dir_all(&parent).with_context(|| format!("make {}", parent.display()))?;
    let dir = tempfile::Builder::new()
        .prefix("afflux-bench-")
        .tempdir_in(&parent);
    let dir = dir.context("make a data directory")?;
    load::runtime()?.block_on(measure(dir.path(), args))
}

async fn measure(dir: &Path, args: &BenchDelivery) -> Result<()> {
    let engine = Engine::open(EngineOptions::new(dir.join("data")), Clock::system())?;
    let name = StreamName::new("records")?;
    let new = NewStream::new(name.clone(), StreamKind::Records);
    engine.create_stream(new).await?;
    let shard = engine.shard(&name, ShardId::new(0)).await?;
    let bytes = args.megabytes.saturating_mul(1_000_000);
    let records = fill(&shard, bytes).await?;
    let bytes = records * len_u64(RECORD_BYTES);
    let store = Bare::whole(&Bytes::new())?;
    let options = DeliveryOptions {
        stores: Stores::new(&[bucket(&store)])?,
        ..DeliveryOptions::new(dir.join("data"))
    };
    let memory_bytes = options.memory_bytes;
    let deliveries = Deliveries::open(engine.clone(), Clock::system(), options).await?;
    let mut report = Report::new("delivery");
    // First, while nothing else has left memory behind.
    let peak = deliver_partitions(dir, &deliveries, args.partitions, records).await?;
    report.number("memory that is configured", memory_bytes as f64 / 1e6, "MB");
    let partitions = args.partitions;
    let name = format!("deliver, {partitions} partitions, peak memory beyond the start");
    report.number(name, peak as f64 / 1e6, "MB");
    for (compression, what, limit_name) in [
        (Compression::None, "as it is", "read and copy, one thread"),
        (Compression::Gzip, "gzip", "read and gzip, one thread"),
        (Compression::Zstd, "zstd", "read and zstd, one thread"),
        (Compression::Snappy, "snappy", "read and snappy, one thread"),
    ] {
        let limit = bare(&shard, compression).await?;
        let limit = bytes as f64 / limit.as_secs_f64() / 1e9;
        report.number(limit_name, limit, "GB/s");
        let directory = Place::Directory(dir.join("objects"));
        for (place, to) in [
            (directory, what.to_owned()),
            (
                Place::Bucket(BUCKET.to_owned()),
                format!("{what}, to a store that keeps nothing"),
            ),
        ] {
            let cpu = process::own_cpu();
            let (delivered, took) =
                deliver(dir, &deliveries, (place, compression), records).await?;
            let delivered = delivered * len_u64(RECORD_BYTES);
            let rate = delivered as f64 / took.as_secs_f64() / 1e9;
            report.ratio(
                format!("deliver, {to}"),
                (rate, "GB/s"),
                (limit, limit_name),
            );
            let cpu = process::own_cpu() - cpu;
            report.number(format!("deliver, {to}, CPU"), cpu.as_secs_f64(), "s");
        }
    }
    deliveries.shutdown().await;
    engine.shutdown().await?;
    report.print(args.common.output)
}

/// A bucket in `store`.
fn bucket(store: &Bare) -> BucketSettings {
    BucketSettings {
        name: BUCKET.to_owned(),
        home: BucketHome::Store(StoreSettings {
            endpoint: format!("http://{}", store.authority),
            region: "us-east-1".to_owned(),
            access_key_id: "bench".to_owned(),
            secret_access_key: "bench".to_owned(),
        }),
    }
}

/// Appends records, each a line of JSON; returns how many.
async fn fill(shard: &Shard, bytes: u64) -> Result<u64> {
    let noise = load::payload(RECORD_BYTES);
    let mut records = 0_u64;
    while records * len_u64(RECORD_BYTES) < bytes {
        let mut builder = BatchBuilder::default();
        for _ in 0..BATCH_RECORDS {
            records += 1;
            builder.push(b"key", None, &record(records, &noise));
        }
        let (body, count) = builder.take();
        let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
        let accepted = shard.append(header, vec![body]).await?;
        shard.wait_accepted(&accepted).await?;
    }
    Ok(records)
}

/// A reading as a device sends it: some of it repeats, some does not.
fn record(number: u64, noise: &[u8]) -> Vec<u8> {
    let mut record = format!(
        r#"{{"device":"sensor-{:05}","sequence":{number},"temperature":{}.{},"status":"ok","raw":""#,
        number % 977,
        number % 40,
        number % 10
    )
    .into_bytes();
    for byte in noise
        .iter()
        .cycle()
        .skip(usize::try_from(number % 311).unwrap_or(0))
    {
        if record.len() + 2 >= RECORD_BYTES {
            break;
        }
        record.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    record.truncate(RECORD_BYTES - 2);
    record.extend_from_slice(b"\"}");
    record
}

/// Reads the stream and compresses its records into nothing, as fast as one thread can.
async fn bare(shard: &Shard, compression: Compression) -> Result<Duration> {
    let clock = Stopwatch::start();
    let mut next = Position::ZERO;
    let mut encoder = Encoder::new(compression, std::io::sink(), [0; 16])?;
    let mut copied = Vec::with_capacity(2 * SLICE_BYTES);
    loop {
        let mut slice: Bytes = shard.read(next, SLICE_BYTES).await?.bytes;
        if slice.is_empty() {
            break;
        }
        while !slice.is_empty() {
            let header = Header::decode(&slice).context("read an entry")?;
            let body = slice.split_to(header.entry_len()).slice(HEADER_LEN..);
            next = header.end();
            for record in Batch::new(&body, header.record_count) {
                copied.extend_from_slice(record.context("read a record")?.data);
                copied.push(b'\n');
            }
        }
        encoder.write_all(std::hint::black_box(&copied))?;
        copied.clear();
    }
    encoder.finish()?;
    Ok(clock.elapsed())
}

/// The stream from its first record on, as lines.
fn lines(objects: ObjectSettings) -> DeliverySettings {
    let source = DeliverySource::Stream {
        name: "records".to_owned(),
        from: Start::TrimHorizon,
        until: None,
    };
    DeliverySettings {
        processors: vec![Processor::AppendDelimiter(b"\n".to_vec())],
        ..DeliverySettings::new(source, objects)
    }
}

/// Delivers the stream, but for a last object that waits to be filled; returns how many records were delivered
/// in which time.
async fn deliver(
    dir: &Path,
    deliveries: &Deliveries,
    (place, compression): (Place, Compression),
    records: u64,
) -> Result<(u64, Duration)> {
    let settings = lines(ObjectSettings {
        compression,
        buffer_seconds: 900,
        ..ObjectSettings::new(place)
    });
    let in_one = BUFFER_BYTES_DEFAULT / len_u64(RECORD_BYTES);
    run_one(
        dir,
        deliveries,
        settings,
        records.saturating_sub(in_one),
        || Ok(()),
    )
    .await
}

/// Delivers the stream to partitions that are all open at the same time; returns the most memory beyond what
/// there was before.
async fn deliver_partitions(
    dir: &Path,
    deliveries: &Deliveries,
    partitions: u32,
    records: u64,
) -> Result<u64> {
    let mut settings = lines(ObjectSettings {
        prefix: "!{partitionKeyFromQuery:partition}/".to_owned(),
        error_prefix: "failed/".to_owned(),
        buffer_seconds: PARTITION_SECONDS,
        ..ObjectSettings::new(Place::Directory(dir.join("objects")))
    });
    settings.partitioned = true;
    settings.processors.push(Processor::MetadataExtraction {
        query: format!("{{partition: (.sequence % {partitions})}}"),
    });
    let own = std::process::id();
    let start = process::anonymous_memory(own)?;
    let mut peak = start;
    let look = || {
        peak = peak.max(process::anonymous_memory(own)?);
        Ok(())
    };
    run_one(dir, deliveries, settings, records, look).await?;
    Ok(peak - start)
}

/// Makes a delivery stream and waits until it has delivered so many records or more, looking around meanwhile;
/// removes it with its objects.
async fn run_one(
    dir: &Path,
    deliveries: &Deliveries,
    settings: DeliverySettings,
    records: u64,
    mut look: impl FnMut() -> Result<()>,
) -> Result<(u64, Duration)> {
    let directory = dir.join("objects");
    std::fs::create_dir(&directory).context("make a directory for objects")?;
    let name = DeliveryName::new("bench")?;
    let clock = Stopwatch::start();
    deliveries.create(&name, settings, String::new()).await?;
    let delivered = loop {
        let status = deliveries.describe(&name)?.status;
        if let Some(error) = status.last_error {
            bail!("the delivery failed: {error}");
        }
        if status.totals.records >= records {
            ensure!(
                status.totals.failed == 0,
                "records failed: {:?}",
                status.totals
            );
            break status.totals.records;
        }
        look()?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let took = clock.elapsed();
    deliveries.delete(&name).await?;
    std::fs::remove_dir_all(&directory).context("remove the objects")?;
    Ok((delivered, took))
}
