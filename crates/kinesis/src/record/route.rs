//! Which open shard takes a hash key.
//!
//! A table of a stream's open shards is made at the first put and used until the engine says that a
//! shard has moved or the stream is gone. A table that is out of date is harmless: closed shards refuse.
//! One with a gap would not be, because the engine checks only the first record of an entry; so a
//! description that was taken while shards were changing is not used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use afflux_aws::kinesis::{Code, Error, Origin};
use afflux_engine::{Shard, ShardState, StreamDescription};
use afflux_types::{HashKey, HashKeyRange, Result, ShardId, StreamName};
use parking_lot::RwLock;

use crate::context::{Context, origin};

/// Streams whose tables are kept; one more, and all are made anew.
const STREAMS_MAX: usize = 4_096;
/// Times that a stream is described anew because its shards were just changing; that takes the engine
/// less than a microsecond for each shard.
const DESCRIPTIONS_MAX: u32 = 1_000;

/// The open shards of a stream, in the order of their ranges, which leave no gap.
#[derive(Debug)]
pub(super) struct Routes {
    /// Without its shards.
    pub(super) stream: StreamDescription,
    routes: Vec<Route>,
    /// Counts requests that the service distributes.
    turn: AtomicUsize,
}

/// A shard that takes records.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) id: ShardId,
    pub(super) range: HashKeyRange,
    pub(super) origin: Origin,
    shard: OnceLock<Shard>,
}

impl Routes {
    /// `None` if the open shards are not exactly the hash space.
    fn new(mut stream: StreamDescription) -> Option<Self> {
        let shards = std::mem::take(&mut stream.shards);
        let open = shards
            .iter()
            .filter(|shard| shard.state == ShardState::Open);
        let mut routes: Vec<Route> = open
            .map(|shard| Route {
                id: shard.id,
                range: shard.range,
                origin: origin(shard),
                shard: OnceLock::new(),
            })
            .collect();
        routes.sort_by_key(|route| route.range.start());
        is_partition(routes.iter().map(|route| route.range)).then(|| Self {
            stream,
            routes,
            turn: AtomicUsize::new(0),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Route> {
        self.routes.get(index)
    }

    /// The index of the shard of a hash key, which is asked for only if there is a choice.
    pub(super) fn of(&self, hash_key: impl FnOnce() -> HashKey) -> usize {
        if self.routes.len() <= 1 {
            return 0;
        }
        let key = hash_key();
        let after = self
            .routes
            .partition_point(|route| route.range.start() <= key);
        after.saturating_sub(1)
    }

    /// The index of the shard whose turn it is.
    pub(super) fn next(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.routes.len().max(1)
    }
}

impl Route {
    /// The shard with its log open.
    pub(super) async fn shard(&self, to: &Context, stream: &StreamName) -> Result<&Shard> {
        if let Some(shard) = self.shard.get() {
            return Ok(shard);
        }
        let shard = to.engine.shard(stream, self.id).await?;
        Ok(self.shard.get_or_init(|| shard))
    }
}

/// Whether ranges follow each other from the lowest hash key to the highest.
fn is_partition(ranges: impl Iterator<Item = HashKeyRange>) -> bool {
    let mut next = Some(HashKey::MIN.get());
    for range in ranges {
        if next != Some(range.start().get()) {
            return false;
        }
        next = range.end().get().checked_add(1);
    }
    next.is_none()
}

/// Tables of the streams that are written.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<BTreeMap<StreamName, Arc<Routes>>>);

impl Cache {
    /// The table of a stream, made if there is none.
    pub(super) async fn get(
        &self,
        to: &Context,
        stream: &StreamName,
    ) -> Result<Arc<Routes>, Error> {
        if let Some(routes) = self.0.read().get(stream) {
            return Ok(Arc::clone(routes));
        }
        let routes = Arc::new(make(to, stream).await?);
        let mut cache = self.0.write();
        if cache.len() >= STREAMS_MAX {
            cache.clear();
        }
        cache.insert(stream.clone(), Arc::clone(&routes));
        Ok(routes)
    }

    /// Drops a table that proved to be out of date, unless somebody has made it anew.
    pub(super) fn refresh(&self, stale: &Arc<Routes>) {
        let mut cache = self.0.write();
        let name = &stale.stream.name;
        if cache.get(name).is_some_and(|held| Arc::ptr_eq(held, stale)) {
            cache.remove(name);
        }
    }

    pub(super) fn forget(&self, stream: &StreamName) {
        self.0.write().remove(stream);
    }
}

async fn make(to: &Context, stream: &StreamName) -> Result<Routes, Error> {
    for _ in 0..DESCRIPTIONS_MAX {
        if let Some(routes) = Routes::new(to.known(stream)?.stream) {
            return Ok(routes);
        }
        tokio::task::yield_now().await;
    }
    Err(Error::new(
        Code::ServiceUnavailable,
        format!("the shards of stream {stream} are changing; retry"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_with_a_gap_an_overlap_or_an_open_end_are_no_partition() {
        let range = |start, end| HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap();
        let check = |ranges: &[HashKeyRange]| is_partition(ranges.iter().copied());
        assert!(check(&[HashKeyRange::FULL]));
        assert!(check(&[range(0, 9), range(10, u128::MAX)]));
        assert!(!check(&[]));
        assert!(!check(&[range(1, u128::MAX)]));
        assert!(!check(&[range(0, 9), range(11, u128::MAX)]));
        assert!(!check(&[range(0, 9), range(9, u128::MAX)]));
        assert!(!check(&[range(0, 9), range(10, 11)]));
        assert!(!check(&[HashKeyRange::FULL, HashKeyRange::FULL]));
    }
}
