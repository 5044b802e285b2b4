//! How fast one shard takes entries in and gives them back, against what the page cache allows.
//!
//! Entries hold records of 1 KiB. "raw" writes the same bytes with gather writes of the same size into a
//! preallocated file; with `fdatasync` after every 8 MiB where the volume is durable. Reading copies
//! nothing: every byte of the slices is checksummed, beside the same checksum over memory. The processor
//! time of all threads stands beside the rate, for machines where other programs run.
//!
//! `cargo bench -p afflux-log --bench append`; `AFFLUX_BENCH_DIR` chooses the disk.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench prints, and fails loudly"
)]

use std::fs::File;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{BatchBuilder, Header, Kind, crc32c};
use afflux_log::{
    AppendError, Durability, LogKey, Observer, ShardLog, Volume, VolumeOptions, Watermarks,
};
use afflux_types::{Clock, Error, Position};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

const RUN_BYTES: usize = 1 << 30;
const REPEATS: usize = 5;

#[derive(Debug, Default)]
struct Ear {
    serial: Mutex<(u64, u64)>,
    changed: Condvar,
}

impl Observer for Ear {
    fn durable(&self, watermarks: Watermarks) {
        self.serial.lock().0 = watermarks.durable_serial;
        self.changed.notify_one();
    }

    fn ready(&self) {
        self.serial.lock().1 += 1;
        self.changed.notify_one();
    }

    fn stopped(&self, error: &Error) {
        panic!("{error:?}");
    }
}

fn main() {
    println!(
        "| entry KiB | durability | volume GB/s | raw GB/s | ratio | CPU ms/GB | raw CPU ms/GB |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for kib in [64, 256] {
        let (body, count) = batch(kib);
        for durability in [Durability::Os, Durability::Fsync] {
            let (mut ours, mut raws) = (Vec::new(), Vec::new());
            let (mut our_cpu, mut raw_cpu) = (Vec::new(), Vec::new());
            for _ in 0..REPEATS {
                let started = cpu();
                raws.push(raw(&body, durability));
                let between = cpu();
                ours.push(volume(&body, count, durability, false));
                raw_cpu.push((between - started).as_secs_f64() * 1e3);
                our_cpu.push((cpu() - between).as_secs_f64() * 1e3);
            }
            let (ours, raws) = (median(ours), median(raws));
            println!(
                "| {kib} | {durability:?} | {ours:.2} | {raws:.2} | {:.0} % | {:.0} | {:.0} |",
                ours / raws * 100.0,
                median(our_cpu),
                median(raw_cpu)
            );
        }
    }
    let (body, count) = batch(64);
    println!(
        "read: {:.2} GB/s",
        volume(&body, count, Durability::Os, true)
    );
    let clock = Clock::system();
    let memory = vec![7_u8; 64 << 20];
    let mut best = 0.0_f64;
    for _ in 0..REPEATS {
        let started = clock.elapsed();
        for _ in 0..16 {
            std::hint::black_box(crc32c(&memory));
        }
        best = best.max(rate(clock.elapsed() - started));
    }
    println!("the same checksum over memory: {best:.2} GB/s");
}

/// A batch of 1 KiB records that fills an entry of `kib` KiB.
fn batch(kib: usize) -> (Bytes, u32) {
    let mut builder = BatchBuilder::default();
    for i in 0..kib {
        builder.push(format!("key-{i:04}").as_bytes(), None, &[7; 1_008]);
    }
    builder.take()
}

fn dir() -> tempfile::TempDir {
    match std::env::var("AFFLUX_BENCH_DIR") {
        Ok(dir) => tempfile::tempdir_in(dir).unwrap(),
        Err(_) => tempfile::tempdir().unwrap(),
    }
}

fn rate(time: Duration) -> f64 {
    RUN_BYTES as f64 / time.as_secs_f64() / 1e9
}

/// Processor time of this process, all threads.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn raw(body: &Bytes, durability: Durability) -> f64 {
    const SYNC_BYTES: usize = 8 << 20;
    let dir = dir();
    let clock = Clock::system();
    let started = clock.elapsed();
    let (mut file, mut offset, mut written, mut unsynced) = (None, 0, 0, 0);
    let mut ordinal = 0;
    while written < RUN_BYTES {
        if file.is_none() || offset + body.len() > 64 << 20 {
            let path = dir.path().join(ordinal.to_string());
            ordinal += 1;
            let next = File::create_new(path).unwrap();
            rustix::fs::fallocate(&next, rustix::fs::FallocateFlags::empty(), 0, 64 << 20).unwrap();
            file = Some(next);
            offset = 0;
        }
        let file = file.as_ref().unwrap();
        let pieces = [IoSlice::new(&body[..72]), IoSlice::new(&body[72..])];
        let len = rustix::io::pwritev(file, &pieces, offset as u64).unwrap();
        assert_eq!(len, body.len());
        offset += len;
        written += len;
        unsynced += len;
        if durability == Durability::Fsync && unsynced >= SYNC_BYTES {
            file.sync_data().unwrap();
            unsynced = 0;
        }
    }
    rate(clock.elapsed() - started)
}

/// Appends for one run and returns the rate, of appending or of reading it all back.
fn volume(body: &Bytes, count: u32, durability: Durability, read: bool) -> f64 {
    let dir = dir();
    let clock = Clock::system();
    let volume = Volume::open(dir.path(), VolumeOptions::default(), clock.clone()).unwrap();
    let ear = Arc::new(Ear::default());
    let key = LogKey {
        stream: 1,
        shard: 1,
    };
    let observer = Arc::clone(&ear) as Arc<dyn Observer>;
    let log = volume.shard(key, durability, observer).unwrap();
    let pieces = vec![body.clone()];
    let header = Header::for_body(Kind::Batch, count, None, None, &pieces);
    let started = clock.elapsed();
    let mut serial = 0;
    for _ in 0..RUN_BYTES / body.len() {
        serial = append(&log, &ear, &header, &pieces);
    }
    let mut state = ear.serial.lock();
    while state.0 < serial {
        ear.changed.wait(&mut state);
    }
    drop(state);
    if !read {
        let stats = volume.stats();
        if std::env::var_os("AFFLUX_BENCH_STATS").is_some() {
            println!("    {stats:?}");
        }
        return rate(clock.elapsed() - started);
    }
    let (mut best, mut sum) = (0.0_f64, 0);
    for _ in 0..REPEATS {
        let started = clock.elapsed();
        let mut at = Position::ZERO;
        loop {
            let slice = log.read(at, 1 << 20).unwrap();
            if slice.is_empty() {
                break;
            }
            sum ^= std::hint::black_box(crc32c(&slice.bytes));
            at = slice.end;
        }
        best = best.max(rate(clock.elapsed() - started));
    }
    std::hint::black_box(sum);
    best
}

fn append(log: &ShardLog, ear: &Ear, header: &Header, body: &[Bytes]) -> u64 {
    loop {
        let ready = ear.serial.lock().1;
        match log.append(header.clone(), body.to_vec()) {
            Ok(appended) => return appended.serial,
            Err(AppendError::Busy(..)) => {
                let mut state = ear.serial.lock();
                while state.1 == ready {
                    ear.changed.wait(&mut state);
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}
