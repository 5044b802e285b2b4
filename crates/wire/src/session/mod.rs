//! The rules of each activity as state machines: events in with `handle_*`, decisions out with
//! `poll_*`, no I/O and no clock.
//!
//! Each activity has a machine for the side that sends data and one for the side that receives it.
//! Whoever drives them owns the QUIC stream, passes what a [`crate::Decoder`] gives, and writes what
//! `poll_*` returns.

pub mod produce;
pub mod subscribe;
pub mod upload;
