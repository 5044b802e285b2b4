//! The nouns of Afflux: names, keys, shards, positions, records, times, limits, errors.
//!
//! This crate does no I/O and knows neither a wire nor a disk. Everything that another crate may
//! receive from outside is checked once, in a constructor here, and carried as a type afterwards.
#![forbid(unsafe_code)]

pub mod limits;

mod clock;
mod error;
mod fragment;
mod key;
mod name;
mod position;
mod record;
mod shard;
mod time;

pub use clock::Clock;
pub use error::{Error, ErrorKind, Result};
pub use fragment::{FragmentNumber, FragmentNumberError};
pub use key::{HashKey, HashKeyRange, PartitionKey};
pub use name::{ConsumerName, DeliveryName, StreamName};
pub use position::{Position, SequenceNumber};
pub use record::Record;
pub use shard::ShardId;
pub use time::{ProducerTime, ServerTime};
