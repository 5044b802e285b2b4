//! A push parser for fragmented MP4: bytes go in as they arrive, cut anywhere; inits, fragments
//! and slices of their data come out.
//!
//! It reads what `ffmpeg` writes to a pipe with
//! `-movflags frag_keyframe+empty_moov+default_base_moof+cmaf`, and CMAF from elsewhere.
//!
//! ```text
//!             ┌───────────── skip: styp, sidx, emsg, prft, free, mfra, … ◄─┐
//!             ▼                                                            │
//!   ─────► header ──► collect ftyp, moov ──► Init ─────────────────────► header
//!             │                                                            ▲
//!             └─────► collect moof ──► Started, Data ──► mdat: Data … ──► Finished
//! ```
//!
//! Invariants: only `ftyp`, `moov` and `moof` are collected, each below its limit, which is
//! checked when the header is read; everything else leaves as slices of the input. The first
//! error is final: every later call returns it again.

mod event;

pub use event::{Event, Started, StartedTrack};

use std::collections::VecDeque;
use std::mem;

use bytes::{Bytes, BytesMut};

use crate::bmff::{BoxHeader, FourCc, HEADER_BYTES, LARGE_HEADER_BYTES, kind};
use crate::error::{Error, Result};
use crate::init::Init;
use crate::input::Input;
use crate::limits::Limits;
use crate::rope::length;

/// Cuts fragmented MP4 into inits and fragments.
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    input: Input,
    state: State,
    /// An `ftyp` that waits for its `moov`.
    file_type: Bytes,
    init: Option<Init>,
    open: Option<Open>,
    /// Events of one box; at most three.
    ready: VecDeque<Event>,
    failed: Option<Error>,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    /// A box header, of which some bytes are here.
    Header { bytes: BytesMut },
    /// A box that must be whole to be understood; `bytes` starts with its header.
    Collect { header: BoxHeader, bytes: BytesMut },
    /// A box of an open fragment that is handed on.
    Pass { header: BoxHeader, left: u64 },
    /// A box that is of no use here.
    Skip { header: BoxHeader, left: u64 },
}

impl State {
    fn header() -> Self {
        Self::Header {
            bytes: BytesMut::new(),
        }
    }
}

/// A fragment whose `moof` has been read and whose `mdat` has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Where its `moof` starts.
    position: u64,
}

impl Splitter {
    /// A splitter at the start of an input.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: Input::default(),
            state: State::header(),
            file_type: Bytes::new(),
            init: None,
            open: None,
            ready: VecDeque::new(),
            failed: None,
        }
    }

    /// Adds the next bytes of the input. Call [`Splitter::poll`] until it returns `None`.
    pub fn push(&mut self, bytes: Bytes) {
        if self.failed.is_none() {
            self.input.push(bytes);
        }
    }

    /// The next event, or `None` when more input is needed.
    ///
    /// # Errors
    /// If the input is not fragmented MP4, is damaged, or exceeds a limit; every later call
    /// returns the same error.
    pub fn poll(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.step() {
                Ok(Step::Event(event)) => return Ok(Some(event)),
                Ok(Step::Again) => {}
                Ok(Step::Starved) => return Ok(None),
                Err(error) => {
                    self.input.clear();
                    self.failed = Some(error);
                }
            }
        }
    }

    /// Says that the input is over, after the last `poll` returned `None`.
    ///
    /// # Errors
    /// If the input ended inside a box, before an `mdat` or before an init, or if it had failed.
    pub fn finish(&self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let cut = |header: &BoxHeader, have: u64| {
            let offset = self.input.position() - have;
            Err(Error::Truncated {
                kind: Some(header.kind),
                offset,
                expected: header.bytes,
                actual: have,
            })
        };
        match &self.state {
            State::Header { bytes } if bytes.is_empty() => {}
            State::Header { bytes } => {
                return Err(Error::Truncated {
                    kind: None,
                    offset: self.input.position() - length(bytes),
                    expected: HEADER_BYTES,
                    actual: length(bytes),
                });
            }
            State::Collect { header, bytes } => return cut(header, length(bytes)),
            State::Pass { header, left } | State::Skip { header, left } => {
                return cut(header, header.bytes - left);
            }
        }
        if let Some(open) = self.open {
            return Err(Error::MoofWithoutMdat {
                offset: open.position,
            });
        }
        if self.init.is_none() {
            return Err(Error::NoInit);
        }
        Ok(())
    }

    /// The init that fragments need now, once it has been read.
    #[must_use]
    pub fn init(&self) -> Option<&Init> {
        self.init.as_ref()
    }

    /// How many bytes of the input have been read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.input.position()
    }

    fn step(&mut self) -> Result<Step> {
        match mem::replace(&mut self.state, State::header()) {
            State::Header { bytes } => self.read_header(bytes),
            State::Collect { header, bytes } => self.collect(header, bytes),
            State::Pass { header, left } => self.pass(header, left),
            State::Skip { header, left } => Ok(self.skip(header, left)),
        }
    }

    fn read_header(&mut self, mut bytes: BytesMut) -> Result<Step> {
        let start = self.input.position() - length(&bytes);
        loop {
            if let Some(header) = BoxHeader::read(&bytes, start)? {
                return self.start_box(header, bytes, start);
            }
            let wanted = if length(&bytes) < HEADER_BYTES {
                HEADER_BYTES
            } else {
                LARGE_HEADER_BYTES
            };
            let Some(piece) = self.input.take(wanted - length(&bytes)) else {
                self.state = State::Header { bytes };
                return Ok(Step::Starved);
            };
            bytes.extend_from_slice(&piece);
        }
    }

    /// Decides what to do with a box, by its header alone.
    fn start_box(&mut self, header: BoxHeader, bytes: BytesMut, start: u64) -> Result<Step> {
        let kind = header.kind;
        if start == 0 && !is_known_at_start(kind) {
            return Err(Error::NotMp4 { kind });
        }
        let left = header.body_bytes();
        match kind {
            kind::FTYP | kind::MOOV => {
                if let Some(open) = self.open {
                    return Err(Error::MoofWithoutMdat {
                        offset: open.position,
                    });
                }
                let before = if kind == kind::MOOV {
                    length(&self.file_type)
                } else {
                    0
                };
                self.check_box(
                    &header,
                    start,
                    self.limits.init_bytes.saturating_sub(before),
                )?;
                self.state = State::Collect { header, bytes };
            }
            kind::MOOF => {
                if self.init.is_none() {
                    return Err(Error::MediaBeforeInit {
                        kind,
                        offset: start,
                    });
                }
                if let Some(open) = self.open {
                    return Err(Error::MoofWithoutMdat {
                        offset: open.position,
                    });
                }
                self.check_box(&header, start, self.limits.moof_bytes)?;
                self.state = State::Collect { header, bytes };
            }
            kind::MDAT if self.init.is_none() => {
                return Err(Error::MediaBeforeInit {
                    kind,
                    offset: start,
                });
            }
            kind::MDAT if self.open.is_none() => {
                return Err(Error::MdatWithoutMoof { offset: start });
            }
            _ => match self.open {
                Some(open) => {
                    let end = start.saturating_add(header.bytes) - open.position;
                    if end > self.limits.fragment_bytes_max() {
                        let limit = self.limits.fragment_bytes_max();
                        return Err(Error::FragmentTooLarge { bytes: end, limit });
                    }
                    self.state = State::Pass { header, left };
                    return Ok(Step::Event(Event::Data(bytes.freeze())));
                }
                None => self.state = State::Skip { header, left },
            },
        }
        Ok(Step::Again)
    }

    fn check_box(&self, header: &BoxHeader, offset: u64, limit: u64) -> Result<()> {
        if header.bytes > limit {
            let BoxHeader { kind, bytes, .. } = *header;
            return Err(Error::BoxTooLarge {
                kind,
                offset,
                bytes,
                limit,
            });
        }
        Ok(())
    }

    fn collect(&mut self, header: BoxHeader, mut bytes: BytesMut) -> Result<Step> {
        while length(&bytes) < header.bytes {
            let Some(piece) = self.input.take(header.bytes - length(&bytes)) else {
                self.state = State::Collect { header, bytes };
                return Ok(Step::Starved);
            };
            bytes.extend_from_slice(&piece);
        }
        let bytes = bytes.freeze();
        match header.kind {
            kind::FTYP => self.file_type = bytes,
            kind::MOOV => {
                let mut whole = BytesMut::from(&mem::take(&mut self.file_type)[..]);
                whole.extend_from_slice(&bytes);
                let init = Init::parse(whole.freeze(), &self.limits)?;
                self.init = Some(init.clone());
                return Ok(Step::Event(Event::Init(init)));
            }
            _ => {
                let position = self.input.position() - header.bytes;
                // `start_box` refused a moof without an init.
                let init = self.init.as_ref().ok_or(Error::NoInit)?;
                let started = Started::read(init, &bytes, position, &self.limits)?;
                self.open = Some(Open { position });
                self.ready.push_back(Event::Data(bytes));
                return Ok(Step::Event(Event::Started(started)));
            }
        }
        Ok(Step::Again)
    }

    fn pass(&mut self, header: BoxHeader, left: u64) -> Result<Step> {
        if left == 0 {
            if header.kind != kind::MDAT {
                return Ok(Step::Again);
            }
            let open = self.open.take();
            let bytes = open.map_or(0, |open| self.input.position() - open.position);
            return Ok(Step::Event(Event::Finished { bytes }));
        }
        let Some(piece) = self.input.take(left) else {
            self.state = State::Pass { header, left };
            return Ok(Step::Starved);
        };
        self.state = State::Pass {
            header,
            left: left - length(&piece),
        };
        Ok(Step::Event(Event::Data(piece)))
    }

    fn skip(&mut self, header: BoxHeader, left: u64) -> Step {
        match self.input.skip(left) {
            0 => Step::Again,
            left => {
                self.state = State::Skip { header, left };
                Step::Starved
            }
        }
    }
}

/// What one step of the state machine came to.
enum Step {
    Event(Event),
    Again,
    Starved,
}

/// Whether an MP4 file may begin with this box. Anything else at the very start is another format,
/// and is better named than skipped.
fn is_known_at_start(kind: FourCc) -> bool {
    matches!(
        kind,
        kind::FTYP
            | kind::STYP
            | kind::MOOV
            | kind::MOOF
            | kind::MDAT
            | kind::FREE
            | kind::SKIP
            | kind::WIDE
            | kind::PDIN
            | kind::SIDX
            | kind::SSIX
            | kind::PRFT
            | kind::EMSG
            | kind::META
            | kind::UUID
            | kind::UDTA
            | kind::MFRA
    )
}
