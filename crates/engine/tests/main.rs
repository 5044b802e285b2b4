//! The engine from outside, on a real disk and a manual clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod append;
mod catalog;
mod delivery;
mod encryption;
mod load;
mod model;
mod read;
mod reshard;
mod retention;
mod retry;
mod scale;
mod support;
