//! The Amazon Data Firehose API as types: operations, inputs, destinations, outputs, errors, identifiers.
//!
//! # Shape
//! [`Request::decode`] is the way in, as in [`kinesis`](crate::kinesis). What a caller sets of a delivery
//! stream is a structure that is both an input and an output: [`encode`] makes the document that a service
//! keeps, [`Decode`](crate::Decode) reads it again with the parser of requests. A [`Destination`] is made
//! from a `CreateDeliveryStream`, changed by an `UpdateDestination`, and described as the service does it.
//!
//! Destinations and sources that are known by name only are read as [`Unserved`]: that they are there is
//! all that is known of them.
//!
//! # Source
//! Names, limits and patterns follow the service model `firehose-2015-08-04` as of botocore 1.44.5.

pub mod arn;
pub mod destination;
mod error;
pub mod input;
mod operation;
pub mod output;
mod pattern;
mod request;
pub mod values;

pub use destination::Destination;
pub use error::{Code, Error};
pub use input::Unserved;
pub use operation::{Class, Operation, TARGET_PREFIX};
pub use request::Request;

use bytes::Bytes;

use crate::document::{Encode, Encoder, Format};

/// Writes an answer, or a structure that is kept.
#[must_use]
pub fn encode(document: &impl Encode) -> Bytes {
    Encoder::to_bytes(Format::Json, 512, document)
}

#[cfg(test)]
mod tests;
