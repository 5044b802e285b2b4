//! The native protocol of Afflux on QUIC, without I/O.
//!
//! A [`Decoder`] turns the bytes of a QUIC stream into control frames and entries, [`Frame`] turns
//! control frames into bytes, and the state machines in [`session`] hold the rules of each activity.
//! Entries need no encoder: what a producer builds and what a log stores goes out as it is.
//!
#![doc = include_str!("../FRAMES.md")]
#![forbid(unsafe_code)]

pub mod message;
pub mod session;
pub mod transport;

mod decoder;
mod error;
mod failure;
mod frame;
mod range;

pub use decoder::{Decoder, EntryLimits, EntryRope, Item, Stamped};
pub use error::WireError;
pub use frame::{FRAME_HEAD_LEN, Frame, FrameType};

/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"afflux/1";

#[cfg(test)]
mod tests;
