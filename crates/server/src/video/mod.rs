//! Stored video as those who ask for it see it: fragments found by time, initialisations by name.
//!
//! The log knows entries and positions only. This module reads fragment headers through the map,
//! remembers what it has seen in a small index per stream, and hands out whole entries as slices of
//! the log. Invariant: what it remembers is bounded, per stream and over all streams, and everything
//! can be found again by reading the log.

mod entries;
mod index;
mod search;
mod selector;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use afflux_engine::{From as StartFrom, Shard};
use afflux_entry::{HEADER_LEN, Header, Kind, Stamp};
use afflux_media::InitId;
use afflux_types::{Position, Result, ServerTime, ShardId, StreamName};
use afflux_wire::message::TimeAxis;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

pub(crate) use entries::{Entry, entries};
pub(crate) use search::{Found, Search};
pub(crate) use selector::Selector;

use index::Index;

/// The one shard of a video stream: the order of its fragments is the order of ingest.
pub(crate) fn shard_id() -> ShardId {
    ShardId::new(0)
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

/// What is remembered of all video streams.
#[derive(Debug, Default)]
pub(crate) struct Library {
    streams: Mutex<BTreeMap<StreamName, Arc<Video>>>,
}

/// What is remembered of one video stream.
#[derive(Debug, Default)]
pub(crate) struct Video {
    index: tokio::sync::Mutex<Index>,
    /// Bodies of stored initialisations, copied: a slice would keep its whole segment mapped.
    inits: Mutex<BTreeMap<InitId, Bytes>>,
}

impl Library {
    /// The memory of one stream, made if there is none.
    pub(crate) fn of(&self, stream: &StreamName) -> Arc<Video> {
        let mut streams = self.streams.lock();
        if !streams.contains_key(stream) && streams.len() >= STREAMS_MAX {
            // Any one will do: it costs a second look at headers that are likely in memory.
            streams.pop_first();
        }
        Arc::clone(streams.entry(stream.clone()).or_default())
    }

    /// Forgets a stream that was deleted: another one may get its name.
    pub(crate) fn forget(&self, stream: &StreamName) {
        self.streams.lock().remove(stream);
    }
}

impl Video {
    /// Finds the fragments that `selector` takes, from position `from` on, in the order of ingest.
    pub(crate) async fn search(
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
    pub(crate) async fn init(
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
    pub(crate) fn keep(&self, id: InitId, body: &[u8]) -> Bytes {
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
pub(crate) struct Sent(BTreeSet<InitId>);

/// A reader that has got more than this many gets some again.
const SENT_MAX: usize = 1_024;

impl Sent {
    /// Notes that the reader has got `id`; false if it had it before.
    pub(crate) fn note(&mut self, id: InitId) -> bool {
        if self.0.len() >= SENT_MAX {
            self.0.clear();
        }
        self.0.insert(id)
    }
}

/// An entry that carries an initialisation to a reader whose next fragment is at `position`.
pub(crate) fn init_entry(body: &Bytes, position: Position, arrival: ServerTime) -> Bytes {
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
pub(crate) fn init_of(entry: &Entry) -> Option<InitId> {
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
