//! Test help: a stream in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_types::{Position, Result, ShardId};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::script::Script;
use crate::source::{Described, Feed, Happening, Lineage, Source};

/// Entries in one piece of the log.
const ENTRIES: usize = 2;

/// A stream in memory whose shards begin with their first entries and never end.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    scripts: Arc<Mutex<BTreeMap<ShardId, Script>>>,
    bell: Arc<Notify>,
}

impl Memory {
    pub(crate) fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let scripts = scripts.into_iter().map(|script| (script.shard, script));
        Self {
            scripts: Arc::new(Mutex::new(scripts.collect())),
            bell: Arc::default(),
        }
    }

    /// Changes what a shard has, which is noticed.
    pub(crate) fn change(&self, shard: u32, change: impl FnOnce(&mut Script)) {
        let mut scripts = self.scripts.lock();
        change(scripts.get_mut(&ShardId::new(shard)).unwrap());
        drop(scripts);
        self.bell.notify_waiters();
    }

    /// A few entries from the one at `from` on, and where they end.
    fn take(&self, shard: ShardId, from: Position) -> Option<(Bytes, Position)> {
        let scripts = self.scripts.lock();
        let rest = scripts[&shard].entries.iter();
        let rest = rest.filter(|entry| entry.end > from).take(ENTRIES);
        let (mut bytes, mut end) = (BytesMut::new(), None);
        for entry in rest {
            bytes.extend_from_slice(&entry.bytes);
            end = Some(entry.end);
        }
        Some((bytes.freeze(), end?))
    }
}

impl Source for Memory {
    type Feed = MemoryFeed;

    async fn describe(&self) -> Result<Described> {
        let ids: Vec<ShardId> = self.scripts.lock().keys().copied().collect();
        let lineage = |id| Lineage {
            id,
            parents: Vec::new(),
        };
        Ok(Described {
            shards: ids.into_iter().map(lineage).collect(),
        })
    }

    async fn horizon(&self, _: ShardId) -> Result<Position> {
        Ok(Position::ZERO)
    }

    async fn subscribe(&self, shard: ShardId, from: Position) -> Result<MemoryFeed> {
        Ok(MemoryFeed {
            memory: self.clone(),
            shard,
            position: from,
        })
    }

    async fn read(&self, shard: ShardId, from: Position) -> Result<Bytes> {
        let scripts = self.scripts.lock();
        let entries = &scripts[&shard].entries;
        let before = entries.iter().filter(|entry| entry.end <= from).count();
        // As the log does: inits belong to the fragment that follows them.
        let inits = entries[..before].iter().rev();
        let inits = inits.take_while(|entry| entry.is_init()).count();
        let mut bytes = BytesMut::new();
        for entry in entries.iter().skip(before - inits).take(inits + ENTRIES) {
            bytes.extend_from_slice(&entry.bytes);
        }
        Ok(bytes.freeze())
    }
}

pub(crate) struct MemoryFeed {
    memory: Memory,
    shard: ShardId,
    position: Position,
}

impl Feed for MemoryFeed {
    async fn next(&mut self) -> Result<Happening> {
        loop {
            let bell = self.memory.bell.notified();
            if let Some((entries, end)) = self.memory.take(self.shard, self.position) {
                self.position = end;
                return Ok(Happening::Entries(entries));
            }
            bell.await;
        }
    }

    fn millis_behind(&self) -> u64 {
        0
    }
}
