//! Black-box tests: the binary, real clients, real files.
//!
//! - `tidy`: rules about the repository itself.
//! - `cli`: each command as a user types it, its output and its exit codes.
//! - `kinesis`: the AWS API from the outside: very many and slow subscribers.
//! - `quic`: the native protocol from the outside: bad bytes, bad requests, many and slow clients.
//! - `video`: cameras with every codec, broken cameras, cameras on bad networks.
//! - `faults`: full disks, changed bytes, answers that never arrive.
//! - `crash`: `kill -9` at random moments under load.
//! - `support`: a server with a directory of its own, and shorthands for all of these.
#![allow(
    clippy::excessive_nesting,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers, and reads as one story"
)]

mod cli;
mod crash;
mod faults;
mod kinesis;
mod quic;
mod support;
mod tidy;
mod video;
