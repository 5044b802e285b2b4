//! The Kinesis Data Streams API as types: operations, inputs, outputs, errors, identifiers.
//!
//! # Shape
//! [`Request::decode`] is the way in: it turns an [`Operation`] and a body into one variant with a
//! typed input, validated as the service does it. A handler answers with an output from [`output`],
//! which [`encode`] writes in the format of the request, or with an [`Error`].
//!
//! # Source
//! Names, limits and patterns follow the service model `kinesis-2013-12-02` as of botocore 1.44.5.

pub mod arn;
mod error;
pub mod event_stream;
pub mod input;
mod operation;
pub mod output;
mod request;
pub mod sequence;
pub mod token;
pub mod values;

pub use error::{Code, Error};
pub use operation::{Class, Operation, TARGET_PREFIX};
pub use request::Request;
pub use sequence::{Origin, SequenceNumber};

use bytes::Bytes;

use crate::document::{Encode, Encoder, Format};

/// Writes an answer.
#[must_use]
pub fn encode(format: Format, answer: &impl Encode) -> Bytes {
    Encoder::to_bytes(format, 512, answer)
}

#[cfg(test)]
mod tests;
