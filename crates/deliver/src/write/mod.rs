//! The writing side of an archive: synchronous, single-threaded, deterministic.
//!
//! A [`Lane`] holds the shards that share a thread; a `ShardWriter` turns one shard's entries into
//! files; a [`Policy`] decides where one file ends. None of them knows async code or reads a clock.

mod encoder;
mod file;
mod lane;
mod roll;
mod shard;
mod video;

pub(crate) use encoder::hex;
pub(crate) use lane::{Lane, LaneOptions};
pub(crate) use roll::{Content, Current, KEY_FRAME_WAIT, Next, Policy};
pub(crate) use shard::{Moment, Progress, WriterOptions, Written};

#[cfg(test)]
mod aggregate_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
pub(crate) mod video_tests;
