//! Changing how many shards a stream has, to shards of equal size.
//!
//! # Steps
//! The new ranges are made from the lowest to the highest: the shard that begins where the range does
//! is merged with its neighbors until it reaches the range's end, then what is beyond is split off. So
//! there are never more open shards than before or afterwards, every key has one open shard at any
//! time, and what stops half way leaves a stream that can be used and scaled again. A boundary that
//! stays costs nothing: twice as many shards are one split each, half as many one merge each.

use std::time::Duration;

use afflux_aws::kinesis::input::UpdateShardCountInput;
use afflux_aws::kinesis::output::UpdateShardCountOutput;
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::ShardDescription;
use afflux_types::limits::STREAM_SHARDS_MAX;
use afflux_types::{HashKey, HashKeyRange, ShardId, StreamName};

use super::reshard::check_provisioned;
use crate::account::check_shard_limit;
use crate::attributes::recent;
use crate::context::{Context, Known};
use crate::stream::count;

const DAY: Duration = Duration::from_secs(86_400);
/// Calls in a day.
const SCALINGS_MAX: usize = 10;

/// `UpdateShardCount`. The shards are there when this returns.
pub(crate) async fn update_count(
    to: &Context,
    input: UpdateShardCountInput,
) -> Result<UpdateShardCountOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_provisioned(to, &known)?;
    let _updating = to.begin_update(&known.stream)?;
    let (current, target) = (count(known.open_shards()), input.target_shard_count);
    check_target(current, target)?;
    check_shard_limit(to, target.saturating_sub(current))?;
    note(to, &known).await?;
    let name = &known.stream.name;
    reshape(to, name, target).await?;
    Ok(UpdateShardCountOutput {
        stream_name: Some(name.to_string()),
        current_shard_count: current,
        target_shard_count: target,
        stream_arn: Some(to.arn(name).to_string()),
    })
}

/// Splits and merges until the stream has `target` open shards of equal size.
pub(crate) async fn reshape(to: &Context, name: &StreamName, target: u32) -> Result<(), Error> {
    let mut open = Open::of(to, name)?;
    for range in HashKeyRange::even(target) {
        let Some(mut first) = open.take() else {
            return Ok(());
        };
        while first.range.end() < range.end() {
            let Some(next) = open.take() else {
                return Ok(());
            };
            let merged = to.engine.merge_shards(name, first.id, next.id).await;
            let child = merged.map_err(|error| to.stream_error(&error, name.as_str()))?;
            first = Piece {
                id: child.id,
                range: child.range,
            };
        }
        if first.range.end() > range.end() {
            let at = HashKey::new(range.end().get() + 1);
            let split = to.engine.split_shard(name, first.id, Some(at)).await;
            let children = split.map_err(|error| to.stream_error(&error, name.as_str()))?;
            if let Some(rest) = children.last() {
                open.put_back(Piece {
                    id: rest.id,
                    range: rest.range,
                });
            }
        }
    }
    Ok(())
}

/// An open shard.
#[derive(Clone, Copy, Debug)]
struct Piece {
    id: ShardId,
    range: HashKeyRange,
}

/// The open shards that are still to be reshaped, the lowest last.
struct Open(Vec<Piece>);

impl Open {
    fn of(to: &Context, name: &StreamName) -> Result<Self, Error> {
        let known = to.known(name)?;
        let open = known.stream.shards.iter().filter(|s| s.closed.is_none());
        let piece = |shard: &ShardDescription| Piece {
            id: shard.id,
            range: shard.range,
        };
        let mut pieces: Vec<Piece> = open.map(piece).collect();
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.range.start()));
        Ok(Self(pieces))
    }

    fn take(&mut self) -> Option<Piece> {
        self.0.pop()
    }

    fn put_back(&mut self, piece: Piece) {
        self.0.push(piece);
    }
}

fn check_target(current: u32, target: u32) -> Result<(), Error> {
    let refuse = |code, text: String| Err(Error::new(code, text));
    if target > STREAM_SHARDS_MAX {
        return refuse(
            Code::InvalidArgument,
            format!(
                "UpdateShardCount cannot scale a stream to more than {STREAM_SHARDS_MAX} shards. \
                 Target shard count: {target}"
            ),
        );
    }
    if target > current.saturating_mul(2) {
        return refuse(
            Code::InvalidArgument,
            format!(
                "UpdateShardCount cannot scale up over double your current open shard count. \
                 Current open shard count: {current} Target shard count: {target}"
            ),
        );
    }
    if target < current.div_ceil(2) {
        return refuse(
            Code::InvalidArgument,
            format!(
                "UpdateShardCount cannot scale down below half your current open shard count. \
                 Current open shard count: {current} Target shard count: {target}"
            ),
        );
    }
    Ok(())
}

/// Counts the call.
async fn note(to: &Context, known: &Known) -> Result<(), Error> {
    let now = to.now();
    let limit = to.options.throttled.then_some(SCALINGS_MAX);
    let noted = to.book.change(&known.stream, |attributes| {
        recent(&mut attributes.scalings, now, DAY);
        if limit.is_some_and(|limit| attributes.scalings.len() >= limit) {
            return Err(Error::new(
                Code::LimitExceeded,
                format!(
                    "Stream {} under account {} was scaled {SCALINGS_MAX} times within 24 hours, \
                     which is the limit.",
                    known.stream.name,
                    to.account()
                ),
            ));
        }
        if limit.is_some() {
            attributes.scalings.push(now);
        }
        Ok(())
    });
    noted.await
}
