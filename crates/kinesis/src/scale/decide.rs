//! What is split and what is merged: a function of what was measured.
//!
//! Up at once, down slowly. A shard is split when it was busy for 15 seconds, or half used for a minute,
//! and if both sides of the cut carry load. Shards are merged when both together were nearly idle for 15
//! minutes, and only down to what the stream must be ready for. Between the two lies a wide band in which
//! nothing happens: two shards that a split has made are at half its threshold each, and are merged at
//! half of that. Not both in one round.

use afflux_types::{HashKey, HashKeyRange, ShardId};

/// A shard is split when it took in so much for 15 seconds, in thousandths of what it may.
pub(super) const SPLIT_NOW: u64 = 800;
/// A shard is split when it took in so much for a minute.
const SPLIT_SUSTAINED: u64 = 500;
/// Neighbors are merged when both together took in no more at any time in 15 minutes.
const MERGE: u64 = 250;
/// Splits or merges of one stream in a round: those of a large one take several, and other changes of
/// the stream have their turn in between.
const STEPS_MAX: usize = 64;

/// What is known of a stream.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The open shards in the order of their ranges.
    pub(super) shards: Vec<ShardView>,
    /// Shards that may come.
    pub(super) room: u32,
    /// Shards that were asked for: there are to be as many.
    pub(super) warm: u32,
    /// Shards that must stay.
    pub(super) keep: u32,
}

/// What is known of an open shard. Loads are in thousandths of what a shard may take in, and unknown
/// until the shard was watched for long enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShardView {
    pub(super) id: ShardId,
    pub(super) range: HashKeyRange,
    /// Over 15 seconds.
    pub(super) burst: Option<u64>,
    /// Over a minute.
    pub(super) sustained: Option<u64>,
    /// The highest burst of the last 15 minutes.
    pub(super) highest: Option<u64>,
    /// Where the load divides; `None` if it does not.
    pub(super) cut: Option<HashKey>,
}

/// A change of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Split {
        shard: ShardId,
        /// Where the higher child begins.
        at: HashKey,
    },
    Merge {
        low: ShardId,
        high: ShardId,
    },
}

/// What is to be done now. The steps are about different shards.
pub(super) fn decide(view: &View) -> Vec<Step> {
    let splits = splits(view);
    if splits.is_empty() {
        return merges(view);
    }
    splits
}

fn splits(view: &View) -> Vec<Step> {
    let room = to_usize(view.room).min(STEPS_MAX);
    let hot = view.shards.iter().filter(|shard| is_hot(shard));
    let mut hot: Vec<(&ShardView, HashKey)> =
        hot.filter_map(|shard| Some((shard, shard.cut?))).collect();
    hot.sort_by_key(|(shard, _)| std::cmp::Reverse(shard.burst.max(shard.sustained)));
    hot.truncate(room);
    let mut steps: Vec<Step> = hot.iter().map(|(shard, at)| split(shard, *at)).collect();
    let missing = to_usize(view.warm).saturating_sub(view.shards.len() + steps.len());
    let missing = missing.min(room - steps.len());
    if missing > 0 {
        let untouched = |shard: &&ShardView| hot.iter().all(|(taken, _)| taken.id != shard.id);
        let mut wide: Vec<&ShardView> = view.shards.iter().filter(untouched).collect();
        wide.sort_by_key(|shard| std::cmp::Reverse(width(shard.range)));
        let middles = wide
            .into_iter()
            .filter_map(|shard| Some(split(shard, shard.range.middle()?)));
        steps.extend(middles.take(missing));
    }
    steps
}

fn is_hot(shard: &ShardView) -> bool {
    let reaches = |load: Option<u64>, limit| load.is_some_and(|load| load >= limit);
    reaches(shard.burst, SPLIT_NOW) || reaches(shard.sustained, SPLIT_SUSTAINED)
}

fn split(shard: &ShardView, at: HashKey) -> Step {
    Step::Split {
        shard: shard.id,
        at,
    }
}

fn merges(view: &View) -> Vec<Step> {
    let surplus = view.shards.len().saturating_sub(to_usize(view.keep));
    let pairs = view.shards.iter().zip(view.shards.iter().skip(1));
    let mut quiet: Vec<(&ShardView, &ShardView)> = pairs
        .filter(|(low, high)| {
            let together = low.highest.zip(high.highest).map(|(a, b)| a + b);
            together.is_some_and(|load| load <= MERGE)
        })
        .collect();
    // The narrowest first, so that shards stay of about one size; what a split has made is joined again.
    quiet.sort_by_key(|(low, high)| width(low.range).saturating_add(width(high.range)));
    let mut steps = Vec::new();
    let mut taken = std::collections::BTreeSet::new();
    for (low, high) in quiet {
        if steps.len() >= surplus.min(STEPS_MAX) {
            break;
        }
        if taken.contains(&low.id) || taken.contains(&high.id) {
            continue;
        }
        taken.extend([low.id, high.id]);
        steps.push(Step::Merge {
            low: low.id,
            high: high.id,
        });
    }
    steps
}

fn width(range: HashKeyRange) -> u128 {
    range.end().get() - range.start().get()
}

fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
