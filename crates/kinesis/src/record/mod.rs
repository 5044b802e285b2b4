//! Records in and out: puts, iterators, reads, and subscriptions.
//!
//! # Shape
//! A put finds the open shard of each record (`route.rs`), frames the records of each shard as one entry
//! (`batch.rs`) and appends the entries at once (`put.rs`). A read borrows records from slices of the log
//! (`found.rs`) and encodes them once (`get.rs`); a subscription does the same for what becomes durable
//! (`subscribe/`). Iterators and starting positions are in `iterator.rs` and `start.rs`.
//!
//! # Invariants
//! - A record is answered for once it is durable, and taken once: what a closed shard refused goes to its
//!   children whole.
//! - An answer has a next iterator, or children of a shard that has ended, and never both; the same holds
//!   for continuations of subscriptions.
//! - Aggregated records pass through as they are.

mod batch;
mod found;
mod get;
mod iterator;
mod join;
mod put;
mod request;
mod route;
mod start;
mod subscribe;
mod throttle;

pub(crate) use get::get_records;
pub(crate) use iterator::get_shard_iterator;
pub(crate) use put::{put_record, put_records};
pub use subscribe::Events;
pub(crate) use subscribe::subscribe_to_shard;

use std::time::Duration;

use afflux_aws::kinesis::output::{ChildShard, HashKeyRange};
use afflux_aws::kinesis::values::EncryptionType;
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::{Child, Shard, ShardDescription};
use afflux_types::{ErrorKind, Position, ServerTime, ShardId, StreamName};

use crate::context::Context;

/// What operations on records share beside the context.
#[derive(Debug, Default)]
pub(crate) struct State {
    routes: route::Cache,
    reads: throttle::Reads,
    seats: subscribe::Seats,
}

impl State {
    /// Lets go of a stream that was deleted.
    pub(crate) fn forget(&self, stream: &StreamName) {
        self.routes.forget(stream);
    }
}

/// The shard's place in its stream, without a look at the others.
fn describe(
    to: &Context,
    stream: &StreamName,
    shard: ShardId,
) -> Result<Option<ShardDescription>, Error> {
    let after = shard.get().checked_sub(1).map(ShardId::new);
    let found = to
        .engine
        .list_shards(stream, after, 1)
        .map_err(|error| to.stream_error(&error, stream.as_str()))?;
    Ok(found.into_iter().find(|found| found.id == shard))
}

/// The shard with its log open.
async fn open(to: &Context, stream: &StreamName, shard: ShardId) -> Result<Shard, Error> {
    let opened = to.engine.shard(stream, shard).await;
    opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => no_shard(to, stream, shard),
        _ => to.stream_error(&error, stream.as_str()),
    })
}

fn no_shard(to: &Context, stream: &StreamName, shard: ShardId) -> Error {
    let account = to.account();
    Error::new(
        Code::ResourceNotFound,
        format!("Shard {shard} in stream {stream} under account {account} does not exist"),
    )
}

fn dry_run() -> Error {
    Error::new(
        Code::DryRunOperation,
        "The request was rejected because the DryRun parameter was specified.",
    )
}

/// What answers say of how records are encrypted. Of a record that was put before encryption was switched
/// on or off, a reader is told what holds now.
fn encryption(shard: &Shard) -> Option<EncryptionType> {
    shard.is_encrypted().then_some(EncryptionType::Kms)
}

/// How far a reader at `position` is behind the shard's end; zero only there. `arrival` is the time of
/// the record that it is at, as near as is known.
///
/// # Units
/// Milliseconds.
fn millis_behind(
    shard: &Shard,
    position: Position,
    arrival: Option<ServerTime>,
    now: ServerTime,
) -> u64 {
    if position >= shard.watermarks().durable {
        return 0;
    }
    let age = arrival.map_or(Duration::ZERO, |arrival| now.since(arrival));
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Children in the form of answers.
fn child_shards(children: &[Child]) -> Vec<ChildShard> {
    let child = |child: &Child| ChildShard {
        shard_id: child.id,
        parent_shards: child.parents.clone(),
        hash_key_range: HashKeyRange {
            starting_hash_key: child.range.start(),
            ending_hash_key: child.range.end(),
        },
    };
    children.iter().map(child).collect()
}
