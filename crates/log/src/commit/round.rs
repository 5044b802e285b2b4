//! Gathering a round: from queues to runs of bytes that are contiguous in a file.

use std::sync::Arc;

use afflux_types::{Error, Position};
use bytes::Bytes;

use crate::Durability;
use crate::core::Core;
use crate::format::{IDENTITY_LEN, SEGMENT_HEADER_LEN};
use crate::segment::Segment;
use crate::shard::{Queued, Shard};

/// Bytes of one round. A larger one would hold up the acknowledgement of its first entries for longer
/// than a sync costs: 8 MiB take about 4 ms to write and 2 ms to sync.
const ROUND_BYTES: u64 = 8 << 20;
/// Shards of one round, for the same reason: each costs a write call of about 2 µs.
const ROUND_SHARDS: usize = 8_192;

/// Runs that are written and synced together.
pub(super) type Phase = Vec<Run>;

/// Queued entries of one shard that stand one after the other in one segment.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) shard: Arc<Shard>,
    pub(super) segment: Arc<Segment>,
    pub(super) durability: Durability,
    /// Where the run's bytes start in the file.
    pub(super) offset: u64,
    /// The bytes, in pieces; emptied once they are written.
    pub(super) pieces: Vec<Piece>,
    /// Bytes of the pieces.
    pub(super) bytes: u64,
    /// Bytes of the entries alone.
    pub(super) entry_bytes: u64,
    pub(super) entries: u64,
    /// The position and the number after which everything in the run is durable.
    pub(super) end: Position,
    pub(super) serial: u64,
    /// The segment that was filled before this run's, if the run starts its segment.
    pub(super) filled: Option<Arc<Segment>>,
    pub(super) failed: Option<Error>,
}

/// Bytes of a run.
#[derive(Debug)]
pub(super) enum Piece {
    Activation([u8; IDENTITY_LEN]),
    Header([u8; afflux_entry::HEADER_LEN]),
    Body(Bytes),
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Activation(bytes) => bytes,
            Self::Header(bytes) => bytes,
            Self::Body(bytes) => bytes,
        }
    }
}

impl Run {
    fn new(shard: &Arc<Shard>, durability: Durability, queued: &Queued) -> Self {
        let starts = queued.activation.is_some();
        Self {
            shard: Arc::clone(shard),
            segment: Arc::clone(&queued.segment),
            durability,
            offset: if starts {
                IDENTITY_LEN as u64
            } else {
                queued.offset
            },
            pieces: Vec::new(),
            bytes: 0,
            entry_bytes: 0,
            entries: 0,
            end: queued.end,
            serial: queued.serial,
            filled: None,
            failed: None,
        }
    }

    fn push(&mut self, queued: Queued) {
        if let Some(activation) = queued.activation {
            self.bytes += (SEGMENT_HEADER_LEN - IDENTITY_LEN) as u64;
            self.pieces.push(Piece::Activation(activation));
            self.filled = queued.filled;
        }
        self.pieces.extend(queued.header.map(Piece::Header));
        self.entries += u64::from(queued.header.is_some());
        self.pieces.extend(
            queued
                .body
                .into_iter()
                .filter(|piece| !piece.is_empty())
                .map(Piece::Body),
        );
        self.bytes += queued.len;
        self.entry_bytes += queued.len;
        self.end = queued.end;
        self.serial = queued.serial;
    }

    pub(super) fn end_offset(&self) -> u64 {
        self.offset + self.bytes
    }
}

/// Waits for work and takes it; `None` once the volume is closed and every queue is empty.
///
/// The first phase may be written at once. Each later one starts segments whose predecessors the
/// phase before it completes.
pub(super) fn gather(core: &Core) -> Option<Vec<Phase>> {
    let shards = core.take_dirty(ROUND_SHARDS)?;
    let mut phases = vec![Phase::with_capacity(shards.len())];
    let (mut unfinished, mut budget) = (Vec::new(), ROUND_BYTES);
    let mut queued = Vec::new();
    for shard in shards {
        if budget == 0 {
            unfinished.push(shard);
            continue;
        }
        let more = shard.take(budget, &mut queued);
        budget = budget.saturating_sub(queued.iter().map(|queued| queued.len).sum());
        split(&shard, &mut queued, &mut phases);
        if more {
            unfinished.push(shard);
        }
    }
    core.return_dirty(unfinished);
    Some(phases)
}

/// Distributes a shard's entries over the phases.
fn split(shard: &Arc<Shard>, queued: &mut Vec<Queued>, phases: &mut Vec<Phase>) {
    let durability = shard.durability();
    let mut phase = 0;
    let mut run: Option<Run> = None;
    for entry in queued.drain(..) {
        if entry.activation.is_some() || run.is_none() {
            if let Some(done) = run.take() {
                add(phases, phase, done);
            }
            if entry.filled.is_some() && durability == Durability::Fsync {
                phase += 1;
            }
        }
        run.get_or_insert_with(|| Run::new(shard, durability, &entry))
            .push(entry);
    }
    if let Some(done) = run {
        add(phases, phase, done);
    }
}

fn add(phases: &mut Vec<Phase>, phase: usize, run: Run) {
    if phases.len() <= phase {
        phases.resize_with(phase + 1, Vec::new);
    }
    phases[phase].push(run);
}
