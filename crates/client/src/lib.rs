//! The Rust producer, consumer and camera of Afflux.
//!
//! A [`Client`] holds one QUIC connection to a server. Everything shares it: a [`Producer`] sends
//! records, a [`Consumer`] reads a stream as it grows, an [`Uploader`] sends video, and methods on
//! the client administer streams. What breaks is made again: records and fragments are stored once
//! and read once, in order, however often the connection is lost.
//!
//! ```no_run
//! use afflux_client::{Client, Config, ConsumerOptions, ProducerOptions, Trust};
//! use afflux_types::StreamName;
//!
//! # async fn example() -> afflux_types::Result<()> {
//! let client = Client::connect(Config::new("127.0.0.1:7400", Trust::LoopbackAny)).await?;
//! let stream = StreamName::new("orders")?;
//!
//! let producer = client.producer(&stream, ProducerOptions::default()).await?;
//! let receipt = producer.put("customer-7", b"one book").await?;
//! println!("stored as {:?}", receipt.sequence_number());
//!
//! let mut consumer = client.consumer(&stream, ConsumerOptions::default()).await?;
//! while let Some(batch) = consumer.next_batch().await? {
//!     for record in batch.records() {
//!         let record = record?;
//!         println!("{}: {:?}", record.sequence_number(), record.record.data);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
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
    Fetch, Follow, PlacedFragment, SessionId, Source, Spool, StateHook, TimeOrigin, Uploader,
    UploaderOptions,
};

/// The error that stopped something, for one more caller.
fn stopped(what: &str, error: &afflux_types::Error) -> afflux_types::Error {
    let message = format!("{what} has stopped: {}", error.chain());
    afflux_types::Error::new(error.kind(), message)
}
