//! The Afflux server: listeners, credentials, handlers, settings, metrics, shutdown.
//!
//! It joins the crates below it and is the only one that knows QUIC endpoints, HTTP and status
//! codes. The command line starts it with [`Server::start`]; tests and embedders do the same.
//!
//! Read on with [`config`], then `server` for the order in which things start and stop,
//! `listen/quic.rs` for the life of a connection, and `handle/` for what each QUIC stream does.
#![forbid(unsafe_code)]

pub mod config;
pub mod error;

mod auth;
mod aws;
mod handle;
mod listen;
mod metrics;
mod server;
mod shutdown;
mod tls;

pub use config::Config;
pub use server::Server;
pub use tls::Fingerprint;
