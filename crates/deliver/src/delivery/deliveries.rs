//! All delivery streams of a server: made, changed, paused, deleted, started and stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use afflux_engine::{Engine, NewStream, StreamKind, delivery_stream, random, read_row};
use afflux_types::{Clock, DeliveryName, Error, ErrorKind, Result, StreamName};
use parking_lot::Mutex;
use tokio::sync::{MutexGuard, watch};
use tokio::task::JoinSet;

use super::batch::Memory;
use super::context::Context;
use super::endpoint::Producer;
use super::follow;
use super::helpers::Helpers;
use super::options::DeliveryOptions;
use super::probe::BucketReport;
use super::room::Room;
use super::running::{DeliveryDescription, Kept, Running, Task};
use super::settings::{DeliverySettings, DeliverySource};
use super::spool::Spool;
use super::state::State;
use super::status::Status;
use super::stores::Target;
use super::tables::{self, Access};
use super::transformer;
use super::work::Plan;
use crate::blocking::blocking;
use crate::fs::{Disk, FileSystem, probe};
use crate::source::EngineStream;

/// Where the engine keeps delivery streams, by name.
const NAMESPACE: &str = "delivery";

/// The delivery streams of an engine; a cheap handle.
///
/// Runs on tokio: make it, and call it, inside a runtime with time enabled.
#[derive(Clone)]
pub struct Deliveries(Arc<Inner>);

struct Inner {
    engine: Engine,
    clock: Clock,
    fs: Arc<dyn FileSystem>,
    options: DeliveryOptions,
    memory: Memory,
    room: Room,
    helpers: Helpers,
    /// They end with it.
    probes: Mutex<JoinSet<()>>,
    running: Mutex<BTreeMap<DeliveryName, Running>>,
    /// Held while delivery streams are made, changed and deleted; true once none may be any more.
    changes: tokio::sync::Mutex<bool>,
}

impl Deliveries {
    /// Starts the delivery streams that were made before.
    ///
    /// One whose place cannot be written to does not stand in the way: it is tried again, and says so in
    /// its status.
    ///
    /// # Errors
    /// `DataLoss` if what is kept cannot be read; as the engine reports.
    pub async fn open(engine: Engine, clock: Clock, options: DeliveryOptions) -> Result<Self> {
        let room = Room::new(options.memory_bytes / 2);
        let deliveries = Self(Arc::new(Inner {
            memory: Memory::new(options.memory_bytes / 2),
            helpers: Helpers::new(room.clone()),
            room,
            probes: Mutex::new(options.stores.probe_all()),
            engine,
            clock,
            fs: Arc::new(Disk),
            options,
            running: Mutex::default(),
            changes: tokio::sync::Mutex::default(),
        }));
        let inner = &deliveries.0;
        let mut direct = BTreeSet::new();
        let rows = inner.engine.settings().rows(NAMESPACE)?;
        let mut kept = Vec::new();
        for (name, row) in &rows {
            let one: Kept = read_row(NAMESPACE, name, row)?;
            let name = DeliveryName::new(name)?;
            if one.settings.source == DeliverySource::Direct {
                inner.make_buffer(&name).await?;
                direct.insert(delivery_stream(name.as_str())?);
            }
            kept.push((name, one));
        }
        inner.remove_leftovers(&direct).await?;
        let ids: BTreeSet<u64> = kept.iter().map(|(_, one)| one.id).collect();
        for id in State::ids(&inner.engine.settings())? {
            if !ids.contains(&id) {
                inner.clear(id).await?;
            }
        }
        for (name, one) in kept {
            inner.start(name, Arc::new(one))?;
        }
        Ok(deliveries)
    }

    /// Makes a delivery stream, which begins to deliver.
    ///
    /// `document` is kept for the caller.
    ///
    /// # Errors
    /// `Invalid` for settings out of their bounds, `NotFound` if the source, a bucket, a directory or a
    /// function does not exist, `Denied` if a directory cannot be written to, `InUse` if the name is taken, `Unavailable`
    /// if the server is stopping or a disk is full.
    pub async fn create(
        &self,
        name: &DeliveryName,
        settings: DeliverySettings,
        document: String,
    ) -> Result<DeliveryDescription> {
        let inner = &self.0;
        inner.check_table(&settings).await?;
        let _changes = inner.begin().await?;
        if inner.running.lock().contains_key(name) {
            return Err(Error::new(
                ErrorKind::InUse,
                format!("delivery stream {name} exists already"),
            ));
        }
        inner.check(&settings).await?;
        let mut id = [0; 8];
        random(&mut id)?;
        let kept = Kept {
            id: u64::from_be_bytes(id),
            version: 1,
            created: inner.clock.wall().as_millis(),
            updated: None,
            paused: false,
            settings,
            document,
        };
        let engine_settings = inner.engine.settings();
        let source = &kept.settings.source;
        let state = State::first(&inner.engine, inner.clock.wall(), source).await?;
        state.save(&engine_settings, kept.id).await?;
        engine_settings
            .put_row(NAMESPACE, name.as_str(), &kept)
            .await?;
        if kept.settings.source == DeliverySource::Direct {
            inner.make_buffer(name).await?;
        }
        inner.start(name.clone(), Arc::new(kept))?;
        self.describe(name)
    }

    /// Changes what a delivery stream does and what is kept of it, if it has the version that the caller
    /// knows; records that were taken already are delivered as before.
    ///
    /// # Errors
    /// As [`Deliveries::create`]; `NotFound` if there is none of this name, `Expired` if it has another
    /// version. The source cannot be changed.
    pub async fn update(
        &self,
        name: &DeliveryName,
        version: u64,
        settings: DeliverySettings,
        document: String,
    ) -> Result<DeliveryDescription> {
        let inner = &self.0;
        inner.check_table(&settings).await?;
        let _changes = inner.begin().await?;
        let kept = inner.kept(name)?;
        if kept.version != version {
            return Err(Error::new(
                ErrorKind::Expired,
                format!(
                    "delivery stream {name} has version {}, not {version}",
                    kept.version
                ),
            ));
        }
        if kept.settings.source != settings.source {
            return Err(Error::invalid(format!(
                "the source of delivery stream {name} cannot be changed"
            )));
        }
        inner.check(&settings).await?;
        let changed = Kept {
            version: kept.version + 1,
            updated: Some(inner.clock.wall().as_millis()),
            settings,
            document,
            ..(*kept).clone()
        };
        inner.change(name, changed).await?;
        self.describe(name)
    }

    /// Changes what is kept for the caller, and nothing that the delivery stream does.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name.
    pub async fn annotate(&self, name: &DeliveryName, document: String) -> Result<()> {
        let inner = &self.0;
        let _changes = inner.begin().await?;
        let changed = Kept {
            document,
            ..(*inner.kept(name)?).clone()
        };
        inner.keep(name, Arc::new(changed)).await
    }

    /// Lets a delivery stream wait, or go on. What it has taken is delivered first.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name.
    pub async fn set_paused(&self, name: &DeliveryName, paused: bool) -> Result<()> {
        let inner = &self.0;
        let _changes = inner.begin().await?;
        let kept = inner.kept(name)?;
        if kept.paused == paused {
            return Ok(());
        }
        let changed = Kept {
            paused,
            ..(*kept).clone()
        };
        inner.change(name, changed).await
    }

    /// Ends a delivery stream. What was put into it and is not delivered yet is lost; objects stay.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name.
    pub async fn delete(&self, name: &DeliveryName) -> Result<()> {
        let inner = &self.0;
        let _changes = inner.changes.lock().await;
        let kept = inner.kept(name)?;
        inner
            .engine
            .settings()
            .delete(NAMESPACE, name.as_str())
            .await?;
        let running = inner.running.lock().remove(name);
        if let Some(running) = running {
            running.end().await;
        }
        inner.clear(kept.id).await?;
        if kept.settings.source == DeliverySource::Direct {
            let deliveries = inner.engine.deliveries();
            deliveries
                .delete_stream(&delivery_stream(name.as_str())?)
                .await?;
        }
        Ok(())
    }

    /// One delivery stream.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name.
    pub fn describe(&self, name: &DeliveryName) -> Result<DeliveryDescription> {
        let now = self.0.clock.elapsed();
        let running = self.0.running.lock();
        let running = running.get(name).ok_or_else(|| missing(name))?;
        Ok(running.describe(name, now, &self.buckets()))
    }

    /// What is known of the buckets in object stores, in the order of their names.
    #[must_use]
    pub fn buckets(&self) -> Vec<BucketReport> {
        self.0.options.stores.report()
    }

    /// Where the records of a delivery stream come from.
    ///
    /// # Errors
    /// `NotFound` if there is none of this name.
    pub fn source(&self, name: &DeliveryName) -> Result<DeliverySource> {
        Ok(self.0.kept(name)?.settings.source.clone())
    }

    /// Keeps a stream from being delivered for as long as the returned value lives: so it can be deleted without
    /// leaving behind a delivery of nothing.
    ///
    /// # Errors
    /// `InUse` if a delivery stream reads from it that is not at its end.
    pub async fn keep_free(&self, stream: &StreamName) -> Result<impl Send + use<'_>> {
        let changes = self.0.changes.lock().await;
        let running = self.0.running.lock();
        let now = self.0.clock.elapsed();
        let reads = |running: &Running| {
            let source = running.kept.settings.source.name("");
            source == stream.as_str() && !running.status.report(now).finished
        };
        if let Some((name, _)) = running.iter().find(|(_, running)| reads(running)) {
            return Err(Error::new(
                ErrorKind::InUse,
                format!(
                    "stream {stream} is delivered by delivery stream {name}; delete that first"
                ),
            ));
        }
        Ok(changes)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.running.lock().len()
    }

    /// At most `limit` delivery streams after `after`, in the order of their names.
    #[must_use]
    pub fn list(&self, after: Option<&DeliveryName>, limit: usize) -> Vec<DeliveryDescription> {
        use std::ops::Bound::{Excluded, Unbounded};
        let now = self.0.clock.elapsed();
        let running = self.0.running.lock();
        let from = after.map_or(Unbounded, Excluded);
        let range = running.range::<DeliveryName, _>((from, Unbounded));
        let buckets = self.buckets();
        let describe =
            |(name, running): (&DeliveryName, &Running)| running.describe(name, now, &buckets);
        range.take(limit).map(describe).collect()
    }

    /// Stops all delivery streams after completing what they have taken. To be called before the engine
    /// shuts down.
    ///
    /// # Cancel safety
    /// Call it again after cancelling it.
    pub async fn shutdown(&self) {
        let mut closed = self.0.changes.lock().await;
        *closed = true;
        self.0.probes.lock().abort_all();
        for running in self.0.running.lock().values() {
            running.stop();
        }
        loop {
            let next = self.0.running.lock().pop_first();
            match next {
                Some((_, running)) => running.end().await,
                None => return,
            }
        }
    }
}

impl Inner {
    /// Begins a change, which is alone until what is returned is dropped.
    async fn begin(&self) -> Result<MutexGuard<'_, bool>> {
        let closed = self.changes.lock().await;
        match *closed {
            true => Err(Error::unavailable("the server is stopping")),
            false => Ok(closed),
        }
    }

    /// Checks that a table is there, and that it can be appended to: before others have to wait for the catalog.
    async fn check_table(&self, settings: &DeliverySettings) -> Result<()> {
        let Some(table) = &settings.table else {
            return Ok(());
        };
        table.check()?;
        let access = Access {
            catalogs: self.options.catalogs.clone(),
            stores: self.options.stores.clone(),
            fs: Arc::clone(&self.fs),
        };
        tables::open(&access, table).await?;
        Ok(())
    }

    /// Checks settings against what is there.
    async fn check(&self, settings: &DeliverySettings) -> Result<()> {
        if let DeliverySource::Stream { name, .. } = &settings.source
            && let Ok(stream) = self.engine.describe_stream(&StreamName::new(name)?)
            && stream.kind == StreamKind::Video
        {
            settings.check_video()?;
        }
        settings.check()?;
        if let Some(transformer) = transformer::settings(settings) {
            self.options.functions.find(&transformer.arn)?;
        }
        if let Some(receiver) = &settings.receiver {
            self.options.check(receiver)?;
        }
        let backup = settings.backup.iter();
        for objects in backup.chain([&settings.objects]) {
            if let Target::Directory(directory) = self.options.stores.target(&objects.place)? {
                let fs = Arc::clone(&self.fs);
                blocking("look at a directory", move || probe(&*fs, &directory)).await?;
            }
        }
        Ok(())
    }

    /// Makes the stream in which records wait that are put into a delivery stream, unless it is there.
    async fn make_buffer(&self, name: &DeliveryName) -> Result<()> {
        let new = NewStream::new(delivery_stream(name.as_str())?, StreamKind::Delivery);
        match self.engine.deliveries().create_stream(new).await {
            Err(error) if error.kind() != ErrorKind::InUse => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes streams of records whose delivery stream is no more.
    async fn remove_leftovers(&self, wanted: &BTreeSet<StreamName>) -> Result<()> {
        let engine = self.engine.deliveries();
        for stream in engine.list_streams(None, usize::MAX) {
            if !wanted.contains(&stream.name) {
                engine.delete_stream(&stream.name).await?;
            }
        }
        Ok(())
    }

    /// Removes what is kept of how far a delivery stream is.
    async fn clear(&self, id: u64) -> Result<()> {
        let spool = self.spool(id);
        blocking("clear a spool", move || spool.clear()).await?;
        State::forget(&self.engine.settings(), id).await
    }

    fn spool(&self, id: u64) -> Spool {
        Spool::new(Arc::clone(&self.fs), &self.options.directory, id)
    }

    fn kept(&self, name: &DeliveryName) -> Result<Arc<Kept>> {
        let running = self.running.lock();
        let running = running.get(name).ok_or_else(|| missing(name))?;
        Ok(Arc::clone(&running.kept))
    }

    /// Keeps what was changed, durably, and lets the delivery stream go on with it.
    async fn change(&self, name: &DeliveryName, changed: Kept) -> Result<()> {
        let changed = Arc::new(changed);
        self.keep(name, Arc::clone(&changed)).await?;
        // It stays in its place meanwhile: who puts records into it must find it.
        let running = |running: &mut Running| running.task.take();
        let task = self.running.lock().get_mut(name).and_then(running);
        if let Some(task) = task {
            task.end().await;
        }
        self.start(name.clone(), changed)
    }

    async fn keep(&self, name: &DeliveryName, changed: Arc<Kept>) -> Result<()> {
        let settings = self.engine.settings();
        settings
            .put_row(NAMESPACE, name.as_str(), &*changed)
            .await?;
        if let Some(running) = self.running.lock().get_mut(name) {
            running.kept = changed;
        }
        Ok(())
    }

    fn start(&self, name: DeliveryName, kept: Arc<Kept>) -> Result<()> {
        let status = Arc::new(Status::default());
        status.delivered(&State::load(&self.engine.settings(), kept.id)?);
        let task = match kept.paused {
            true => None,
            false => Some(self.spawn(&name, &kept, &status)?),
        };
        let running = Running { kept, status, task };
        self.running.lock().insert(name, running);
        Ok(())
    }

    fn spawn(&self, name: &DeliveryName, kept: &Kept, status: &Arc<Status>) -> Result<Task> {
        let (stop, stopped) = watch::channel(false);
        let (engine, stream) = match &kept.settings.source {
            DeliverySource::Direct => (self.engine.deliveries(), delivery_stream(name.as_str())?),
            DeliverySource::Stream { name, .. } => (self.engine.clone(), StreamName::new(name)?),
        };
        let is_direct = kept.settings.source == DeliverySource::Direct;
        let context = Context {
            buffer: is_direct.then(|| (engine.clone(), stream.clone())),
            source: EngineStream::new(engine, stream),
            settings: self.engine.settings(),
            fs: Arc::clone(&self.fs),
            root: self.options.directory.clone(),
            stores: self.options.stores.clone(),
            functions: self.options.functions.clone(),
            endpoints: self.options.endpoints.clone(),
            kafka: Producer::new(kept.id, self.options.kafka.clone(), self.clock.clone()),
            catalogs: self.options.catalogs.clone(),
            owner: self.options.owner.clone(),
            memory: self.memory.clone(),
            room: self.room.clone(),
            helpers: self.helpers.clone(),
            clock: self.clock.clone(),
            plan: Plan {
                name: name.to_string(),
                id: kept.id,
                version: kept.version,
                settings: kept.settings.clone(),
            },
            status: Arc::clone(status),
            stop: stopped,
        };
        let handle = tokio::spawn(follow::run(Arc::new(context)));
        Ok(Task { stop, handle })
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

fn missing(name: &DeliveryName) -> Error {
    Error::not_found(format!("delivery stream {name} does not exist"))
}
