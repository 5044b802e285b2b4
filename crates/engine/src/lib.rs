//! Streams and shards: who may append what where, in which order, and who reads it.
//!
//! The engine knows neither sockets nor video: it takes entries in as the producers framed them,
//! gives each its place, and hands slices of the log to readers. [`Engine`] is all streams of a data
//! directory, [`Shard`] one shard, [`Subscription`] one reader.
//!
//! # Invariants
//! - A shard has one sequencer; nothing else appends to its log. No lock is held across shards.
//! - Memory follows the catalog: a change of streams or shards is visible once it is durable.
//! - A child shard takes entries only after everything in its parents is durable.
//! - A retry is answered with the original place, once that is durable.
//! - Nothing here polls, and nothing queues per reader: a waiting subscription is a node in a list.
//! - Async methods never wait for a disk on the caller's thread, but for what was just written.
#![forbid(unsafe_code)]

mod book;
mod catalog;
mod consumer;
mod engine;
mod fanout;
mod fault;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod manage;
mod pool;
mod registry;
mod reshard;
mod retention;
mod seal;
mod settings;
mod shard;
mod stats;
mod stream;
mod view;

pub use afflux_log::{Durability, FileSystem, Slice, VolumeOptions, VolumeStats, Watermarks};

pub use book::StreamBook;
pub use engine::{Engine, EngineOptions};
pub use fanout::{Event, From, Subscription};
pub use fault::{Moved, Throttled};
pub use seal::{Encryption, KeyFault, Keyring};
pub use settings::{Row, RowError, Settings, random, read_row};
pub use shard::producers::{PRODUCER_WINDOW_ENTRIES, PRODUCERS_MAX};
pub use shard::{Accepted, Admission, Shard};
pub use stats::{EngineStats, StreamStats};
pub use stream::{
    Checkpoint, Child, ConsumerDescription, LoadSample, NewStream, Quota, Retention,
    ShardDescription, ShardLoad, ShardState, StreamDescription, StreamKind, StreamLoad,
    StreamSummary,
};
pub use view::delivery_stream;
