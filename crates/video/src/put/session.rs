//! What a connection's bytes lead to: fragments in the log, and things to say about them.
//!
//! The session does not wait for the disk: it says which fragments are to be waited for, in order.

use std::sync::Arc;
use std::time::Duration;

use afflux_engine::{Accepted, Shard};
use afflux_media::mkv::{Assembled, Assembler, Assembly, Closed, FragmentStart, Header};
use afflux_media::{Continuity, Facts, TAGS_MAX, Tag, Timeline, mkv};
use afflux_types::{Clock, FragmentNumber, ProducerTime};
use bytes::Bytes;
use ring::digest;

use super::ack::{self, State};
use super::fault::Fault;
use super::memory::{Mark, Memory};
use super::rules::{Backward, Rules};
use crate::context::Context;
use crate::library::{Prepared, Recorder};
use crate::limits::{CONNECTION_MAX, FRAGMENT_TAGS_MAX};
use crate::notify;

/// The first byte of an EBML head, and so of Matroska.
const EBML_FIRST: u8 = 0x1a;

/// What the client is to be told.
#[derive(Debug)]
pub(super) enum Told {
    /// At once.
    Line(Bytes),
    /// Once a fragment is durable: that the Clusters with these timecodes are.
    Stored {
        /// As they were sent.
        timecodes: Vec<u64>,
        /// Where the fragment is, and which number it has.
        number: FragmentNumber,
    },
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// What the client is told; none: nothing.
    pub(super) fault: Option<Fault>,
    /// Of the fragment that it is about.
    pub(super) timecode: Option<u64>,
}

/// One connection's media.
#[derive(Debug)]
pub(super) struct Session {
    ctx: Arc<Context>,
    recorder: Recorder,
    rules: Rules,
    memory: Arc<Memory>,
    assembler: Assembler,
    started: Duration,
    /// The first byte.
    first: Option<u8>,
    timeline: Timeline,
    /// Of the open fragment.
    open: Option<FragmentStart>,
    /// The producer has said that its last fragment has ended.
    is_quiet: bool,
    session_id: u128,
    sequence: u32,
}

impl Session {
    pub(super) fn new(ctx: Arc<Context>, shard: Shard, rules: Rules, memory: Arc<Memory>) -> Self {
        let recording = ctx.library.of(shard.stream_name());
        let started = ctx.clock.elapsed();
        let session_id = session_id(&rules, &ctx.now().as_millis().to_be_bytes());
        Self {
            recorder: Recorder::new(shard, recording),
            assembler: Assembler::new(rules.settings()),
            timeline: Timeline::new(rules.origin),
            ctx,
            rules,
            memory,
            started,
            first: None,
            open: None,
            is_quiet: false,
            session_id,
            sequence: 0,
        }
    }

    pub(super) fn clock(&self) -> Clock {
        self.ctx.clock.clone()
    }

    /// When it started, by that clock.
    pub(super) fn started(&self) -> Duration {
        self.started
    }

    /// Whether the client wants to hear of its fragments.
    pub(super) fn is_acked(&self) -> bool {
        self.rules.is_acked()
    }

    /// Takes bytes of the body.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.first = self.first.or_else(|| bytes.first().copied());
        self.assembler.push(bytes);
    }

    /// The body has ended. [`Session::next`] says whether it should have, behind what is complete.
    pub(super) fn finish(&mut self) {
        if let Err(error) = self.assembler.finish() {
            let stream = self.recorder.shard().stream_name();
            tracing::debug!(%stream, %error, "media ends early");
        }
    }

    /// Whether a fragment is open.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the producer has said that its last fragment has ended.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Goes on by one step; false: more bytes are needed.
    pub(super) async fn next(&mut self, told: &mut Vec<Told>) -> Result<bool, Ended> {
        let polled = self.assembler.poll();
        match polled.map_err(|error| self.refused(&error))? {
            None => return Ok(false),
            Some(Assembled::Header(header)) => self.take_header(&header),
            Some(Assembled::Started(start)) => {
                self.check_start(&start)?;
                told.push(Told::Line(ack::fragment(
                    State::Buffering,
                    start.timecode,
                    None,
                )));
                self.open = Some(start);
                self.is_quiet = false;
            }
            Some(Assembled::Joined { timecode }) => {
                let line = ack::fragment(State::Buffering, timecode, None);
                told.push(Told::Line(line));
            }
            Some(Assembled::Finished(assembly)) => self.take_fragment(*assembly, told).await?,
        }
        Ok(true)
    }

    /// Writes what the log needs behind the last fragment.
    pub(super) async fn close(mut self) {
        if let Err(error) = self.recorder.finish().await {
            let stream = self.recorder.shard().stream_name();
            tracing::warn!(%stream, error = %error.chain(), "repeat the codec initialisation");
        }
    }

    fn take_header(&mut self, header: &Header) {
        if let Some(uid) = header.segment_uid() {
            self.session_id = session_id(&self.rules, &uid);
        }
    }

    fn check_start(&self, start: &FragmentStart) -> Result<(), Ended> {
        let age = self.ctx.clock.elapsed().saturating_sub(self.started);
        let fault = if age >= CONNECTION_MAX {
            Fault::MaxConnectionDuration
        } else if start.backward && self.rules.backward == Backward::Refused {
            Fault::FragmentTimecodeLesserThanPrevious
        } else {
            return Ok(());
        };
        Err(Ended {
            fault: Some(fault),
            timecode: Some(start.timecode),
        })
    }

    async fn take_fragment(
        &mut self,
        assembly: Assembly,
        told: &mut Vec<Told>,
    ) -> Result<(), Ended> {
        let ended = |fault| Ended {
            fault: Some(fault),
            timecode: Some(assembly.timecode),
        };
        if !assembly.missing.is_empty() {
            return Err(ended(Fault::FramesMissingForTrack));
        }
        let tags = tags(&assembly.tags).map_err(ended)?;
        let went_back = self.open.take().is_some_and(|start| start.backward);
        let producer_time = self
            .producer_time(&assembly)
            .ok_or(Fault::InvalidProducerTimestamp);
        let producer_time = producer_time.map_err(ended)?;
        let facts = Facts {
            session_id: self.session_id,
            sequence: self.sequence,
            producer_time,
            continuity: if went_back {
                Continuity::Discontinuous
            } else {
                Continuity::Continuous
            },
            tags,
        };
        let prepared = Prepared::new(&assembly.fragment, &facts, None)
            .map_err(|error| ended(Fault::of_log(&error)))?;
        let mark = Mark::new(producer_time, assembly.fragment.tracks());
        let stored = self.store(&assembly, mark, prepared).await;
        let (number, is_new) = stored.map_err(|error| {
            let stream = self.recorder.shard().stream_name();
            tracing::warn!(%stream, error = %error.chain(), "a fragment was not stored");
            ended(Fault::of_log(&error))
        })?;
        self.sequence = self.sequence.wrapping_add(1);
        let mut timecodes = vec![assembly.timecode];
        timecodes.extend(&assembly.joined);
        for timecode in &timecodes {
            let line = ack::fragment(State::Received, *timecode, Some(number));
            told.push(Told::Line(line));
        }
        told.push(Told::Stored { timecodes, number });
        if is_new {
            let shard = self.recorder.shard();
            notify::fragment(&self.ctx, shard, &facts, number);
        }
        self.is_quiet = assembly.closed == Closed::EndOfFragmentTag;
        Ok(())
    }

    /// Appends a fragment unless it is in the log; says which number it has, and whether it is new.
    async fn store(
        &mut self,
        assembly: &Assembly,
        mark: Mark,
        prepared: Prepared,
    ) -> afflux_types::Result<(FragmentNumber, bool)> {
        let shard = self.recorder.shard();
        if let Some(number) = self.memory.find(shard, mark, &prepared).await? {
            return Ok((number, false));
        }
        self.recorder.set_init(assembly.init.clone());
        let Accepted {
            position, arrival, ..
        } = self.recorder.append(prepared).await?;
        let number = FragmentNumber::new(position, arrival);
        self.memory.note(mark, number).await;
        Ok((number, true))
    }

    /// When a fragment starts: as the producer says, but for one that counts anew from its start and
    /// would come to lie on what it has brought before.
    fn producer_time(&mut self, assembly: &Assembly) -> Option<ProducerTime> {
        let placed = self.timeline.place(assembly.fragment.reference());
        if self.rules.is_relative && placed.run > 0 {
            return Some(placed.producer_time);
        }
        let origin = self.rules.origin.as_millis();
        let time = origin.checked_add(assembly.time_ms)?;
        (time >= 0).then(|| ProducerTime::from_millis(time))
    }

    fn refused(&self, error: &afflux_media::Error) -> Ended {
        let stream = self.recorder.shard().stream_name();
        tracing::debug!(%stream, %error, "media is refused");
        Ended {
            fault: Some(Fault::of_media(error)).filter(|_| !self.is_midway()),
            timecode: self.assembler.failed_cluster(),
        }
    }

    /// Whether the client went on in the middle of what another connection brought.
    ///
    /// The AWS SDK for C does so if its connection broke and the attempt after it failed. Told of an error
    /// it drops what it has of the fragment; if the connection ends without one, it sends everything
    /// again that is not durable.
    fn is_midway(&self) -> bool {
        self.rules.is_c_sdk() && self.first.is_some_and(|first| first != EBML_FIRST)
    }
}

/// Connections that go on where another ended are one session if their times count from the same zero.
fn session_id(rules: &Rules, of: &[u8]) -> u128 {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&rules.origin.as_millis().to_be_bytes());
    hash.update(of);
    let id = hash.finish();
    let id = id.as_ref().first_chunk().copied().unwrap_or_default();
    u128::from_be_bytes(id)
}

/// The tags that are stored: the producer's own, and those that ask for something if they fit.
fn tags(tags: &[mkv::Tag]) -> Result<Vec<Tag>, Fault> {
    let own = tags.iter().filter(|tag| !notify::is_reserved(&tag.name));
    if own.clone().count() > FRAGMENT_TAGS_MAX {
        return Err(Fault::FragmentMetadataLimit);
    }
    let known = tags.iter().filter(|tag| notify::is_known(&tag.name));
    let kept = own.chain(known).take(TAGS_MAX);
    kept.map(|tag| {
        Tag::new(tag.name.as_str(), tag.value.as_str()).map_err(|_| Fault::FragmentMetadataLimit)
    })
    .collect()
}
