//! Shards: listing them, splitting and merging them, changing how many there are.

mod filter;
mod list;
mod reshard;
pub(crate) mod scale;

use afflux_aws::kinesis::output::{HashKeyRange, SequenceNumberRange, Shard};
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::ShardDescription;
use afflux_types::ShardId;

use crate::context::{Context, Known, origin};

pub(crate) use list::{check_created, check_excluded, list};
pub(crate) use reshard::{merge, split};
pub(crate) use scale::update_count;

/// A shard as the service shows it.
pub(crate) fn describe_shard(known: &Known, shard: &ShardDescription) -> Shard {
    let origin = origin(shard);
    let (parent, adjacent) = parents(known, shard);
    Shard {
        shard_id: shard.id,
        parent_shard_id: parent,
        adjacent_parent_shard_id: adjacent,
        hash_key_range: HashKeyRange {
            starting_hash_key: shard.range.start(),
            ending_hash_key: shard.range.end(),
        },
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: origin.start(),
            ending_sequence_number: shard.closed.map(|closed| origin.end(closed)),
        },
    }
}

/// A shard id of a request, in the full or a short form.
pub(crate) fn shard_id(to: &Context, known: &Known, id: &str) -> Result<ShardId, Error> {
    id.parse().map_err(|_| no_shard(to, known, &id))
}

/// The shard of a request.
pub(super) fn find<'k>(
    to: &Context,
    known: &'k Known,
    id: &str,
) -> Result<&'k ShardDescription, Error> {
    let parsed = shard_id(to, known, id)?;
    known.shard(id).ok_or_else(|| no_shard(to, known, &parsed))
}

fn no_shard(to: &Context, known: &Known, id: &impl std::fmt::Display) -> Error {
    Error::new(
        Code::ResourceNotFound,
        format!(
            "Could not find shard {id} in stream {} under account {}.",
            known.stream.name,
            to.account()
        ),
    )
}

/// The parent, and after a merge the one with the higher hash keys.
fn parents(known: &Known, shard: &ShardDescription) -> (Option<ShardId>, Option<ShardId>) {
    let start = |id: ShardId| {
        let shards = &known.stream.shards;
        let index = shards.binary_search_by_key(&id, |shard| shard.id).ok()?;
        shards.get(index).map(|shard| shard.range.start())
    };
    match *shard.parents.as_slice() {
        [] => (None, None),
        [first, second, ..] => match (start(first), start(second)) {
            (Some(one), Some(other)) if other < one => (Some(second), Some(first)),
            _ => (Some(first), Some(second)),
        },
        [only] => (Some(only), None),
    }
}
