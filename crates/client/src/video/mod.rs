//! Video: sending what a camera makes, and reading it back.
//!
//! An [`Uploader`] takes fragmented MP4 in pieces of any size and sends each fragment while it is
//! being made. Fragments that are not durable yet are kept, in memory or in a spool directory, and
//! sent again after a broken connection or a restart.

mod fetch;
mod options;
mod queue;
mod session;
mod spool;

use std::fmt;
use std::sync::Arc;

use afflux_media::fmp4::{Event, Splitter, Started};
use afflux_media::{Continuity, Limits, Timeline};
use afflux_types::{Error, ProducerTime, Result, StreamName};
use afflux_wire::message::{FragmentStart, Tag};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

pub use fetch::{Fetch, Follow};
pub use options::{
    PlacedFragment, SessionId, Source, Spool, StateHook, TimeOrigin, UploaderOptions,
};
use queue::Queue;
use spool::Directory;

use crate::connect::Client;
use crate::stopped;

/// Sends one run of a camera to one video stream.
///
/// Dropping it stops at once; what is not durable by then stays in the spool directory, if there is
/// one.
pub struct Uploader {
    shared: Arc<Shared>,
    splitter: Splitter,
    timeline: Option<Timeline>,
    origin: TimeOrigin,
    tags: Vec<Tag>,
    init: Bytes,
    /// Fragments that the server has of an input that comes again.
    skip: u64,
    /// The current fragment is one of them.
    skipping: bool,
    /// The next fragment does not continue the one before.
    broken: bool,
    skipped: u64,
}

struct Shared {
    client: Client,
    stream: StreamName,
    session: SessionId,
    on_state: Option<StateHook>,
    queue: Mutex<Queue>,
    spool: Option<Directory>,
    /// There may be something to write.
    pushed: Notify,
    /// A fragment changed its state, or the uploader has stopped.
    progress: Notify,
    stopped: Mutex<Option<Arc<Error>>>,
    over: watch::Sender<bool>,
}

impl Client {
    /// An uploader of video to `stream`.
    ///
    /// With [`Source::Replay`] it asks the server first which fragments it has. With
    /// [`Source::Live`] it starts without the server, and sends when it can.
    ///
    /// # Errors
    /// `InUse` if the spool belongs to another uploader, `DataLoss` if it is damaged; with `Replay`
    /// what the server answers.
    pub async fn uploader(
        &self,
        stream: &StreamName,
        options: UploaderOptions,
    ) -> Result<Uploader> {
        let mut skip = 0;
        let (session, spool, queue) = match &options.source {
            Source::Replay(session) => {
                skip = self.next_fragment(stream, *session).await?;
                let queue = Queue::new(skip, options.spool_bytes_max);
                (*session, None, queue)
            }
            Source::Live(Spool::Memory) => {
                let queue = Queue::new(0, options.spool_bytes_max);
                (SessionId::random(), None, queue)
            }
            Source::Live(Spool::Directory(path)) => {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || Directory::open(&path)).await;
                let (spool, found) =
                    opened.map_err(|error| Error::internal("spool").with_source(error))??;
                let mut queue = Queue::new(found.first, options.spool_bytes_max);
                found.bytes.iter().for_each(|bytes| queue.found(*bytes));
                (found.session, Some(spool), queue)
            }
        };
        let broken = !queue.is_empty();
        let shared = Arc::new(Shared {
            client: self.clone(),
            stream: stream.clone(),
            session,
            on_state: options.on_state,
            queue: Mutex::new(queue),
            spool,
            pushed: Notify::new(),
            progress: Notify::new(),
            stopped: Mutex::default(),
            over: watch::Sender::new(false),
        });
        tokio::spawn(session::run(Arc::clone(&shared)));
        Ok(Uploader {
            shared,
            splitter: Splitter::new(Limits::default()),
            timeline: None,
            origin: options.origin,
            tags: options.tags,
            init: Bytes::new(),
            skip,
            skipping: false,
            broken,
            skipped: 0,
        })
    }

    /// The number of the first fragment of a session that the server lacks.
    async fn next_fragment(&self, stream: &StreamName, session: SessionId) -> Result<u64> {
        let mut backoff = self.backoff();
        loop {
            match session::open(self, stream.as_str(), session.to_bytes()).await {
                Ok((_, opened)) => return Ok(opened.next_fragment),
                Err(trouble) => Self::pause(&mut backoff, trouble).await?,
            }
        }
    }
}

impl Uploader {
    /// Takes the next bytes of the input, cut anywhere; waits while the spool is full.
    ///
    /// # Errors
    /// `Invalid` if the input is not fragmented MP4; what stopped the upload for good.
    pub async fn push(&mut self, bytes: Bytes) -> Result<()> {
        self.splitter.push(bytes);
        while let Some(event) = self.splitter.poll().map_err(malformed)? {
            match event {
                Event::Init(init) => self.init = init.bytes().clone(),
                Event::Started(started) => self.begin(&started).await?,
                Event::Data(piece) if !self.skipping => {
                    self.room().await?;
                    self.shared.queue.lock().data(piece);
                    self.shared.pushed.notify_one();
                }
                Event::Data(_) => {}
                Event::Finished { .. } => self.end().await?,
            }
        }
        Ok(())
    }

    /// Takes a whole fragment from a source that knows itself when it was made; waits while the
    /// spool is full. Not to be mixed with [`Uploader::push`].
    ///
    /// # Errors
    /// What stopped the upload for good.
    pub async fn push_fragment(&mut self, fragment: PlacedFragment) -> Result<()> {
        self.init = fragment.init;
        self.begin_at(fragment.producer_time, fragment.continuity)
            .await?;
        if !self.skipping {
            let mut queue = self.shared.queue.lock();
            fragment
                .boxes
                .into_iter()
                .for_each(|piece| queue.data(piece));
        }
        self.shared.pushed.notify_one();
        self.end().await
    }

    /// Whether the spool has room: if not, [`Uploader::push_fragment`] would wait, and what comes
    /// from a live source in the meantime is better dropped.
    ///
    /// # Errors
    /// What stopped the upload for good.
    pub fn has_room(&self) -> Result<bool> {
        if let Some(error) = self.shared.stopped.lock().as_deref() {
            return Err(stopped("uploader", error));
        }
        Ok(self.shared.queue.lock().has_room())
    }

    /// Says that the input is over, and waits until everything is durable; returns how many
    /// fragments of the session are.
    ///
    /// # Errors
    /// `Invalid` if the input ended inside a fragment; what stopped the upload for good.
    pub async fn finish(self) -> Result<u64> {
        let ended = self.splitter.finish().map_err(malformed);
        let persisted = self.flush().await?;
        ended.map(|()| persisted)
    }

    /// Waits until every whole fragment is durable; returns how many of the session are. Cancel
    /// safe.
    ///
    /// # Errors
    /// What stopped the upload for good.
    pub async fn flush(&self) -> Result<u64> {
        let queue = &self.shared.queue;
        // What is not whole will never be durable.
        let whole = queue.lock().whole_end();
        self.until(|| queue.lock().settled() >= whole).await?;
        Ok(self.persisted())
    }

    /// The session's name.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.shared.session
    }

    /// Fragments of the session that are durable.
    #[must_use]
    pub fn persisted(&self) -> u64 {
        self.shared.queue.lock().persisted()
    }

    /// Fragments of the input that were passed over because the server has them.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    async fn begin(&mut self, started: &Started) -> Result<()> {
        let (producer_time, continuity) = self.place(started);
        self.begin_at(producer_time, continuity).await
    }

    async fn begin_at(
        &mut self,
        producer_time: ProducerTime,
        continuity: Continuity,
    ) -> Result<()> {
        self.skipping = self.skipped < self.skip;
        if self.skipping {
            self.skipped += 1;
            return Ok(());
        }
        self.room().await?;
        let start = FragmentStart {
            number: 0,
            producer_time_ms: producer_time.as_millis(),
            tags: self.tags.clone(),
            discontinuity: continuity == Continuity::Discontinuous || self.broken,
        };
        self.broken = false;
        self.shared.queue.lock().begin(self.init.clone(), start);
        self.shared.pushed.notify_one();
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        if std::mem::take(&mut self.skipping) {
            return Ok(());
        }
        let shared = &self.shared;
        let stored = shared.queue.lock().end();
        shared.pushed.notify_one();
        if let Some(stored) = stored
            && shared.spool.is_some()
        {
            let number = stored.start.number;
            shared.spool(move |spool| spool.store(stored)).await?;
            let is_durable = {
                let mut queue = shared.queue.lock();
                queue.spooled(number);
                queue.persisted() > number
            };
            if is_durable {
                // The server was faster than the disk.
                shared.spool(move |spool| spool.remove(number)).await?;
            }
        }
        Ok(())
    }

    /// The fragment's place in the producer's time.
    fn place(&mut self, started: &Started) -> (ProducerTime, Continuity) {
        let meta = started.reference();
        let now = self.shared.client.config().clock.wall().as_millis();
        let Some(meta) = meta else {
            return (ProducerTime::from_millis(now), Continuity::Continuous);
        };
        let zero = match self.origin {
            TimeOrigin::At(zero) => zero,
            TimeOrigin::FirstIsNow => {
                let base = i64::try_from(meta.base_ms()).unwrap_or(i64::MAX);
                ProducerTime::from_millis(now.saturating_sub(base))
            }
        };
        let timeline = self.timeline.get_or_insert_with(|| Timeline::new(zero));
        let placement = timeline.place(&meta);
        (placement.producer_time, placement.continuity)
    }

    async fn room(&self) -> Result<()> {
        self.until(|| self.shared.queue.lock().has_room()).await
    }

    /// Waits until `holds`, which only progress changes.
    async fn until(&self, holds: impl Fn() -> bool) -> Result<()> {
        loop {
            let progress = self.shared.progress.notified();
            tokio::pin!(progress);
            // Registers before the check, so that no progress is missed in between.
            progress.as_mut().enable();
            if let Some(error) = self.shared.stopped.lock().as_deref() {
                return Err(stopped("uploader", error));
            }
            if holds() {
                return Ok(());
            }
            progress.await;
        }
    }
}

impl Shared {
    fn stop(&self, error: Error) {
        tracing::warn!(stream = %self.stream, error = %error.chain(), "uploader stops");
        *self.stopped.lock() = Some(Arc::new(error));
        self.progress.notify_waiters();
    }

    async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender is part of `self`: it is not gone while this waits.
        let _ = over.wait_for(|over| *over).await;
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        self.shared.over.send_replace(true);
    }
}

impl fmt::Debug for Uploader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploader")
            .field("stream", &self.shared.stream)
            .field("session", &self.shared.session)
            .finish_non_exhaustive()
    }
}

fn malformed(error: afflux_media::Error) -> Error {
    Error::invalid(format!("the input is not usable: {error}")).with_source(error)
}
