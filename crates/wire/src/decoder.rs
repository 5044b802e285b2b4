//! The push decoder: bytes in, split anywhere; frames and entries out.
//!
//! The body of an entry leaves as slices of what was pushed, with its checksum computed piece by
//! piece while it is warm in the cache. Nothing is allocated for a length before the bytes are there
//! or the length was checked against a limit.
//!
//! Invariant: between two calls of [`Decoder::next`] that return `None`, at most one frame or one
//! entry is held, plus what the caller pushed since.

use std::collections::VecDeque;

use afflux_entry::{Checksum, HEADER_LEN, Header, Kind};
use bytes::{Bytes, BytesMut};

use crate::error::WireError;
use crate::frame::{ENTRY_FIRST_BYTE, FRAME_HEAD_LEN, Frame, FrameType};

/// Pieces below this are joined, so that a peer that sends single bytes cannot make a body cost
/// many times its size in bookkeeping.
const PIECE_BYTES_MIN: usize = 512;
/// Joined pieces are passed on at this size.
const JOINED_BYTES: usize = 16 << 10;
/// Room for pieces that is made at once: a body of 256 KiB in datagrams of 1,400 bytes.
const PIECES_AT_ONCE: usize = 192;

/// Whether the entries on a stream carry the server's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamped {
    /// Entries come from a producer.
    No,
    /// Entries come from a server; the stamp's checksum is verified.
    Yes,
}

/// The largest body of each kind of entry that a stream may carry; `None` refuses the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryLimits {
    /// Record batches.
    pub batch: Option<usize>,
    /// Video fragments.
    pub fragment: Option<usize>,
    /// Codec initialisations.
    pub init: Option<usize>,
    /// Shard markers.
    pub marker: Option<usize>,
}

impl EntryLimits {
    /// No entries at all: control frames only.
    pub const NONE: Self = Self {
        batch: None,
        fragment: None,
        init: None,
        marker: None,
    };

    /// Record batches of any allowed size: what a producer may send.
    #[must_use]
    pub fn batches() -> Self {
        Self {
            batch: Some(Kind::Batch.body_bytes_max()),
            ..Self::NONE
        }
    }

    /// Every kind at its largest size: what a server may send.
    #[must_use]
    pub fn all() -> Self {
        Self {
            batch: Some(Kind::Batch.body_bytes_max()),
            fragment: Some(Kind::Fragment.body_bytes_max()),
            init: Some(Kind::Init.body_bytes_max()),
            marker: Some(Kind::Marker.body_bytes_max()),
        }
    }

    fn check(&self, header: &Header) -> Result<(), WireError> {
        let limit = match header.kind {
            Kind::Batch => self.batch,
            Kind::Fragment => self.fragment,
            Kind::Init => self.init,
            Kind::Marker => self.marker,
        };
        let len = header.body_len as usize;
        match limit {
            None => Err(WireError::EntryKind {
                kind: header.kind.name(),
            }),
            Some(max) if len > max => Err(WireError::EntryTooLong { len, max }),
            Some(_) => Ok(()),
        }
    }
}

/// A whole entry whose checksum holds, as slices of what was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRope {
    /// The decoded header.
    pub header: Header,
    /// The body in pieces, none of them empty.
    pub body: Vec<Bytes>,
}

impl EntryRope {
    /// Bytes of header and body.
    #[must_use]
    pub fn entry_len(&self) -> usize {
        self.header.entry_len()
    }

    /// The body in one piece; copied unless it is one already.
    #[must_use]
    pub fn contiguous(&self) -> Bytes {
        match self.body.as_slice() {
            [] => Bytes::new(),
            [whole] => whole.clone(),
            pieces => {
                let mut joined = BytesMut::with_capacity(self.header.body_len as usize);
                for piece in pieces {
                    joined.extend_from_slice(piece);
                }
                joined.freeze()
            }
        }
    }
}

/// What a stream carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A control frame.
    Frame(Frame),
    /// A raw entry.
    Entry(EntryRope),
}

/// Reads one direction of one QUIC stream.
///
/// Call [`Decoder::push`] with what arrived, then [`Decoder::next`] until it returns `None`, and
/// [`Decoder::finish`] when the peer has ended the stream. After an error nothing more is read:
/// every further call returns the same error.
#[derive(Debug)]
pub struct Decoder {
    stamped: Stamped,
    limits: EntryLimits,
    input: VecDeque<Bytes>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Collecting the fixed first bytes of a frame or an entry.
    Head {
        bytes: [u8; HEADER_LEN],
        len: usize,
    },
    Frame {
        frame_type: FrameType,
        missing: usize,
        joined: BytesMut,
    },
    FragmentData {
        missing: usize,
    },
    Entry(Box<Body>),
    Failed(WireError),
}

const EMPTY_HEAD: State = State::Head {
    bytes: [0; HEADER_LEN],
    len: 0,
};

/// An entry's body while it arrives.
#[derive(Debug)]
struct Body {
    header: Header,
    checksum: Checksum,
    pieces: Vec<Bytes>,
    joined: BytesMut,
    missing: usize,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new(stamped: Stamped, limits: EntryLimits) -> Self {
        Self {
            stamped,
            limits,
            input: VecDeque::new(),
            state: EMPTY_HEAD,
        }
    }

    /// Changes which entries may come, from the next header on.
    pub fn set_entry_limits(&mut self, limits: EntryLimits) {
        self.limits = limits;
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.input.push_back(bytes);
        }
    }

    /// The next frame or entry; `None` if more bytes are needed.
    ///
    /// # Errors
    /// If the bytes are not the protocol, or exceed a limit.
    #[expect(
        clippy::should_implement_trait,
        reason = "a decoder is not an iterator: its end is not final"
    )]
    pub fn next(&mut self) -> Result<Option<Item>, WireError> {
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        self.advance().inspect_err(|error| {
            self.input.clear();
            self.state = State::Failed(error.clone());
        })
    }

    /// Checks that the stream did not end inside a frame or an entry.
    ///
    /// # Errors
    /// `Cut` if it did, or the error that stopped the decoder before.
    pub fn finish(&self) -> Result<(), WireError> {
        let what = match &self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Head { len: 0, .. } if self.input.is_empty() => return Ok(()),
            State::Head { bytes, len } if *len > 0 && bytes[0] != ENTRY_FIRST_BYTE => {
                "the head of a frame"
            }
            State::Head { .. } => "the header of an entry",
            State::Frame { frame_type, .. } => frame_type.name(),
            State::FragmentData { .. } => FrameType::FragmentData.name(),
            State::Entry(_) => "the body of an entry",
        };
        Err(WireError::Cut { what })
    }

    fn advance(&mut self) -> Result<Option<Item>, WireError> {
        while let Some(mut piece) = self.input.pop_front() {
            let item = self.take(&mut piece)?;
            if !piece.is_empty() {
                self.input.push_front(piece);
            }
            if item.is_some() {
                return Ok(item);
            }
        }
        Ok(None)
    }

    /// Takes bytes off the front of `piece`, as many as belong to the current state.
    fn take(&mut self, piece: &mut Bytes) -> Result<Option<Item>, WireError> {
        match &mut self.state {
            State::Head { bytes, len } => {
                let first = if *len > 0 { bytes[0] } else { piece[0] };
                let needed = head_len(first)?;
                let taken = piece.split_to(piece.len().min(needed - *len));
                bytes[*len..*len + taken.len()].copy_from_slice(&taken);
                *len += taken.len();
                if *len < needed {
                    return Ok(None);
                }
                let bytes = *bytes;
                self.begin(&bytes, piece)
            }
            State::Frame {
                frame_type,
                missing,
                joined,
            } => {
                let taken = piece.split_to(piece.len().min(*missing));
                joined.extend_from_slice(&taken);
                *missing -= taken.len();
                if *missing > 0 {
                    return Ok(None);
                }
                let frame = Frame::decode(*frame_type, std::mem::take(joined).freeze())?;
                self.state = EMPTY_HEAD;
                Ok(Some(Item::Frame(frame)))
            }
            State::FragmentData { missing } => {
                let taken = piece.split_to(piece.len().min(*missing));
                *missing -= taken.len();
                if *missing == 0 {
                    self.state = EMPTY_HEAD;
                }
                Ok(Some(Item::Frame(Frame::FragmentData(taken))))
            }
            State::Entry(body) => {
                body.take(piece);
                if body.missing > 0 {
                    return Ok(None);
                }
                self.finish_entry().map(Some)
            }
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Enters the state that `head` asks for; what needs no more bytes than `piece` has, or none,
    /// is finished at once.
    fn begin(
        &mut self,
        head: &[u8; HEADER_LEN],
        piece: &mut Bytes,
    ) -> Result<Option<Item>, WireError> {
        self.state = EMPTY_HEAD;
        if head[0] == ENTRY_FIRST_BYTE {
            let header = match self.stamped {
                Stamped::No => Header::decode_unstamped(head)?,
                Stamped::Yes => Header::decode(head)?,
            };
            self.limits.check(&header)?;
            self.state = State::Entry(Box::new(Body::new(header)));
            return if let State::Entry(body) = &self.state
                && body.missing == 0
            {
                self.finish_entry().map(Some)
            } else {
                Ok(None)
            };
        }
        let frame_type = FrameType::from_byte(head[0]).ok_or(WireError::FrameType(head[0]))?;
        let len = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let max = frame_type.content_bytes_max();
        if len > max {
            return Err(WireError::FrameTooLong {
                frame: frame_type.name(),
                len,
                max,
            });
        }
        if frame_type == FrameType::FragmentData {
            if len > 0 {
                self.state = State::FragmentData { missing: len };
            }
            return Ok(None);
        }
        if len <= piece.len() {
            let content = piece.split_to(len);
            return Frame::decode(frame_type, content).map(|frame| Some(Item::Frame(frame)));
        }
        self.state = State::Frame {
            frame_type,
            missing: len,
            joined: BytesMut::new(),
        };
        Ok(None)
    }

    fn finish_entry(&mut self) -> Result<Item, WireError> {
        let State::Entry(body) = std::mem::replace(&mut self.state, EMPTY_HEAD) else {
            return Err(WireError::Cut {
                what: "the body of an entry",
            });
        };
        body.header.verify_finished(&body.checksum)?;
        Ok(Item::Entry(EntryRope {
            header: body.header,
            body: body.pieces,
        }))
    }
}

/// Bytes that decide what follows a first byte.
fn head_len(first: u8) -> Result<usize, WireError> {
    if first == ENTRY_FIRST_BYTE {
        Ok(HEADER_LEN)
    } else if FrameType::from_byte(first).is_some() {
        Ok(FRAME_HEAD_LEN)
    } else {
        Err(WireError::FrameType(first))
    }
}

impl Body {
    fn new(header: Header) -> Self {
        let missing = header.body_len as usize;
        let pieces = missing.div_ceil(PIECE_BYTES_MIN).min(PIECES_AT_ONCE);
        Self {
            checksum: header.checksum_start(),
            pieces: Vec::with_capacity(pieces),
            joined: BytesMut::new(),
            missing,
            header,
        }
    }

    fn take(&mut self, piece: &mut Bytes) {
        let taken = piece.split_to(piece.len().min(self.missing));
        self.checksum.update(&taken);
        self.missing -= taken.len();
        let whole = self.missing == 0 && self.joined.is_empty();
        if taken.len() >= PIECE_BYTES_MIN || whole {
            self.pass_joined();
            self.pieces.push(taken);
            return;
        }
        self.joined.extend_from_slice(&taken);
        if self.joined.len() >= JOINED_BYTES || self.missing == 0 {
            self.pass_joined();
        }
    }

    fn pass_joined(&mut self) {
        if !self.joined.is_empty() {
            self.pieces.push(std::mem::take(&mut self.joined).freeze());
        }
    }
}

#[cfg(test)]
mod tests;
