//! One shard's task: a subscription that is made again when it breaks, where it stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use afflux_entry::Kind;
use afflux_types::{Position, Result, ShardId};
use afflux_wire::message::{self, Activity, ShardEnd, Start, Subscribe};
use afflux_wire::session::subscribe::{Delivery, Receiver};
use afflux_wire::{EntryLimits, EntryRope, Frame, Item, WireError};
use tokio::sync::Notify;

use super::options::Begun;
use super::{Batch, Event, Events, Held, Shared};
use crate::connect::{Backoff, Client, Stream, Trouble, Writer};

/// Counts what the application took from one shard, for its task to grant again.
#[derive(Debug, Default)]
pub(super) struct Meter {
    consumed: AtomicUsize,
    changed: Notify,
}

impl Meter {
    /// The application took `bytes`; wakes the task once there is something worth granting.
    pub(super) fn add(&self, bytes: usize, worth: usize) {
        let before = self.consumed.fetch_add(bytes, Ordering::AcqRel);
        if before < worth && before + bytes >= worth {
            self.changed.notify_one();
        }
    }

    fn take(&self) -> usize {
        self.consumed.swap(0, Ordering::AcqRel)
    }
}

/// How a QUIC stream of a subscription ended well.
enum Ended {
    Shard(ShardEnd),
    /// The application dropped the consumer.
    Dropped,
}

/// Starts the task that reads a shard.
pub(super) fn begin(shared: &Arc<Shared>, events: &Events, shard: ShardId, begun: Begun) {
    let task = Task {
        meter: Arc::default(),
        receiver: Receiver::new(shared.credit_bytes),
        start: shared.options.from.of(shard, begun),
        backoff: shared.client.backoff(),
        shard,
        events: events.clone(),
        shared: Arc::clone(shared),
    };
    tokio::spawn(task.run());
}

struct Task {
    shared: Arc<Shared>,
    events: Events,
    shard: ShardId,
    start: message::From,
    receiver: Receiver,
    meter: Arc<Meter>,
    backoff: Backoff,
}

impl Task {
    /// Reads the shard to its end, then begins the shards that follow it.
    async fn run(mut self) {
        let shard = self.shard;
        match self.read().await {
            Ok(Ended::Dropped) => {}
            Ok(Ended::Shard(end)) => {
                let children = end.children.iter();
                let event = Event::ShardEnd {
                    shard,
                    children: children.map(|child| ShardId::new(child.shard)).collect(),
                };
                self.send(Ok(event)).await;
                let next = self.shared.lineage.lock().handle_end(shard, &end.children);
                for shard in next {
                    begin(&self.shared, &self.events, shard, Begun::AfterParents);
                }
            }
            Err(error) => self.send(Err(error)).await,
        }
    }

    async fn send(&self, event: Result<Event>) {
        // Fails when the application dropped the consumer; the task notices by itself.
        let _ = self.events.send(event).await;
    }

    async fn read(&mut self) -> Result<Ended> {
        loop {
            let events = self.events.clone();
            let trouble = tokio::select! {
                ended = self.session() => match ended {
                    Ok(ended) => return Ok(ended),
                    Err(trouble) => trouble,
                },
                () = events.closed() => return Ok(Ended::Dropped),
            };
            tokio::select! {
                paused = Client::pause(&mut self.backoff, trouble) => paused?,
                () = events.closed() => return Ok(Ended::Dropped),
            }
        }
    }

    async fn session(&mut self) -> Result<Ended, Trouble> {
        let next = self.receiver.next();
        let from = next.map_or(self.start, |next| message::From::Position(next.get()));
        let options = &self.shared.options;
        let consumer = options.consumer.as_ref();
        self.receiver.handle_consumed(self.meter.take());
        let subscribe = Subscribe {
            stream: self.shared.stream.as_str().to_owned(),
            shard: self.shard.get(),
            start: Some(Start { from: Some(from) }),
            credit_bytes: self.receiver.open(),
            consumer: consumer.map_or_else(String::new, |name| name.as_str().to_owned()),
        };
        let activity = Activity::Subscribe(subscribe);
        let mut stream = self
            .shared
            .client
            .open(activity, EntryLimits::all())
            .await?;
        match stream.reader.frame("instead of SubscribeOpened").await? {
            Frame::SubscribeOpened(opened) => self.handle_opened(&opened, next.is_some()).await?,
            other => return Err(Trouble::unexpected(&other, "instead of SubscribeOpened")),
        }
        self.follow(&mut stream).await
    }

    async fn handle_opened(
        &mut self,
        opened: &message::SubscribeOpened,
        resumed: bool,
    ) -> Result<(), Trouble> {
        let before = self.receiver.next();
        self.receiver.handle_opened(opened)?;
        if let (true, Some(from), Some(to)) = (resumed, before, self.receiver.next())
            && from < to
        {
            let shard = self.shard;
            self.send(Ok(Event::Lagged { shard, from, to })).await;
        }
        Ok(())
    }

    async fn follow(&mut self, stream: &mut Stream) -> Result<Ended, Trouble> {
        let meter = Arc::clone(&self.meter);
        loop {
            tokio::select! {
                item = stream.reader.next() => match item? {
                    Some(Item::Entry(entry)) => {
                        self.backoff.reset();
                        self.handle_entry(entry).await?;
                    }
                    Some(Item::Frame(frame)) => {
                        if let Some(end) = self.handle_frame(frame).await? {
                            return Ok(Ended::Shard(end));
                        }
                    }
                    None => return Err(WireError::Cut { what: "a subscription" }.into()),
                },
                () = meter.changed.notified() => {}
            }
            self.grant(&mut stream.writer).await?;
        }
    }

    async fn handle_entry(&mut self, entry: EntryRope) -> Result<(), Trouble> {
        let len = entry.entry_len();
        match self.receiver.handle_entry(&entry.header)? {
            Delivery::Deliver { skip } if entry.header.kind != Kind::Marker => {
                let batch = Batch::new(self.shard, entry, skip);
                let meter = Arc::clone(&self.meter);
                self.send(Ok(Event::Batch(batch, Held(meter)))).await;
            }
            Delivery::Deliver { .. } | Delivery::Drop => self.receiver.handle_consumed(len),
        }
        Ok(())
    }

    async fn handle_frame(&mut self, frame: Frame) -> Result<Option<ShardEnd>, Trouble> {
        match frame {
            Frame::Progress(progress) => {
                self.backoff.reset();
                let position = Position::new(progress.position);
                let shard = self.shard;
                self.send(Ok(Event::Progress { shard, position })).await;
            }
            Frame::Lagged(lagged) => {
                let (from, to) = self.receiver.handle_lagged(lagged)?;
                let shard = self.shard;
                self.send(Ok(Event::Lagged { shard, from, to })).await;
            }
            Frame::ShardEnd(end) => {
                self.receiver.handle_shard_end(&end)?;
                return Ok(Some(end));
            }
            other => return Err(Trouble::unexpected(&other, "in a subscription")),
        }
        Ok(None)
    }

    async fn grant(&mut self, writer: &mut Writer) -> Result<(), Trouble> {
        self.receiver.handle_consumed(self.meter.take());
        if let Some(grant) = self.receiver.poll_grant() {
            // A server that has stopped reading has sent, or will send, the end of the subscription.
            let _ = writer.frame(&grant.into()).await?;
        }
        Ok(())
    }
}
