//! Which shards are to be read when: a child only after all of its parents. No I/O.
//!
//! Invariant: the records of one partition key are read in the order in which they were stored,
//! because a shard is begun only when every parent that this consumer reads has ended.

use std::collections::{BTreeMap, BTreeSet};

use afflux_types::ShardId;
use afflux_wire::message::{Child, ShardDescription};

use super::options::{From, Shards};

/// The family tree of a stream's shards as far as a consumer has read it.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    begun: BTreeSet<ShardId>,
    ended: BTreeSet<ShardId>,
    /// Shards that wait for their parents.
    waiting: BTreeMap<ShardId, Vec<ShardId>>,
    follows: bool,
}

impl Lineage {
    /// The tree as the server describes it, and the shards to begin with.
    pub(super) fn new(
        shards: &[ShardDescription],
        from: &From,
        selection: Shards,
    ) -> (Self, Vec<ShardId>) {
        let mut lineage = Self {
            follows: selection == Shards::All,
            ..Self::default()
        };
        match selection {
            Shards::One(shard) => {
                lineage.begun.insert(shard);
                return (lineage, vec![shard]);
            }
            Shards::All => {}
        }
        for shard in shards {
            if *from == From::Latest && shard.closed {
                continue;
            }
            let parents = match from {
                From::Latest => Vec::new(),
                _ => shard.parents.iter().map(|id| ShardId::new(*id)).collect(),
            };
            lineage.waiting.insert(ShardId::new(shard.shard), parents);
        }
        let first = lineage.begin();
        (lineage, first)
    }

    /// A shard ended: returns the shards to begin now.
    pub(super) fn handle_end(&mut self, shard: ShardId, children: &[Child]) -> Vec<ShardId> {
        self.ended.insert(shard);
        if !self.follows {
            return Vec::new();
        }
        for child in children {
            let id = ShardId::new(child.shard);
            if !self.begun.contains(&id) {
                let parents = child.parents.iter().map(|id| ShardId::new(*id));
                self.waiting.insert(id, parents.collect());
            }
        }
        self.begin()
    }

    /// Begins every waiting shard whose parents have ended or are not read at all.
    fn begin(&mut self) -> Vec<ShardId> {
        let holds = |parent: &ShardId| {
            let known = self.begun.contains(parent) || self.waiting.contains_key(parent);
            known && !self.ended.contains(parent)
        };
        let ready: Vec<ShardId> = self
            .waiting
            .iter()
            .filter(|(_, parents)| !parents.iter().any(holds))
            .map(|(shard, _)| *shard)
            .collect();
        for shard in &ready {
            self.waiting.remove(shard);
            self.begun.insert(*shard);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(shards: &[u32]) -> Vec<ShardId> {
        shards.iter().copied().map(ShardId::new).collect()
    }

    fn shard(shard: u32, parents: &[u32], closed: bool) -> ShardDescription {
        ShardDescription {
            shard,
            parents: parents.to_vec(),
            closed,
            ..ShardDescription::default()
        }
    }

    fn child(shard: u32, parents: &[u32]) -> Child {
        Child {
            shard,
            parents: parents.to_vec(),
            range: None,
        }
    }

    /// Shard 0 was split into 1 and 2, which were merged into 3.
    fn family() -> Vec<ShardDescription> {
        vec![
            shard(0, &[], true),
            shard(1, &[0], true),
            shard(2, &[0], true),
            shard(3, &[1, 2], false),
        ]
    }

    #[test]
    fn a_child_waits_for_all_of_its_parents() {
        let (mut lineage, first) = Lineage::new(&family(), &From::TrimHorizon, Shards::All);
        assert_eq!(first, ids(&[0]));
        let next = lineage.handle_end(ShardId::new(0), &[child(1, &[0]), child(2, &[0])]);
        assert_eq!(next, ids(&[1, 2]));
        assert_eq!(
            lineage.handle_end(ShardId::new(1), &[child(3, &[1, 2])]),
            []
        );
        let next = lineage.handle_end(ShardId::new(2), &[child(3, &[1, 2])]);
        assert_eq!(next, ids(&[3]));
        assert_eq!(lineage.handle_end(ShardId::new(3), &[]), []);
    }

    #[test]
    fn parents_that_are_gone_are_not_waited_for() {
        let family = family();
        let (mut lineage, first) = Lineage::new(&family[2..], &From::TrimHorizon, Shards::All);
        assert_eq!(first, ids(&[2]));
        let next = lineage.handle_end(ShardId::new(2), &[child(3, &[1, 2])]);
        assert_eq!(next, ids(&[3]));
    }

    #[test]
    fn the_latest_records_are_in_open_shards_only() {
        let (_, first) = Lineage::new(&family(), &From::Latest, Shards::All);
        assert_eq!(first, ids(&[3]));
    }

    #[test]
    fn one_shard_has_no_children() {
        let only = Shards::One(ShardId::new(1));
        let (mut lineage, first) = Lineage::new(&family(), &From::TrimHorizon, only);
        assert_eq!(first, ids(&[1]));
        assert_eq!(
            lineage.handle_end(ShardId::new(1), &[child(3, &[1, 2])]),
            []
        );
    }

    #[test]
    fn a_new_child_of_a_running_merge_waits_too() {
        let open = [shard(0, &[], false), shard(1, &[], false)];
        let (mut lineage, first) = Lineage::new(&open, &From::Latest, Shards::All);
        assert_eq!(first, ids(&[0, 1]));
        assert_eq!(
            lineage.handle_end(ShardId::new(0), &[child(2, &[0, 1])]),
            []
        );
        let next = lineage.handle_end(ShardId::new(1), &[child(2, &[0, 1])]);
        assert_eq!(next, ids(&[2]));
    }
}
