//! Splitting and merging shards by hand.

use afflux_aws::kinesis::input::{MergeShardsInput, SplitShardInput};
use afflux_aws::kinesis::values::StreamMode;
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::ShardDescription;
use afflux_types::{ErrorKind, HashKey};

use super::find;
use crate::account::check_shard_limit;
use crate::context::{Context, Known, service_error};

/// `SplitShard`. The children are there when this returns.
pub(crate) async fn split(to: &Context, input: SplitShardInput) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_provisioned(to, &known)?;
    let shard = find(to, &known, &input.shard_to_split)?;
    let _updating = to.begin_update(&known.stream)?;
    check_shard_limit(to, 1)?;
    check_open(to, &known, shard)?;
    let at = starting_key(&input.new_starting_hash_key, shard)
        .ok_or_else(|| out_of_range(to, &known, shard, &input.new_starting_hash_key))?;
    let name = &known.stream.name;
    let split = to.engine.split_shard(name, shard.id, Some(at)).await;
    split
        .map(drop)
        .map_err(|error| said(to, &known, shard, &error))
}

/// `MergeShards`. The child is there when this returns.
pub(crate) async fn merge(to: &Context, input: MergeShardsInput) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_provisioned(to, &known)?;
    let one = find(to, &known, &input.shard_to_merge)?;
    let other = find(to, &known, &input.adjacent_shard_to_merge)?;
    let _updating = to.begin_update(&known.stream)?;
    check_open(to, &known, one)?;
    check_open(to, &known, other)?;
    if one.range.merge(other.range).is_err() {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "Shards {} and {} in stream {} under account {} are not an adjacent pair of shards \
                 eligible for merging",
                one.id,
                other.id,
                known.stream.name,
                to.account()
            ),
        ));
    }
    let name = &known.stream.name;
    let merge = to.engine.merge_shards(name, one.id, other.id).await;
    merge
        .map(drop)
        .map_err(|error| said(to, &known, one, &error))
}

/// Only the owner of a stream in provisioned mode decides about its shards.
pub(super) fn check_provisioned(to: &Context, known: &Known) -> Result<(), Error> {
    match known.attributes.mode {
        StreamMode::Provisioned => Ok(()),
        StreamMode::OnDemand => Err(Error::new(
            Code::Validation,
            format!(
                "Request is invalid. Stream {} under account {} is in On-Demand mode.",
                known.stream.name,
                to.account()
            ),
        )),
    }
}

fn check_open(to: &Context, known: &Known, shard: &ShardDescription) -> Result<(), Error> {
    match shard.closed {
        None => Ok(()),
        Some(_) => Err(closed(to, known, shard)),
    }
}

/// The key at which a shard may be split. The service keeps one key more than it would have to.
fn starting_key(text: &str, shard: &ShardDescription) -> Option<HashKey> {
    let key: u128 = text.parse().ok()?;
    let after_start = shard.range.start().get().checked_add(1)?;
    (key > after_start && key < shard.range.end().get()).then(|| HashKey::new(key))
}

fn out_of_range(to: &Context, known: &Known, shard: &ShardDescription, key: &str) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!(
            "NewStartingHashKey {key} used in SplitShard() on shard {} in stream {} under account {} \
             is not both greater than one plus the shard's StartingHashKey {} and less than the \
             shard's EndingHashKey {}.",
            shard.id,
            known.stream.name,
            to.account(),
            shard.range.start(),
            shard.range.end()
        ),
    )
}

fn said(
    to: &Context,
    known: &Known,
    shard: &ShardDescription,
    error: &afflux_types::Error,
) -> Error {
    match error.kind() {
        // Another door was faster.
        ErrorKind::ShardMoved => closed(to, known, shard),
        ErrorKind::NotFound => to.no_stream(known.stream.name.as_str()),
        _ => service_error(error),
    }
}

fn closed(to: &Context, known: &Known, shard: &ShardDescription) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!(
            "Shard {} in stream {} under account {} has already been merged or split, and thus is \
             not eligible for merging or splitting.",
            shard.id,
            known.stream.name,
            to.account()
        ),
    )
}
