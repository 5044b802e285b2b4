//! What a producer holds: records on their way, one lane for each open shard. No I/O.
//!
//! ```text
//! put ──► open batch ──► sealed ──► framed (sender) ──► acknowledged
//!            └─── bytes of all of these are `held` ───┘
//! ```
//!
//! Invariants: `held` is the bytes of every record that is not acknowledged; a record is in exactly
//! one place; the records of one partition key leave in the order in which they were put.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use afflux_entry::{Batch, BatchBuilder, record_len};
use afflux_types::limits::ENTRY_RECORDS_MAX;
use afflux_types::{Error, ErrorKind, HashKey, HashKeyRange, PartitionKey, Result, ShardId};
use afflux_wire::WireError;
use afflux_wire::message::{Ack, Acks, ProduceOpened};
use afflux_wire::session::produce::Sender;
use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::options::{AckedBatch, ProducerOptions, PutError, Receipt};
use super::routes::{Route, Routes, cover};

/// Room that a batch is given beyond its target, so that its last record need not move it.
const BATCH_SLACK: usize = 4 << 10;

/// Whoever waits for one record.
pub(super) type Ticket = oneshot::Sender<Receipt>;

pub(super) struct State {
    batch_bytes: usize,
    buffer_bytes_max: usize,
    batches_in_flight_max: usize,
    record_bytes_max: usize,
    routes: Routes,
    lanes: Vec<Lane>,
    held: usize,
    /// The ids of unacknowledged batches, and how many have each: a batch that moves to other
    /// shards passes its id on.
    outstanding: BTreeMap<u64, u32>,
    next_batch: u64,
    pub(super) counts: Counts,
    pub(super) stopped: Option<Arc<Error>>,
}

/// How far a producer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were put.
    pub put_records: u64,
    /// Records that are durable.
    pub acked_records: u64,
    /// Bytes of them, with their framing.
    pub acked_bytes: u64,
    /// Batches that are durable.
    pub acked_batches: u64,
    /// Batches that a retry found stored already.
    pub duplicate_batches: u64,
}

struct Lane {
    shard: ShardId,
    open: BatchBuilder,
    open_id: u64,
    open_tickets: Tickets,
    sealed: VecDeque<Sealed>,
    sender: Sender<Framed>,
    next_sequence: u64,
    /// The writer sleeps until `wake`.
    waiting: bool,
    started: bool,
    wake: Arc<Notify>,
}

/// Who waits for records of a batch, by the record's index in it; in order.
type Tickets = Vec<(u32, Ticket)>;

/// A batch that takes no more records.
pub(super) struct Sealed {
    pub(super) body: Bytes,
    pub(super) record_count: u32,
    /// Counts the batches of the lane from 1, in the order in which they are framed.
    pub(super) sequence: u64,
    id: u64,
    tickets: Tickets,
}

/// A batch with its header, until it is acknowledged.
pub(super) struct Framed {
    pub(super) head: Bytes,
    pub(super) batch: Sealed,
}

/// What a lane's writer is to do.
pub(super) enum Step {
    /// Write these bytes.
    Write([Bytes; 2]),
    /// Make a header, and give the batch back with [`State::push_framed`].
    Frame(Sealed),
    /// Sleep; if `linger`, only for that long.
    Wait {
        /// A batch is open and only waits for more records.
        linger: bool,
    },
}

/// Whether an open batch has waited long enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Linger {
    Running,
    Over,
}

/// What to do about a lane after a record was put into it.
pub(super) enum Nudge {
    Wake(Arc<Notify>),
    /// Its task is to be started.
    Start(usize),
}

impl State {
    pub(super) fn new(
        options: &ProducerOptions,
        record_bytes_max: usize,
        shards: &[(ShardId, HashKeyRange)],
    ) -> Result<Self> {
        let lanes: Vec<Lane> = shards.iter().map(|(shard, _)| Lane::new(*shard)).collect();
        let routes = shards.iter().enumerate();
        let routes = routes.map(|(lane, (_, range))| Route {
            range: *range,
            lane,
        });
        Ok(Self {
            batch_bytes: options.batch_bytes,
            buffer_bytes_max: options.buffer_bytes_max,
            batches_in_flight_max: options.batches_in_flight_max,
            record_bytes_max,
            routes: Routes::new(routes.collect())?,
            lanes,
            held: 0,
            outstanding: BTreeMap::new(),
            next_batch: 0,
            counts: Counts::default(),
            stopped: None,
        })
    }

    /// Takes a record, unless the buffer is full.
    pub(super) fn put(
        &mut self,
        key: &[u8],
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
        ticket: Option<Ticket>,
    ) -> Result<Option<Nudge>, PutError> {
        if let Some(error) = &self.stopped {
            return Err(PutError::Stopped(Arc::clone(error)));
        }
        PartitionKey::check(key)?;
        if key.len() + data.len() > self.record_bytes_max {
            return Err(too_long(key.len() + data.len(), self.record_bytes_max));
        }
        let len = record_len(key.len(), data.len(), explicit_hash_key);
        if self.held + len > self.buffer_bytes_max && self.held > 0 {
            return Err(PutError::Full {
                held: self.held,
                max: self.buffer_bytes_max,
            });
        }
        let lane = self.routes.lane(key, explicit_hash_key);
        self.held += len;
        self.counts.put_records += 1;
        let news = self.append(lane, (key, explicit_hash_key, data), ticket, None);
        Ok(if news { self.nudge(lane) } else { None })
    }

    /// Adds a record to the lane's open batch; returns whether the lane's writer has news.
    fn append(
        &mut self,
        lane: usize,
        (key, explicit_hash_key, data): (&[u8], Option<HashKey>, &[u8]),
        ticket: Option<Ticket>,
        id: Option<u64>,
    ) -> bool {
        let len = record_len(key.len(), data.len(), explicit_hash_key);
        let lane = &mut self.lanes[lane];
        let full = !lane.open.is_empty()
            && (lane.open.len() + len > self.batch_bytes || !lane.open.fits(len));
        if full {
            lane.seal();
        }
        let first = lane.open.is_empty();
        if first {
            lane.open_id = id.unwrap_or(self.next_batch);
            self.next_batch = self.next_batch.max(lane.open_id + 1);
            *self.outstanding.entry(lane.open_id).or_default() += 1;
            // Many lanes must not reserve many large batches before they have records for them.
            if full {
                lane.open = BatchBuilder::with_capacity(self.batch_bytes + BATCH_SLACK);
            }
        } else if let Some(id) = id
            && id < lane.open_id
        {
            forget(&mut self.outstanding, lane.open_id);
            lane.open_id = id;
            *self.outstanding.entry(id).or_default() += 1;
        }
        if let Some(ticket) = ticket {
            lane.open_tickets.push((lane.open.count(), ticket));
        }
        lane.open.push(key, explicit_hash_key, data);
        first || full
    }

    /// How to tell the lane's writer of news, if it has to be told.
    fn nudge(&mut self, lane: usize) -> Option<Nudge> {
        let index = lane;
        let lane = &mut self.lanes[lane];
        if !lane.started {
            lane.started = true;
            return Some(Nudge::Start(index));
        }
        std::mem::take(&mut lane.waiting).then(|| Nudge::Wake(Arc::clone(&lane.wake)))
    }

    /// Seals every open batch; returns the id that all of them, and all before them, are below.
    pub(super) fn seal_all(&mut self) -> (u64, Vec<Nudge>) {
        let mut nudges = Vec::new();
        for lane in 0..self.lanes.len() {
            if !self.lanes[lane].open.is_empty() {
                self.lanes[lane].seal();
                nudges.extend(self.nudge(lane));
            }
        }
        (self.next_batch, nudges)
    }

    /// Whether every batch with an id below `id` is acknowledged.
    pub(super) fn acked_below(&self, id: u64) -> bool {
        self.outstanding
            .first_key_value()
            .is_none_or(|(first, _)| *first >= id)
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn shard(&self, lane: usize) -> ShardId {
        self.lanes[lane].shard
    }

    pub(super) fn wake(&self, lane: usize) -> Arc<Notify> {
        Arc::clone(&self.lanes[lane].wake)
    }

    pub(super) fn wake_all(&self) {
        for lane in &self.lanes {
            lane.wake.notify_one();
        }
    }

    pub(super) fn handle_opened(&mut self, lane: usize, opened: &ProduceOpened) {
        self.lanes[lane].sender.handle_opened(opened);
    }

    pub(super) fn handle_lost(&mut self, lane: usize) {
        self.lanes[lane].sender.handle_lost();
    }

    /// What the lane's writer is to do next.
    pub(super) fn step(&mut self, lane: usize, linger: Linger) -> Step {
        let in_flight_max = self.batches_in_flight_max;
        let lane = &mut self.lanes[lane];
        if let Some(framed) = lane.sender.poll_transmit() {
            return Step::Write([framed.head.clone(), framed.batch.body.clone()]);
        }
        let room = lane.sender.unsent() == 0 && lane.sender.len() < in_flight_max;
        let idle = lane.sender.is_empty();
        let ready = idle || linger == Linger::Over;
        if room && ready && lane.sealed.is_empty() {
            lane.seal();
        }
        if room && let Some(mut sealed) = lane.sealed.pop_front() {
            sealed.sequence = lane.next_sequence;
            lane.next_sequence += 1;
            return Step::Frame(sealed);
        }
        lane.waiting = true;
        Step::Wait {
            linger: room && !lane.open.is_empty(),
        }
    }

    pub(super) fn push_framed(&mut self, lane: usize, framed: Framed) {
        let len = framed.head.len() + framed.batch.body.len();
        let record_count = framed.batch.record_count;
        self.lanes[lane].sender.push(framed, len, record_count);
    }

    /// Settles acknowledged batches; tells whom it concerns.
    pub(super) fn handle_acks(
        &mut self,
        lane: usize,
        acks: &Acks,
    ) -> Result<(Vec<AckedBatch>, Option<Nudge>), WireError> {
        let mut acked = Vec::with_capacity(acks.acks.len().min(ENTRY_RECORDS_MAX));
        for ack in &acks.acks {
            let framed = self.lanes[lane].sender.handle_ack(ack)?;
            acked.push(self.settle(lane, framed.batch, Some(ack)));
        }
        Ok((acked, self.nudge(lane)))
    }

    fn settle(&mut self, lane: usize, batch: Sealed, ack: Option<&Ack>) -> AckedBatch {
        forget(&mut self.outstanding, batch.id);
        self.held -= batch.body.len();
        self.counts.acked_records += u64::from(batch.record_count);
        self.counts.acked_bytes += u64::try_from(batch.body.len()).unwrap_or(u64::MAX);
        self.counts.acked_batches += 1;
        let duplicate = ack.is_some_and(|ack| ack.duplicate);
        self.counts.duplicate_batches += u64::from(duplicate);
        let shard = self.lanes[lane].shard;
        let position = ack.map(|ack| afflux_types::Position::new(ack.position));
        for (index, ticket) in batch.tickets {
            // Whoever put the record may have stopped waiting.
            let _ = ticket.send(Receipt {
                shard,
                position: position.map(|first| first.advance(u64::from(index))),
            });
        }
        AckedBatch {
            shard,
            position,
            arrival: ack.map(|ack| afflux_types::ServerTime::from_millis(ack.arrival_ms)),
            record_count: batch.record_count,
            duplicate,
            body: batch.body,
        }
    }

    /// Whether `shards` take everything that the lane takes.
    pub(super) fn is_covered(&self, lane: usize, shards: &[(ShardId, HashKeyRange)]) -> bool {
        cover(shards, &self.routes.ranges(lane))
    }

    /// The lane's shard was closed after it had taken batches up to `last_sequence`: everything else
    /// that the lane holds goes to `successors`, in order.
    pub(super) fn reroute(
        &mut self,
        lane: usize,
        last_sequence: u64,
        successors: &[(ShardId, HashKeyRange)],
    ) -> Result<(Vec<AckedBatch>, Vec<Nudge>)> {
        let mut routes = Vec::with_capacity(successors.len());
        for (shard, range) in successors {
            routes.push(Route {
                range: *range,
                lane: self.lane_of(*shard),
            });
        }
        self.routes.replace(lane, &routes)?;
        let closed = &mut self.lanes[lane];
        closed.seal();
        let mut batches: Vec<Sealed> = closed.sender.take_all().map(|f| f.batch).collect();
        let unframed = batches.len();
        batches.extend(closed.sealed.drain(..));
        let mut acked = Vec::new();
        for (index, batch) in batches.into_iter().enumerate() {
            if index < unframed && batch.sequence <= last_sequence {
                acked.push(self.settle(lane, batch, None));
            } else {
                self.move_records(batch);
            }
        }
        let lanes: Vec<usize> = routes.iter().map(|route| route.lane).collect();
        let busy = |state: &Self, lane: usize| {
            !state.lanes[lane].open.is_empty() || !state.lanes[lane].sealed.is_empty()
        };
        let mut nudges = Vec::new();
        for lane in lanes {
            if busy(self, lane) {
                nudges.extend(self.nudge(lane));
            }
        }
        Ok((acked, nudges))
    }

    /// Puts the records of a batch of a closed shard into the lanes that follow it.
    fn move_records(&mut self, batch: Sealed) {
        let mut tickets = batch.tickets.into_iter().peekable();
        let records = Batch::new(&batch.body, batch.record_count);
        // The batch was built here: it has no malformed records.
        for (index, record) in (0..).zip(records.filter_map(std::result::Result::ok)) {
            let ticket = tickets
                .next_if(|(waiting, _)| *waiting == index)
                .map(|(_, ticket)| ticket);
            let lane = self
                .routes
                .lane(record.partition_key, record.explicit_hash_key);
            let record = (record.partition_key, record.explicit_hash_key, record.data);
            self.append(lane, record, ticket, Some(batch.id));
        }
        forget(&mut self.outstanding, batch.id);
    }

    /// The lane of a shard, which is made if there is none.
    fn lane_of(&mut self, shard: ShardId) -> usize {
        let found = self.lanes.iter().position(|lane| lane.shard == shard);
        found.unwrap_or_else(|| {
            self.lanes.push(Lane::new(shard));
            self.lanes.len() - 1
        })
    }

    /// Stops for good: everything that is held is dropped, and whoever waits is told.
    pub(super) fn stop(&mut self, error: Error) {
        if self.stopped.is_none() {
            self.stopped = Some(Arc::new(error));
        }
        for lane in &mut self.lanes {
            lane.open = BatchBuilder::default();
            lane.open_tickets.clear();
            lane.sealed.clear();
            lane.sender.take_all().for_each(drop);
        }
        self.outstanding.clear();
        self.held = 0;
        self.wake_all();
    }
}

impl Lane {
    fn new(shard: ShardId) -> Self {
        Self {
            shard,
            open: BatchBuilder::default(),
            open_id: 0,
            open_tickets: Vec::new(),
            sealed: VecDeque::new(),
            sender: Sender::default(),
            next_sequence: 1,
            waiting: false,
            started: false,
            wake: Arc::default(),
        }
    }

    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let (body, record_count) = self.open.take();
        self.sealed.push_back(Sealed {
            body,
            record_count,
            sequence: 0,
            id: self.open_id,
            tickets: std::mem::take(&mut self.open_tickets),
        });
    }
}

/// Takes one batch with this id off the outstanding ones.
fn forget(outstanding: &mut BTreeMap<u64, u32>, id: u64) {
    if let Some(count) = outstanding.get_mut(&id) {
        *count -= 1;
        if *count == 0 {
            outstanding.remove(&id);
        }
    }
}

#[cold]
fn too_long(len: usize, max: usize) -> PutError {
    PutError::Invalid(Error::new(
        ErrorKind::LimitExceeded,
        format!("key and data have {len} bytes; the limit of this stream is {max}"),
    ))
}

#[cfg(test)]
mod tests;
