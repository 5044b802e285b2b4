//! Splitting and merging shards.
//!
//! # Steps
//! 1. Hold the parents: entries wait.
//! 2. Wait until everything in them is durable.
//! 3. One transaction: the parents are closed at their ends, the children exist.
//! 4. Publish: children can be found, then parents answer `ShardMoved`, and the waiting entries go on.
//!
//! A crash before step 3 is durable leaves the parents open, after it the children exist: there is
//! nothing to repair. A failure or a dropped future before step 3 releases the parents.

use std::sync::Arc;
use std::time::Duration;

use afflux_types::limits::STREAM_SHARDS_MAX;
use afflux_types::{
    Error, ErrorKind, HashKey, HashKeyRange, Position, Result, ServerTime, ShardId, StreamName,
};
use tokio::sync::OwnedMutexGuard;

use crate::catalog::{Closed, Outcome, ShardFacts, Write};
use crate::engine::Engine;
use crate::fault::Moved;
use crate::registry::{Cell, Changes, Stream};
use crate::shard::live::Live;
use crate::stream::Child;

const SECOND: Duration = Duration::from_secs(1);

impl Engine {
    /// Splits an open shard in two; the second child starts at `at`, or in the middle.
    ///
    /// Producers wait meanwhile, and are told of the children afterwards.
    ///
    /// # Errors
    /// `NotFound`; `ShardMoved` if it is closed already; `Invalid` if `at` does not lie inside its
    /// range; `LimitExceeded` above the limit of open shards; the shard's failure.
    ///
    /// # Cancel safety
    /// A dropped future has split the shard whole or not at all.
    pub async fn split_shard(
        &self,
        stream: &StreamName,
        shard: ShardId,
        at: Option<HashKey>,
    ) -> Result<Vec<Child>> {
        self.inner.check_running()?;
        let stream = self.stream(stream)?;
        let changes = lock(&stream).await?;
        let parent = open_cell(&stream, shard)?;
        let at = at.or_else(|| parent.range.middle()).ok_or_else(|| {
            Error::invalid(format!(
                "{shard} has the single hash key {} and cannot be split",
                parent.range.start()
            ))
        })?;
        let (low, high) = parent.range.split(at)?;
        if stream.open_shards() >= STREAM_SHARDS_MAX as usize {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "stream {} has {} open shards; the limit is {STREAM_SHARDS_MAX}",
                    stream.name(),
                    stream.open_shards()
                ),
            ));
        }
        self.replace(stream, changes, vec![parent], &[low, high])
            .await
    }

    /// Merges two open shards whose ranges touch into one.
    ///
    /// # Errors
    /// `NotFound`; `ShardMoved` if one is closed already; `Invalid` if their ranges do not touch; a
    /// shard's failure.
    ///
    /// # Cancel safety
    /// A dropped future has merged the shards whole or not at all.
    pub async fn merge_shards(
        &self,
        stream: &StreamName,
        shard: ShardId,
        adjacent: ShardId,
    ) -> Result<Child> {
        self.inner.check_running()?;
        let stream = self.stream(stream)?;
        let changes = lock(&stream).await?;
        let mut parents = vec![open_cell(&stream, shard)?, open_cell(&stream, adjacent)?];
        if shard == adjacent {
            return Err(Error::invalid(format!(
                "{shard} cannot be merged with itself"
            )));
        }
        let range = parents[0].range.merge(parents[1].range)?;
        parents.sort_by_key(|parent| parent.id);
        let mut children = self.replace(stream, changes, parents, &[range]).await?;
        Ok(children.remove(0))
    }

    async fn replace(
        &self,
        stream: Arc<Stream>,
        changes: OwnedMutexGuard<Changes>,
        parents: Vec<Arc<Cell>>,
        ranges: &[HashKeyRange],
    ) -> Result<Vec<Child>> {
        let mut held = HeldShards::default();
        let mut ends = Vec::with_capacity(parents.len());
        for parent in &parents {
            let live = self.inner.live(&stream, parent).await?;
            let hold = held.hold(live)?;
            ends.push(hold);
        }
        let mut positions = Vec::with_capacity(ends.len());
        for (live, hold) in held.shards.iter().zip(&ends) {
            live.wait_held(*hold).await?;
            positions.push(hold.end);
        }
        let plan = Plan::new(
            &parents,
            &positions,
            ranges,
            changes.shard_next,
            self.inner.clock.wall(),
        )?;
        let writes = plan.writes(&stream);
        let children = plan.children();
        self.inner
            .catalog
            .commit(writes, move |outcome| {
                if outcome == Outcome::Committed {
                    plan.publish(&stream, &parents, changes);
                    held.close();
                }
            })
            .await?;
        Ok(children)
    }
}

async fn lock(stream: &Arc<Stream>) -> Result<OwnedMutexGuard<Changes>> {
    let changes = Arc::clone(&stream.changes).lock_owned().await;
    if stream.is_deleted() {
        return Err(stream.deleted_error());
    }
    Ok(changes)
}

fn open_cell(stream: &Stream, shard: ShardId) -> Result<Arc<Cell>> {
    let cell = stream.cell(shard)?;
    if cell.is_open() {
        return Ok(cell);
    }
    Err(Moved::error(
        format!("{shard} of stream {} is closed already", stream.name()),
        cell.children(),
    ))
}

/// Shards that take no entries; they do again when this is dropped.
#[derive(Default)]
struct HeldShards {
    shards: Vec<Arc<Live>>,
}

impl HeldShards {
    fn hold(&mut self, live: Arc<Live>) -> Result<crate::shard::live::Held> {
        let held = live
            .hold()
            .ok_or_else(|| Error::internal("a shard is being split or merged by two at once"))?;
        self.shards.push(live);
        Ok(held)
    }

    fn close(mut self) {
        for live in self.shards.drain(..) {
            live.close();
        }
    }
}

impl Drop for HeldShards {
    fn drop(&mut self) {
        for live in &self.shards {
            live.release();
        }
    }
}

/// The shard tree as it is to be.
struct Plan {
    /// The parents, closed.
    parents: Vec<ShardFacts>,
    children: Vec<ShardFacts>,
    shard_next: u32,
}

impl Plan {
    fn new(
        parents: &[Arc<Cell>],
        ends: &[Position],
        ranges: &[HashKeyRange],
        shard_next: u32,
        now: ServerTime,
    ) -> Result<Self> {
        let parent_ids: Vec<ShardId> = parents.iter().map(|parent| parent.id).collect();
        // A second later, and not only when the clock has moved on: sequence numbers begin with the
        // second in which their shard was created, and a child's are larger than its parents'.
        let after = parents.iter().map(|parent| parent.created.plus(SECOND));
        let created = after.max().map_or(now, |after| after.max(now));
        let mut next = shard_next;
        let mut children = Vec::with_capacity(ranges.len());
        for &range in ranges {
            children.push(ShardFacts {
                id: ShardId::new(next),
                range,
                parents: parent_ids.clone(),
                created,
                closed: None,
            });
            next = next.checked_add(1).ok_or_else(|| {
                Error::new(
                    ErrorKind::LimitExceeded,
                    format!("the stream has had {next} shards, which is the limit"),
                )
            })?;
        }
        let heirs: Vec<Child> = children.iter().map(ShardFacts::as_child).collect();
        let parents = parents
            .iter()
            .zip(ends)
            .map(|(parent, &at)| ShardFacts {
                closed: Some(Closed {
                    at,
                    children: heirs.clone(),
                    time: now,
                }),
                ..parent.facts()
            })
            .collect();
        Ok(Self {
            parents,
            children,
            shard_next: next,
        })
    }

    fn children(&self) -> Vec<Child> {
        self.children.iter().map(ShardFacts::as_child).collect()
    }

    fn writes(&self, stream: &Stream) -> Vec<Write> {
        let id = stream.facts.id;
        let shards = self.parents.iter().chain(&self.children);
        let mut writes: Vec<Write> = shards.map(|shard| shard.put(id)).collect();
        writes.push(stream.facts(self.shard_next, stream.retention()).put());
        writes
    }

    fn publish(
        self,
        stream: &Stream,
        parents: &[Arc<Cell>],
        mut changes: OwnedMutexGuard<Changes>,
    ) {
        changes.shard_next = self.shard_next;
        // Children first: whoever is told of them must find them.
        let cells = self
            .children
            .into_iter()
            .map(|child| (child.id, Arc::new(Cell::new(child))));
        stream.shards.write().extend(cells);
        for (cell, parent) in parents.iter().zip(self.parents) {
            if let Some(closed) = parent.closed {
                cell.set_closed(closed);
            }
        }
    }
}
