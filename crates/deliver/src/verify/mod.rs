//! Reads an archive back and checks every promise that its manifests make.
//!
//! Needs the directory only, neither the stream nor the server that wrote it. While an archive is
//! being written, a file may be seen just before its line: it is then reported as unlisted.

mod check;
mod lines;
mod records;

use std::path::{Path, PathBuf};

use afflux_types::{Position, Result, ShardId, StreamName};

pub use records::{ArchivedRecord, Records};

use crate::fs::{Disk, FileSystem};
use crate::manifest::{GapReason, Totals};

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of every shard of every stream, sorted.
    pub shards: Vec<ShardSummary>,
}

/// What the archive of one shard holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSummary {
    /// The stream.
    pub stream: StreamName,
    /// The shard.
    pub shard: ShardId,
    /// Where the archive begins.
    pub start: Position,
    /// Everything between `start` and this is archived, or in a gap.
    pub end: Position,
    /// Sums over the manifest, each found to be right.
    pub totals: Totals,
    /// What is missing, in order.
    pub gaps: Vec<ArchivedGap>,
    /// Whether the shard was split or merged and everything in it is accounted for.
    pub closed: bool,
    /// Finished files that no line lists; none in an archive that is not being written.
    pub unlisted: Vec<PathBuf>,
}

/// Positions that are not archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchivedGap {
    /// The first missing position.
    pub from: Position,
    /// The position after the last missing one.
    pub to: Position,
    /// Why.
    pub reason: GapReason,
}

impl Summary {
    /// Sums over all shards.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shards
            .iter()
            .fold(Totals::default(), |sum, shard| sum.plus(shard.totals))
    }
}

/// Checks the archive in `directory`, of all streams in it.
///
/// Every line of every manifest, the size and the MD5 of every file, the number and the sequence
/// numbers of the records in it, and that nothing is missing but what a gap names. Video files are
/// checked to start with an init and to consist of whole boxes.
///
/// # Errors
/// `DataLoss` with the file, the place and the reason where something is not as the manifest says;
/// `NotFound` or `Denied` if the directory or a file cannot be read. Blocks.
pub fn verify(directory: &Path) -> Result<Summary> {
    verify_in(&Disk, directory).map_err(Into::into)
}

/// The records of the archive in `directory`: by stream, by shard, in order.
///
/// Video is left out. Blocks while it reads; holds one record in memory.
///
/// # Errors
/// As [`verify()`], for the directories; each record can fail by itself, and then ends the iteration.
pub fn records(directory: &Path) -> Result<Records> {
    Records::open(std::sync::Arc::new(Disk), directory).map_err(Into::into)
}

/// [`verify()`] in any file system.
pub(crate) fn verify_in(fs: &dyn FileSystem, directory: &Path) -> crate::fault::Result<Summary> {
    let mut shards = Vec::new();
    for (stream, shard, path) in lines::shard_directories(fs, directory)? {
        shards.push(check::check_shard(fs, stream, shard, &path)?);
    }
    Ok(Summary { shards })
}
