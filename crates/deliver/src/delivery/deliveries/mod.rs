//! All delivery streams of a server: made, changed, paused, deleted, started and stopped.

mod inner;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use afflux_engine::{Engine, delivery_stream, random, read_row};
use afflux_types::{Clock, DeliveryName, Error, ErrorKind, Result, StreamName};
use parking_lot::Mutex;

use inner::Inner;

use super::batch::Memory;
use super::helpers::Helpers;
use super::options::DeliveryOptions;
use super::probe::BucketReport;
use super::room::Room;
use super::running::{DeliveryDescription, Kept, Running};
use super::settings::{DeliverySettings, DeliverySource};
use super::state::State;
use crate::fs::Disk;

/// Where the engine keeps delivery streams, by name.
const NAMESPACE: &str = "delivery";

/// The delivery streams of an engine; a cheap handle.
///
/// Runs on tokio: make it, and call it, inside a runtime with time enabled.
#[derive(Clone)]
pub struct Deliveries(Arc<Inner>);

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

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

fn missing(name: &DeliveryName) -> Error {
    Error::not_found(format!("delivery stream {name} does not exist"))
}
