//! A shard in use: its log, its one sequencer, and its bells.
//!
//! Everything that decides about an entry happens under one short lock, in the order in which entries
//! get their positions: is the shard open, is the entry a retry, does the quota allow it, does the log
//! take it. Nothing under the lock waits for a disk, and nothing is sealed under it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{Header, Kind};
use afflux_log::{AppendError, Appended, LogKey, ShardLog, Volume, Watermarks};
use afflux_types::{Error, Position, Result, ServerTime, ShardId};
use bytes::Bytes;
use parking_lot::Mutex;

use super::heat::{Heat, Hot};
use super::load::Load;
use super::marker;
use super::producers::{ProducerTable, SequenceError, Taken, Verdict};
use super::quota::Quota;
use super::recover::recover;
use super::signals::{Helpers, Signals};
use crate::catalog::StreamFacts;
use crate::fault::Throttled;
use crate::retention::Due;
use crate::seal::{DataKey, Place, Sealed, Sealer, Sealing};
use crate::stream::StreamKind;

/// An open shard log and what the engine knows about it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) log: ShardLog,
    pub(crate) signals: Arc<Signals>,
    pub(crate) hot: Hot,
    pub(crate) sealer: Sealer,
    pub(crate) load: Load,
    sequencer: Mutex<Sequencer>,
}

#[derive(Debug)]
struct Sequencer {
    intake: Intake,
    producers: ProducerTable,
    quota: Option<Quota>,
    /// The segment that is being written still needs its marker.
    marker_due: bool,
    heat: Heat,
    /// Of the last entry; zero before the first since the log was opened.
    serial: u64,
}

/// Whether a shard takes entries.
///
/// ```text
/// Open --hold--> Held --close--> Closed
///   ^              |
///   +---release----+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intake {
    Open,
    /// A split or merge is under way: entries wait for its outcome.
    Held,
    Closed,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The position of its first record.
    pub position: Position,
    /// The position after its last record.
    pub end: Position,
    /// When it arrived, by the server's clock; never before the entry before it.
    pub arrival: ServerTime,
    /// It had been taken in before, and this is where it stands since then.
    pub duplicate: bool,
    /// The log's number for the entry; durable once the log's durable serial has reached it.
    pub(crate) serial: u64,
}

/// Records that a shard's quota has room for, and what was taken of it for them.
#[derive(Debug, Default)]
pub struct Admission {
    bytes: u64,
    records: u64,
    refused: Vec<usize>,
}

impl Admission {
    /// The indices of records that the quota has no room for, in order.
    #[must_use]
    pub fn refused(&self) -> &[usize] {
        &self.refused
    }
}

/// What became of one attempt to append.
pub(crate) enum Attempt {
    /// Taken in now.
    Accepted(Accepted),
    /// Taken in before.
    Duplicate(Accepted),
    /// Not now: ring [`Signals::ready`] and try again.
    Wait(Box<Incoming>),
    /// Encryption was switched since the entry was sealed, or was not: seal it anew.
    Reseal(Box<Incoming>),
    /// It may have been taken in before, which only this data key tells.
    NeedsKey(u64, Box<Incoming>),
    /// The shard was split or merged.
    Closed,
}

/// An entry on its way in: as it was sent, and sealed if the stream is encrypted.
pub(crate) struct Incoming {
    pub(crate) header: Header,
    pub(crate) body: Vec<Bytes>,
    sealed: Option<Sealed>,
    /// Its quota was taken before.
    paid: bool,
}

impl Incoming {
    pub(crate) fn plain(header: Header, body: Vec<Bytes>) -> Self {
        Self {
            header,
            body,
            sealed: None,
            paid: false,
        }
    }

    pub(crate) fn paid(mut self) -> Self {
        self.paid = true;
        self
    }

    /// The data key that it is sealed with; zero: none.
    pub(crate) fn key(&self) -> u64 {
        self.sealed.as_ref().map_or(0, |sealed| sealed.key)
    }

    pub(crate) fn sealed(mut self, sealer: &Sealer, key: &DataKey, place: Place) -> Result<Self> {
        self.sealed = Some(sealer.seal(key, place, &self.header, &self.body)?);
        Ok(self)
    }

    pub(crate) fn unsealed(mut self) -> Self {
        self.sealed = None;
        self
    }

    /// By what a retry is recognised: the checksum, keyed if the entry is sealed.
    fn retry(&self) -> u32 {
        let sealed = self.sealed.as_ref();
        sealed.map_or(self.header.checksum, |sealed| sealed.retry)
    }

    /// Appends to a log; gives the entry back if that is busy.
    fn append(self, log: &ShardLog) -> Result<Result<Appended, Box<Self>>, AppendError> {
        let paid = self.paid;
        let Some(sealed) = self.sealed else {
            return match log.append(self.header, self.body) {
                Err(AppendError::Busy(header, body)) => Ok(Err(Box::new(Self {
                    paid,
                    ..Self::plain(*header, body)
                }))),
                other => other.map(Ok),
            };
        };
        // A sealed body is one piece: this copies nothing.
        match log.append(sealed.header.clone(), vec![sealed.body.clone()]) {
            Err(AppendError::Busy(..)) => Ok(Err(Box::new(Self {
                sealed: Some(sealed),
                ..self
            }))),
            other => other.map(Ok),
        }
    }
}

impl Live {
    /// Opens or creates a shard's log. May block.
    pub(crate) fn open(
        volume: &Volume,
        helpers: &Helpers,
        key: LogKey,
        stream: &StreamFacts,
        closed: bool,
    ) -> Result<Self> {
        let due = Due {
            stream: stream.name.clone(),
            shard: ShardId::new(key.shard),
        };
        let signals = Signals::new(helpers.clone(), due);
        let log = volume.shard(key, stream.durability, Arc::clone(&signals) as _)?;
        let mut recovered = recover(&log)?;
        if stream.kind == StreamKind::Video {
            recovered.producers.may_lack_the_end();
        }
        let end = log.watermarks().appended;
        Ok(Self {
            log,
            signals,
            hot: Hot::new(end),
            sealer: Sealer::default(),
            load: Load::default(),
            sequencer: Mutex::new(Sequencer {
                intake: if closed { Intake::Closed } else { Intake::Open },
                producers: recovered.producers,
                quota: stream.quota.map(Quota::new),
                marker_due: recovered.marker_due,
                heat: Heat::new(end),
                serial: 0,
            }),
        })
    }

    pub(crate) fn watermarks(&self) -> Watermarks {
        self.log.watermarks()
    }

    /// The last sequence taken in from a producer; zero if it is unknown.
    pub(crate) fn last_sequence(&self, producer: u64) -> u64 {
        self.sequencer.lock().producers.last_sequence(producer)
    }

    /// Tries to append an entry that has been checked.
    pub(crate) fn attempt(
        &self,
        incoming: Incoming,
        now: Duration,
        dir: &Path,
        sealing: &Sealing,
    ) -> Result<Attempt> {
        let mut sequencer = self.sequencer.lock();
        let verdict = match sequencer.judge(&incoming.header, sealing) {
            Ok(verdict) => verdict,
            Err(key) => return Ok(Attempt::NeedsKey(key, Box::new(incoming))),
        };
        // Also of a closed shard: otherwise the retry would go to a child as a new entry.
        if let Ok(Verdict::Known(taken)) = verdict {
            return Ok(Attempt::Duplicate(known(taken)));
        }
        if sequencer.intake == Intake::Closed {
            return Ok(Attempt::Closed);
        }
        if let Some(end) = self.signals.end() {
            return Err(end.error());
        }
        if sequencer.intake == Intake::Held {
            return Ok(Attempt::Wait(Box::new(incoming)));
        }
        verdict?;
        // Under the lock: what is appended after a switch of encryption obeys it.
        if incoming.key() != sealing.current() {
            return Ok(Attempt::Reseal(Box::new(incoming)));
        }
        if !incoming.paid {
            sequencer.check_quota(now)?;
        }
        let entry = Noted::of(&incoming);
        let appended = match incoming.append(&self.log) {
            Ok(Ok(appended)) => appended,
            Ok(Err(incoming)) => return Ok(Attempt::Wait(incoming)),
            Err(AppendError::Full(error)) => return Err(disk_full(error, dir)),
            Err(error) => return Err(error.into()),
        };
        let accepted = Accepted {
            position: appended.position,
            end: appended.end,
            arrival: appended.arrival,
            duplicate: false,
            serial: appended.serial,
        };
        sequencer.note(&entry, &accepted, now);
        sequencer
            .heat
            .append(&self.hot, accepted.position, entry.bytes);
        if appended.started_segment {
            sequencer.marker_due = true;
        }
        if sequencer.marker_due {
            sequencer.marker_due = !self.append_marker(&sequencer.producers);
        }
        Ok(Attempt::Accepted(accepted))
    }

    /// Takes the quota for records of so many bytes one by one.
    pub(crate) fn admit(&self, bytes: impl Iterator<Item = u64>, now: Duration) -> Admission {
        let mut admission = Admission::default();
        let mut sequencer = self.sequencer.lock();
        // A closed shard says where its range went, whatever is left of its quota.
        let is_closed = sequencer.intake == Intake::Closed;
        let quota = sequencer.quota.as_mut().filter(|_| !is_closed);
        let Some(quota) = quota else {
            return admission;
        };
        for (index, bytes) in bytes.enumerate() {
            if quota.admit(now, bytes) {
                admission.bytes += bytes;
                admission.records += 1;
            } else {
                admission.refused.push(index);
            }
        }
        admission
    }

    /// Returns the quota of records that were not appended.
    pub(crate) fn give_back(&self, admission: &Admission) {
        if let Some(quota) = &mut self.sequencer.lock().quota {
            quota.give_back(admission.bytes, admission.records);
        }
    }

    /// Returns once no append is under way that has not seen what the caller did before.
    pub(crate) fn pass(&self) {
        drop(self.sequencer.lock());
    }

    /// False if the log did not take it; the next append tries again.
    fn append_marker(&self, producers: &ProducerTable) -> bool {
        let body = vec![marker::encode(producers)];
        let header = Header::for_body(Kind::Marker, 0, None, None, &body);
        self.log.append(header, body).is_ok()
    }

    /// Lets no more entries in until [`Live::release`] or [`Live::close`], and returns the end.
    ///
    /// Returns `None` if the shard is held or closed already.
    pub(crate) fn hold(&self) -> Option<Held> {
        let mut sequencer = self.sequencer.lock();
        if sequencer.intake != Intake::Open {
            return None;
        }
        sequencer.intake = Intake::Held;
        Some(Held {
            end: self.log.watermarks().appended,
            serial: sequencer.serial,
        })
    }

    /// Takes entries again.
    pub(crate) fn release(&self) {
        self.sequencer.lock().intake = Intake::Open;
        self.signals.ring();
    }

    /// Takes no entries any more.
    pub(crate) fn close(&self) {
        self.sequencer.lock().intake = Intake::Closed;
        self.signals.ring();
    }

    /// Waits until everything below `end` is durable.
    pub(crate) async fn wait_durable(&self, end: Position) -> Result<()> {
        self.wait(|marks| marks.durable >= end).await
    }

    /// Waits until an entry is durable, also one that takes no position.
    pub(crate) async fn wait_entry(&self, accepted: &Accepted) -> Result<()> {
        let (end, serial) = (accepted.end, accepted.serial);
        self.wait(|marks| marks.durable >= end && marks.durable_serial >= serial)
            .await
    }

    /// Waits until everything in a held shard is durable.
    pub(crate) async fn wait_held(&self, held: Held) -> Result<()> {
        self.wait(|marks| marks.durable >= held.end && marks.durable_serial >= held.serial)
            .await
    }

    async fn wait(&self, reached: impl Fn(Watermarks) -> bool) -> Result<()> {
        loop {
            let rung = self.signals.acks();
            if reached(self.watermarks()) {
                return Ok(());
            }
            if let Some(end) = self.signals.end() {
                return Err(end.error());
            }
            rung.await;
        }
    }
}

/// The end of a shard that takes no entries for now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) end: Position,
    serial: u64,
}

/// What the sequencer needs of an entry after the log has taken it.
struct Noted {
    producer: Option<afflux_entry::Producer>,
    record_count: u32,
    checksum: u32,
    key: u64,
    bytes: u64,
    paid: bool,
}

impl Noted {
    fn of(incoming: &Incoming) -> Self {
        let header = &incoming.header;
        Self {
            producer: header.producer,
            record_count: header.record_count,
            checksum: incoming.retry(),
            key: incoming.key(),
            bytes: u64::from(header.body_len),
            paid: incoming.paid,
        }
    }
}

impl Sequencer {
    /// Fails with the data key that it takes.
    fn judge(
        &self,
        header: &Header,
        sealing: &Sealing,
    ) -> Result<Result<Verdict, SequenceError>, u64> {
        let Some(producer) = header.producer else {
            return Ok(Ok(Verdict::Next));
        };
        let checksum = match self.producers.key_of(producer) {
            0 => header.checksum,
            number => {
                let key = sealing.key(number).ok_or(number)?;
                key.retry(producer, header.checksum)
            }
        };
        Ok(self.producers.judge(producer, checksum))
    }

    fn check_quota(&self, now: Duration) -> Result<()> {
        let wait = self.quota.as_ref().map_or(Duration::ZERO, |q| q.wait(now));
        if wait.is_zero() {
            return Ok(());
        }
        Err(Throttled::error(
            "the shard's quota is used up".to_owned(),
            wait,
        ))
    }

    fn note(&mut self, entry: &Noted, accepted: &Accepted, now: Duration) {
        self.serial = accepted.serial;
        if let Some(quota) = self.quota.as_mut().filter(|_| !entry.paid) {
            quota.take(now, entry.bytes, u64::from(entry.record_count));
        }
        if let Some(producer) = entry.producer {
            self.producers.record(
                producer,
                Taken {
                    position: accepted.position,
                    arrival: accepted.arrival,
                    serial: accepted.serial,
                    record_count: entry.record_count,
                    checksum: entry.checksum,
                    key: entry.key,
                },
            );
        }
    }
}

fn known(taken: Taken) -> Accepted {
    Accepted {
        position: taken.position,
        end: taken.position.advance(u64::from(taken.record_count)),
        arrival: taken.arrival,
        duplicate: true,
        serial: taken.serial,
    }
}

fn disk_full(error: Error, dir: &Path) -> Error {
    Error::unavailable(format!(
        "disk full: nothing more is taken in until {} has room",
        dir.display()
    ))
    .with_source(error)
}
