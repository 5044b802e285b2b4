//! One shard's bytes on disk: segments, index, maps, commit rounds, recovery, retention, trimming.
//!
//! A [`Volume`] is a data directory. It opens a [`ShardLog`] per shard, which takes stamped entries
//! and hands them back as slices of mapped files. Appending never waits for the disk: entries queue, the
//! volume's threads commit them in rounds over all shards, and an [`Observer`] hears how far each
//! shard has become durable. The crate knows neither streams nor consumers nor an async runtime.
//!
//! Read in this order: [`ShardLog`], `shard/append.rs`, `commit/mod.rs`, `commit/persist.rs`, `segment/`,
//! `recovery.rs`.
//!
#![doc = include_str!("../FORMAT.md")]

mod check;
mod commit;
mod core;
mod error;
mod format;
mod fs;
#[cfg(fuzzing)]
pub mod fuzz;
mod index;
mod journal;
mod key;
mod map;
mod observer;
mod options;
mod points;
mod prepare;
mod recovery;
mod report;
mod scan;
mod sealer;
mod segment;
mod shard;
mod slice;
mod stats;
mod store;
mod tail;
pub mod vital;
mod volume;
mod watermark;

pub use check::{check, check_on};
pub use error::{AppendError, ReadError};
pub use fs::{Disk, FileSystem, LogFile, OpenMode};
pub use key::{Durability, LogKey};
pub use observer::Observer;
pub use options::VolumeOptions;
pub use report::{Finding, Repair, Report, Severity};
pub use shard::ShardLog;
pub use slice::{Appended, SegmentInfo, Slice};
pub use stats::VolumeStats;
pub use volume::Volume;
pub use watermark::Watermarks;

/// Files of a volume's journal, at most.
pub const JOURNALS: usize = 4;
