//! The AWS-compatible surface without I/O: request bodies in, typed inputs out, answers back.
//!
//! A server reads a request, verifies its signature with [`sigv4`], finds the operation and turns the
//! body into a typed input with [`kinesis`], [`video`] or [`firehose`], and writes the typed output in
//! the format of the request. [`http`] finds the operations that a header names. [`policy`] says who else
//! may use a resource. [`document`] holds the two body formats, [`validate`] the constraints of the
//! service model and the sentences in which the service reports that they are broken.
//!
//! # Invariants
//! - Nothing here does I/O, reads a clock or draws a random number: times, keys and seeds come in.
//! - Untrusted bytes never panic, and never make us allocate what they merely claim.
#![forbid(unsafe_code)]

pub mod arn;
pub mod document;
pub mod error;
pub mod firehose;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod kinesis;
mod macros;
mod parse;
pub mod policy;
pub mod sigv4;
pub mod token;
pub mod validate;
pub mod video;

pub use parse::Decode;
