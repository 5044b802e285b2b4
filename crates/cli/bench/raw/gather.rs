//! The speed of writing records into a file from where they lie: one `pwritev` for many records.

use std::io::IoSlice;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use rustix::io::pwritev;

use super::sync::Scratch;
use super::{Figure, Stopwatch, byte_name, len_u64, noise, repeat_for};

/// The size of one record, hence of one slice of a gather write.
const RECORD_BYTES: usize = 1 << 10;
/// The file that the writes go through round and round.
const FILE_BYTES: u64 = 256 << 20;
/// The records lie in a region of this size, so that they come from the last level of cache rather than the first.
const SOURCE_BYTES: usize = 8 << 20;

/// One call of a measurement of pages, and the file that it fills.
const PAGES_CALL_BYTES: usize = 256 << 10;
const PAGES_FILE_BYTES: u64 = 512 << 20;

/// What follows each gather write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing: the bytes stay in the page cache.
    Nothing,
    /// `fdatasync`: the bytes are durable.
    Sync,
}

/// The rate of gather writes into a new file in `directory`, and into the same pages once more.
///
/// A log that grows cannot write faster than into fresh pages of the cache, which the kernel has to find
/// and clear, and a virtual machine's host to give; one that recycles its segments can.
///
/// # Errors
/// If the file system refuses, or a call writes less than it was given.
pub(crate) fn pages(directory: &Path) -> Result<[Figure; 2]> {
    let scratch = Scratch::create(directory, "afflux-bench-pages")?;
    fallocate(&scratch.file, FallocateFlags::empty(), 0, PAGES_FILE_BYTES)
        .context("reserve the file")?;
    let source = noise(SOURCE_BYTES);
    let fill = |name: &str, note: &str| {
        let clock = Stopwatch::start();
        let mut offset = 0;
        for call in source.chunks_exact(PAGES_CALL_BYTES).cycle() {
            if offset >= PAGES_FILE_BYTES {
                break;
            }
            let records: Vec<IoSlice<'_>> =
                call.chunks_exact(RECORD_BYTES).map(IoSlice::new).collect();
            let written = pwritev(&scratch.file, &records, offset).context("gather write")?;
            if written != PAGES_CALL_BYTES {
                bail!("a gather write of {PAGES_CALL_BYTES} bytes wrote {written}");
            }
            offset += len_u64(written);
        }
        Ok(Figure::rate(name, offset, clock.elapsed()).with_note(note))
    };
    Ok([
        fill("write, fresh page cache", "pwritev of 256 KiB, a new file")?,
        fill("write, same pages again", "the same file once more")?,
    ])
}

/// The rate of gather writes of `call_bytes`, made of records of 1 KiB, into a reserved file in `directory` whose
/// blocks were all written once.
///
/// # Errors
/// If the file system refuses, or a call writes less than it was given.
pub(crate) fn write(
    directory: &Path,
    call_bytes: usize,
    after: After,
    limit: Duration,
) -> Result<Figure> {
    let scratch = Scratch::create(directory, "afflux-bench-gather")?;
    let file = &scratch.file;
    fallocate(file, FallocateFlags::empty(), 0, FILE_BYTES).context("reserve the file")?;
    let source = noise(SOURCE_BYTES);
    let records: Vec<IoSlice<'_>> = source
        .chunks_exact(RECORD_BYTES)
        .map(IoSlice::new)
        .collect();
    let calls: Vec<&[IoSlice<'_>]> = records.chunks_exact(call_bytes / RECORD_BYTES).collect();
    if calls.is_empty() {
        bail!(
            "a call of {call_bytes} bytes holds no record of {RECORD_BYTES} or is above {SOURCE_BYTES}"
        );
    }

    let mut calls = calls.into_iter().cycle();
    let mut offset = 0;
    let mut one_call = |sync: bool| -> Result<u64> {
        let call = calls.next().context("a cycle over no calls")?;
        let step = len_u64(call_bytes);
        if offset + step > FILE_BYTES {
            offset = 0;
        }
        let written = pwritev(file, call, offset).context("gather write")?;
        if written != call_bytes {
            bail!("a gather write of {call_bytes} bytes wrote {written}");
        }
        if sync {
            fdatasync(file).context("sync a gather write")?;
        }
        offset += step;
        Ok(step)
    };
    let mut filled = 0;
    while filled < FILE_BYTES {
        filled += one_call(false)?;
    }
    fdatasync(file).context("sync the file")?;

    let mut failed = None;
    let (bytes, took) = repeat_for(limit, || {
        one_call(after == After::Sync).unwrap_or_else(|error| {
            failed = Some(error);
            0
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let (suffix, note) = match after {
        After::Nothing => ("", "into the page cache"),
        After::Sync => (" + fdatasync", "durable after each call"),
    };
    let name = format!("gather write {}{suffix}", byte_name(call_bytes));
    Ok(Figure::rate(name, bytes, took).with_note(note))
}
