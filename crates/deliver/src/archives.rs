//! All archives of a server: added, removed, listed, started and stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use afflux_engine::Engine;
use afflux_types::{Clock, Error, ErrorKind, Result, StreamName};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::follow::{self, Context, Limits};
use crate::fs::{Disk, FileSystem};
use crate::settings::ArchiveSettings;
use crate::source::EngineStream;
use crate::status::{ArchiveStatus, Status};

/// Where the engine keeps the settings, by stream.
const NAMESPACE: &str = "archive";

/// The archives of an engine's streams, at most one for each; a cheap handle.
///
/// Runs on tokio: make it, and call it, inside a runtime with time enabled.
#[derive(Clone)]
pub struct Archives(Arc<Inner>);

struct Inner {
    engine: Engine,
    clock: Clock,
    limits: Limits,
    running: Mutex<BTreeMap<StreamName, Running>>,
    /// Held while archives are added and removed; true once none may be added any more.
    changes: Arc<tokio::sync::Mutex<bool>>,
}

/// One archive and its task.
struct Running {
    settings: ArchiveSettings,
    status: Arc<Status>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Archives {
    /// Starts the archives that were added before.
    ///
    /// An archive whose directory is missing or whose disk is full does not stand in the way: it is
    /// tried again, and says so in its status.
    ///
    /// # Errors
    /// `DataLoss` if stored settings cannot be read.
    pub fn open(engine: Engine, clock: Clock, limits: Limits) -> Result<Self> {
        let archives = Self(Arc::new(Inner {
            engine,
            clock,
            limits,
            running: Mutex::default(),
            changes: Arc::default(),
        }));
        for (stream, stored) in archives.0.engine.settings().rows(NAMESPACE)? {
            let settings = ArchiveSettings::decode(&stored)?;
            archives.start(StreamName::new(&stream)?, settings);
        }
        Ok(archives)
    }

    /// Archives a stream from its oldest record on, or from where its archive in the same directory
    /// ends.
    ///
    /// Survives a restart of the server, until [`Archives::remove`].
    ///
    /// # Errors
    /// `Invalid` for settings out of their bounds, `NotFound` if the stream or the directory does not
    /// exist, `Denied` if the directory cannot be written to, `InUse` if the stream is archived
    /// already, `Unavailable` if the server is stopping or the disk is full.
    pub async fn add(&self, stream: &StreamName, settings: ArchiveSettings) -> Result<()> {
        let closed = self.0.changes.lock().await;
        if *closed {
            return Err(Error::unavailable("the server is stopping"));
        }
        settings.check()?;
        self.0.engine.describe_stream(stream)?;
        self.check_free(stream)?;
        follow::probe(Arc::new(Disk), &settings.directory).await?;
        let stored = settings.encode()?;
        self.0
            .engine
            .settings()
            .put(NAMESPACE, stream.as_str(), &stored)
            .await?;
        self.start(stream.clone(), settings);
        Ok(())
    }

    /// Keeps a stream from being archived for as long as the returned value lives: so it can be deleted
    /// without leaving an archive of nothing behind.
    ///
    /// # Errors
    /// `InUse` if the stream is archived.
    pub async fn keep_free(&self, stream: &StreamName) -> Result<impl Send + use<>> {
        let changes = Arc::clone(&self.0.changes).lock_owned().await;
        self.check_free(stream)?;
        Ok(changes)
    }

    /// Ends the archive of a stream after finishing its files, which stay.
    ///
    /// # Errors
    /// `NotFound` if the stream is not archived.
    pub async fn remove(&self, stream: &StreamName) -> Result<()> {
        let _changes = self.0.changes.lock().await;
        if !self.0.running.lock().contains_key(stream) {
            return Err(Error::not_found(format!("stream {stream} is not archived")));
        }
        self.0
            .engine
            .settings()
            .delete(NAMESPACE, stream.as_str())
            .await?;
        let running = self.0.running.lock().remove(stream);
        if let Some(running) = running {
            running.end().await;
        }
        Ok(())
    }

    /// How every archive is doing, in the order of their streams.
    #[must_use]
    pub fn list(&self) -> Vec<ArchiveStatus> {
        let now = self.0.clock.elapsed();
        let running = self.0.running.lock();
        let report = |(stream, running): (&StreamName, &Running)| {
            running.status.report(stream, &running.settings, now)
        };
        running.iter().map(report).collect()
    }

    /// Stops all archives after finishing their files. To be called before the engine shuts down.
    ///
    /// # Cancel safety
    /// Call it again after cancelling it.
    pub async fn shutdown(&self) {
        let mut closed = self.0.changes.lock().await;
        *closed = true;
        for running in self.0.running.lock().values() {
            running.stop.send_replace(true);
        }
        loop {
            let next = self.0.running.lock().pop_first();
            match next {
                Some((_, running)) => running.end().await,
                None => return,
            }
        }
    }

    fn check_free(&self, stream: &StreamName) -> Result<()> {
        let running = self.0.running.lock();
        let Some(archived) = running.get(stream) else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::InUse,
            format!(
                "stream {stream} is archived to {} already",
                archived.settings.directory.display()
            ),
        ))
    }

    fn start(&self, stream: StreamName, settings: ArchiveSettings) {
        let (stop, stopped) = watch::channel(false);
        let status = Arc::new(Status::default());
        let fs: Arc<dyn FileSystem> = Arc::new(Disk);
        let context = Context {
            source: EngineStream::new(self.0.engine.clone(), stream.clone()),
            fs,
            clock: self.0.clock.clone(),
            stream: stream.clone(),
            settings: settings.clone(),
            limits: self.0.limits,
            status: Arc::clone(&status),
            stop: stopped,
        };
        let task = tokio::spawn(follow::run(Arc::new(context)));
        self.0.running.lock().insert(
            stream,
            Running {
                settings,
                status,
                stop,
                task,
            },
        );
    }
}

impl Running {
    async fn end(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "an archive's task ended badly");
        }
    }
}

impl fmt::Debug for Archives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archives").finish_non_exhaustive()
    }
}
