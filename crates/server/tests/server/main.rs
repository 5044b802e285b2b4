//! The server from outside: real sockets, a hand-written client, one data directory per test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

mod support;

mod abuse;
mod access;
mod admin;
mod delivery;
mod health;
mod lifecycle;
mod produce;
mod subscribe;
mod video;
