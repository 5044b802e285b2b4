//! A push parser for Matroska: bytes go in as they arrive, cut anywhere; headers, Clusters, frames
//! and tags come out.
//!
//! It reads what the producer SDKs of Kinesis Video Streams and `ffmpeg -f matroska -` send, and
//! what GetMedia answers: several documents in a row, with Segments and Clusters of known or unknown
//! size.
//!
//! ```text
//!            ┌─────── skip: Void, CRC-32, Cues, SeekHead, Chapters, … ◄─┐
//!            ▼                                                          │
//!   ────► element ──► collect EBML, Info, Tracks ──► Header ────────► element
//!            ├──────► Cluster, collect its Timestamp ──► ClusterStarted ─┤
//!            ├──────► collect SimpleBlock, BlockGroup ──► Frame … ───────┤
//!            └──────► collect Tags ──► Tags ─────────────────────────────┘
//! ```
//!
//! Invariants: what is collected is below its limit, which is checked when the element's header is
//! read; frames leave as slices of the input. The first error is final: every later call returns it
//! again.

mod event;
mod gather;
mod place;

pub use event::{ClusterStart, Event, Frame};

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use self::gather::Gather;
use crate::input::Input;
use crate::limits::Limits;
use crate::mkv::block::Block;
use crate::mkv::ebml::{Element, ElementHeader, HEADER_BYTES_MAX, Id};
use crate::mkv::error::Error;
use crate::mkv::header::{Header, check_head};
use crate::mkv::tags::Tags;
use crate::rope::length;

/// Takes Matroska apart.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    input: Input,
    state: State,
    document: Document,
    cluster: Option<Cluster>,
    /// Tags are being read.
    in_tags: bool,
    /// Events of one element; at most one for each frame of a block, which are at most 256.
    ready: VecDeque<Event>,
    failed: Option<crate::Error>,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    /// An element header, of which some bytes are here.
    Header { bytes: Vec<u8> },
    /// An element that must be whole to be understood.
    Collect { id: Id, gather: Gather, left: u64 },
    /// An element that is of no use here.
    Skip { id: Id, left: u64 },
}

/// The document that is being read.
#[derive(Debug, Default)]
struct Document {
    /// The header as far as it has been read: nothing before the EBML head, and nothing once it has
    /// been handed out.
    head: Option<Vec<u8>>,
    has_info: bool,
    has_tracks: bool,
    /// Where the Segment ends, `u64::MAX` if that is unknown; `None` outside a Segment.
    segment_end: Option<u64>,
    /// Ticks' length in nanoseconds, once the header is complete.
    scale: Option<u64>,
}

impl Document {
    fn has_started(&self) -> bool {
        self.head.is_some() || self.scale.is_some()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(head) = &mut self.head {
            head.extend_from_slice(bytes);
        }
    }
}

/// The Cluster that is being read.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    position: u64,
    /// Where it ends, `u64::MAX` if that is unknown.
    end: u64,
    timecode: Option<u64>,
}

enum Step {
    Again,
    Starved,
}

impl Scanner {
    /// A scanner at the start of an input.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: Input::default(),
            state: State::Header { bytes: Vec::new() },
            document: Document::default(),
            cluster: None,
            in_tags: false,
            ready: VecDeque::new(),
            failed: None,
        }
    }

    /// Adds the next bytes of the input. Call [`Scanner::poll`] until it returns `None`.
    pub fn push(&mut self, bytes: Bytes) {
        if self.failed.is_none() {
            self.input.push(bytes);
        }
    }

    /// The next event, or `None` when more input is needed.
    ///
    /// # Errors
    /// If the input is not Matroska, is damaged, or exceeds a limit; every later call returns the
    /// same error.
    pub fn poll(&mut self) -> crate::Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.step() {
                Ok(Step::Again) => {}
                Ok(Step::Starved) => return Ok(None),
                Err(error) => {
                    self.input.clear();
                    self.failed = Some(error.into());
                }
            }
        }
    }

    /// Says that the input is over, after the last `poll` returned `None`. An open Cluster of
    /// unknown size ends here, which `poll` then says.
    ///
    /// # Errors
    /// If the input ended inside an element or before any Tracks, or if it had failed.
    pub fn finish(&mut self) -> crate::Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let truncated = |place| Error::Truncated {
            place,
            offset: self.input.position(),
        };
        match &self.state {
            State::Header { bytes } if bytes.is_empty() => {}
            State::Header { .. } => {
                let place = self.cluster.map_or(Id::SEGMENT, |_| Id::CLUSTER);
                return Err(truncated(place).into());
            }
            State::Collect { id, .. } | State::Skip { id, .. } => {
                return Err(truncated(*id).into());
            }
        }
        let is_cut =
            |cluster: Cluster| cluster.end != u64::MAX && cluster.end > self.input.position();
        if self.cluster.is_some_and(is_cut) {
            return Err(truncated(Id::CLUSTER).into());
        }
        self.complete_header()?;
        if self.document.scale.is_none() {
            return Err(Error::NoTracks.into());
        }
        self.end_cluster();
        Ok(())
    }

    /// Whether the next byte belongs to tags, or the input has failed in tags.
    pub(in crate::mkv) fn is_in_tags(&self) -> bool {
        self.in_tags
    }

    /// How many bytes of the input have been read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.input.position()
    }

    fn step(&mut self) -> Result<Step, Error> {
        match mem::replace(&mut self.state, State::Header { bytes: Vec::new() }) {
            State::Header { bytes } => self.read_header(bytes),
            State::Collect { id, gather, left } => self.collect(id, gather, left),
            State::Skip { id, left } => Ok(self.skip(id, left)),
        }
    }

    fn read_header(&mut self, mut bytes: Vec<u8>) -> Result<Step, Error> {
        if bytes.is_empty() {
            let position = self.input.position();
            if self.cluster.is_some_and(|cluster| cluster.end <= position) {
                // Whatever follows, this one is whole.
                self.end_cluster();
                return Ok(Step::Again);
            }
            // Nearly always the header lies in one piece.
            let Some(front) = self.input.peek() else {
                return Ok(Step::Starved);
            };
            if let Some(header) = ElementHeader::read(front, position)?
                && let Some(raw) = self
                    .input
                    .take(u64::try_from(header.header_bytes).unwrap_or(u64::MAX))
            {
                return self.start_element(header, &raw).map(|()| Step::Again);
            }
        }
        loop {
            let start = self.input.position() - length(&bytes);
            if let Some(header) = ElementHeader::read(&bytes, start)? {
                return self.start_element(header, &bytes).map(|()| Step::Again);
            }
            debug_assert!(bytes.len() < HEADER_BYTES_MAX, "no header is longer");
            let Some(byte) = self.input.take(1) else {
                self.state = State::Header { bytes };
                return Ok(Step::Starved);
            };
            bytes.extend_from_slice(&byte);
        }
    }

    fn collect(&mut self, id: Id, mut gather: Gather, mut left: u64) -> Result<Step, Error> {
        while left > 0 {
            let Some(piece) = self.input.take(left) else {
                self.state = State::Collect { id, gather, left };
                return Ok(Step::Starved);
            };
            left -= length(&piece);
            gather.push(piece, left == 0);
        }
        let pieces = gather.finish();
        match id {
            Id::SIMPLE_BLOCK => self.frames(Block::simple(pieces)?)?,
            Id::BLOCK_GROUP => {
                if let Some(block) = Block::group(pieces)? {
                    self.frames(block)?;
                }
            }
            Id::TIMESTAMP => self.timestamp(&pieces.concat())?,
            Id::TAGS => {
                let mut element = Vec::new();
                super::ebml::put(id, &pieces.concat(), &mut element);
                self.ready
                    .push_back(Event::Tags(Tags::read(element.into())?));
                self.in_tags = false;
            }
            _ => {
                let body = pieces.concat();
                if id == Id::EBML {
                    check_head(&Element { id, body: &body })?;
                }
                self.document.keep(&body);
                self.document.has_info |= id == Id::INFO;
                self.document.has_tracks |= id == Id::TRACKS;
                if self.document.has_info && self.document.has_tracks {
                    self.complete_header()?;
                }
            }
        }
        Ok(Step::Again)
    }

    fn timestamp(&mut self, body: &[u8]) -> Result<(), Error> {
        let timecode = Element {
            id: Id::TIMESTAMP,
            body,
        }
        .unsigned()?;
        let Some(cluster) = &mut self.cluster else {
            return Ok(());
        };
        if cluster.timecode.is_some() {
            return Err(Error::Malformed {
                id: Id::CLUSTER,
                reason: "it has two timestamps",
            });
        }
        let scale = self.document.scale.unwrap_or(1);
        let ns = timecode
            .checked_mul(scale)
            .and_then(|ns| i64::try_from(ns).ok());
        let time_ms = ns.ok_or(Error::TimeOverflow { timecode })? / 1_000_000;
        cluster.timecode = Some(timecode);
        self.ready.push_back(Event::ClusterStarted(ClusterStart {
            position: cluster.position,
            timecode,
            time_ms,
        }));
        Ok(())
    }

    fn frames(&mut self, block: Block) -> Result<(), Error> {
        let timecode = self
            .cluster
            .and_then(|cluster| cluster.timecode)
            .unwrap_or(0);
        let time = i64::try_from(timecode)
            .ok()
            .and_then(|time| time.checked_add(i64::from(block.relative)))
            .ok_or(Error::TimeOverflow { timecode })?;
        for (data, lace) in block.frames.into_iter().zip(0..) {
            self.ready.push_back(Event::Frame(Frame {
                track: block.track,
                time,
                lace,
                key: block.key,
                duration: block.duration,
                data,
            }));
        }
        Ok(())
    }

    /// Hands out the header, if it is complete and has not been.
    fn complete_header(&mut self) -> Result<(), Error> {
        if !self.document.has_tracks {
            return Ok(());
        }
        if let Some(head) = self.document.head.take() {
            let header = Header::parse(head, &self.limits)?;
            self.document.scale = Some(header.timestamp_scale());
            self.ready.push_back(Event::Header(header));
        }
        Ok(())
    }

    fn end_cluster(&mut self) {
        if self
            .cluster
            .take()
            .is_some_and(|cluster| cluster.timecode.is_some())
        {
            self.ready.push_back(Event::ClusterEnded);
        }
    }

    fn skip(&mut self, id: Id, left: u64) -> Step {
        match self.input.skip(left) {
            0 => Step::Again,
            left => {
                self.state = State::Skip { id, left };
                Step::Starved
            }
        }
    }
}
