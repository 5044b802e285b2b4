//! Which shards `ListShards` lists.
//!
//! A shard is open from the moment in which its parents were closed. The time at which it was created
//! is not that moment: it can be a second later than the clock, so that sequence numbers grow.

use std::collections::BTreeSet;

use afflux_aws::kinesis::input::ShardFilter;
use afflux_aws::kinesis::values::ShardFilterType;
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::ShardDescription;
use afflux_types::{ServerTime, ShardId};

use super::shard_id;
use crate::context::{Context, Known};

/// A rule with what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    After(ShardId),
    AtTrimHorizon,
    FromTrimHorizon,
    AtLatest,
    At(ServerTime),
    From(ServerTime),
}

impl Filter {
    /// Reads the filter of a request.
    pub(super) fn new(to: &Context, known: &Known, filter: &ShardFilter) -> Result<Self, Error> {
        let refuse = |text: String| Err(Error::new(Code::InvalidArgument, text));
        let kind = filter.kind;
        let timed = matches!(
            kind,
            ShardFilterType::AtTimestamp | ShardFilterType::FromTimestamp
        );
        if filter.timestamp.is_some() && !timed {
            return refuse(format!(
                "Timestamp cannot be provided for a ShardFilter of type {kind}."
            ));
        }
        if filter.shard_id.is_some() && kind != ShardFilterType::AfterShardId {
            return refuse(format!(
                "ShardId cannot be provided for a ShardFilter of type {kind}."
            ));
        }
        Ok(match (kind, filter.timestamp, filter.shard_id.as_deref()) {
            (ShardFilterType::AtTrimHorizon, ..) => Self::AtTrimHorizon,
            (ShardFilterType::FromTrimHorizon, ..) => Self::FromTrimHorizon,
            (ShardFilterType::AtLatest, ..) => Self::AtLatest,
            (ShardFilterType::AtTimestamp, Some(time), _) => Self::At(time),
            (ShardFilterType::FromTimestamp, Some(time), _) => Self::From(time),
            (ShardFilterType::AfterShardId, _, Some(id)) => Self::After(shard_id(to, known, id)?),
            (ShardFilterType::AfterShardId, ..) => {
                return refuse(format!(
                    "ShardId must be provided for a ShardFilter of type {kind}."
                ));
            }
            (ShardFilterType::AtTimestamp | ShardFilterType::FromTimestamp, ..) => {
                return refuse(format!(
                    "Timestamp must be provided for a ShardFilter of type {kind}."
                ));
            }
        })
    }

    /// The filter as a paging token carries it.
    pub(super) fn to_text(self) -> String {
        match self {
            Self::After(id) => format!("after {}", id.get()),
            Self::AtTrimHorizon => "at-horizon".to_owned(),
            Self::FromTrimHorizon => "from-horizon".to_owned(),
            Self::AtLatest => "at-latest".to_owned(),
            Self::At(time) => format!("at {}", time.as_millis()),
            Self::From(time) => format!("from {}", time.as_millis()),
        }
    }

    /// The filter of a paging token.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let time = |millis: &str| millis.parse().ok().map(ServerTime::from_millis);
        match text.split_once(' ') {
            Some(("after", id)) => id.parse().ok().map(ShardId::new).map(Self::After),
            Some(("at", millis)) => time(millis).map(Self::At),
            Some(("from", millis)) => time(millis).map(Self::From),
            Some(_) => None,
            None => match text {
                "at-horizon" => Some(Self::AtTrimHorizon),
                "from-horizon" => Some(Self::FromTrimHorizon),
                "at-latest" => Some(Self::AtLatest),
                _ => None,
            },
        }
    }

    /// The shards that pass, in the order of their ids.
    pub(super) fn apply(self, known: &Known, now: ServerTime) -> Vec<&ShardDescription> {
        let stream = &known.stream;
        let shards = known.shards(now);
        let horizon = now.minus(stream.retention.age).max(stream.created);
        match self {
            Self::FromTrimHorizon => shards.collect(),
            Self::After(id) => shards.filter(|shard| shard.id > id).collect(),
            Self::AtLatest => shards.filter(|shard| shard.closed.is_none()).collect(),
            Self::From(time) => {
                let time = time.max(horizon);
                shards
                    .filter(|shard| shard.closed.is_none_or(|closed| closed >= time))
                    .collect()
            }
            Self::At(time) if time > horizon => open_at(known, shards, time).collect(),
            Self::AtTrimHorizon | Self::At(_) => oldest(open_at(known, shards, horizon).collect()),
        }
    }
}

/// Those that were open at a time; a shard and its children all were at the time of its close.
fn open_at<'k>(
    known: &'k Known,
    shards: impl Iterator<Item = &'k ShardDescription>,
    time: ServerTime,
) -> impl Iterator<Item = &'k ShardDescription> {
    shards.filter(move |shard| {
        opened(known, shard) <= time && shard.closed.is_none_or(|closed| closed >= time)
    })
}

/// Only those of which no parent is there too: every hash key once, with its oldest records.
fn oldest(shards: Vec<&ShardDescription>) -> Vec<&ShardDescription> {
    let ids: BTreeSet<ShardId> = shards.iter().map(|shard| shard.id).collect();
    let is_oldest =
        |shard: &&ShardDescription| !shard.parents.iter().any(|parent| ids.contains(parent));
    shards.into_iter().filter(is_oldest).collect()
}

fn opened(known: &Known, shard: &ShardDescription) -> ServerTime {
    let shards = &known.stream.shards;
    let closed = shard.parents.iter().filter_map(|parent| {
        let index = shards.binary_search_by_key(parent, |shard| shard.id).ok()?;
        shards.get(index)?.closed
    });
    // Without its parents a shard is older than anything that can be asked for.
    closed.max().unwrap_or(shard.created)
}
