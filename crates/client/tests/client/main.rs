//! The client against a server in memory, over real QUIC on this machine.
//!
//! - `connect`: certificates, tokens, connections that break
//! - `produce`: batches, retries, back-pressure, resharding
//! - `upload`: video, its spool, and what comes back
//! - `consume`: order, resuming, children, credit
#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation of a helper fails the test"
)]

mod connect;
mod consume;
mod produce;
mod support;
mod upload;
