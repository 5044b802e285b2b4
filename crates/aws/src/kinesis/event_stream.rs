//! Frames of `application/vnd.amazon.eventstream`, the answer of `SubscribeToShard`.
//!
//! # Shape
//! A frame is its length, the length of its headers, a CRC32 of those two, headers, a payload, and a
//! CRC32 of everything before; all integers are big-endian. A header is a name and, here, always text.
//! The first frame of an answer is `initial-response`: clients refuse an answer without it. Payloads
//! are JSON whatever the format of the request, as the clients that send CBOR expect.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};

use super::output::SubscribeToShardEvent;
use super::{Code, Error};
use crate::document::{Encode, Encoder, Format};

/// The media type of the answer.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Bytes of a frame that [`decode`] takes: what the format's own limits allow.
pub const FRAME_BYTES_MAX: usize = 24 << 20;

const PRELUDE_LEN: usize = 12;
const CRC_LEN: usize = 4;
const HEADERS_LEN_MAX: usize = 128 << 10;
const TYPE_TEXT: u8 = 7;
const PAYLOAD_TYPE: (&str, &str) = (":content-type", "application/json");

/// The frame that opens an answer.
#[must_use]
pub fn initial_response() -> Bytes {
    frame(&event_headers("initial-response"), 2, &Empty)
}

/// A push.
#[must_use]
pub fn event(event: &SubscribeToShardEvent<'_>) -> Bytes {
    let headers = event_headers("SubscribeToShardEvent");
    frame(&headers, event.capacity(Format::Json), event)
}

/// An error in the middle of an answer; nothing follows it.
#[must_use]
pub fn exception(error: &Error) -> Bytes {
    // The model of the stream names this one in full.
    let name = match error.code() {
        Code::InternalFailure => "InternalFailureException",
        code => code.name(),
    };
    let headers = [
        (":message-type", "exception"),
        (":exception-type", name),
        PAYLOAD_TYPE,
    ];
    frame(&headers, 256, &Message(error.message().unwrap_or_default()))
}

fn event_headers(event_type: &'static str) -> [(&'static str, &'static str); 3] {
    [
        (":message-type", "event"),
        (":event-type", event_type),
        PAYLOAD_TYPE,
    ]
}

/// `{}`.
struct Empty;

impl Encode for Empty {
    fn encode(&self, to: &mut Encoder) {
        to.begin_map();
        to.end_map();
    }
}

/// `{"message":…}`.
struct Message<'a>(&'a str);

impl Encode for Message<'_> {
    fn encode(&self, to: &mut Encoder) {
        to.begin_map();
        to.member("message", self.0);
        to.end_map();
    }
}

/// Writes a frame in one buffer: room for the prelude, headers, the payload, then the sums.
fn frame(headers: &[(&str, &str)], payload_capacity: usize, payload: &impl Encode) -> Bytes {
    let mut out = Vec::with_capacity(256 + payload_capacity);
    out.resize(PRELUDE_LEN, 0);
    for (name, value) in headers {
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(name.as_bytes());
        out.push(TYPE_TEXT);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    let headers_len = out.len() - PRELUDE_LEN;
    let mut encoder = Encoder::appending(Format::Json, out);
    payload.encode(&mut encoder);
    let mut out = encoder.into_vec();
    let total = out.len() + CRC_LEN;
    let mut prelude = [0; PRELUDE_LEN];
    let (lengths, sum) = prelude.split_at_mut(8);
    let (first, second) = lengths.split_at_mut(4);
    first.copy_from_slice(&length(total).to_be_bytes());
    second.copy_from_slice(&length(headers_len).to_be_bytes());
    sum.copy_from_slice(&crc32(lengths).to_be_bytes());
    if let Some(room) = out.first_chunk_mut() {
        *room = prelude;
    }
    let sum = crc32(&out);
    out.extend_from_slice(&sum.to_be_bytes());
    out.into()
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a frame is far below 4 GiB")
}

fn crc32(bytes: &[u8]) -> u32 {
    let sum = checksum(CrcAlgorithm::Crc32IsoHdlc, bytes);
    u32::try_from(sum).unwrap_or(u32::MAX)
}

/// A frame, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Names and values of the headers that are text, in order.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The payload.
    pub payload: &'a [u8],
    /// Bytes of the frame, behind which the next one starts.
    pub len: usize,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The lengths contradict each other or exceed the limits.
    #[error("a frame of {total} bytes with {headers} bytes of headers is impossible")]
    Lengths {
        /// Claimed length of the frame.
        total: u32,
        /// Claimed length of the headers.
        headers: u32,
    },
    /// A sum does not match.
    #[error("the {part} has the checksum {found:#010x}, not {expected:#010x}")]
    Checksum {
        /// What is summed up.
        part: &'static str,
        /// The sum of what is there.
        found: u32,
        /// The sum that the frame claims.
        expected: u32,
    },
    /// The headers are broken, or hold something other than text.
    #[error("the headers are broken")]
    Headers,
}

/// Reads the frame at the start of `bytes`; `None` if it is not there as a whole.
///
/// # Errors
/// See [`FrameError`].
pub fn decode(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    let Some(prelude) = bytes.first_chunk::<PRELUDE_LEN>() else {
        return Ok(None);
    };
    let (lengths, sum) = prelude.split_at(8);
    let (total, headers) = lengths.split_at(4);
    let (total, headers) = (number(total), number(headers));
    verify("prelude", lengths, number(sum))?;
    let impossible = FrameError::Lengths { total, headers };
    let len = usize::try_from(total).map_err(|_| impossible)?;
    let headers_len = usize::try_from(headers).map_err(|_| impossible)?;
    if len > FRAME_BYTES_MAX || headers_len > HEADERS_LEN_MAX {
        return Err(impossible);
    }
    let body_len = len
        .checked_sub(PRELUDE_LEN + CRC_LEN)
        .filter(|body| headers_len <= *body)
        .ok_or(impossible)?;
    let Some((covered, sum)) = bytes
        .get(..len)
        .and_then(|frame| frame.split_at_checked(len - CRC_LEN))
    else {
        return Ok(None);
    };
    verify("frame", covered, number(sum))?;
    let body = covered.get(PRELUDE_LEN..).unwrap_or_default();
    debug_assert_eq!(body.len(), body_len);
    let (headers, payload) = body.split_at_checked(headers_len).ok_or(impossible)?;
    Ok(Some(Frame {
        headers: decode_headers(headers).ok_or(FrameError::Headers)?,
        payload,
        len,
    }))
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn verify(part: &'static str, bytes: &[u8], expected: u32) -> Result<(), FrameError> {
    let found = crc32(bytes);
    if found == expected {
        return Ok(());
    }
    Err(FrameError::Checksum {
        part,
        found,
        expected,
    })
}

fn decode_headers(mut bytes: &[u8]) -> Option<Vec<(&str, &str)>> {
    let mut headers = Vec::new();
    while let Some((&name_len, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(name_len.into())?;
        let (&[kind, high, low], rest) = rest.split_first_chunk()?;
        if kind != TYPE_TEXT {
            return None;
        }
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
        headers.push((
            std::str::from_utf8(name).ok()?,
            std::str::from_utf8(value).ok()?,
        ));
        bytes = rest;
    }
    Some(headers)
}

#[cfg(test)]
mod tests;
