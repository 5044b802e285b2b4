//! The Kinesis Video Streams API as types: operations, inputs, outputs, errors, identifiers.
//!
//! # Shape
//! Three services of AWS, which stand behind one door here. [`Operation::from_path`] finds what a
//! request asks for; [`Request::decode`] turns its body into one variant with a typed input, validated
//! as the service does it. `PutMedia`, whose body is no document, has its input in headers:
//! [`PutMediaInput::from_headers`](input::PutMediaInput::from_headers). A handler answers with an
//! output from [`output`], which [`encode`] writes, or with an [`Error`].
//!
//! # Source
//! Names, limits and patterns follow the service models `kinesisvideo-2017-09-30`,
//! `kinesis-video-media-2017-09-30` and `kinesis-video-archived-media-2017-09-30` as of botocore 1.44.5,
//! those of `PutMedia` the developer guide.

pub mod arn;
mod error;
pub mod input;
mod operation;
pub mod output;
mod request;
pub mod values;

pub use error::{Code, Error};
pub use operation::{Class, Operation};
pub use request::Request;

use bytes::Bytes;

use crate::document::{Encode, Encoder, Format};

/// Writes an answer.
#[must_use]
pub fn encode(answer: &impl Encode) -> Bytes {
    Encoder::to_bytes(Format::Json, 512, answer)
}

#[cfg(test)]
mod tests;
