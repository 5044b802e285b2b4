//! A data directory's logs: one lock, two commit threads, a preparer, a sealer, a checkpointer.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use afflux_types::{Clock, Error, ErrorKind, Result};
use parking_lot::Mutex;

use crate::core::{Core, Durable};
use crate::error::{Context, FileError};
use crate::fs::{Disk, FileSystem, LogFile, OpenMode};
use crate::journal::{self, Journal};
use crate::key::{
    JOURNAL_DIR, LOCK_FILE, LOGS_DIR, index_path, segment_ordinal, segment_path, shard_dir,
};
use crate::points::Points;
use crate::shard::Shard;
use crate::store::Store;
use crate::{
    Durability, LogKey, Observer, ShardLog, VolumeOptions, VolumeStats, commit, prepare, recovery,
    sealer, vital,
};

/// Threads that run commit rounds: one syncs while the other writes.
const COMMIT_THREADS: usize = 2;
/// Segments and journal files are multiples of this.
const PAGE: u64 = 4_096;

/// A data directory's logs, with the threads and the journal that they share; a cheap handle.
///
/// The volume is closed when the last handle goes, or by [`Volume::close`].
#[derive(Clone)]
pub struct Volume(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held for its lock.
    lock: Mutex<Option<Arc<dyn LogFile>>>,
}

impl Volume {
    /// Opens the volume in `dir`, which is made if it does not exist, and replays its journal.
    ///
    /// # Errors
    /// `InUse` if another process has it open; `DataLoss` if a durable record of the journal is
    /// damaged; `Invalid` for options out of bounds; otherwise as the disk reports.
    pub fn open(dir: &Path, options: VolumeOptions, clock: Clock) -> Result<Self> {
        Self::open_on(Arc::new(Disk), dir, options, clock)
    }

    /// Opens a volume on another file system than the machine's.
    ///
    /// # Errors
    /// As [`Volume::open`].
    pub fn open_on(
        fs: Arc<dyn FileSystem>,
        dir: &Path,
        mut options: VolumeOptions,
        clock: Clock,
    ) -> Result<Self> {
        check_options(&options)?;
        for bytes in [
            &mut options.segment_bytes_min,
            &mut options.segment_bytes_max,
            &mut options.journal_bytes,
        ] {
            *bytes = bytes.next_multiple_of(PAGE);
        }
        let store = Arc::new(Store::new(fs, dir.to_owned(), &options));
        let lock = lock(&store)?;
        for folder in [LOGS_DIR, JOURNAL_DIR] {
            let folder = dir.join(folder);
            store
                .fs
                .create_dir_all(&folder)
                .context("create folder", &folder)?;
        }
        let emptied = journal::replay(&store, options.journal_bytes)?;
        let journal = Journal::new(emptied.files, emptied.generation);
        let points = Points::load(&store)?;
        let core = Arc::new(Core::new(store, options, clock, journal, points));
        let handle = Handle {
            core,
            threads: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        };
        handle.start()?;
        Ok(Self(Arc::new(handle)))
    }

    /// Opens a shard's log, or makes it; recovers its tail.
    ///
    /// # Errors
    /// `InUse` while a handle to the log lives; `DataLoss` if durable bytes of the last segment are
    /// damaged; `Unavailable` if the disk is full or the volume closed; otherwise as the disk reports.
    pub fn shard(
        &self,
        key: LogKey,
        durability: Durability,
        observer: Arc<dyn Observer>,
    ) -> Result<ShardLog> {
        let core = &self.0.core;
        core.check_stopped()?;
        let known = core.shards.lock().get(&key).cloned();
        let shard = match known {
            Some(shard) => shard,
            None => self.recover(key)?,
        };
        if let Some(stop) = shard.stopped() {
            return Err(stop.error());
        }
        let lease = shard.lease(durability, observer)?;
        // What the volume shares may have failed while the log was recovered.
        core.check_stopped()?;
        Ok(ShardLog::new(Arc::clone(core), shard, lease))
    }

    /// Deletes a shard's log; readers that hold slices keep them. A log that does not exist is fine.
    ///
    /// # Errors
    /// As the disk reports.
    pub fn remove(&self, key: LogKey) -> Result<()> {
        let core = &self.0.core;
        let dir = shard_dir(&core.store.root, key);
        let removed = Error::not_found(format!("the log of {key} is removed"));
        let known = core.shards.lock().remove(&key);
        core.points.forget(&core.store, key)?;
        let _files = known.as_ref().map(|shard| {
            core.store
                .counters
                .shards
                .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            shard.retire(&removed);
            shard.maintenance.lock()
        });
        if let Some(shard) = &known {
            shard.remove_segments()?;
        }
        remove_dir(&core.store, &dir)?;
        Ok(())
    }

    /// Makes everything durable that has been accepted and ends the threads. Later calls fail.
    ///
    /// # Errors
    /// The first failure of a sync.
    pub fn close(&self) -> Result<()> {
        self.0.close()
    }

    /// What the volume has done so far.
    #[must_use]
    pub fn stats(&self) -> VolumeStats {
        self.0.core.store.counters.snapshot()
    }

    /// Reads a log's files and enters it among the open ones.
    fn recover(&self, key: LogKey) -> Result<Arc<Shard>> {
        let core = &self.0.core;
        let first = recovery::First {
            capacity: core.options.segment_bytes_min,
            shards: core.shards.lock().len(),
        };
        let recovered = recovery::open(&core.store, key, first, core.points.of(key))?;
        let dir = Arc::clone(recovered.active.dir());
        let shard = Arc::new(Shard::new(key, dir, recovered));
        let mut shards = core.shards.lock();
        // Two threads may have recovered the same log; the first one's counts.
        let entered = shards.entry(key).or_insert_with(|| {
            core.store
                .counters
                .shards
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Arc::clone(&shard)
        });
        Ok(Arc::clone(entered))
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("root", &self.0.core.store.root)
            .finish_non_exhaustive()
    }
}

impl Handle {
    fn start(&self) -> Result<()> {
        let mut threads = self.threads.lock();
        let mut spawn = |name: &str, run: fn(&Arc<Core>)| -> Result<()> {
            let core = Arc::clone(&self.core);
            let thread = vital::spawn(name, move || run(&core))?;
            threads.push(thread);
            Ok(())
        };
        for i in 0..COMMIT_THREADS {
            spawn(&format!("log-commit-{i}"), commit::run)?;
        }
        spawn("log-prepare", prepare::run)?;
        spawn("log-seal", sealer::run)?;
        spawn("log-checkpoint", journal::run)
    }

    fn close(&self) -> Result<()> {
        let core = &self.core;
        let closed = Error::unavailable("the volume is closed");
        let shards: Vec<_> = core.shards.lock().values().cloned().collect();
        for shard in &shards {
            shard.close();
        }
        core.close_dirty();
        let threads = std::mem::take(&mut *self.threads.lock());
        let (commit, rest): (Vec<_>, Vec<_>) = threads.into_iter().partition(is_commit);
        join(commit)?;
        core.preparer.close();
        core.sealer.close();
        core.journal.close();
        join(rest)?;
        let lock = self.lock.lock().take();
        let synced = lock.as_ref().map_or(Ok(()), |_| {
            core.store.sync_all()?;
            core.note_points(Durable::All)
        });
        for shard in &shards {
            shard.retire(&closed);
        }
        Ok(synced?)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(error = %error.chain(), "closing the volume failed");
        }
    }
}

fn is_commit(thread: &JoinHandle<()>) -> bool {
    thread
        .thread()
        .name()
        .is_some_and(|name| name.starts_with("log-commit"))
}

fn join(threads: Vec<JoinHandle<()>>) -> Result<()> {
    for thread in threads {
        thread
            .join()
            .map_err(|_| Error::internal("a thread of the log panicked"))?;
    }
    Ok(())
}

fn check_options(options: &VolumeOptions) -> Result<()> {
    let at_least = |name: &str, found: u64, min: u64| {
        if found < min {
            return Err(Error::invalid(format!(
                "{name} is {found}; the least is {min}"
            )));
        }
        Ok(())
    };
    at_least("segment_bytes_min", options.segment_bytes_min, 64 << 10)?;
    at_least(
        "segment_bytes_max",
        options.segment_bytes_max,
        options.segment_bytes_min,
    )?;
    at_least("queue_bytes_max", options.queue_bytes_max, 1 << 20)?;
    at_least("journal_bytes", options.journal_bytes, 1 << 20)
}

/// Takes the volume's lock.
pub(crate) fn lock(store: &Store) -> Result<Arc<dyn LogFile>> {
    let root = &store.root;
    store
        .fs
        .create_dir_all(root)
        .context("create folder", root)?;
    let path = root.join(LOCK_FILE);
    let file = store
        .fs
        .open(&path, OpenMode::Create)
        .context("open", &path)?;
    if !file.lock().context("lock", &path)? {
        return Err(Error::new(
            ErrorKind::InUse,
            format!("{} is locked by another process", path.display()),
        ));
    }
    Ok(file)
}

/// Removes a shard's folder with whatever is in it. The newest segments go first, so that a crash
/// leaves a log that is only shorter.
fn remove_dir(store: &Store, dir: &Path) -> Result<(), FileError> {
    let names = match store.fs.list(dir).context("list folder", dir) {
        Err(error) if error.is_not_found() => return Ok(()),
        result => result?,
    };
    let mut ordinals: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_ordinal(name))
        .collect();
    ordinals.sort_unstable_by(|a, b| b.cmp(a));
    let paths = ordinals
        .into_iter()
        .flat_map(|ordinal| [segment_path(dir, ordinal), index_path(dir, ordinal)]);
    for path in paths {
        match store.fs.remove_file(&path).context("remove", &path) {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    store.fs.remove_dir(dir).context("remove folder", dir)?;
    dir.parent().map_or(Ok(()), |parent| store.sync_dir(parent))
}
