//! The reading side of an archive: waits for a stream and hands what comes to the writers.
//!
//! One task for each shard waits for entries; one task for each archive starts them, parents before
//! children. Everything that touches files runs on blocking threads, at most one at a time for each
//! lane, so that no async thread ever waits for a disk. A task holds at most one slice of the log.

mod archive;
mod init;
mod lanes;
mod shard;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use afflux_types::{Clock, StreamName};
use tokio::sync::watch;

use crate::settings::ArchiveSettings;
use crate::status::Status;

pub(crate) use archive::{probe, run};
pub(crate) use init::find_init;
pub(crate) use shard::{BackOff, wait};

/// What the tasks of one archive share.
#[derive(Debug)]
pub(crate) struct Context<S> {
    pub(crate) source: S,
    pub(crate) fs: Arc<dyn crate::fs::FileSystem>,
    pub(crate) clock: Clock,
    pub(crate) stream: StreamName,
    pub(crate) settings: ArchiveSettings,
    pub(crate) limits: Limits,
    pub(crate) status: Arc<Status>,
    /// Becomes true when the archive is to finish its files and end.
    pub(crate) stop: watch::Receiver<bool>,
}

/// What one archive may use at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that write; a shard stays with one of them.
    pub threads: usize,
    /// Files that are open, over all threads. Each costs below 5 MB with zstd, 1 MB with gzip.
    pub open_files: usize,
}

impl Default for Limits {
    /// Two threads and 64 files.
    fn default() -> Self {
        Self {
            threads: 2,
            open_files: 64,
        }
    }
}

/// Waits until the archive is to end.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A manager that is gone stops its archives too.
    let _ = stop.wait_for(|stop| *stop).await;
}
