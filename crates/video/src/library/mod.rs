//! Stored video as those who ask for it see it: fragments found by time, initialisations by name.
//!
//! The log knows entries and positions only. This module reads fragment headers through the map,
//! remembers what it has seen in a small index per stream, and hands out whole entries as slices of
//! the log. Invariant: what it remembers is bounded, per stream and over all streams, and everything
//! can be found again by reading the log.

mod entries;
mod index;
mod recorder;
mod search;
mod selector;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};

use afflux_aws::video::Error as ServiceError;
use afflux_engine::{From as StartFrom, Shard};
use afflux_entry::{HEADER_LEN, Header, Kind, Stamp};
use afflux_media::{Facts, InitId};
use afflux_types::{FragmentNumber, Position, Result, ServerTime, ShardId, StreamName};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

pub use entries::{Entry, entries};
pub use recorder::{Prepared, Recorder};
pub use search::{Found, Search, fragment_at};
pub use selector::{Selector, TimeAxis};

use crate::context::{Context, service_error};
use crate::notify;
use index::Index;

/// The one shard of a video stream: the order of its fragments is the order of ingest.
#[must_use]
pub fn shard_id() -> ShardId {
    ShardId::new(0)
}

/// Where the fragments of a stream are, for an operation of the API.
pub(crate) async fn open(ctx: &Context, stream: &StreamName) -> Result<Shard, ServiceError> {
    let shard = ctx.engine.shard(stream, shard_id()).await;
    shard.map_err(|error| service_error(&error))
}

/// Streams whose index is kept; others are read again when somebody asks.
const STREAMS_MAX: usize = 1_024;
/// Initialisations of one stream whose bytes are kept.
const INITS_MAX: usize = 64;
/// Fragments before a place among which its initialisation is looked for first: the uploads write it
/// again every few megabytes.
const NEAR_FRAGMENTS: u64 = 64;
/// Bytes of the log that are looked through at once.
const READ_BYTES: usize = 1 << 20;

/// What is remembered of all video streams; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Library {
    streams: Arc<Mutex<BTreeMap<StreamName, Arc<Recording>>>>,
    /// The API that tells others of fragments; it keeps the library.
    api: Arc<OnceLock<Weak<Context>>>,
}

/// What is remembered of one video stream.
#[derive(Debug, Default)]
pub struct Recording {
    index: tokio::sync::Mutex<Index>,
    /// Bodies of stored initialisations, copied: a slice would keep its whole segment mapped.
    inits: Mutex<BTreeMap<InitId, Bytes>>,
}

impl Library {
    /// The memory of one stream, made if there is none.
    #[must_use]
    pub fn of(&self, stream: &StreamName) -> Arc<Recording> {
        let mut streams = self.streams.lock();
        if !streams.contains_key(stream) && streams.len() >= STREAMS_MAX {
            // Any one will do: it costs a second look at headers that are likely in memory.
            streams.pop_first();
        }
        Arc::clone(streams.entry(stream.clone()).or_default())
    }

    /// Forgets a stream that was deleted: another one may get its name.
    pub fn forget(&self, stream: &StreamName) {
        self.streams.lock().remove(stream);
    }

    /// Tells others of a fragment that was appended, if it asks for that and there is an API that does.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn tell(&self, shard: &Shard, facts: &Facts, number: FragmentNumber) {
        if let Some(api) = self.api.get().and_then(Weak::upgrade) {
            notify::fragment(&api, shard, facts, number);
        }
    }

    /// Lets an API tell others of fragments that come by other doors too; the first one does.
    pub(crate) fn serve(&self, api: &Arc<Context>) {
        self.api.get_or_init(|| Arc::downgrade(api));
    }
}

impl Recording {
    /// Finds the fragments that `selector` takes, from position `from` on, in the order of ingest.
    ///
    /// # Errors
    /// What the log cannot read: `DataLoss` for damaged bytes, `NotFound` after the stream was deleted.
    pub async fn search(
        &self,
        shard: &Shard,
        selector: Selector,
        from: Position,
    ) -> Result<Search> {
        let marks = shard.watermarks();
        let from = from.max(marks.trim_horizon);
        let runs = match selector.axis {
            TimeAxis::Server => {
                let start = ServerTime::from_millis(selector.from.max(0));
                let start = shard.resolve(StartFrom::At(start)).await?;
                // Arrivals are in order: only the fragment before can be playing.
                let before = u64::from(selector.cover_start);
                let start = Position::new(start.get().saturating_sub(before)).max(from);
                [(start, marks.durable)].into()
            }
            TimeAxis::Producer => {
                let mut index = self.index.lock().await;
                search::extend(&mut index, shard).await?;
                index.candidates(&selector, from)
            }
        };
        Ok(Search::new(shard.clone(), selector, runs))
    }

    /// The stored body of an initialisation that a fragment at `position` needs.
    ///
    /// # Errors
    /// As [`Recording::search`].
    pub async fn init(
        &self,
        shard: &Shard,
        id: InitId,
        position: Position,
    ) -> Result<Option<Bytes>> {
        if let Some(body) = self.inits.lock().get(&id) {
            return Ok(Some(body.clone()));
        }
        let horizon = shard.watermarks().trim_horizon;
        let near = Position::new(position.get().saturating_sub(NEAR_FRAGMENTS)).max(horizon);
        if let Some(body) = search::find_init(shard, id, near, position).await? {
            return Ok(Some(self.keep(id, &body)));
        }
        let places = {
            let mut index = self.index.lock().await;
            search::extend(&mut index, shard).await?;
            index.places(id)
        };
        for place in places {
            if let Some(body) = search::find_init(shard, id, place.max(horizon), place).await? {
                return Ok(Some(self.keep(id, &body)));
            }
        }
        Ok(None)
    }

    /// Remembers an initialisation that was just written.
    pub fn keep(&self, id: InitId, body: &[u8]) -> Bytes {
        let mut inits = self.inits.lock();
        if inits.len() >= INITS_MAX {
            inits.clear();
        }
        let body = Bytes::copy_from_slice(body);
        inits.insert(id, body.clone());
        body
    }
}

/// The initialisations that one reader has got.
#[derive(Debug, Default)]
pub struct Sent(BTreeSet<InitId>);

/// A reader that has got more than this many gets some again.
const SENT_MAX: usize = 1_024;

impl Sent {
    /// Notes that the reader has got `id`; false if it had it before.
    pub fn note(&mut self, id: InitId) -> bool {
        if self.0.len() >= SENT_MAX {
            self.0.clear();
        }
        self.0.insert(id)
    }
}

/// An entry that carries an initialisation to a reader whose next fragment is at `position`.
#[must_use]
pub fn init_entry(body: &Bytes, position: Position, arrival: ServerTime) -> Bytes {
    let mut header = Header::for_body(Kind::Init, 0, None, None, std::slice::from_ref(body));
    header.stamp = Some(Stamp {
        position,
        arrival,
        unsynced: 0,
    });
    let mut entry = BytesMut::with_capacity(HEADER_LEN + body.len());
    entry.extend_from_slice(&header.encode());
    entry.extend_from_slice(body);
    entry.freeze()
}

/// The initialisation that an entry is, or needs.
#[must_use]
pub fn init_of(entry: &Entry) -> Option<InitId> {
    let body = entry.body();
    match entry.header.kind {
        Kind::Init => index::init_id(&body),
        Kind::Fragment => afflux_media::StoredFragment::peek(&body)
            .ok()
            .map(|meta| meta.init_id),
        Kind::Batch | Kind::Marker => None,
    }
}

#[cfg(test)]
mod tests;
