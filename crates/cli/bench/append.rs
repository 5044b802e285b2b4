//! `afflux bench append`: the log in this process, without a network.

use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{Header, Kind};
use afflux_log::{AppendError, Durability, LogKey, Observer, Volume, VolumeOptions, Watermarks};
use afflux_types::{Clock, Error, Position};
use anyhow::{Context, Result};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::load;
use super::raw::gather::{self, After};
use super::raw::{Stopwatch, memory, process};
use super::report::Report;
use crate::args::BenchCommon;

const ENTRY_BYTES: usize = 256 << 10;
const RECORD_BYTES: usize = 1 << 10;

pub(crate) fn run(args: &BenchCommon) -> Result<()> {
    let seconds = Duration::from_secs(args.seconds);
    let parent = args.data_dir.clone().unwrap_or_else(|| ".".into());
    std::fs::create_dir_all(&parent).with_context(|| format!("make {}", parent.display()))?;
    let dir = tempfile::Builder::new()
        .prefix("afflux-bench-")
        .tempdir_in(&parent);
    let dir = dir.context("make a data directory")?;
    let mut report = Report::new("append");
    let each = Duration::from_secs(2);
    report.limit(memory::copy(64 << 10, each / 4));
    report.limit(memory::crc(64 << 10, each / 4));
    let cached = gather::write(dir.path(), ENTRY_BYTES, After::Nothing, each)?;
    let synced = gather::write(dir.path(), 4 * ENTRY_BYTES, After::Sync, each)?;
    let (cached_rate, synced_rate) = (cached.value, synced.value);
    report.limit(cached);
    report.limit(synced);
    for (durability, name, limit, of) in [
        (Durability::Os, "append, os", cached_rate, "gather write"),
        (
            Durability::Fsync,
            "append, fsync",
            synced_rate,
            "gather write and sync of 1 MiB",
        ),
    ] {
        let cpu = process::own_cpu();
        let rate = append(&dir.path().join(name), durability, seconds)?;
        report.ratio(name, (rate, "GB/s"), (limit, of));
        report.number(
            format!("{name}, CPU"),
            (process::own_cpu() - cpu).as_secs_f64(),
            "s",
        );
    }
    report.print(args.output)
}

/// Wakes the appender when the log moves on.
#[derive(Default)]
struct Bell {
    durable: Mutex<Position>,
    rung: Condvar,
}

impl Observer for Bell {
    fn durable(&self, watermarks: Watermarks) {
        *self.durable.lock() = watermarks.durable;
        self.rung.notify_all();
    }

    fn ready(&self) {
        let _held = self.durable.lock();
        self.rung.notify_all();
    }

    fn stopped(&self, _: &Error) {
        let _held = self.durable.lock();
        self.rung.notify_all();
    }
}

/// Appends entries of 256 KiB for `limit` and waits until they are durable; returns GB/s.
fn append(dir: &std::path::Path, durability: Durability, limit: Duration) -> Result<f64> {
    let volume = Volume::open(dir, VolumeOptions::default(), Clock::system())?;
    let bell = Arc::new(Bell::default());
    let observer = Arc::clone(&bell);
    let shard = volume.shard(
        LogKey {
            stream: 1,
            shard: 0,
        },
        durability,
        observer,
    )?;
    let records: Vec<Bytes> = load::payload(ENTRY_BYTES)
        .chunks(RECORD_BYTES)
        .map(Bytes::copy_from_slice)
        .collect();
    let count = u32::try_from(records.len()).context("count the records")?;
    let clock = Stopwatch::start();
    let mut end = Position::ZERO;
    let mut bytes = 0_u64;
    while clock.elapsed() < limit {
        let mut header = Header::for_body(Kind::Batch, count, None, None, &records);
        let mut body = records.clone();
        loop {
            match shard.append(header, body) {
                Ok(appended) => {
                    end = appended.end;
                    break;
                }
                Err(AppendError::Busy(back_header, back_body)) => {
                    (header, body) = (*back_header, back_body);
                    let mut durable = bell.durable.lock();
                    bell.rung.wait_for(&mut durable, Duration::from_millis(100));
                }
                Err(error) => return Err(anyhow::anyhow!("append: {error}")),
            }
        }
        bytes += u64::try_from(ENTRY_BYTES).unwrap_or(0);
    }
    let mut durable = bell.durable.lock();
    while *durable < end {
        bell.rung.wait_for(&mut durable, Duration::from_secs(1));
    }
    drop(durable);
    let took = clock.elapsed();
    volume.close()?;
    Ok(bytes as f64 / took.as_secs_f64() / 1e9)
}
