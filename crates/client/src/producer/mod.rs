//! Producing: records in, batches out, one QUIC stream for each shard.
//!
//! A [`Producer`] writes records straight into the batch that goes over the wire: no record is
//! allocated, boxed or awaited by itself. Batches leave when they are full, when nothing is in
//! flight, or after a short linger, so that latency is low at low load and batches are large at high
//! load. Everything unacknowledged is kept and sent again after a broken connection; the server
//! recognises it. When a shard is split or merged, what it did not take goes to its children.

mod lane;
mod options;
mod routes;
mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afflux_types::{Error, HashKey, HashKeyRange, Result, ShardId, StreamName};
use parking_lot::Mutex;
use rand::Rng;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};

pub use options::{AckedBatch, AckedHook, ProducerOptions, PutError, Receipt};
pub use state::Counts;
use state::{Nudge, State, Ticket};

use crate::connect::Client;
use crate::stopped;

/// Sends records to one stream. Clones share everything.
///
/// Dropping the last clone stops at once; records that are not acknowledged by then may or may not
/// be stored. Call [`Producer::flush`] first.
#[derive(Clone)]
pub struct Producer(Arc<Owner>);

/// Stops the tasks when the last handle is gone.
struct Owner(Arc<Shared>);

struct Shared {
    client: Client,
    stream: StreamName,
    producer_id: Option<u64>,
    linger: Duration,
    on_acked: Option<AckedHook>,
    state: Mutex<State>,
    /// Batches were acknowledged, or the producer has stopped.
    progress: Notify,
    /// True once there is nothing to do any more.
    over: watch::Sender<bool>,
    runtime: Handle,
}

impl Client {
    /// A producer of records for `stream`.
    ///
    /// # Errors
    /// `NotFound` if there is no such stream; `Invalid` if the options are not usable.
    pub async fn producer(
        &self,
        stream: &StreamName,
        options: ProducerOptions,
    ) -> Result<Producer> {
        options.check()?;
        let (record_bytes_max, shards) = open_shards(self, stream).await?;
        let shared = Shared {
            client: self.clone(),
            stream: stream.clone(),
            producer_id: options
                .idempotent
                .then(|| rand::rng().random_range(1..=u64::MAX)),
            linger: options.linger,
            on_acked: options.on_acked.clone(),
            state: Mutex::new(State::new(&options, record_bytes_max, &shards)?),
            progress: Notify::new(),
            over: watch::Sender::new(false),
            runtime: Handle::current(),
        };
        Ok(Producer(Arc::new(Owner(Arc::new(shared)))))
    }
}

/// The largest record of a stream, and its open shards.
async fn open_shards(
    client: &Client,
    stream: &StreamName,
) -> Result<(usize, Vec<(ShardId, HashKeyRange)>)> {
    let description = client.describe_stream(stream).await?;
    let record_bytes_max = usize::try_from(description.record_bytes_max).unwrap_or(usize::MAX);
    let mut shards = Vec::with_capacity(description.shards.len());
    for shard in description.shards.iter().filter(|shard| !shard.closed) {
        let range = shard
            .range
            .ok_or_else(|| Error::internal("the server described a shard without its range"))?;
        shards.push((ShardId::new(shard.shard), range.to_range()?));
    }
    Ok((record_bytes_max, shards))
}

impl Producer {
    /// Takes a record at once, or says why not. This is the fast path: it neither waits nor
    /// allocates for the record.
    ///
    /// # Errors
    /// [`PutError::Full`] if too much is unacknowledged; the record was not taken.
    pub fn put_nowait(
        &self,
        partition_key: &[u8],
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> Result<(), PutError> {
        self.put_ticket(partition_key, explicit_hash_key, data, None)
    }

    /// Takes a record, when there is room for it. It is durable only after [`Producer::flush`].
    ///
    /// # Errors
    /// If the record is not valid, or the producer has stopped.
    pub async fn send(&self, partition_key: &str, data: &[u8]) -> Result<()> {
        self.send_ticket(partition_key, data, || None).await
    }

    /// Puts a record and waits until it is durable.
    ///
    /// # Errors
    /// If the record is not valid, or the producer has stopped.
    pub async fn put(&self, partition_key: &str, data: &[u8]) -> Result<Receipt> {
        let mut receipt = None;
        let ticket = || {
            let (ticket, receiver) = oneshot::channel();
            receipt = Some(receiver);
            Some(ticket)
        };
        self.send_ticket(partition_key, data, ticket).await?;
        let receipt =
            receipt.ok_or_else(|| Error::internal("a record was put without a ticket"))?;
        receipt.await.map_err(|_| self.why_stopped())
    }

    /// Waits until everything that was put before is durable.
    ///
    /// # Errors
    /// If the producer has stopped.
    pub async fn flush(&self) -> Result<()> {
        let shared = &self.0.0;
        let (id, nudges) = shared.state.lock().seal_all();
        for nudge in nudges {
            shared.nudge(Some(nudge));
        }
        loop {
            let progress = shared.progress.notified();
            tokio::pin!(progress);
            // Registers before the check, so that no progress is missed in between.
            progress.as_mut().enable();
            {
                let state = shared.state.lock();
                if let Some(error) = &state.stopped {
                    return Err(stopped("producer", error));
                }
                if state.acked_below(id) {
                    return Ok(());
                }
            }
            progress.await;
        }
    }

    /// How far the producer is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.0.state.lock().counts
    }

    /// Bytes of records that are not acknowledged.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.0.0.state.lock().held()
    }

    fn put_ticket(
        &self,
        partition_key: &[u8],
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
        ticket: Option<Ticket>,
    ) -> Result<(), PutError> {
        let shared = &self.0.0;
        let nudge = shared
            .state
            .lock()
            .put(partition_key, explicit_hash_key, data, ticket)?;
        if nudge.is_some() {
            shared.nudge(nudge);
        }
        Ok(())
    }

    async fn send_ticket(
        &self,
        partition_key: &str,
        data: &[u8],
        mut ticket: impl FnMut() -> Option<Ticket>,
    ) -> Result<()> {
        loop {
            let progress = self.0.0.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            match self.put_ticket(partition_key.as_bytes(), None, data, ticket()) {
                Ok(()) => return Ok(()),
                Err(PutError::Full { .. }) => progress.await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn why_stopped(&self) -> Error {
        let state = self.0.0.state.lock();
        state.stopped.as_deref().map_or_else(
            || Error::unavailable("producer was dropped"),
            |error| stopped("producer", error),
        )
    }
}

impl Shared {
    fn nudge(self: &Arc<Self>, nudge: Option<Nudge>) {
        match nudge {
            None => {}
            Some(Nudge::Wake(wake)) => wake.notify_one(),
            Some(Nudge::Start(lane)) => {
                self.runtime.spawn(lane::run(Arc::clone(self), lane));
            }
        }
    }

    fn tell(&self, acked: &[AckedBatch]) {
        if let Some(hook) = &self.on_acked {
            acked.iter().for_each(|batch| hook(batch));
        }
        self.progress.notify_waiters();
    }

    fn stop(&self, error: Error) {
        tracing::warn!(stream = %self.stream, error = %error.chain(), "producer stops");
        self.state.lock().stop(error);
        self.over.send_replace(true);
        self.progress.notify_waiters();
    }

    /// Returns once there is nothing to do any more.
    async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender is part of `self`: it is not gone while this waits.
        let _ = over.wait_for(|over| *over).await;
    }

    async fn open_shards(&self) -> Result<Vec<(ShardId, HashKeyRange)>> {
        open_shards(&self.client, &self.stream)
            .await
            .map(|(_, shards)| shards)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.over.send_replace(true);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("stream", &self.0.0.stream)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
