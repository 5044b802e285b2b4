//! Video on its way in: fragments in pieces, as the camera makes them.
//!
//! A fragment is collected, checked, brought into its stored form and appended; the client hears of
//! each step. Invariants: fragments of a session get into the log once and in the order of their
//! numbers, because the session is a producer to the engine and the number its sequence.

mod pieces;

use std::collections::VecDeque;

use afflux_engine::{Accepted, Shard, StreamKind};
use afflux_entry::Producer;
use afflux_media::{Continuity, Facts, Fragment, Init, Limits, Tag};
use afflux_types::limits::FRAGMENT_BYTES_MAX;
use afflux_types::{Error, FragmentNumber, ProducerTime, StreamName};
use afflux_video::library::{self, Prepared, Recorder};
use afflux_wire::message::{FragmentAck, FragmentStart, FragmentState, Upload, UploadOpened};
use afflux_wire::session::upload::{Event, Receiver};
use afflux_wire::{EntryLimits, Item};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::config::Right;
use crate::metrics::Activity;

use super::channel::Fill;
use super::{End, Exchange, Outcome, stopped, stream_name};
use pieces::Pieces;

/// Fragments that wait for the disk at once. Nothing is read while so many do.
const PENDING_MAX: usize = 64;

struct Session<'a> {
    exchange: &'a mut Exchange,
    recorder: Recorder,
    receiver: Receiver,
    session_id: u128,
    producer_id: u64,
    limits: Limits,
    start: Option<FragmentStart>,
    pieces: Pieces,
    pending: VecDeque<(u64, Accepted)>,
}

/// Serves one upload.
pub(super) async fn run(exchange: &mut Exchange, request: Upload) -> Outcome {
    let stream = stream_name(&request.stream)?;
    exchange.identity.require_on(Right::Produce, &stream)?;
    let shard = open(exchange, &stream).await?;
    let session_id: [u8; 16] = request.session_id.as_ref().try_into().map_err(|_| {
        Error::invalid(format!(
            "the session id has {} bytes, not 16",
            request.session_id.len()
        ))
    })?;
    let _active = exchange.state.metrics.begin(Activity::Upload);
    let producer_id = producer_of(&session_id);
    let next_fragment = shard.last_sequence(producer_id);
    // What the log took may not be durable yet; the answer promises that it is.
    shard.wait_durable(shard.watermarks().appended).await?;
    let fragment_bytes_max = u64::try_from(FRAGMENT_BYTES_MAX).unwrap_or(u64::MAX);
    let opened = UploadOpened {
        next_fragment,
        fragment_bytes_max,
    };
    exchange.writer.frame(opened).await?;
    exchange.reader.take_entries(EntryLimits::NONE);
    let recording = exchange.state.videos.of(&stream);
    tracing::debug!(next_fragment, "open");
    let mut session = Session {
        exchange,
        recorder: Recorder::new(shard, recording),
        receiver: Receiver::new(&opened),
        session_id: u128::from_be_bytes(session_id),
        producer_id,
        limits: Limits::default(),
        start: None,
        pieces: Pieces::default(),
        pending: VecDeque::new(),
    };
    let ended = session.receive().await;
    if let Err(error) = session.recorder.finish().await {
        tracing::warn!(%stream, error = %error.chain(), "repeat the codec initialisation");
    }
    if matches!(ended, Err(End::Lost)) {
        return ended;
    }
    session.settle().await?;
    ended
}

async fn open(exchange: &Exchange, stream: &StreamName) -> Result<Shard, Error> {
    let shard = exchange
        .state
        .engine
        .shard(stream, library::shard_id())
        .await?;
    if shard.kind() == StreamKind::Video {
        return Ok(shard);
    }
    Err(Error::invalid(format!(
        "{stream} is a stream of records, not of video"
    )))
}

/// The session as a producer, so that the engine recognises fragments that come again.
fn producer_of(session_id: &[u8; 16]) -> u64 {
    let digest: [u8; 32] = Sha256::digest(session_id).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]).max(1)
}

impl Session<'_> {
    /// Takes fragments and reports on them until the client ends its direction.
    async fn receive(&mut self) -> Outcome {
        // A client need not wait for the answer: frames may have come together with its request.
        self.take_all().await?;
        loop {
            let exchange = &mut *self.exchange;
            let oldest = self.pending.front().map(|(_, accepted)| *accepted);
            tokio::select! {
                fill = exchange.reader.fill(), if self.pending.len() < PENDING_MAX => {
                    if fill? == Fill::End {
                        return self.check_end();
                    }
                    self.take_all().await?;
                }
                durable = durable(self.recorder.shard(), oldest), if oldest.is_some() => {
                    durable?;
                    self.report_persisted().await?;
                }
                () = exchange.stopping.wait() => return Err(stopped()),
            }
        }
    }

    fn check_end(&self) -> Outcome {
        match &self.start {
            None => Ok(()),
            Some(start) => Err(Error::invalid(format!(
                "the upload ended inside fragment {}",
                start.number
            ))
            .into()),
        }
    }

    async fn take_all(&mut self) -> Outcome {
        while let Some(item) = self.exchange.reader.next()? {
            let Item::Frame(frame) = item else {
                return Err(Error::invalid("an entry came on an upload").into());
            };
            match self.receiver.handle_frame(frame)? {
                Event::Init(bytes) => self.take_init(bytes)?,
                Event::Start(start) => {
                    self.report(start.number, FragmentState::Buffering).await?;
                    self.start = Some(start);
                }
                Event::Data(data) => self.pieces.push(data),
                Event::End { number } => self.take_fragment(number).await?,
            }
        }
        Ok(())
    }

    fn take_init(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.recorder.set_init(Init::parse(bytes, &self.limits)?);
        Ok(())
    }

    async fn take_fragment(&mut self, number: u64) -> Outcome {
        let pieces = self.pieces.take();
        let (Some(init), Some(start)) = (self.recorder.init(), self.start.take()) else {
            return Err(Error::invalid("a fragment came before its initialisation").into());
        };
        let fragment = Fragment::parse(init, pieces, &self.limits)?;
        let producer = Producer {
            id: self.producer_id,
            sequence: number.saturating_add(1),
        };
        let facts = self.facts(start)?;
        let prepared = Prepared::new(&fragment, &facts, Some(producer))?;
        self.report(number, FragmentState::Received).await?;
        let bytes = prepared.bytes();
        let accepted = self.recorder.append(prepared).await?;
        let metrics = &self.exchange.state.metrics;
        if accepted.duplicate {
            metrics.duplicates_total.inc();
        } else {
            metrics.ingest.add(bytes, 1);
            let stored = FragmentNumber::new(accepted.position, accepted.arrival);
            let videos = &self.exchange.state.videos;
            videos.tell(self.recorder.shard(), &facts, stored);
        }
        self.pending.push_back((number, accepted));
        Ok(())
    }

    fn facts(&self, start: FragmentStart) -> Result<Facts, Error> {
        let sequence = u32::try_from(start.number).map_err(|_| {
            Error::invalid(format!(
                "fragment {} is beyond the last of a session",
                start.number
            ))
        })?;
        let tags = start
            .tags
            .into_iter()
            .map(|tag| Tag::new(tag.name, tag.value));
        Ok(Facts {
            session_id: self.session_id,
            sequence,
            producer_time: ProducerTime::from_millis(start.producer_time_ms),
            continuity: if start.discontinuity {
                Continuity::Discontinuous
            } else {
                Continuity::Continuous
            },
            tags: tags.collect::<Result<_, _>>()?,
        })
    }

    async fn report(&mut self, number: u64, state: FragmentState) -> Outcome {
        let ack = FragmentAck {
            number,
            state: state.into(),
            ..FragmentAck::default()
        };
        self.exchange.writer.frame(ack).await
    }

    /// Reports every fragment that is durable by now.
    async fn report_persisted(&mut self) -> Outcome {
        let durable = self.recorder.shard().watermarks().durable;
        while let Some((number, accepted)) = self
            .pending
            .pop_front_if(|(_, accepted)| accepted.end <= durable)
        {
            let fragment = FragmentNumber::new(accepted.position, accepted.arrival);
            let ack = FragmentAck {
                number,
                state: FragmentState::Persisted.into(),
                fragment_number: fragment.to_string(),
                position: accepted.position.get(),
                server_time_ms: accepted.arrival.as_millis(),
            };
            self.exchange.state.metrics.acknowledged_total.inc();
            self.exchange.writer.frame(ack).await?;
        }
        Ok(())
    }

    /// Reports everything that the shard took.
    async fn settle(&mut self) -> Outcome {
        if let Some((_, last)) = self.pending.back() {
            self.recorder.shard().wait_durable(last.end).await?;
        }
        self.report_persisted().await
    }
}

/// Waits until a fragment is durable. Cancel safe.
async fn durable(shard: &Shard, accepted: Option<Accepted>) -> Outcome {
    if let Some(accepted) = accepted {
        shard.wait_durable(accepted.end).await?;
    }
    Ok(())
}
