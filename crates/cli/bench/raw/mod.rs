//! What this machine can do at best, without Afflux: the figures that every other figure is compared with.
//!
//! A throughput of the product means little alone, because memory, disks and loopback differ tenfold between
//! machines. So `afflux bench` measures the raw limits in the same run: memory and checksums ([`memory`]), packet
//! encryption ([`crypto`]), the disk ([`sync`], [`gather`]) and QUIC without anything above it ([`bare`]).
//! Each function runs for a bounded time or amount and returns plain figures; nothing here prints.

pub(crate) mod bare;
pub(crate) mod crypto;
pub(crate) mod gather;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod sync;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// One measured number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured, in words that stay the same from run to run.
    pub(crate) name: String,
    /// The number, in `unit`.
    pub(crate) value: f64,
    /// The unit: `GB/s` counts 10^9 bytes.
    pub(crate) unit: String,
    /// How it was measured, where the name does not say it.
    pub(crate) note: String,
}

impl Figure {
    /// A figure in GB/s, from an amount and the time that it took.
    pub(crate) fn rate(name: impl Into<String>, bytes: u64, took: Duration) -> Self {
        Self {
            name: name.into(),
            value: gigabytes_per_second(bytes, took),
            unit: "GB/s".to_owned(),
            note: String::new(),
        }
    }

    /// The same figure with a remark.
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// Bytes per time, in 10^9 bytes a second; zero if no time passed.
pub(crate) fn gigabytes_per_second(bytes: u64, took: Duration) -> f64 {
    let seconds = took.as_secs_f64();
    if seconds == 0.0 {
        return 0.0;
    }
    bytes as f64 / seconds / 1e9
}

/// The width of a buffer as a byte count.
pub(crate) fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Measures real time: a bench has no use for a simulated clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Repeats `step`, which returns the bytes that it handled, for about `limit`; returns bytes and time.
fn repeat_for(limit: Duration, mut step: impl FnMut() -> u64) -> (u64, Duration) {
    let clock = Stopwatch::start();
    let mut bytes = 0_u64;
    loop {
        bytes = bytes.saturating_add(step());
        let took = clock.elapsed();
        if took >= limit {
            return (bytes, took);
        }
    }
}

/// Bytes that do not compress and never repeat within a cache line.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    (0..size)
        .map(|_| {
            // xorshift64: quality does not matter here, only that nothing finds a pattern.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// A size as people write it: `1452 B`, `64 KiB`, `1 MiB`.
fn byte_name(bytes: usize) -> String {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    if bytes >= MIB && bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else if bytes >= KIB && bytes.is_multiple_of(KIB) {
        format!("{} KiB", bytes / KIB)
    } else {
        format!("{bytes} B")
    }
}
