//! What becomes of entries: records, through the processors, into the batch; video as it is. Synchronous,
//! for blocking threads; knows no clock.

use std::sync::Arc;
use std::time::Duration;

use afflux_entry::Kind;
use afflux_media::{Init, InitId, Limits, StoredFragment};
use afflux_transform::{Failed, PartitionKeys, Record, Steps, failed_line};
use afflux_types::{Position, Result as AffluxResult, ServerTime, ShardId};

use super::batch::{Batch, Bounds, Group, Memory};
use super::endpoint::{FRAMES_BYTES_MAX, RECORDS_MAX};
use super::envelope::Envelope;
use super::forms::Forms;
use super::frames::frame;
use super::helpers::Helpers;
use super::manifest::{Manifest, Ranges};
use super::sealed::Sealed;
use super::settings::{DeliverySettings, DeliverySource};
use super::spool::Spool;
use super::state::{DeliveryTotals, Ends, Places, State};
use super::taken::{Slice, Taken, Taking};
use super::video::{Film, Hour, Policy, Shot};
use crate::entries::unreadable;
use crate::fault::Result;
use crate::inits::Known;

/// Payload that is between the log and the batch at a time, without a transformer.
const PIECE_BYTES: usize = 256 << 10;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Decides what is due.
    pub(crate) elapsed: Duration,
    /// Is noted.
    pub(crate) wall: ServerTime,
}

/// A delivery stream as its workers know it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    /// Never used for another delivery stream.
    pub(crate) id: u64,
    pub(crate) version: u64,
    pub(crate) settings: DeliverySettings,
}

/// The worker of a delivery stream.
#[derive(Debug)]
pub(crate) struct Work {
    plan: Plan,
    steps: Steps,
    forms: Arc<Forms>,
    /// Whether records have partition keys that mean something.
    has_keys: bool,
    spool: Spool,
    memory: Memory,
    batch: Batch,
    film: Film,
    /// Where the shards are with all that the batch holds.
    places: Places,
    ends: Ends,
    /// Of the batch.
    totals: DeliveryTotals,
    ranges: Ranges,
    envelope: Option<Envelope>,
}

/// Why a slice was not taken to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The batch is to end before what is next, once it may.
    BatchEnds,
    /// The fragment at this position needs an init that was not seen.
    NeedsInit(Position, InitId),
    /// What is next begins a playlist of this hour, whose number is not known: it is this one, or the first after
    /// it whose name nobody has.
    NeedsNumber(Hour, u32),
}

/// Whether a batch may end now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Allowed,
    /// The one before is being published.
    NotYet,
}

impl Work {
    pub(crate) fn new(
        plan: Plan,
        (spool, film): (Spool, Film),
        memory: Memory,
        state: &State,
    ) -> AffluxResult<Self> {
        let settings = &plan.settings;
        let steps = Steps::compile(&settings.processors);
        Ok(Self {
            steps: steps.map_err(|fault| afflux_types::Error::invalid(fault.to_string()))?,
            batch: Batch::new(state.batches + 1, bounds(settings), memory.clone()),
            places: state.places.clone(),
            ends: state.ends.clone(),
            totals: DeliveryTotals::default(),
            ranges: Ranges::default(),
            envelope: settings
                .enveloped
                .then(|| Envelope::new(settings.source.name(&plan.name))),
            has_keys: settings.source != DeliverySource::Direct,
            forms: Arc::new(Forms::of(&plan)?),
            film,
            plan,
            spool,
            memory,
        })
    }

    /// Where the shards are with all that was taken.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// Takes whole stamped entries into the batch, of a delivery stream without a transformer; says why if
    /// something of them is left.
    pub(crate) fn take_all(
        &mut self,
        slice: &mut Slice,
        ending: Ending,
        now: Moment,
    ) -> Result<Option<Stop>> {
        while !slice.is_empty() {
            if slice.is_batch() {
                let taken = self.take(slice)?;
                self.put(taken, now)?;
            } else if let Some(stop) = self.take_video(slice, ending, now)? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// Takes the next entry, which is no batch.
    fn take_video(
        &mut self,
        slice: &mut Slice,
        ending: Ending,
        now: Moment,
    ) -> Result<Option<Stop>> {
        let (shard, end) = (slice.shard(), self.end(slice.shard()));
        let next = self.places.next(shard);
        let entry = slice.take_entry(next)?;
        let (position, arrival) = (entry.stamp.position, entry.stamp.arrival);
        if entry.header.kind == Kind::Init {
            let init = Init::decode(&entry.body, &Limits::default());
            let init = init.map_err(|error| unreadable(shard, position, &error))?;
            self.learn_init(init)?;
            return Ok(None);
        }
        if entry.header.kind != Kind::Fragment || entry.header.end() <= next {
            return Ok(None);
        }
        self.skip(shard, position);
        if position >= end {
            slice.clear();
            return Ok(None);
        }
        let fragment = StoredFragment::decode(entry.body.clone());
        let fragment = fragment.map_err(|error| unreadable(shard, position, &error))?;
        let init = fragment.meta().init_id;
        let placed = match self.film.known(init) {
            Known::Yes => self
                .film
                .place(fragment, arrival, self.forms.hour(arrival)?),
            Known::Never => None,
            Known::NotYet => {
                slice.put_back(entry);
                return Ok(Some(Stop::NeedsInit(position, init)));
            }
        };
        let policy = self.video_policy();
        match placed {
            None => {
                tracing::warn!(
                    delivery = %self.plan.name, %shard, %position, %init,
                    "a fragment is not delivered because nobody could play it"
                );
                self.miss(shard, 1);
            }
            Some(shot) => {
                let object_ends = self.film.ends_before(&shot, &policy, now.elapsed);
                let may_end = ending == Ending::Allowed || self.batch.has_enough();
                let is_over = shot.is_key() && self.batch.ends_before_key_frame(now.elapsed);
                let stop = match may_end && (object_ends || is_over) {
                    true => Some(Stop::BatchEnds),
                    false => self
                        .film
                        .needs_number(&shot)
                        .map(|(hour, number)| Stop::NeedsNumber(hour, number)),
                };
                if let Some(stop) = stop {
                    slice.put_back(entry);
                    return Ok(Some(stop));
                }
                if object_ends {
                    self.batch.end_video();
                    self.film.end_object();
                }
                self.put_video(shot, now)?;
            }
        }
        self.advance(shard, entry.header.end());
        Ok(None)
    }

    /// Puts a fragment into the batch.
    fn put_video(&mut self, shot: Shot, now: Moment) -> Result<()> {
        let arrival = shot.arrival;
        self.batch.open(arrival, now.elapsed);
        let pieces = self.film.play(&shot, now.elapsed);
        let part = self.batch.push_video(&self.spool, arrival, &pieces)?;
        let key = self.forms.video_key(self.batch.number, part, arrival)?;
        self.film.push(shot, key, &pieces);
        self.totals.records = self.totals.records.saturating_add(1);
        Ok(())
    }

    /// When an object of video ends.
    fn video_policy(&self) -> Policy {
        let objects = &self.plan.settings.objects;
        Policy {
            bytes: objects.buffer_bytes,
            age: Duration::from_secs(objects.buffer_seconds),
        }
    }

    /// Takes an init for the fragments that name it.
    pub(crate) fn learn_init(&mut self, init: Init) -> Result<()> {
        self.film.learn(&self.spool, init)
    }

    /// Takes the number of the playlist that begins next, for the hour that needs it.
    pub(crate) fn learn_number(&mut self, hour: Hour, number: u32) {
        self.film.learn_number(hour, number);
    }

    /// Notes that the batch before is published.
    pub(crate) fn begin_next(&mut self, now: Duration) {
        self.batch.begin_next(now);
    }

    /// Notes that an init is nowhere: fragments that need it are left out.
    pub(crate) fn give_up_init(&mut self, init: InitId) {
        self.film.give_up(init);
    }

    /// Takes the next piece of a slice; it is not in the batch before it is [`put`](Self::put) there.
    pub(crate) fn take(&self, slice: &mut Slice) -> Result<Taken> {
        let bytes_max = self.steps.transformer().map_or(PIECE_BYTES, |transformer| {
            usize::try_from(transformer.buffer_bytes).unwrap_or(usize::MAX)
        });
        let taking = Taking {
            steps: &self.steps,
            end: self.end(slice.shard()),
            bytes_max,
            has_keys: self.has_keys,
            has_backup: self.plan.settings.backup.is_some(),
        };
        slice.take(self.places.next(slice.shard()), taking)
    }

    /// Puts a piece into the batch, which was taken last and which the transformer has seen.
    pub(crate) fn put(&mut self, mut taken: Taken, now: Moment) -> Result<()> {
        self.lose(taken.shard, taken.missing);
        if let Some(arrival) = taken.newest {
            self.batch.open(arrival, now.elapsed);
        }
        let count = u64::try_from(taken.count).unwrap_or(u64::MAX);
        self.totals.records = self.totals.records.saturating_add(count);
        let no_keys = PartitionKeys::default();
        for (arrival, data) in &taken.originals {
            let group = Group::Backup;
            self.batch
                .push(&self.spool, group, *arrival, &no_keys, data)?;
        }
        for record in std::mem::take(&mut taken.records) {
            if let Some(record) = self.steps.after(record, &mut taken.failed) {
                self.put_record(record, &mut taken.failed)?;
            }
        }
        for failed in &taken.failed {
            self.fail(failed, now.wall)?;
        }
        self.advance(taken.shard, taken.next);
        Ok(())
    }

    /// Where a shard ends for this delivery stream.
    fn end(&self, shard: ShardId) -> Position {
        self.ends.of(shard).unwrap_or_default()
    }

    fn advance(&mut self, shard: ShardId, next: Position) {
        self.ranges.advance(&self.places, shard, next);
        self.places.advance(shard, next);
        if next >= self.end(shard) {
            self.close(shard);
        }
    }

    /// Whether more of a shard is to be taken.
    pub(crate) fn is_wanted(&self, shard: ShardId) -> bool {
        self.ends.of(shard).is_some() && !self.places.is_closed(shard)
    }

    /// Notes that a shard goes on at `to`: what is before it and was not taken is gone.
    pub(crate) fn skip(&mut self, shard: ShardId, to: Position) {
        let (next, to) = (self.places.next(shard), to.min(self.end(shard)));
        if to > next {
            self.lose(shard, to.get() - next.get());
            self.advance(shard, to);
        }
    }

    fn lose(&mut self, shard: ShardId, missing: u64) {
        if missing > 0 {
            tracing::warn!(
                delivery = %self.plan.name, %shard, missing,
                "records were deleted by their stream's retention before they were delivered"
            );
            self.miss(shard, missing);
        }
    }

    /// Counts positions that are in no object.
    fn miss(&mut self, shard: ShardId, missing: u64) {
        self.totals.missing = self.totals.missing.saturating_add(missing);
        self.ranges.lose(&self.places, shard, missing);
    }

    /// Notes that a shard has ended.
    pub(crate) fn close(&mut self, shard: ShardId) {
        self.ranges.close(&self.places, shard);
        self.places.close(shard);
    }

    /// Forgets shards that have ended and are no more: nobody asks for them again.
    pub(crate) fn keep(&mut self, is_there: impl Fn(ShardId) -> bool) {
        self.places.keep(is_there);
    }

    /// Puts a record into the objects of its partition.
    fn put_record(&mut self, record: Record, failed: &mut Vec<Failed>) -> Result<()> {
        match self.forms.output().prefix.partition(&record.keys) {
            Ok(partition) => {
                let group = Group::Output(partition);
                let mut data = match &mut self.envelope {
                    Some(envelope) => envelope.line(&record),
                    None => &record.data,
                };
                let framed;
                let settings = &self.plan.settings;
                if let Some(receiver) = &settings.receiver {
                    framed = frame(record.arrival, &receiver.keep(&record, data));
                    data = &framed;
                } else if settings.is_framed() {
                    framed = frame(record.arrival, data);
                    data = &framed;
                }
                let batch = &mut self.batch;
                batch.push(&self.spool, group, record.arrival, &record.keys, data)?;
            }
            Err(error) => failed.push(Failed::without_partition(record, &error)),
        }
        Ok(())
    }

    /// Puts a record that failed at `wall` into the objects of its kind of failure.
    fn fail(&mut self, failed: &Failed, wall: ServerTime) -> Result<()> {
        self.totals.failed = self.totals.failed.saturating_add(1);
        let mut line = Vec::new();
        let arrival = failed.record.arrival;
        failed_line(failed, wall, &mut line);
        let (batch, no_keys) = (&mut self.batch, PartitionKeys::default());
        let group = Group::Failed(failed.output);
        batch.push(&self.spool, group, arrival, &no_keys, &line)
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Ends the batch; the next one begins.
    pub(crate) fn seal(&mut self) -> Sealed {
        let number = self.batch.number + 1;
        let ranges = std::mem::take(&mut self.ranges);
        let manifests = self.plan.settings.manifests;
        let manifest = manifests.then(|| Manifest::new(&self.plan, self.batch.number, ranges));
        let next = Batch::new(number, bounds(&self.plan.settings), self.memory.clone());
        Sealed {
            forms: Arc::clone(&self.forms),
            spool: self.spool.clone(),
            batch: std::mem::replace(&mut self.batch, next),
            places: self.places.clone(),
            totals: std::mem::take(&mut self.totals),
            reels: self.film.end_batch(),
            manifest,
            helpers: Helpers::none(),
        }
    }
}

fn bounds(settings: &DeliverySettings) -> Bounds {
    let objects = &settings.objects;
    let backup = settings.backup.as_ref();
    let (object_bytes, object_records, wait) = match &settings.receiver {
        Some(receiver) => {
            let (bytes, wait) = receiver.buffer();
            (bytes.min(FRAMES_BYTES_MAX), RECORDS_MAX, wait)
        }
        None => {
            let wait = Duration::from_secs(objects.buffer_seconds);
            (objects.buffer_bytes, u32::MAX, wait)
        }
    };
    let wait = backup.map_or(wait, |backup| {
        Duration::from_secs(backup.buffer_seconds).min(wait)
    });
    Bounds {
        object_bytes,
        object_records,
        backup_bytes: backup.map_or(u64::MAX, |backup| backup.buffer_bytes),
        wait,
        partitioned: settings.partitioned,
    }
}
