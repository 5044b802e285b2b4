//! The shard map of a producer: which lane takes a hash key.

use afflux_types::{Error, HashKey, HashKeyRange, Result, ShardId};

/// The whole hash space, divided among lanes.
///
/// Invariant: the ranges are in order, touch, and cover the whole space.
#[derive(Debug)]
pub(super) struct Routes(Vec<Route>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) range: HashKeyRange,
    pub(super) lane: usize,
}

impl Routes {
    pub(super) fn new(mut routes: Vec<Route>) -> Result<Self> {
        routes.sort_by_key(|route| route.range.start());
        let mut expected = Some(HashKey::MIN);
        for route in &routes {
            if expected != Some(route.range.start()) {
                return Err(incomplete());
            }
            expected = route.range.end().get().checked_add(1).map(HashKey::new);
        }
        if routes.is_empty() || expected.is_some() {
            return Err(incomplete());
        }
        Ok(Self(routes))
    }

    /// The lane for a record. With one lane, no key is hashed.
    pub(super) fn lane(&self, key: &[u8], explicit_hash_key: Option<HashKey>) -> usize {
        if let [only] = self.0.as_slice() {
            return only.lane;
        }
        let hash_key = explicit_hash_key.unwrap_or_else(|| HashKey::of(key));
        let at = self.0.partition_point(|route| route.range.end() < hash_key);
        self.0.get(at).map_or(0, |route| route.lane)
    }

    /// Gives the ranges of `lane` to those of `successors`, which may reach beyond them.
    pub(super) fn replace(&mut self, lane: usize, successors: &[Route]) -> Result<()> {
        let mut routes = Vec::with_capacity(self.0.len() + successors.len());
        for route in &self.0 {
            if route.lane == lane {
                let inside = successors
                    .iter()
                    .filter_map(|next| intersect(next, route.range));
                routes.extend(inside);
            } else {
                routes.push(*route);
            }
        }
        *self = Self::new(routes)?;
        Ok(())
    }

    /// The ranges that `lane` takes.
    pub(super) fn ranges(&self, lane: usize) -> Vec<HashKeyRange> {
        let routes = self.0.iter().filter(|route| route.lane == lane);
        routes.map(|route| route.range).collect()
    }
}

fn intersect(route: &Route, range: HashKeyRange) -> Option<Route> {
    let start = route.range.start().max(range.start());
    let end = route.range.end().min(range.end());
    let range = HashKeyRange::new(start, end).ok()?;
    Some(Route { range, ..*route })
}

fn incomplete() -> Error {
    Error::unavailable("the open shards do not cover the hash space at this moment")
}

/// Whether `shards` together take every hash key in `ranges`.
pub(super) fn cover(shards: &[(ShardId, HashKeyRange)], ranges: &[HashKeyRange]) -> bool {
    ranges.iter().all(|range| {
        let mut next = Some(range.start());
        let mut shards = shards.to_vec();
        shards.sort_by_key(|(_, shard)| shard.start());
        for (_, shard) in shards {
            match next {
                Some(key) if shard.contains(key) => {
                    next = shard.end().get().checked_add(1).map(HashKey::new);
                }
                _ => {}
            }
        }
        next.is_none_or(|next| next > range.end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(start: u128, end: u128, lane: usize) -> Route {
        let range = HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap();
        Route { range, lane }
    }

    fn lane(routes: &Routes, key: u128) -> usize {
        routes.lane(b"", Some(HashKey::new(key)))
    }

    #[test]
    fn every_hash_key_has_its_lane() {
        let routes = Routes::new(vec![route(10, u128::MAX, 1), route(0, 9, 0)]).unwrap();
        assert_eq!(
            [0, 9, 10, u128::MAX].map(|key| lane(&routes, key)),
            [0, 0, 1, 1]
        );
    }

    #[test]
    fn gaps_and_overlaps_are_refused() {
        for bad in [
            vec![],
            vec![route(1, u128::MAX, 0)],
            vec![route(0, 9, 0)],
            vec![route(0, 9, 0), route(11, u128::MAX, 1)],
            vec![route(0, 9, 0), route(9, u128::MAX, 1)],
        ] {
            assert!(Routes::new(bad).is_err());
        }
    }

    #[test]
    fn a_split_and_a_merge_move_the_ranges_of_the_closed_lane_only() {
        let mut routes = Routes::new(vec![route(0, 9, 0), route(10, u128::MAX, 1)]).unwrap();
        routes
            .replace(0, &[route(0, 4, 2), route(5, 9, 3)])
            .unwrap();
        assert_eq!(
            [0, 4, 5, 9, 10].map(|key| lane(&routes, key)),
            [2, 2, 3, 3, 1]
        );
        // Shards 3 and 1 become shard 4; lane 1 has not heard of it yet.
        routes.replace(3, &[route(5, u128::MAX, 4)]).unwrap();
        assert_eq!([4, 5, 10].map(|key| lane(&routes, key)), [2, 4, 1]);
        assert!(routes.replace(1, &[route(10, 20, 5)]).is_err());
    }

    #[test]
    fn coverage_notices_a_hole() {
        let shard = |id, start, end| (ShardId::new(id), route(start, end, 0).range);
        let wanted = [route(5, 20, 0).range];
        assert!(cover(&[shard(2, 0, 9), shard(3, 10, 30)], &wanted));
        assert!(!cover(&[shard(2, 0, 9), shard(3, 11, 30)], &wanted));
        assert!(!cover(&[shard(2, 0, 19)], &wanted));
    }
}
