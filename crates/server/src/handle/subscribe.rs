//! The way out: the entries of one shard, pushed to one consumer as they become durable.
//!
//! A subscription is a position and a credit. What it sends are slices of the mapped log, handed to
//! the transport without a copy; a consumer that does not read costs one slice and no time.
//! Invariant: the sum of entries sent exceeds the credit by less than one entry.

use std::time::Duration;

use afflux_engine::{Engine, Event, From as StartFrom, Slice, StreamKind, Subscription};
use afflux_entry::Kind;
use afflux_media::InitId;
use afflux_types::{ConsumerName, Error, Position, ServerTime, StreamName};
use afflux_video::library::{self, Sent};
use afflux_wire::Frame;
use afflux_wire::message::{
    From as WireFrom, Lagged, Progress, ShardEnd, Start, Subscribe, SubscribeOpened,
};
use afflux_wire::session::subscribe::Credit;
use bytes::Bytes;
use tokio::time::Instant;

use crate::config::Right;
use crate::metrics::Activity;

use super::{Exchange, Outcome, convert, shard_id, stopped, stream_name};

/// Entries that are handed to the transport at once: more holds the map longer without sending
/// faster, less costs more wake-ups.
const SLICE_BYTES_MAX: usize = 512 << 10;
/// A consumer hears at least this often where it stands.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// A consumer that has caught up hears of it after this, so that a trickle of entries is not doubled.
const PROGRESS_AFTER: Duration = Duration::from_millis(100);

struct Session<'a> {
    exchange: &'a mut Exchange,
    subscription: Subscription,
    credit: Credit,
    /// On a video stream: the initialisations that the consumer has got.
    video: Option<Sent>,
    report_at: Instant,
}

/// What woke a session.
enum Wake {
    Event(Event),
    Frame(Option<Frame>),
    Report,
}

/// Serves one subscription.
pub(super) async fn run(exchange: &mut Exchange, request: Subscribe) -> Outcome {
    let stream = stream_name(&request.stream)?;
    exchange.identity.require_on(Right::Consume, &stream)?;
    let engine = &exchange.state.engine;
    if !request.consumer.is_empty() {
        check_consumer(engine, &stream, &ConsumerName::new(&request.consumer)?)?;
    }
    let shard = engine.shard(&stream, shard_id(request.shard)).await?;
    let subscription = shard.subscribe(start(request.start.as_ref())?).await?;
    let _active = exchange.state.metrics.begin(Activity::Subscribe);
    let watermarks = shard.watermarks();
    let opened = SubscribeOpened {
        position: subscription.position().get(),
        trim_horizon: watermarks.trim_horizon.get(),
        durable: watermarks.durable.get(),
    };
    exchange.writer.frame(opened).await?;
    tracing::debug!(from = opened.position, "open");
    let mut session = Session {
        exchange,
        subscription,
        credit: Credit::new(request.credit_bytes),
        video: (shard.kind() == StreamKind::Video).then(Sent::default),
        report_at: Instant::now() + PROGRESS_AFTER,
    };
    session.push().await
}

/// Whether the consumer is registered.
fn check_consumer(
    engine: &Engine,
    stream: &StreamName,
    consumer: &ConsumerName,
) -> Result<(), Error> {
    if engine
        .list_consumers(stream)?
        .iter()
        .any(|known| known.name == *consumer)
    {
        return Ok(());
    }
    Err(Error::not_found(format!(
        "consumer {consumer} is not registered with stream {stream}"
    )))
}

/// Where a request wants to start.
fn start(start: Option<&Start>) -> Result<StartFrom, Error> {
    match start.and_then(|start| start.from.as_ref()) {
        Some(WireFrom::TrimHorizon(_)) => Ok(StartFrom::TrimHorizon),
        Some(WireFrom::Latest(_)) => Ok(StartFrom::Latest),
        Some(WireFrom::Timestamp(ms)) => Ok(StartFrom::At(ServerTime::from_millis(*ms))),
        Some(WireFrom::Position(position)) => Ok(StartFrom::Sequence(Position::new(*position))),
        None => Err(Error::invalid(
            "the Subscribe frame does not say where to start",
        )),
    }
}

impl Session<'_> {
    /// Sends until the shard ends, or the consumer has enough.
    async fn push(&mut self) -> Outcome {
        loop {
            match self.wait().await? {
                Wake::Event(Event::Slice(slice)) => self.send(slice).await?,
                Wake::Event(Event::Lagged { to, .. }) => {
                    self.exchange.state.metrics.lagged_total.inc();
                    self.exchange
                        .writer
                        .frame(Lagged { position: to.get() })
                        .await?;
                }
                Wake::Event(Event::ShardEnd { position, children }) => {
                    let children = children.iter().map(convert::child).collect();
                    let position = position.get();
                    self.exchange
                        .writer
                        .frame(ShardEnd { position, children })
                        .await?;
                    return Ok(());
                }
                Wake::Frame(Some(Frame::Grant(grant))) => self.credit.handle_grant(grant),
                Wake::Frame(Some(frame)) => {
                    return Err(frame.unexpected("on a subscription").into());
                }
                Wake::Frame(None) => return Ok(()),
                Wake::Report => self.report().await?,
            }
        }
    }

    async fn send(&mut self, slice: Slice) -> Outcome {
        let (len, records) = (
            slice.bytes.len(),
            slice.end.get().saturating_sub(slice.first.get()),
        );
        match &mut self.video {
            None => self.exchange.writer.bytes(slice.bytes).await?,
            Some(_) => self.send_video(slice.bytes).await?,
        }
        self.credit.handle_sent(len);
        self.exchange.state.metrics.egress.add(len, records);
        self.report_at = self.report_at.min(Instant::now() + PROGRESS_AFTER);
        Ok(())
    }

    /// Sends video, with an initialisation in front of each fragment that needs one which the
    /// consumer has not got: it stands further back in the log than the consumer started.
    async fn send_video(&mut self, slice: Bytes) -> Outcome {
        let mut rest = slice.clone();
        let mut walked = 0;
        for entry in library::entries(slice) {
            let entry = entry?;
            let (Some(sent), Some(id)) = (&mut self.video, library::init_of(&entry)) else {
                walked += entry.bytes.len();
                continue;
            };
            let is_new = sent.note(id);
            if is_new
                && entry.header.kind == Kind::Fragment
                && let Some(init) = self.find_init(id, &entry).await?
            {
                let before = rest.split_to(walked);
                walked = 0;
                self.exchange.writer.bytes(before).await?;
                self.credit.handle_sent(init.len());
                self.exchange.writer.bytes(init).await?;
            }
            walked += entry.bytes.len();
        }
        self.exchange.writer.bytes(rest).await
    }

    async fn find_init(&self, id: InitId, entry: &library::Entry) -> Result<Option<Bytes>, Error> {
        let Some(stamp) = entry.header.stamp else {
            return Ok(None);
        };
        let shard = self.subscription.shard();
        let recording = self.exchange.state.videos.of(shard.stream_name());
        let body = recording.init(shard, id, stamp.position).await?;
        if body.is_none() {
            tracing::warn!(
                position = stamp.position.get(),
                init = %id,
                "a fragment's codec initialisation is not in the log"
            );
        }
        Ok(body.map(|body| library::init_entry(&body, stamp.position, stamp.arrival)))
    }

    /// Waits for entries that the credit allows, for a frame of the consumer, or for the time to
    /// report.
    async fn wait(&mut self) -> Outcome<Wake> {
        let bytes_max = self.credit.available().min(SLICE_BYTES_MAX);
        let exchange = &mut *self.exchange;
        tokio::select! {
            event = self.subscription.next(bytes_max), if bytes_max > 0 => Ok(Wake::Event(event?)),
            frame = exchange.reader.frame_or_end() => Ok(Wake::Frame(frame?)),
            () = tokio::time::sleep_until(self.report_at) => Ok(Wake::Report),
            () = exchange.stopping.wait() => Err(stopped()),
        }
    }

    /// Says where the subscription stands.
    async fn report(&mut self) -> Outcome {
        let position = self.subscription.position();
        self.report_at = Instant::now() + PROGRESS_EVERY;
        let progress = Progress {
            position: position.get(),
            millis_behind: self.subscription.millis_behind(),
        };
        self.exchange.writer.frame(progress).await
    }
}
