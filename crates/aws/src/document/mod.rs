//! A request or an answer as a tree of values, in either of the two formats of the protocol.
//!
//! # Shape
//! [`decode`] turns a body into a [`Value`] that borrows its strings from the body; CBOR byte strings
//! are slices of the body's buffer. Which strings are base64 and which numbers are times is known
//! only to the schema, so that JSON is read in two steps: here into plain values, in
//! [`validate`](crate::validate) into typed ones. Answers take the other way without a tree: an
//! [`Encoder`] appends to one buffer.
//!
//! # Invariants
//! - Depth, and the number of values, are bounded while the input is read.
//! - A map never holds a key twice.

mod cbor;
mod encode;
mod json;
mod values;

use std::borrow::Cow;

use bytes::Bytes;

pub use encode::{Encode, Encoder};

/// Levels of lists and maps in one document; the service's own shapes use at most seven.
pub const DEPTH_MAX: u32 = 32;
/// Values in one document. Bounds the tree to a few megabytes whatever the body claims: the largest
/// request of the service has about 30,000.
pub const VALUES_MAX: u32 = 131_072;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/x-amz-json-1.1`: blobs in base64, times in seconds with a fraction.
    Json,
    /// `application/x-amz-cbor-1.1`: blobs as byte strings, times as tag 1 with whole milliseconds.
    Cbor,
}

impl Format {
    /// The format that a `Content-Type` names; parameters after `;` are ignored.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or("").trim();
        [Self::Json, Self::Cbor]
            .into_iter()
            .find(|format| format.content_type().eq_ignore_ascii_case(media_type))
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }
}

/// One value of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// Nothing; in a structure the same as an absent member.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number; one beyond 64 bits stands at the nearest end.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text; borrowed from the body unless it held escapes or came in chunks.
    Str(Cow<'a, str>),
    /// Bytes.
    Blob(Bytes),
    /// Milliseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Values in order.
    List(Vec<Self>),
    /// Members in the order of the body, each key once.
    Map(Vec<(Cow<'a, str>, Self)>),
}

/// Why a body is not a document, or a document not what the operation takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not JSON.
    #[error("broken JSON: {0}")]
    Json(String),
    /// Not CBOR as the protocol uses it.
    #[error("broken CBOR at byte {at}: {what}")]
    Cbor {
        /// The byte at which reading stopped.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The outermost value is not a map.
    #[error("the body is not a map")]
    NotAMap,
    /// A value has a type that its member does not take; the text is the service's.
    #[error("{0}")]
    Type(String),
}

impl Error {
    /// The code of the service's error for all of these.
    pub const CODE: &'static str = "SerializationException";

    /// What the service puts into `Message`: the text of a wrong type, nothing for a broken body.
    #[must_use]
    pub fn service_message(&self) -> Option<&str> {
        match self {
            Self::Type(text) => Some(text),
            Self::Json(_) | Self::Cbor { .. } | Self::NotAMap => None,
        }
    }
}

/// Reads a body whose outermost value is a map.
///
/// # Errors
/// If the body is broken, deeper than [`DEPTH_MAX`], larger than [`VALUES_MAX`], holds a key twice, or
/// is not a map.
pub fn decode(format: Format, body: &Bytes) -> Result<Value<'_>, Error> {
    let value = match format {
        Format::Json => json::decode(body),
        Format::Cbor => cbor::decode(body),
    }?;
    match value {
        Value::Map(_) => Ok(value),
        _ => Err(Error::NotAMap),
    }
}

/// Whether a key stands twice among `entries`.
fn duplicate_key<'m>(entries: &'m [(Cow<'_, str>, Value<'_>)]) -> Option<&'m str> {
    // Structures are small; only a hostile or a tag map is worth sorting.
    if entries.len() <= 12 {
        let mut rest = entries;
        while let Some(((key, _), later)) = rest.split_first() {
            if later.iter().any(|(other, _)| other == key) {
                return Some(key);
            }
            rest = later;
        }
        return None;
    }
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(*a),
        _ => None,
    })
}

/// Seconds with a fraction as milliseconds, rounded; what is beyond 64 bits stands at the nearest end.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a conversion from f64 saturates, and NaN becomes zero"
)]
pub(crate) fn millis(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}

/// Cuts off the fraction, downwards; what is beyond 64 bits stands at the nearest end.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a conversion from f64 saturates, and NaN becomes zero"
)]
pub(crate) fn floor(number: f64) -> i64 {
    number.floor() as i64
}

#[cfg(test)]
mod tests;
