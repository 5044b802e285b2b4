//! Commit rounds: everything queued over all shards is written, made durable at once, published.
//!
//! Two threads take turns. One at a time gathers and writes; while it syncs, the other gathers and
//! writes the next round, so that writes and syncs overlap and rounds grow by themselves under load.
//! After a small round the other waits instead: a sync then serves whatever has come meanwhile.
//!
//! ```text
//! thread 0   gather write | sync ........ publish | gather write | sync
//! thread 1                | gather write | sync .. | publish
//! ```
//!
//! # Invariants
//! - Rounds are published in the order in which they were gathered, so a shard's watermarks and those
//!   of its stops are never overtaken.
//! - The first bytes of a segment reach the file only after the segment before it is durable to its
//!   end: a round writes them in a later phase, after all earlier rounds have been published. So the
//!   existence of an activation proves that the segment before must be whole.
//! - A failed write or sync stops the shard before a later round of it can be published.

mod persist;
mod round;

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::core::Core;
use crate::stats::{add, add_time};
use round::{Phase, Run};

/// The sync of a round of fewer bytes is not overlapped with the next round's write: there is little to
/// write meanwhile, two syncs at once take each other's time, and a round that waits holds more entries.
const OVERLAP_BYTES_MIN: u64 = 256 << 10;

/// The order of rounds.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Whoever holds the lock gathers and writes.
    gather: Mutex<Next>,
    /// The round whose turn it is to publish.
    publish: Mutex<u64>,
    published: Condvar,
}

/// The next round.
#[derive(Debug, Default)]
struct Next {
    number: u64,
    /// Whether the round before it is so small that it is waited for.
    after_small: bool,
}

impl Turns {
    /// Waits until every round before `round` is published.
    fn wait(&self, round: u64) {
        let mut turn = self.publish.lock();
        while *turn != round {
            self.published.wait(&mut turn);
        }
    }

    fn pass(&self) {
        *self.publish.lock() += 1;
        self.published.notify_all();
    }
}

/// Runs rounds until the volume is closed and every queue is empty.
pub(crate) fn run(core: &Arc<Core>) {
    loop {
        let mut next = core.turns.gather.lock();
        if next.after_small {
            core.turns.wait(next.number);
        }
        let Some(mut phases) = round::gather(core) else {
            return;
        };
        let round = next.number;
        next.number += 1;
        let bytes: u64 = phases.iter().flatten().map(|run| run.bytes).sum();
        next.after_small = bytes < OVERLAP_BYTES_MIN;
        let mut phases = phases.drain(..);
        let mut first = phases.next().unwrap_or_default();
        let started = core.clock.elapsed();
        let sync = persist::write(core, &mut first);
        add_time(
            &core.store.counters.write_nanos,
            core.clock.elapsed().saturating_sub(started),
        );
        drop(next);
        finish(core, &mut first, sync);
        core.turns.wait(round);
        publish(core, &first);
        for mut phase in phases {
            let sync = persist::write(core, &mut phase);
            finish(core, &mut phase, sync);
            publish(core, &phase);
        }
        core.turns.pass();
        add(&core.store.counters.rounds, 1);
        core.queue_shrank();
    }
}

/// Makes a written phase durable.
fn finish(core: &Arc<Core>, phase: &mut Phase, sync: persist::Sync) {
    let started = core.clock.elapsed();
    persist::finish(core, phase, sync);
    add_time(
        &core.store.counters.sync_nanos,
        core.clock.elapsed().saturating_sub(started),
    );
}

/// Lets readers see a durable phase, and tells the observers.
fn publish(core: &Arc<Core>, phase: &Phase) {
    for run in phase {
        if let Some(error) = &run.failed {
            core.stop_shard(&run.shard, error);
        }
        let published = run.shard.stopped().is_none();
        if published {
            run.shard
                .publish(&run.segment, run.end_offset(), run.end, run.serial);
            add(&core.store.counters.entries, run.entries);
            add(&core.store.counters.bytes, run.entry_bytes);
        }
        let ready = run.shard.land(core, run.entry_bytes);
        if published {
            notify(core, run, ready);
        }
    }
}

fn notify(core: &Core, run: &Run, ready: bool) {
    let observer = run.shard.observer();
    observer.durable(run.shard.marks.snapshot());
    if ready {
        observer.ready();
    }
    if let Some(filled) = &run.filled {
        core.sealer.seal(&run.shard, filled);
    }
}
