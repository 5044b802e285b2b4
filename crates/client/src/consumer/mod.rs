//! Consuming: every shard of a stream as one sequence of batches.
//!
//! Each shard has a subscription of its own; all of them feed one bounded queue. A subscription that
//! breaks goes on where it stopped, without loss and without repetition, and when a shard is split
//! or merged its children follow once all of their parents have ended.

mod batch;
mod lineage;
mod options;
mod shard;

use std::fmt;
use std::sync::Arc;

use afflux_types::{Error, Position, Result, ShardId, StreamName};
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub use batch::{Batch, Delivered};
use lineage::Lineage;
use options::Begun;
pub use options::{ConsumerOptions, From, Shards};
use shard::Meter;

use crate::connect::Client;

/// Events in the queue between the subscriptions and the application. Their bytes are bounded by the
/// credit.
const EVENTS_MAX: usize = 1_024;
const SHARD_CREDIT_MIN: u64 = 64 << 10;
const SHARD_CREDIT_MAX: u64 = 16 << 20;

/// What a consumer meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerEvent {
    /// Records, or a piece of video.
    Batch(Batch),
    /// Retention deleted records before they were read.
    Lagged {
        /// Where.
        shard: ShardId,
        /// The first position that is lost.
        from: Position,
        /// Where reading goes on.
        to: Position,
    },
    /// Everything that is durable was read; comes when a shard is caught up, and now and then.
    Progress {
        /// Where.
        shard: ShardId,
        /// What comes next.
        position: Position,
    },
    /// All of a closed shard was read; its children come next.
    ShardEnd {
        /// The shard.
        shard: ShardId,
        /// The shards that follow it.
        children: Vec<ShardId>,
    },
}

/// Reads one stream.
///
/// Batches of one shard come in their order; those of different shards as they arrive. Dropping the
/// consumer ends its subscriptions.
pub struct Consumer {
    shared: Arc<Shared>,
    events: mpsc::Receiver<Result<Event>>,
    /// Half of a shard's credit: what is worth granting again.
    worth: usize,
}

/// An event on its way through the queue.
enum Event {
    Batch(Batch, Held),
    Lagged {
        shard: ShardId,
        from: Position,
        to: Position,
    },
    Progress {
        shard: ShardId,
        position: Position,
    },
    ShardEnd {
        shard: ShardId,
        children: Vec<ShardId>,
    },
}

/// Where to report that a batch left the queue.
struct Held(Arc<Meter>);

struct Shared {
    client: Client,
    stream: StreamName,
    options: ConsumerOptions,
    credit_bytes: u64,
    lineage: Mutex<Lineage>,
}

/// The queue to the application, as the tasks have it; it ends when the last task has ended.
type Events = mpsc::Sender<Result<Event>>;

impl Client {
    /// A consumer of `stream`.
    ///
    /// # Errors
    /// `NotFound` if there is no such stream or shard.
    pub async fn consumer(
        &self,
        stream: &StreamName,
        options: ConsumerOptions,
    ) -> Result<Consumer> {
        let description = self.describe_stream(stream).await?;
        if let Shards::One(shard) = options.shards
            && !description.shards.iter().any(|s| s.shard == shard.get())
        {
            return Err(Error::not_found(format!(
                "stream {:?} has no shard {shard}",
                stream.as_str()
            )));
        }
        let (lineage, first) = Lineage::new(&description.shards, &options.from, options.shards);
        let shards = u64::try_from(first.len()).unwrap_or(u64::MAX).max(1);
        let credit_bytes = options.credit_bytes / shards;
        let credit_bytes = credit_bytes.clamp(SHARD_CREDIT_MIN, SHARD_CREDIT_MAX);
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let shared = Arc::new(Shared {
            client: self.clone(),
            stream: stream.clone(),
            options,
            credit_bytes,
            lineage: Mutex::new(lineage),
        });
        for shard in first {
            shard::begin(&shared, &sender, shard, Begun::First);
        }
        Ok(Consumer {
            shared,
            events,
            worth: usize::try_from(credit_bytes / 2).unwrap_or(usize::MAX),
        })
    }
}

impl Consumer {
    /// The next event; `None` when every shard has ended and none follows.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// What stopped a subscription for good. `DataLoss` if bytes that came are damaged.
    pub async fn next(&mut self) -> Result<Option<ConsumerEvent>> {
        match self.events.recv().await {
            Some(event) => self.take(event).map(Some),
            None => Ok(None),
        }
    }

    /// The next batch; other events are passed over. `None` as for [`Consumer::next`].
    ///
    /// # Errors
    /// As [`Consumer::next`].
    pub async fn next_batch(&mut self) -> Result<Option<Batch>> {
        loop {
            match self.next().await? {
                Some(ConsumerEvent::Batch(batch)) => return Ok(Some(batch)),
                Some(
                    ConsumerEvent::Lagged { .. }
                    | ConsumerEvent::Progress { .. }
                    | ConsumerEvent::ShardEnd { .. },
                ) => {}
                None => return Ok(None),
            }
        }
    }

    fn take(&self, event: Result<Event>) -> Result<ConsumerEvent> {
        Ok(match event? {
            Event::Batch(batch, Held(meter)) => {
                meter.add(batch.entry_len(), self.worth);
                ConsumerEvent::Batch(batch)
            }
            Event::Lagged { shard, from, to } => ConsumerEvent::Lagged { shard, from, to },
            Event::Progress { shard, position } => ConsumerEvent::Progress { shard, position },
            Event::ShardEnd { shard, children } => ConsumerEvent::ShardEnd { shard, children },
        })
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("stream", &self.shared.stream)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}
