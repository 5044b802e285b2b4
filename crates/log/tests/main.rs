//! The log from outside: what is appended is read back, after whatever happened in between.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's allow-unwrap-in-tests does not reach helper functions"
)]

mod append;
mod crash;
mod disk;
mod fault;
mod recovery;
mod support;
