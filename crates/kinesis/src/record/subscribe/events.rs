//! The frames of one subscription, one at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afflux_aws::kinesis::output::{ChildShard, Record, SubscribeToShardEvent};
use afflux_aws::kinesis::{Error, Origin, event_stream};
use afflux_engine::{ConsumerDescription, Event, KeyFault, Slice, Subscription};
use afflux_types::{ErrorKind, Position, ServerTime};
use bytes::Bytes;
use tokio::time::Instant;

use super::in_use;
use super::seats::Seat;
use crate::context::Context;
use crate::record::found::Walk;
use crate::record::throttle::{Bucket, READ_BYTES_PER_SECOND};
use crate::record::{child_shards, encryption, millis_behind};

/// How long a subscription lasts.
const LASTS: Duration = Duration::from_secs(300);
/// A consumer hears at least this often where it stands.
const EVENT_EVERY: Duration = Duration::from_secs(5);
/// Data and keys of one event, unless a single record is larger.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// Records of one event.
const EVENT_RECORDS_MAX: usize = 10_000;
/// Events that may come at once, as many as client libraries hold; then one every two milliseconds, so
/// that a trickle of commits does not become a frame each.
const EVENTS_AT_ONCE: Duration = Duration::from_millis(20);
const EVENTS_PER_SECOND: u64 = 500;

/// The frames of a subscription.
///
/// Dropping it ends the subscription.
pub struct Events {
    to: Arc<Context>,
    subscription: Subscription,
    /// Left as soon as the subscription is over.
    seat: Option<Seat>,
    consumer: ConsumerDescription,
    origin: Origin,
    phase: Phase,
    /// The next record to send.
    position: Position,
    /// When the last record that was sent arrived.
    arrival: Option<ServerTime>,
    /// What has been read and not been sent.
    slice: Option<Slice>,
    started: Instant,
    /// When to send an event even without records.
    event_due: Instant,
    /// When to look whether the consumer is still registered.
    look_due: Instant,
    pace: Bucket,
    bytes: Option<Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Running,
    Over,
}

/// What woke a subscription.
enum Wake {
    /// Its seat was taken, a time has come, or there is room again.
    Look,
    Event(afflux_types::Result<Event>),
}

impl Events {
    pub(super) fn new(
        to: Arc<Context>,
        subscription: Subscription,
        seat: Seat,
        consumer: ConsumerDescription,
        origin: Origin,
    ) -> Self {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let bytes = Bucket::new(READ_BYTES_PER_SECOND, second);
        Self {
            bytes: to.options.throttled.then_some(bytes),
            position: subscription.position(),
            to,
            subscription,
            seat: Some(seat),
            consumer,
            origin,
            phase: Phase::Opening,
            arrival: None,
            slice: None,
            started: now,
            event_due: now + EVENT_EVERY,
            look_due: now + EVENT_EVERY,
            pace: Bucket::new(EVENTS_PER_SECOND, EVENTS_AT_ONCE),
        }
    }

    /// Waits for the next frame; `None` once the subscription is over.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is lost that was not returned.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.phase {
            Phase::Opening => {
                self.phase = Phase::Running;
                return Some(event_stream::initial_response());
            }
            Phase::Running => {}
            Phase::Over => return None,
        }
        loop {
            let now = Instant::now();
            if self.seat.as_ref().is_some_and(Seat::is_lost) {
                let shard = self.subscription.shard();
                let error = in_use(
                    &self.to,
                    shard.stream_name(),
                    shard.id(),
                    &self.consumer.name,
                );
                return Some(self.fail(&error));
            }
            if now >= self.look_due {
                self.look_due = now + EVENT_EVERY;
                if let Err(error) = self.check_consumer() {
                    return Some(self.fail(&error));
                }
            }
            if now >= self.started + LASTS {
                self.leave();
                return None;
            }
            let room_at = self.room_at(now);
            if room_at <= now && self.slice.is_some() {
                match self.send_records(now) {
                    Ok(Some(frame)) => return Some(frame),
                    Ok(None) => continue,
                    Err(error) => return self.end(&error),
                }
            }
            if now >= self.event_due {
                return Some(self.send(now, Vec::new(), None));
            }
            match self.wait(now, room_at).await {
                Wake::Look => {}
                Wake::Event(Ok(Event::Slice(slice))) => self.slice = Some(slice),
                Wake::Event(Ok(Event::Lagged { to, .. })) => self.position = to,
                Wake::Event(Ok(Event::ShardEnd { children, .. })) => {
                    let frame = self.send(now, Vec::new(), Some(child_shards(&children)));
                    self.leave();
                    return Some(frame);
                }
                Wake::Event(Err(error)) => return self.end(&error),
            }
        }
    }

    /// Waits for records, if some can be sent, and for whatever time comes first.
    async fn wait(&mut self, now: Instant, room_at: Instant) -> Wake {
        let mut look_at = (self.started + LASTS)
            .min(self.event_due)
            .min(self.look_due);
        let has_room = room_at <= now;
        if !has_room {
            look_at = look_at.min(room_at);
        }
        tokio::select! {
            biased;
            () = lost(self.seat.as_ref()) => Wake::Look,
            event = self.subscription.next(EVENT_BYTES_MAX), if has_room => Wake::Event(event),
            () = tokio::time::sleep_until(look_at) => Wake::Look,
        }
    }

    /// When the next records may be sent.
    fn room_at(&self, now: Instant) -> Instant {
        let elapsed = now - self.started;
        let bytes = self
            .bytes
            .map_or(Duration::ZERO, |bytes| bytes.wait(elapsed));
        now + self.pace.wait(elapsed).max(bytes)
    }

    /// The next event of the slice, `None` if it has no more records.
    fn send_records(&mut self, now: Instant) -> afflux_types::Result<Option<Bytes>> {
        let Some(slice) = self.slice.take() else {
            return Ok(None);
        };
        let encryption = encryption(self.subscription.shard());
        let mut walk = Walk::new(&slice.bytes, self.position);
        let (mut records, mut bytes, mut is_full) = (Vec::new(), 0, false);
        for record in &mut walk {
            let record = record?;
            let sum = bytes + record.len();
            is_full = sum > EVENT_BYTES_MAX || records.len() >= EVENT_RECORDS_MAX;
            if is_full && !records.is_empty() {
                break;
            }
            bytes = sum;
            self.position = record.position.advance(1);
            self.arrival = Some(record.arrival);
            records.push(record.record(self.origin, encryption));
            is_full = false;
        }
        if is_full {
            self.slice = Some(Slice {
                bytes: slice.bytes.slice_ref(walk.left()),
                ..slice.clone()
            });
        } else {
            self.position = slice.end;
        }
        if records.is_empty() {
            return Ok(None);
        }
        let elapsed = now - self.started;
        self.pace.take(elapsed, 1);
        if let Some(bucket) = &mut self.bytes {
            bucket.take(elapsed, bytes);
        }
        Ok(Some(self.send(now, records, None)))
    }

    /// An event, the last one if there are children.
    fn send(
        &mut self,
        now: Instant,
        records: Vec<Record<'_>>,
        child_shards: Option<Vec<ChildShard>>,
    ) -> Bytes {
        self.event_due = now + EVENT_EVERY;
        let time = self.to.clock.wall();
        let shard = self.subscription.shard();
        let continuation = || self.origin.before(self.position, time);
        event_stream::event(&SubscribeToShardEvent {
            records,
            continuation_sequence_number: child_shards.is_none().then(continuation),
            millis_behind_latest: millis_behind(shard, self.position, self.arrival, time),
            child_shards,
        })
    }

    /// Whether the consumer is still registered.
    fn check_consumer(&self) -> Result<(), Error> {
        let stream = self.subscription.shard().stream_name();
        let consumers = self.to.engine.list_consumers(stream);
        let consumers = consumers.map_err(|error| self.to.stream_error(&error, stream.as_str()))?;
        if consumers.contains(&self.consumer) {
            return Ok(());
        }
        Err(self.to.no_consumer(&self.consumer.name))
    }

    /// Ends the subscription for an error of the engine. A server that stops says nothing: the client
    /// goes on from its last continuation.
    fn end(&mut self, error: &afflux_types::Error) -> Option<Bytes> {
        if error.kind() == ErrorKind::Unavailable && KeyFault::of(error).is_none() {
            self.leave();
            return None;
        }
        let shard = self.subscription.shard();
        let error = self.to.stream_error(error, shard.stream_name().as_str());
        Some(self.fail(&error))
    }

    /// The frame of an error, behind which nothing follows.
    fn fail(&mut self, error: &Error) -> Bytes {
        self.leave();
        event_stream::exception(error)
    }

    fn leave(&mut self) {
        self.phase = Phase::Over;
        self.seat = None;
        self.slice = None;
    }
}

/// Waits until somebody takes the seat. Cancel safe.
async fn lost(seat: Option<&Seat>) {
    match seat {
        Some(seat) => seat.lost().await,
        None => std::future::pending().await,
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("consumer", &self.consumer.name)
            .field("subscription", &self.subscription)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
