//! Kinesis Video Streams over the engine: every operation, without HTTP.
//!
//! A server authenticates a request, decodes it with `afflux-aws` and gives it to [`Video::call`]; it
//! gets a body, or the pieces of one. The streams are the engine's streams of video: what the command
//! line makes and uploads to over QUIC is seen here, and the reverse. What only this API knows of a
//! stream, its device and its tags for example, stands beside it in the engine's settings.
//!
//! Read in this order: `service.rs`, `context.rs`, `control/` (streams and what is set of them),
//! `library/` (where fragments are), then what comes in (`put/`) and what goes out (`get/`, `list/`,
//! `clip/`, `images/`, `session/`). `notify/` tells others of fragments that are stored.
#![forbid(unsafe_code)]

mod attributes;
mod clip;
mod context;
mod control;
mod get;
mod images;
pub mod library;
mod limits;
mod list;
mod notify;
mod options;
mod page;
mod pieces;
mod put;
mod service;
mod session;

pub use options::Options;
pub use pieces::{Pieces, Source};
pub use put::{Acks, Upload};
pub use service::{Answer, Media, SessionAnswer, Video};

#[cfg(test)]
mod testing;
