//! What all segments of a volume share: the file system, the counters, and bounds on open files and
//! maps.
//!
//! Both bounds work the same way: whoever opens a file or makes a map enters its segment into a
//! queue; when the queue is longer than the bound, the segments that entered first give theirs up and
//! take them again when they need them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::VolumeOptions;
use crate::error::{Context, FileError};
use crate::fs::FileSystem;
use crate::key::LOGS_DIR;
use crate::segment::Segment;
use crate::stats::Counters;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) root: PathBuf,
    pub(crate) counters: Arc<Counters>,
    files: Turnover,
    maps: Turnover,
}

impl Store {
    pub(crate) fn new(fs: Arc<dyn FileSystem>, root: PathBuf, options: &VolumeOptions) -> Self {
        Self {
            fs,
            root,
            counters: Arc::default(),
            files: Turnover::new(options.files_max),
            maps: Turnover::new(options.maps_max),
        }
    }

    /// Makes the names in `dir` durable.
    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<(), FileError> {
        self.fs.sync_dir(dir).context("sync folder", dir)
    }

    /// Makes the names durable that lead from the volume to a shard's folder, and those in it.
    pub(crate) fn sync_dirs(&self, shard_dir: &Path) -> Result<(), FileError> {
        let logs = self.root.join(LOGS_DIR);
        for dir in shard_dir.ancestors() {
            self.sync_dir(dir)?;
            if dir == logs {
                break;
            }
        }
        Ok(())
    }

    /// Makes everything durable.
    pub(crate) fn sync_all(&self) -> Result<(), FileError> {
        self.fs
            .sync_all(&self.root)
            .context("sync the file system of", &self.root)
    }

    /// Notes that `segment` has opened its file. The caller holds no segment's lock.
    pub(crate) fn opened(&self, segment: &Arc<Segment>) {
        self.files.enter(segment, Segment::close_idle);
    }

    /// Notes that `segment` has mapped its file. The caller holds no segment's lock.
    pub(crate) fn mapped(&self, segment: &Arc<Segment>) {
        self.maps.enter(segment, Segment::unmap);
    }
}

/// A bounded queue of segments that hold something.
#[derive(Debug)]
struct Turnover {
    queue: Mutex<VecDeque<Weak<Segment>>>,
    max: usize,
}

impl Turnover {
    fn new(max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            max: max.max(1),
        }
    }

    /// Enters a segment; `release` returns whether a segment that leaves gave up what it holds.
    fn enter(&self, segment: &Arc<Segment>, release: impl Fn(&Segment) -> bool) {
        let mut queue = self.queue.lock();
        queue.push_back(Arc::downgrade(segment));
        let mut tries = queue.len();
        while queue.len() > self.max && tries > 0 {
            tries -= 1;
            let Some(first) = queue.pop_front() else {
                return;
            };
            if let Some(segment) = first.upgrade()
                && !release(&segment)
            {
                queue.push_back(first);
            }
        }
    }
}
