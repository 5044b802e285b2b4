//! The operations, as a client calls them: JSON in, JSON out, objects in directories.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod cluster;
mod conversion;
mod create;
mod describe;
mod encryption;
mod endpoint;
mod foreign;
mod iceberg;
mod records;
mod support;
mod tags;
mod update;
