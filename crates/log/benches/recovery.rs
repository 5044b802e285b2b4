//! How fast a shard opens: the bytes of an unsealed segment, a log of 10 GB of sealed segments, and
//! many small shards.
//!
//! `cargo bench -p afflux-log --bench recovery`; `AFFLUX_BENCH_DIR` chooses the disk.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench prints, and fails loudly"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{Header, Kind};
use afflux_log::{AppendError, Durability, LogKey, ShardLog, Volume, VolumeOptions};
use afflux_types::{Clock, Position, ServerTime};
use bytes::Bytes;

const KEY: LogKey = LogKey {
    stream: 1,
    shard: 1,
};

fn main() {
    unsealed();
    sealed();
    many();
}

fn dir() -> tempfile::TempDir {
    match std::env::var("AFFLUX_BENCH_DIR") {
        Ok(dir) => tempfile::tempdir_in(dir).unwrap(),
        Err(_) => tempfile::tempdir().unwrap(),
    }
}

fn open(dir: &Path, options: &VolumeOptions) -> Volume {
    Volume::open(dir, options.clone(), Clock::system()).unwrap()
}

fn fill(log: &ShardLog, body_len: usize, bytes: usize) {
    let body = vec![Bytes::from(vec![7; body_len])];
    let header = Header::for_body(Kind::Batch, 1, None, None, &body);
    let mut left = bytes / body_len;
    while left > 0 {
        match log.append(header.clone(), body.clone()) {
            Ok(_) => left -= 1,
            Err(AppendError::Busy(..)) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// One active segment of 1 GB.
fn unsealed() {
    let dir = dir();
    let options = VolumeOptions {
        segment_bytes_min: 1_100 << 20,
        segment_bytes_max: 1_100 << 20,
        ..VolumeOptions::default()
    };
    for body in [1_024, 64 << 10] {
        let volume = open(dir.path(), &options);
        let key = LogKey {
            stream: body as u64,
            shard: 0,
        };
        let log = volume.shard(key, Durability::Os, Arc::new(())).unwrap();
        fill(&log, body, 1_000_000_000);
        drop((log, volume));
        let volume = open(dir.path(), &options);
        let (clock, started) = (Clock::system(), cpu());
        let log = volume.shard(key, Durability::Os, Arc::new(())).unwrap();
        let (time, cpu) = (clock.elapsed(), cpu() - started);
        println!(
            "unsealed, entries of {body} B: {:.2} GB/s, {:.2} GB per CPU second ({} entries)",
            1.0 / time.as_secs_f64(),
            1.0 / cpu.as_secs_f64(),
            log.watermarks().durable
        );
    }
}

/// 10 GB in sealed segments of 64 MiB, then look-ups.
fn sealed() {
    let dir = dir();
    let options = VolumeOptions::default();
    let volume = open(dir.path(), &options);
    let log = volume.shard(KEY, Durability::Os, Arc::new(())).unwrap();
    fill(&log, 64 << 10, 10_000_000_000);
    drop((log, volume));
    let (clock, started) = (Clock::system(), cpu());
    let volume = open(dir.path(), &options);
    let opened = clock.elapsed();
    let log = volume.shard(KEY, Durability::Os, Arc::new(())).unwrap();
    println!(
        "10 GB sealed: volume {opened:.1?}, shard {:.1?}, CPU {:.1?}, {} segments",
        clock.elapsed() - opened,
        cpu() - started,
        log.segments().len()
    );
    let end = log.watermarks().durable.get();
    lookups(&log, end, "64 KiB entries");
    let small = LogKey {
        stream: 2,
        shard: 0,
    };
    let log = volume.shard(small, Durability::Os, Arc::new(())).unwrap();
    fill(&log, 128, 50_000_000);
    let end = loop {
        let marks = log.watermarks();
        if marks.durable == marks.appended {
            break marks.durable.get();
        }
        std::thread::yield_now();
    };
    lookups(&log, end, "200 B entries");
}

fn lookups(log: &ShardLog, end: u64, what: &str) {
    const LOOKUPS: u32 = 20_000;
    let clock = Clock::system();
    let at = |i: u32| Position::new(u64::from(i).wrapping_mul(2_654_435_761) % end);
    let cold = clock.elapsed();
    let cpu_cold = cpu();
    for i in 0..LOOKUPS {
        assert!(!log.read(at(i), 1).unwrap().is_empty());
    }
    let warm = clock.elapsed();
    let cpu_warm = cpu();
    for i in 0..LOOKUPS {
        assert!(!log.read(at(i), 1).unwrap().is_empty());
    }
    let by_time = clock.elapsed();
    let cpu_after = cpu();
    let times: Vec<ServerTime> = (0..LOOKUPS)
        .step_by(100)
        .map(|i| {
            let slice = log.read(at(i), 1).unwrap();
            Header::decode(&slice.bytes).unwrap().stamp.unwrap().arrival
        })
        .collect();
    let timed = clock.elapsed();
    for i in 0..LOOKUPS {
        let time = times[i as usize % times.len()];
        assert!(log.position_at(time).unwrap().get() < end);
    }
    let each = |time: Duration| time / LOOKUPS;
    println!(
        "look-up, {what}: first {:.1?} (CPU {:.1?}), warm {:.1?} (CPU {:.1?}), by time {:.1?}",
        each(warm - cold),
        each(cpu_warm - cpu_cold),
        each(by_time - warm),
        each(cpu_after - cpu_warm),
        each(clock.elapsed() - timed)
    );
}

/// 10,000 shards with one entry each.
fn many() {
    const SHARDS: u32 = 10_000;
    let dir = dir();
    let options = VolumeOptions::default();
    let clock = Clock::system();
    let volume = open(dir.path(), &options);
    let before = resident();
    let key = |shard| LogKey { stream: 3, shard };
    let open_all = |volume: &Volume| -> Vec<ShardLog> {
        (0..SHARDS)
            .map(|i| {
                volume
                    .shard(key(i), Durability::Fsync, Arc::new(()))
                    .unwrap()
            })
            .collect()
    };
    let logs = open_all(&volume);
    println!("10,000 shards: made in {:.1?}", clock.elapsed());
    logs.iter().for_each(|log| fill(log, 1_000, 1_000));
    volume.close().unwrap();
    println!(
        "first entries durable after {:.1?}, {} MB reserved, {} B of memory each",
        clock.elapsed(),
        volume.stats().reserved_bytes / 1_000_000,
        resident().saturating_sub(before) / u64::from(SHARDS)
    );
    drop((logs, volume));
    let started = clock.elapsed();
    let volume = open(dir.path(), &options);
    let opened = clock.elapsed();
    let logs = open_all(&volume);
    println!(
        "opened again: volume {:.1?}, shards {:.1?}",
        opened - started,
        clock.elapsed() - opened
    );
    assert!(
        logs.iter()
            .all(|log| log.watermarks().durable == Position::new(1))
    );
}

/// Processor time of this process, all threads.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

/// Bytes of memory that this process uses.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or(0)
        * 1_024
}
