//! Deleting what has expired, and what was delivered.
//!
//! A thread looks at every shard once per interval, and at one shard whenever a segment of it is sealed.
//! An open shard loses whole segments. A closed shard whose every entry has expired goes whole: first
//! from the catalog, in one transaction that also notes its log for removal, then from the disk. So a
//! crash in between leaves no log behind.
//!
//! A stream that waits for delivery is trimmed by whoever delivers it, because only that one knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use afflux_log::LogKey;
use afflux_types::{Error, Position, Result, ServerTime, ShardId, StreamName};
use parking_lot::{Condvar, Mutex};

use crate::catalog::{Table, Write, key};
use crate::engine::{Engine, Inner, open_live, remove_logs};
use crate::registry::{Cell, Stream};
use crate::shard::Shard;
use crate::shard::signals::End;
use crate::stream::StreamKind;

impl Engine {
    /// Deletes everything that has expired by now. May block.
    ///
    /// A shard that fails is logged and does not keep the others from their turn.
    pub fn enforce_retention(&self) {
        self.inner.retain_all();
    }
}

impl Shard {
    /// Deletes what was delivered: whole segments of which everything lies below `before`. Returns the new
    /// trim horizon; a reader that had not got that far is told that it lagged.
    ///
    /// The horizon never passes `before`, and never goes back while the engine is open. After a crash it may
    /// be where it was earlier: whoever trims remembers `before`, and trims anew.
    ///
    /// # Shape
    /// Two segments at most stay below `before`: the one that is being written, and the one before it until
    /// it is sealed, which the next call deletes. Segments grow with what the shard takes in, up to
    /// [`VolumeOptions::segment_bytes_max`](crate::VolumeOptions); one that is being written takes its full
    /// size of the disk whatever is in it, so that nothing is won by giving it up early.
    ///
    /// # Errors
    /// `Invalid` for a stream of another kind than [`StreamKind::Delivery`], whose users count on its
    /// entries until they expire; `NotFound` if the stream was deleted; else as the disk reports.
    ///
    /// # Cancel safety
    /// A dropped future may have trimmed or not.
    pub async fn trim(&self, before: Position) -> Result<Position> {
        self.check_exists()?;
        if self.kind() != StreamKind::Delivery {
            return Err(Error::invalid(format!(
                "stream {} is not one of deliveries: its entries stay until they expire",
                self.stream_name()
            )));
        }
        let live = Arc::clone(&self.live);
        // Nobody needs to be woken: only readers at the end wait, and the end is never trimmed.
        self.engine.pool.run(move || live.log.trim(before)).await?
    }
}

impl Inner {
    fn retain_all(&self) {
        if let Err(error) = self.finish_removals()
            && self.check_running().is_ok()
        {
            tracing::error!(error = %error.chain(), "deleted logs are still on the disk");
        }
        let streams: Vec<Arc<Stream>> = self.registry.read().streams.values().cloned().collect();
        for stream in streams {
            for cell in stream.cells() {
                if self.check_running().is_err() {
                    return;
                }
                self.retain_logged(&stream, &cell);
            }
        }
    }

    /// Removes logs that a deletion left behind, because it failed or its caller went away.
    fn finish_removals(&self) -> Result<()> {
        let mut removals = self.catalog.removals()?;
        if removals.is_empty() {
            return Ok(());
        }
        {
            // A deletion that is durable but not yet published finishes by itself.
            let registry = self.registry.read();
            let streams = registry.streams.values();
            let live: BTreeMap<u64, &Arc<Stream>> =
                streams.map(|stream| (stream.facts.id, stream)).collect();
            removals.retain(|(stream, shard)| {
                !live
                    .get(stream)
                    .is_some_and(|stream| stream.shards.read().contains_key(shard))
            });
        }
        remove_logs(&self.volume, &self.catalog, &removals)
    }

    fn retain_some(&self, shards: &BTreeSet<Due>) {
        for due in shards {
            // Deleted since it was noted.
            let Ok(stream) = self.stream(&due.stream) else {
                continue;
            };
            if let Ok(cell) = stream.cell(due.shard) {
                self.retain_logged(&stream, &cell);
            }
        }
    }

    fn retain_logged(&self, stream: &Stream, cell: &Arc<Cell>) {
        if let Err(error) = self.retain(stream, cell)
            && !stream.is_deleted()
            && self.check_running().is_ok()
        {
            tracing::error!(
                stream = %stream.name(), shard = %cell.id, error = %error.chain(),
                "expired entries cannot be deleted"
            );
        }
    }

    fn retain(&self, stream: &Stream, cell: &Arc<Cell>) -> Result<()> {
        if cell.live().is_none() && !self.has_log(stream.key(cell.id)) {
            return self.retain_unused(stream, cell);
        }
        let live = open_live(&self.volume, &self.helpers, stream, cell)?;
        let retention = stream.retention();
        let before = self.clock.wall().minus(retention.age);
        live.log.retain(Some(before), retention.bytes)?;
        // Subscriptions that retention has overtaken hear of it now.
        live.signals.ring();
        let expired = |closed: ServerTime| {
            closed < before
                && live
                    .log
                    .segments()
                    .iter()
                    .all(|segment| segment.arrival.is_none_or(|(_, last)| last < before))
        };
        match cell.closed() {
            Some(closed) if expired(closed.time) => self.remove_shard(stream, cell),
            _ => Ok(()),
        }
    }

    /// Whether a shard has ever been used. Opening a log reserves disk for it, which thousands of
    /// shards that nobody uses must not cost.
    fn has_log(&self, key: LogKey) -> bool {
        let stream = self.dir.join(format!("logs/{:016x}", key.stream));
        stream.join(format!("{:08x}", key.shard)).exists()
    }

    /// A shard without a log: it goes once it has been closed for long enough.
    fn retain_unused(&self, stream: &Stream, cell: &Arc<Cell>) -> Result<()> {
        let before = self.clock.wall().minus(stream.retention().age);
        match cell.closed() {
            Some(closed) if closed.time < before => self.remove_shard(stream, cell),
            _ => Ok(()),
        }
    }

    /// Removes a closed shard, unless its stream is being changed: then the next tick does.
    fn remove_shard(&self, stream: &Stream, cell: &Arc<Cell>) -> Result<()> {
        let Ok(changes) = Arc::clone(&stream.changes).try_lock_owned() else {
            return Ok(());
        };
        let id = stream.facts.id;
        let mut writes = vec![
            Write::Delete {
                table: Table::Shards,
                key: key::shard(id, cell.id),
            },
            Write::Put {
                table: Table::Removals,
                key: key::shard(id, cell.id),
                value: Vec::new(),
            },
        ];
        writes.extend(
            stream
                .consumers
                .read()
                .keys()
                .map(|consumer| Write::Delete {
                    table: Table::Checkpoints,
                    key: key::checkpoint(id, consumer, cell.id),
                }),
        );
        self.catalog.commit_now(&writes)?;
        stream.shards.write().remove(&cell.id);
        cell.finish(|| End::Expired);
        drop(changes);
        remove_logs(&self.volume, &self.catalog, &[(id, cell.id)])
    }
}

/// The retention thread's alarm clock.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    state: Mutex<Ticks>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Ticks {
    stopped: bool,
    /// Shards that need a look before the next interval; at most every shard.
    due: BTreeSet<Due>,
}

/// Which shard to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) stream: StreamName,
    pub(crate) shard: ShardId,
}

/// What the thread is to do.
enum Tick {
    Stop,
    All,
    Some(BTreeSet<Due>),
}

impl Ticker {
    /// Starts the thread; it ends with the engine.
    pub(crate) fn start(self: &Arc<Self>, engine: Weak<Inner>, interval: Duration) -> Result<()> {
        let ticker = Arc::clone(self);
        let tick = move || {
            loop {
                let tick = ticker.next(interval);
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                match tick {
                    Tick::Stop => return,
                    Tick::All => engine.retain_all(),
                    Tick::Some(shards) => engine.retain_some(&shards),
                }
            }
        };
        afflux_log::vital::spawn("afflux-retention", tick).map(drop)
    }

    /// Asks for a look at one shard.
    pub(crate) fn nudge(&self, due: &Due) {
        self.state.lock().due.insert(due.clone());
        self.wake.notify_one();
    }

    /// Ends the thread after what it is doing.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.wake.notify_one();
    }

    fn next(&self, interval: Duration) -> Tick {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return Tick::Stop;
            }
            if !state.due.is_empty() {
                return Tick::Some(std::mem::take(&mut state.due));
            }
            if self.wake.wait_for(&mut state, interval).timed_out() {
                return Tick::All;
            }
        }
    }
}
