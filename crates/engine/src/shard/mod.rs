//! One shard: taking entries in, waiting until they are durable, reading them back.

pub(crate) mod live;
pub(crate) mod marker;
pub(crate) mod producers;
pub(crate) mod ringer;
pub(crate) mod signals;

pub(crate) mod check;
mod heat;
pub(crate) mod load;
pub(crate) mod recover;

mod quota;

use std::fmt;
use std::sync::Arc;

use afflux_entry::{Header, Kind};
use afflux_log::{Slice, Watermarks};
use afflux_types::limits::ENTRY_RECORDS_MAX;
use afflux_types::{
    Error, ErrorKind, HashKey, HashKeyRange, Position, Result, ServerTime, ShardId, StreamName,
};
use bytes::Bytes;

pub use live::{Accepted, Admission};

use crate::engine::Inner;
use crate::fanout::{self, From, Subscription};
use crate::fault::{Moved, Throttled};
use crate::registry::{Cell, Stream};
use crate::seal::Place;
use crate::stats::add;
use crate::stream::{Child, StreamKind};
use live::{Attempt, Incoming, Live};
use load::Drawn;

/// Bytes that are sealed or opened on the caller's thread: a third of a millisecond.
pub(crate) const CIPHER_BYTES_MAX: u32 = 1 << 20;

/// A handle of one shard whose log is open; cheap to clone.
///
/// It outlives the shard: when the stream is deleted every call fails with `NotFound`.
#[derive(Clone)]
pub struct Shard {
    pub(crate) engine: Arc<Inner>,
    pub(crate) stream: Arc<Stream>,
    pub(crate) cell: Arc<Cell>,
    pub(crate) live: Arc<Live>,
}

impl Shard {
    /// Appends an entry and returns where it stands; it is not durable yet.
    ///
    /// Waits while the log is busy and while a split or merge is under way. Entries of one producer
    /// are to be appended one after the other; they may be pipelined by waiting for their durability
    /// elsewhere. An entry that was taken in before is answered with its place, once it is durable.
    ///
    /// The caller has verified the producer's checksum; the records are checked here.
    ///
    /// # Shape
    /// `body` may be split anywhere. Kinds must fit the stream: batches, or initialisations and
    /// fragments. Only the first record's hash key is compared with the shard's range: producers
    /// route.
    ///
    /// # Errors
    /// `Invalid` for a malformed entry, a record above the stream's limit, a first record that
    /// belongs to another shard, a gap in the producer's sequence, or a repeated sequence with
    /// another content; `Expired` for a producer or a sequence that is no longer remembered: take a
    /// new producer id; `ShardMoved` with [`Moved`] after a split or merge; `Throttled` with
    /// [`Throttled`] above the quota; `Unavailable` if the disk is full or the server is stopping;
    /// `NotFound` if the stream was deleted; `DataLoss` or `Unavailable` if the shard has stopped
    /// after a failed write; `Unavailable` with [`KeyFault`](crate::KeyFault) if the stream is encrypted
    /// and its key is not at hand.
    ///
    /// # Cancel safety
    /// A dropped future has either appended the entry or not; a producer's sequence tells which.
    pub async fn append(&self, header: Header, body: Vec<Bytes>) -> Result<Accepted> {
        self.take_in(Incoming::plain(header, body)).await
    }

    /// Takes quota for records of so many bytes one by one, for an entry of those that are not refused.
    ///
    /// A record has its quota if all of it is there, or any of it for a record above a second's worth. One
    /// that has not takes nothing from those behind it.
    #[must_use]
    pub fn admit(&self, bytes: impl IntoIterator<Item = u64>) -> Admission {
        let now = self.engine.clock.elapsed();
        let admission = self.live.admit(bytes.into_iter(), now);
        if !admission.refused().is_empty() {
            add(&self.stream.counters.throttled, 1);
        }
        admission
    }

    /// Appends an entry of the records that were admitted, as [`Shard::append`] does. If it fails, what
    /// was taken of the quota is returned.
    ///
    /// # Errors
    /// As [`Shard::append`], and never `Throttled`.
    ///
    /// # Cancel safety
    /// As [`Shard::append`].
    pub async fn append_admitted(
        &self,
        header: Header,
        body: Vec<Bytes>,
        admission: Admission,
    ) -> Result<Accepted> {
        let appended = self.take_in(Incoming::plain(header, body).paid()).await;
        if appended.is_err() {
            self.live.give_back(&admission);
        }
        appended
    }

    async fn take_in(&self, mut incoming: Incoming) -> Result<Accepted> {
        self.check(&incoming)?;
        self.check_exists()?;
        loop {
            let ready = self.live.signals.ready();
            self.engine.check_running()?;
            if incoming.key() != self.stream.sealing.current() {
                incoming = self.seal(incoming).await?;
            }
            match self.attempt(incoming)? {
                Attempt::Accepted(accepted) => return Ok(accepted),
                Attempt::Duplicate(accepted) => {
                    add(&self.stream.counters.duplicates, 1);
                    self.live.wait_entry(&accepted).await?;
                    return Ok(accepted);
                }
                Attempt::Wait(same) => {
                    incoming = *same;
                    ready.await;
                }
                Attempt::Reseal(same) => incoming = *same,
                Attempt::NeedsKey(number, same) => {
                    self.engine.data_key(&self.stream, number).await?;
                    incoming = *same;
                }
                Attempt::Closed => return Err(self.moved()),
            }
        }
    }

    /// Brings an entry into the form in which the stream is stored now.
    async fn seal(&self, incoming: Incoming) -> Result<Incoming> {
        let number = self.stream.sealing.current();
        if number == 0 {
            return Ok(incoming.unsealed());
        }
        let key = self.engine.data_key(&self.stream, number).await?;
        let place = self.place();
        if incoming.header.body_len <= CIPHER_BYTES_MAX {
            return incoming.sealed(&self.live.sealer, &key, place);
        }
        let live = Arc::clone(&self.live);
        self.engine
            .pool
            .run(move || incoming.sealed(&live.sealer, &key, place))
            .await?
    }

    /// What the shard's entries are bound to.
    pub(crate) fn place(&self) -> Place {
        Place {
            stream: self.stream.facts.id,
            shard: self.cell.id.get(),
        }
    }

    fn attempt(&self, incoming: Incoming) -> Result<Attempt> {
        let (records, bytes) = (incoming.header.record_count, incoming.header.body_len);
        let drawn = self.draw(&incoming);
        let now = self.engine.clock.elapsed();
        let attempt = self
            .live
            .attempt(incoming, now, &self.engine.dir, &self.stream.sealing)
            .map_err(|error| self.named(&error))
            .inspect_err(|error| {
                if error.kind() == ErrorKind::Throttled {
                    add(&self.stream.counters.throttled, 1);
                }
            })?;
        if let Attempt::Accepted { .. } = attempt {
            add(&self.stream.counters.entries_in, 1);
            add(&self.stream.counters.records_in, u64::from(records));
            add(&self.stream.counters.bytes_in, u64::from(bytes));
            self.live.load.note(bytes, records, drawn);
        }
        Ok(attempt)
    }

    /// The hash key that stands for an entry in the sample of the shard's load, if it is to be in it.
    fn draw(&self, incoming: &Incoming) -> Option<(Drawn, HashKey)> {
        let drawn = self.live.load.draw(&incoming.header)?;
        let key = check::hash_key_at(&incoming.body, drawn.record)?;
        Some((drawn, key))
    }

    /// Waits until everything below `end` is durable.
    ///
    /// An entry without records, such as a codec initialisation, has no position of its own: wait for
    /// it with [`Shard::wait_accepted`].
    ///
    /// # Errors
    /// Why it never will be: `NotFound` if the stream was deleted, else the shard's failure.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_durable(&self, end: Position) -> Result<()> {
        self.live.wait_durable(end).await
    }

    /// Waits until an entry is durable. Entries become durable in the order of their acceptance.
    ///
    /// # Errors
    /// As [`Shard::wait_durable`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_accepted(&self, accepted: &Accepted) -> Result<()> {
        self.live.wait_entry(accepted).await
    }

    /// The position that a reader starts at.
    ///
    /// A trimmed position gives the trim horizon.
    ///
    /// # Errors
    /// `Invalid` for a position beyond the shard's end; `DataLoss` or `Internal` if the log cannot
    /// be read.
    pub async fn resolve(&self, from: From) -> Result<Position> {
        self.check_exists()?;
        let position = fanout::resolve(self, from).await?;
        Ok(position.max(self.live.watermarks().trim_horizon))
    }

    /// A live push of everything from a place on. A position that is trimmed already is reported as
    /// lagged by the first event.
    ///
    /// # Errors
    /// As [`Shard::resolve`].
    pub async fn subscribe(&self, from: From) -> Result<Subscription> {
        self.check_exists()?;
        let position = fanout::resolve(self, from).await?;
        Ok(Subscription::new(self.clone(), position))
    }

    /// Reads durable entries, without waiting for more: empty at the end.
    ///
    /// # Shape
    /// Whole entries, at most `bytes_max` unless the first is larger. The first may start before
    /// `from`. Consumers skip markers ([`Kind::Marker`]).
    ///
    /// # Errors
    /// `Expired` below the trim horizon, `Invalid` beyond the end, `NotFound` after the stream was
    /// deleted, `DataLoss` for damaged bytes; `Unavailable` with [`KeyFault`](crate::KeyFault) for
    /// sealed ones whose key is not at hand.
    pub async fn read(&self, from: Position, bytes_max: usize) -> Result<Slice> {
        self.check_exists()?;
        fanout::read(self, from, bytes_max).await
    }

    /// How far the shard is trimmed, durable and appended.
    #[must_use]
    pub fn watermarks(&self) -> Watermarks {
        self.live.watermarks()
    }

    /// The last sequence taken in from a producer; zero if the shard does not know it.
    #[must_use]
    pub fn last_sequence(&self, producer: u64) -> u64 {
        self.live.last_sequence(producer)
    }

    /// The shard's id.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.cell.id
    }

    /// The stream's id: never reused, also when its name is.
    #[must_use]
    pub fn stream_id(&self) -> u64 {
        self.stream.facts.id
    }

    /// The stream's name.
    #[must_use]
    pub fn stream_name(&self) -> &StreamName {
        self.stream.name()
    }

    /// What the stream holds.
    #[must_use]
    pub fn kind(&self) -> StreamKind {
        self.stream.facts.kind
    }

    /// Bytes of key and data that one record may have.
    #[must_use]
    pub fn record_bytes_max(&self) -> usize {
        self.stream.record_bytes_max()
    }

    /// Whether what is appended now is encrypted on disk.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.stream.sealing.current() != 0
    }

    /// The hash keys that the shard is for.
    #[must_use]
    pub fn range(&self) -> HashKeyRange {
        self.cell.range
    }

    /// Where the shard ends and who took over, once it is closed.
    #[must_use]
    pub fn closed(&self) -> Option<(Position, &[Child])> {
        let closed = self.cell.closed()?;
        Some((closed.at, &closed.children))
    }

    /// The time by the engine's clock, which arrival times are taken from.
    pub(crate) fn now(&self) -> ServerTime {
        self.engine.clock.wall()
    }

    pub(crate) fn check_exists(&self) -> Result<()> {
        if self.stream.is_deleted() {
            return Err(self.stream.deleted_error());
        }
        Ok(())
    }

    fn check(&self, incoming: &Incoming) -> Result<()> {
        let (header, body) = (&incoming.header, &incoming.body);
        let kind = header.kind;
        let fits = match self.stream.facts.kind {
            StreamKind::Records | StreamKind::Delivery => kind == Kind::Batch,
            StreamKind::Video => matches!(kind, Kind::Init | Kind::Fragment),
        };
        if !fits {
            let what = match self.stream.facts.kind {
                StreamKind::Records | StreamKind::Delivery => "records",
                StreamKind::Video => "video",
            };
            return Err(Error::invalid(format!(
                "stream {} is for {what} and does not take a {}",
                self.stream.name(),
                kind.name()
            )));
        }
        check_shape(header, body)?;
        if kind != Kind::Batch {
            return Ok(());
        }
        let limit = self.stream.record_bytes_max();
        let first = check::check_batch(body, header.record_count, limit)?;
        self.check_range(first)
    }

    fn check_range(&self, first: Option<HashKey>) -> Result<()> {
        match first {
            Some(key) if !self.cell.range.contains(key) => Err(Error::invalid(format!(
                "the hash key {key} of the batch's first record is not in the range {} to {} of {}",
                self.cell.range.start(),
                self.cell.range.end(),
                self.cell.id
            ))),
            _ => Ok(()),
        }
    }

    fn moved(&self) -> Error {
        Moved::error(
            format!(
                "{} of stream {} is closed",
                self.cell.id,
                self.stream.name()
            ),
            self.cell.children(),
        )
    }

    /// Adds the shard's name to a refusal that lacks it, and keeps what a program acts on.
    fn named(&self, error: &Error) -> Error {
        let (id, stream) = (self.cell.id, self.stream.name());
        match Throttled::of(error) {
            Some(throttled) => {
                let message = format!("{id} of stream {stream}: {}", error.message());
                Throttled::error(message, throttled.retry_after)
            }
            None => Error::new(
                error.kind(),
                format!("{id} of stream {stream}: {}", error.chain()),
            ),
        }
    }

    /// Counts what a reader was given.
    pub(crate) fn count_out(&self, slice: &Slice) {
        let records = slice.end.get().saturating_sub(slice.first.get());
        let counters = &self.stream.counters;
        add(&counters.records_out, records);
        let bytes = u64::try_from(slice.bytes.len()).unwrap_or(u64::MAX);
        add(&counters.bytes_out, bytes);
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("stream", self.stream.name())
            .field("id", &self.cell.id)
            .finish_non_exhaustive()
    }
}

fn check_shape(header: &Header, body: &[Bytes]) -> Result<()> {
    let len = body.iter().map(Bytes::len).sum::<usize>();
    if len != header.body_len as usize {
        return Err(Error::invalid(format!(
            "the entry's body has {len} bytes; its header says {}",
            header.body_len
        )));
    }
    let kind = header.kind;
    if len > kind.body_bytes_max() {
        return Err(Error::invalid(format!(
            "the body of a {} has {len} bytes; the limit is {}",
            kind.name(),
            kind.body_bytes_max()
        )));
    }
    let count = header.record_count as usize;
    let counts = match kind {
        Kind::Batch => 1..=ENTRY_RECORDS_MAX,
        Kind::Fragment => 1..=1,
        Kind::Init | Kind::Marker => 0..=0,
    };
    if !counts.contains(&count) {
        return Err(Error::invalid(format!(
            "a {} has a record count of {count}; {} to {} are possible",
            kind.name(),
            counts.start(),
            counts.end()
        )));
    }
    Ok(())
}
