//! The control operations, as a client calls them: JSON in, JSON out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod account;
mod consumers;
mod demand;
mod doors;
mod encryption;
mod overlap;
mod policies;
mod rates;
mod scaling;
mod settings;
mod shards;
mod streams;
mod support;
mod tags;
