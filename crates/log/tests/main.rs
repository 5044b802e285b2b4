//! The log from outside: what is appended is read back, after whatever happened in between.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "clippy's allowances for tests do not reach helper functions, and numbers are small here"
)]

mod append;
mod crash;
mod disk;
mod fault;
mod golden;
mod model;
mod recovery;
mod support;
mod threads;
