//! Delivery streams of a real engine, to a real disk and to real servers.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod bucket;
mod delivery;
mod delivery_kill;
mod delivery_video;
mod endpoint;
mod envelope;
mod function;
mod kafka;
mod opensearch;
mod probe;
mod serve;
mod support;
mod transformer;
mod video;
