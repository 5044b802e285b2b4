//! What one commit round costs, by the number of shards that it makes durable.
//!
//! Every shard gets one entry, then the round is waited for. Beside the volume stand the raw ways to do
//! it: `fdatasync` of each file, into blocks never written and into zeroed ones, and `syncfs`.
//!
//! `cargo bench -p afflux-log --bench commit [-- SHARDS...]`; `AFFLUX_BENCH_DIR` chooses the disk.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench prints, and fails loudly"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{Header, Kind};
use afflux_log::{
    AppendError, Durability, LogKey, Observer, ShardLog, Volume, VolumeOptions, Watermarks,
};
use afflux_types::{Clock, Error};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

const BUDGET: Duration = Duration::from_secs(3);

/// Counts durable entries over all shards.
#[derive(Debug, Default)]
struct Total {
    durable: Mutex<u64>,
    changed: Condvar,
}

struct Ear {
    total: Arc<Total>,
    seen: Mutex<u64>,
}

impl Observer for Ear {
    fn durable(&self, watermarks: Watermarks) {
        let mut seen = self.seen.lock();
        let more = watermarks.durable_serial - *seen;
        *seen = watermarks.durable_serial;
        *self.total.durable.lock() += more;
        self.total.changed.notify_one();
    }

    fn ready(&self) {
        self.total.changed.notify_one();
    }

    fn stopped(&self, error: &Error) {
        panic!("{error:?}");
    }
}

fn main() {
    let shards: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let shards = if shards.is_empty() {
        vec![1, 16, 256, 4_096]
    } else {
        shards
    };
    println!("| shards | KiB each | way | rounds | p50 ms | p99 ms | MB/s |");
    println!("|---:|---:|---|---:|---:|---:|---:|");
    for &shards in &shards {
        for kib in [1, 16, 64] {
            for way in ["volume", "fdatasync", "fdatasync, zeroed", "syncfs"] {
                if way != "volume" && shards * kib > 8_192 {
                    continue;
                }
                let mut rounds = match way {
                    "volume" => volume(shards, kib),
                    way => raw(shards, kib, way),
                };
                let mean = rounds.iter().sum::<Duration>().as_secs_f64() / rounds.len() as f64;
                rounds.sort();
                let at =
                    |q: f64| rounds[((rounds.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
                let rate = (shards * kib * 1_024) as f64 / mean / 1e6;
                println!(
                    "| {shards} | {kib} | {way} | {} | {:.2} | {:.2} | {rate:.0} |",
                    rounds.len(),
                    at(0.5),
                    at(0.99)
                );
            }
        }
    }
}

fn dir() -> tempfile::TempDir {
    match std::env::var("AFFLUX_BENCH_DIR") {
        Ok(dir) => tempfile::tempdir_in(dir).unwrap(),
        Err(_) => tempfile::tempdir().unwrap(),
    }
}

/// Runs rounds until the budget is spent, at least three and at most 2,000.
fn rounds(mut round: impl FnMut()) -> Vec<Duration> {
    let clock = Clock::system();
    let mut times = Vec::new();
    round();
    let started = clock.elapsed();
    while times.len() < 3 || (clock.elapsed() - started < BUDGET && times.len() < 2_000) {
        let before = clock.elapsed();
        round();
        times.push(clock.elapsed() - before);
    }
    times
}

fn volume(shards: usize, kib: usize) -> Vec<Duration> {
    let dir = dir();
    let volume = Volume::open(dir.path(), VolumeOptions::default(), Clock::system()).unwrap();
    let total = Arc::<Total>::default();
    let logs: Vec<ShardLog> = (0..shards)
        .map(|shard| {
            let ear = Arc::new(Ear {
                total: Arc::clone(&total),
                seen: Mutex::new(0),
            });
            let key = LogKey {
                stream: 1,
                shard: u32::try_from(shard).unwrap(),
            };
            volume.shard(key, Durability::Fsync, ear).unwrap()
        })
        .collect();
    let body = vec![Bytes::from(vec![7; kib * 1_024 - 72])];
    let header = Header::for_body(Kind::Batch, 1, None, None, &body);
    let mut sent = 0;
    let mut warm = 0;
    let mut round = || {
        for log in &logs {
            append(log, &total, &header, &body);
        }
        sent += shards as u64;
        let mut durable = total.durable.lock();
        while *durable < sent {
            total.changed.wait(&mut durable);
        }
    };
    while warm < 20 {
        round();
        warm += 1;
    }
    let times = rounds(round);
    if std::env::var_os("AFFLUX_BENCH_STATS").is_some() {
        println!("    {:?}", volume.stats());
    }
    times
}

fn append(log: &ShardLog, total: &Total, header: &Header, body: &[Bytes]) {
    loop {
        match log.append(header.clone(), body.to_vec()) {
            Ok(_) => return,
            Err(AppendError::Busy(..)) => {
                let mut durable = total.durable.lock();
                total
                    .changed
                    .wait_for(&mut durable, Duration::from_micros(200));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn raw(shards: usize, kib: usize, way: &str) -> Vec<Duration> {
    // As large as the volume's first segments, or eight rounds.
    let len = (256_usize << 10).max(kib * 1_024 * 64);
    let dir = dir();
    let files: Vec<File> = (0..shards)
        .map(|i| {
            let file = File::options()
                .create(true)
                .truncate(true)
                .write(true)
                .open(dir.path().join(i.to_string()))
                .unwrap();
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, len as u64)
                .unwrap();
            if way.ends_with("zeroed") {
                file.write_all_at(&vec![0; len], 0).unwrap();
            }
            file
        })
        .collect();
    let folder = File::open(Path::new(dir.path())).unwrap();
    rustix::fs::syncfs(&folder).unwrap();
    let bytes = vec![7; kib * 1_024];
    let mut offset = 0;
    rounds(|| {
        for file in &files {
            file.write_all_at(&bytes, (offset % len) as u64).unwrap();
        }
        if way == "syncfs" {
            rustix::fs::syncfs(&folder).unwrap();
        } else {
            for file in &files {
                file.sync_data().unwrap();
            }
        }
        offset += bytes.len();
    })
}
