//! The Rust producer, consumer and camera of Afflux.
#![forbid(unsafe_code)]

mod admin;
mod connect;
mod consumer;
mod producer;
mod video;

pub use connect::{Client, ClientCertificate, Config, Retry, Token, Trust};
pub use consumer::{Batch, Consumer, ConsumerEvent, ConsumerOptions, Delivered, From, Shards};
pub use producer::{AckedBatch, AckedHook, Counts, Producer, ProducerOptions, PutError, Receipt};
pub use video::{
    Fetch, Follow, SessionId, Source, Spool, StateHook, TimeOrigin, Uploader, UploaderOptions,
};

/// The error that stopped something, for one more caller.
fn stopped(what: &str, error: &afflux_types::Error) -> afflux_types::Error {
    let message = format!("{what} has stopped: {}", error.chain());
    afflux_types::Error::new(error.kind(), message)
}
