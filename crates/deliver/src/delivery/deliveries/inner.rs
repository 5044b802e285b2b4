//! What the handles of all delivery streams share, and how one of them is kept, changed and started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use afflux_engine::{Engine, NewStream, StreamKind, delivery_stream};
use afflux_types::{Clock, DeliveryName, Error, ErrorKind, Result, StreamName};
use parking_lot::Mutex;
use tokio::sync::{MutexGuard, watch};
use tokio::task::JoinSet;

use crate::blocking::blocking;
use crate::delivery::batch::Memory;
use crate::delivery::context::Context;
use crate::delivery::endpoint::Producer;
use crate::delivery::follow;
use crate::delivery::helpers::Helpers;
use crate::delivery::options::DeliveryOptions;
use crate::delivery::room::Room;
use crate::delivery::running::{Kept, Running, Task};
use crate::delivery::settings::{DeliverySettings, DeliverySource};
use crate::delivery::spool::Spool;
use crate::delivery::state::State;
use crate::delivery::status::Status;
use crate::delivery::stores::Target;
use crate::delivery::tables::{self, Access};
use crate::delivery::transformer;
use crate::delivery::work::Plan;
use crate::fs::{FileSystem, probe};
use crate::source::EngineStream;

use super::{NAMESPACE, missing};

/// What all handles share.
pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) options: DeliveryOptions,
    pub(super) memory: Memory,
    pub(super) room: Room,
    pub(super) helpers: Helpers,
    /// They end with it.
    pub(super) probes: Mutex<JoinSet<()>>,
    pub(super) running: Mutex<BTreeMap<DeliveryName, Running>>,
    /// Held while delivery streams are made, changed and deleted; true once none may be any more.
    pub(super) changes: tokio::sync::Mutex<bool>,
}

impl Inner {
    /// Begins a change, which is alone until what is returned is dropped.
    pub(super) async fn begin(&self) -> Result<MutexGuard<'_, bool>> {
        let closed = self.changes.lock().await;
        match *closed {
            true => Err(Error::unavailable("the server is stopping")),
            false => Ok(closed),
        }
    }

    /// Checks that a table is there, and that it can be appended to: before others have to wait for the catalog.
    pub(super) async fn check_table(&self, settings: &DeliverySettings) -> Result<()> {
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
    pub(super) async fn check(&self, settings: &DeliverySettings) -> Result<()> {
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
    pub(super) async fn make_buffer(&self, name: &DeliveryName) -> Result<()> {
        let new = NewStream::new(delivery_stream(name.as_str())?, StreamKind::Delivery);
        match self.engine.deliveries().create_stream(new).await {
            Err(error) if error.kind() != ErrorKind::InUse => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes streams of records whose delivery stream is no more.
    pub(super) async fn remove_leftovers(&self, wanted: &BTreeSet<StreamName>) -> Result<()> {
        let engine = self.engine.deliveries();
        for stream in engine.list_streams(None, usize::MAX) {
            if !wanted.contains(&stream.name) {
                engine.delete_stream(&stream.name).await?;
            }
        }
        Ok(())
    }

    /// Removes what is kept of how far a delivery stream is.
    pub(super) async fn clear(&self, id: u64) -> Result<()> {
        let spool = self.spool(id);
        blocking("clear a spool", move || spool.clear()).await?;
        State::forget(&self.engine.settings(), id).await
    }

    pub(super) fn spool(&self, id: u64) -> Spool {
        Spool::new(Arc::clone(&self.fs), &self.options.directory, id)
    }

    pub(super) fn kept(&self, name: &DeliveryName) -> Result<Arc<Kept>> {
        let running = self.running.lock();
        let running = running.get(name).ok_or_else(|| missing(name))?;
        Ok(Arc::clone(&running.kept))
    }

    /// Keeps what was changed, durably, and lets the delivery stream go on with it.
    pub(super) async fn change(&self, name: &DeliveryName, changed: Kept) -> Result<()> {
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

    pub(super) async fn keep(&self, name: &DeliveryName, changed: Arc<Kept>) -> Result<()> {
        let settings = self.engine.settings();
        settings
            .put_row(NAMESPACE, name.as_str(), &*changed)
            .await?;
        if let Some(running) = self.running.lock().get_mut(name) {
            running.kept = changed;
        }
        Ok(())
    }

    pub(super) fn start(&self, name: DeliveryName, kept: Arc<Kept>) -> Result<()> {
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

    pub(super) fn spawn(
        &self,
        name: &DeliveryName,
        kept: &Kept,
        status: &Arc<Status>,
    ) -> Result<Task> {
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
