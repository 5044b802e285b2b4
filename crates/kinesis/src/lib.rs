//! Kinesis Data Streams over the engine: every operation, without HTTP.
//!
//! A server authenticates a request, decodes it with `afflux-aws` and gives it to [`Kinesis::call`]; it
//! gets a body, or the frames of a subscription. A stream that is made here is a stream of the engine:
//! QUIC producers write it and the command line shows it. What only this API knows of a stream, its
//! tags and its mode for example, stands beside it in the engine's settings.
//!
//! Read in this order: `service.rs`, `context.rs`, then the operations by what they are about:
//! `stream/`, `shard/`, `consumer/`, `account/`, `record/`. `scale/` is no operation: it gives on-demand
//! streams the shards that they need.
#![forbid(unsafe_code)]

mod attributes;
mod context;
mod options;
mod rate;
mod scale;
mod service;
mod target;

mod account;
mod consumer;
mod record;
mod resource;
mod shard;
mod stream;

pub use options::Options;
pub use record::Events;
pub use service::{Answer, Kinesis};
