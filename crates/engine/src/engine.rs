//! The engine as a whole: opening a data directory, finding shards in it, shutting down.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afflux_log::{Disk, FileSystem, LogKey, Volume, VolumeOptions};
use afflux_types::{Clock, Error, Result, ShardId, StreamName};
use parking_lot::RwLock;

use crate::catalog::file::FileStore;
use crate::catalog::{Catalog, Loaded, Store, Table, Write, key};
use crate::fault::stopping;
use crate::pool::Pool;
use crate::registry::{Cell, Registry, Stream};
use crate::seal::{DataKey, Keyring};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::shard::live::Live;
use crate::shard::ringer::Ringer;
use crate::shard::signals::{End, Helpers};
use crate::stats::EngineStats;
use crate::view::View;

/// The file of the catalog in a data directory.
const CATALOG_FILE: &str = "catalog.redb";

/// What an engine is opened with.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The data directory; made if it does not exist. One process uses it at a time.
    pub dir: PathBuf,
    /// The logs in it.
    pub volume: VolumeOptions,
    /// Threads for reads that may wait for the disk. Default 4.
    pub read_threads: usize,
    /// How often expired entries are looked for; `None`: only by [`Engine::enforce_retention`].
    /// Default one minute.
    pub retention_interval: Option<Duration>,
    /// The master keys; `None`: no stream can be encrypted, and none that is can be read.
    pub keyring: Option<Keyring>,
}

impl EngineOptions {
    /// Every default for a data directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            volume: VolumeOptions::default(),
            read_threads: 4,
            retention_interval: Some(Duration::from_secs(60)),
            keyring: None,
        }
    }
}

/// All streams of one data directory; a cheap handle.
///
/// Methods that may wait for a disk are `async` and run on the engine's own threads; they need no
/// particular runtime. The others look at memory, or read a row of the catalog.
///
/// It finds the streams of users; [`Engine::deliveries`] gives a handle for those of delivery streams.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
    pub(crate) view: View,
}

pub(crate) struct Inner {
    pub(crate) clock: Clock,
    pub(crate) dir: PathBuf,
    pub(crate) volume: Volume,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) pool: Pool,
    pub(crate) registry: Arc<RwLock<Registry>>,
    pub(crate) helpers: Helpers,
    pub(crate) keyring: Option<Keyring>,
    stopping: AtomicBool,
}

impl Engine {
    /// Opens a data directory. May block.
    ///
    /// # Errors
    /// `InUse` if another process has it open; `DataLoss` if the catalog is damaged; `Invalid` if the
    /// keyring is in it; else whatever the file system refused.
    pub fn open(options: EngineOptions, clock: Clock) -> Result<Self> {
        Self::open_on(Arc::new(Disk), options, clock)
    }

    /// Opens a data directory whose logs are on another file system than the machine's. The catalog
    /// is a file of the machine's.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_on(fs: Arc<dyn FileSystem>, options: EngineOptions, clock: Clock) -> Result<Self> {
        create_dir(&options.dir)?;
        if let Some(keyring) = &options.keyring {
            check_apart(keyring, &options.dir)?;
        }
        // First the logs: their lock keeps a second process out.
        let volume = Volume::open_on(fs, &options.dir, options.volume.clone(), clock.clone())?;
        let store = FileStore::open(&options.dir.join(CATALOG_FILE))?;
        Self::assemble(options, clock, volume, Arc::new(store))
    }

    pub(crate) fn assemble(
        options: EngineOptions,
        clock: Clock,
        volume: Volume,
        store: Arc<dyn Store>,
    ) -> Result<Self> {
        let catalog = Catalog::open(store)?;
        let loaded = catalog.load()?;
        remove_logs(&volume, &catalog, &loaded.removals)?;
        let inner = Arc::new(Inner {
            clock,
            dir: options.dir,
            volume,
            catalog: Arc::new(catalog),
            pool: Pool::start(options.read_threads)?,
            registry: Arc::new(RwLock::new(registry(loaded))),
            helpers: Helpers {
                ticker: Arc::default(),
                ringer: Ringer::start()?,
            },
            keyring: options.keyring,
            stopping: AtomicBool::new(false),
        });
        if let Some(interval) = options.retention_interval {
            inner
                .helpers
                .ticker
                .start(Arc::downgrade(&inner), interval)?;
        }
        Ok(Self {
            inner,
            view: View::Users,
        })
    }

    /// A shard, with its log open.
    ///
    /// # Errors
    /// `NotFound` if the stream or the shard does not exist; `DataLoss` if its log is damaged;
    /// `Unavailable` while shutting down.
    pub async fn shard(&self, stream: &StreamName, shard: ShardId) -> Result<Shard> {
        self.inner.check_running()?;
        let stream = self.stream(stream)?;
        let cell = stream.cell(shard)?;
        let live = self.inner.live(&stream, &cell).await?;
        Ok(Shard {
            engine: Arc::clone(&self.inner),
            stream,
            cell,
            live,
        })
    }

    /// A small durable store for what others must remember.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::new(Arc::clone(&self.inner.catalog))
    }

    /// Counters and gauges, of every stream, whichever this handle finds.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let registry = self.inner.registry.read();
        let shards = registry.streams.values();
        let shards: usize = shards.map(|stream| stream.shards.read().len()).sum();
        EngineStats {
            streams: registry
                .streams
                .values()
                .map(|stream| stream.counters.snapshot(stream.name().clone()))
                .collect(),
            volume: self.inner.volume.stats(),
            shards: u64::try_from(shards).unwrap_or(u64::MAX),
        }
    }

    /// Takes nothing more in, makes everything durable, and closes the files.
    ///
    /// Producers that wait for durability are answered; then subscriptions end with `Unavailable`.
    ///
    /// # Errors
    /// What the logs could not write.
    ///
    /// # Cancel safety
    /// Call it again after cancelling it.
    pub async fn shutdown(&self) -> Result<()> {
        let inner = &self.inner;
        inner.stopping.store(true, Ordering::Release);
        inner.helpers.ticker.stop();
        let cells = inner.cells();
        for live in cells.iter().filter_map(|cell| cell.live()) {
            live.signals.ring();
        }
        let (volume, catalog) = (inner.volume.clone(), Arc::clone(&inner.catalog));
        let closed = inner
            .pool
            .run(move || {
                let closed = volume.close();
                catalog.close();
                closed
            })
            .await;
        inner.helpers.ringer.close();
        for cell in &cells {
            cell.finish(|| End::Stopping);
        }
        match closed {
            Ok(closed) => {
                inner.pool.close();
                closed
            }
            // The pool is closed: an earlier call has done it all.
            Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("dir", &self.inner.dir)
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn stream(&self, name: &StreamName) -> Result<Arc<Stream>> {
        self.registry.read().get(name)
    }

    pub(crate) fn check_running(&self) -> Result<()> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(stopping());
        }
        Ok(())
    }

    /// The open log of a shard.
    pub(crate) async fn live(&self, stream: &Arc<Stream>, cell: &Arc<Cell>) -> Result<Arc<Live>> {
        if let Some(live) = cell.live() {
            return Ok(Arc::clone(live));
        }
        let (stream, cell) = (Arc::clone(stream), Arc::clone(cell));
        let (volume, helpers) = (self.volume.clone(), self.helpers.clone());
        self.pool
            .run(move || open_live(&volume, &helpers, &stream, &cell))
            .await?
    }

    /// A data key of a stream, opened.
    pub(crate) async fn data_key(&self, stream: &Arc<Stream>, number: u64) -> Result<Arc<DataKey>> {
        if let Some(key) = stream.sealing.key(number) {
            return Ok(key);
        }
        let (owned, keyring) = (Arc::clone(stream), self.keyring.clone());
        let id = stream.facts.id;
        let opened = self
            .pool
            .run(move || owned.sealing.open_key(keyring.as_ref(), id, number))
            .await?;
        opened.map_err(|fault| {
            let name = stream.name();
            fault.withhold(format!(
                "stream {name} is encrypted, and its data key {number} cannot be opened"
            ))
        })
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let registry = self.registry.read();
        registry
            .streams
            .values()
            .flat_map(|stream| stream.cells())
            .collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.helpers.ticker.stop();
        self.helpers.ringer.close();
    }
}

/// Opens a shard's log unless it is open. May block.
pub(crate) fn open_live(
    volume: &Volume,
    helpers: &Helpers,
    stream: &Stream,
    cell: &Cell,
) -> Result<Arc<Live>> {
    let (key, closed) = (stream.key(cell.id), !cell.is_open());
    let live = cell.live_or_open(|| Live::open(volume, helpers, key, &stream.facts, closed));
    if stream.is_deleted() {
        return Err(stream.deleted_error());
    }
    live
}

/// Removes logs whose shards are gone from the catalog, then forgets them. May block.
pub(crate) fn remove_logs(
    volume: &Volume,
    catalog: &Catalog,
    removals: &[(u64, ShardId)],
) -> Result<()> {
    if removals.is_empty() {
        return Ok(());
    }
    let mut writes = Vec::with_capacity(removals.len());
    for &(stream, shard) in removals {
        volume.remove(LogKey {
            stream,
            shard: shard.get(),
        })?;
        writes.push(Write::Delete {
            table: Table::Removals,
            key: key::shard(stream, shard),
        });
    }
    catalog.commit_now(&writes)
}

fn registry(loaded: Loaded) -> Registry {
    let streams = loaded.streams.into_values().map(|loaded| {
        let stream = Stream::from_loaded(loaded);
        (stream.name().clone(), Arc::new(stream))
    });
    Registry {
        streams: streams.collect(),
        stream_next: loaded.stream_next,
        ..Registry::default()
    }
}

/// Whoever gets the data must not get the keys with it.
fn check_apart(keyring: &Keyring, dir: &Path) -> Result<()> {
    let (keys, data) = (keyring.dir().canonicalize(), dir.canonicalize());
    if let (Ok(keys), Ok(data)) = (keys, data)
        && keys.starts_with(&data)
    {
        return Err(Error::invalid(format!(
            "keyring {} is in the data directory {}: keys beside what they encrypt protect nothing",
            keys.display(),
            data.display()
        )));
    }
    Ok(())
}

fn create_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| {
        Error::unavailable(format!("create data directory {}", dir.display())).with_source(error)
    })
}

#[cfg(test)]
mod tests;
