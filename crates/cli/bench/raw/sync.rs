//! How long the disk takes to make one write durable.
//!
//! One call is one `pwrite` and one `fdatasync`. Blocks that were never written cost the file system a journal
//! commit on top, so overwriting and first writing are separate figures: the log recycles its segments because of
//! the difference.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use rustix::fs::{FallocateFlags, fallocate, fdatasync};

use super::{Figure, Stopwatch, byte_name, len_u64, noise};

/// The region that the writes walk through; past its end the measurement of first writes stops.
const REGION_BYTES: u64 = 256 << 20;

/// Which blocks the writes go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// Written and synced before.
    Written,
    /// Reserved by `fallocate` and never written.
    Reserved,
}

/// The latencies of making `size` bytes durable, as p50, p99 and p99.9 in milliseconds, in a file that is made in
/// `directory` and removed afterwards.
///
/// # Errors
/// If the file system refuses: no space, no `fallocate`, a failed sync.
pub(crate) fn latency(
    directory: &Path,
    size: usize,
    blocks: Blocks,
    limit: Duration,
) -> Result<Vec<Figure>> {
    let scratch = Scratch::create(directory, "afflux-bench-sync")?;
    let file = &scratch.file;
    fallocate(file, FallocateFlags::empty(), 0, REGION_BYTES).context("reserve the file")?;
    if blocks == Blocks::Written {
        fill(file, REGION_BYTES)?;
    }
    fdatasync(file).context("sync the file")?;

    let payload = noise(size);
    let step = len_u64(size);
    let mut times = Histogram::<u64>::new(3)?;
    let mut offset = 0;
    let clock = Stopwatch::start();
    while clock.elapsed() < limit {
        if offset + step > REGION_BYTES {
            if blocks == Blocks::Reserved {
                break;
            }
            offset = 0;
        }
        let call = Stopwatch::start();
        file.write_all_at(&payload, offset).context("write")?;
        fdatasync(file).context("sync a write")?;
        times.record(u64::try_from(call.elapsed().as_nanos())?)?;
        offset += step;
    }
    Ok(figures(&times, size, blocks))
}

/// A file that is removed when the measurement ends, however it ends.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) file: File,
    path: PathBuf,
}

impl Scratch {
    pub(super) fn create(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(format!("{name}-{}", std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("create {}", path.display()))?;
        Ok(Self { file, path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A file that cannot be removed is left for the person who sees it; the figure is valid all the same.
        _ = fs::remove_file(&self.path);
    }
}

fn fill(file: &File, bytes: u64) -> Result<()> {
    let piece = noise(1 << 20);
    let mut offset = 0;
    while offset < bytes {
        file.write_all_at(&piece, offset).context("fill the file")?;
        offset += len_u64(piece.len());
    }
    Ok(())
}

fn figures(times: &Histogram<u64>, size: usize, blocks: Blocks) -> Vec<Figure> {
    let target = match blocks {
        Blocks::Written => "overwrite",
        Blocks::Reserved => "first write",
    };
    [("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9)]
        .into_iter()
        .map(|(label, percentile)| Figure {
            name: format!("fdatasync {target} {} {label}", byte_name(size)),
            value: times.value_at_percentile(percentile) as f64 / 1e6,
            unit: "ms".to_owned(),
            note: format!("{} calls", times.len()),
        })
        .collect()
}
