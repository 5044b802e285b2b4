//! Archives of a real engine's streams, on a real disk.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod archive;
mod bucket;
mod delivery;
mod delivery_kill;
mod delivery_video;
mod endpoint;
mod function;
mod kafka;
mod kill;
mod opensearch;
mod probe;
mod serve;
mod support;
mod transformer;
mod video;
