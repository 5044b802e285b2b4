//! How far a delivery stream is: one row of the engine's settings, replaced when a batch has been
//! delivered.

use std::collections::BTreeMap;

use afflux_engine::{Engine, From, Row, RowError, Settings, read_row};
use afflux_types::{Error, Position, Result, ServerTime, ShardId, StreamName};
use serde::{Deserialize, Serialize};

use super::settings::{DeliverySource, Start};
use super::spool::Intent;

/// How far a delivery stream is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Batches that were delivered.
    pub(crate) batches: u64,
    pub(crate) places: Places,
    /// Where shards end for this delivery stream, which has no others; empty if it goes on for ever.
    #[serde(default)]
    pub(crate) ends: Ends,
    pub(crate) totals: DeliveryTotals,
    /// The object that was written last.
    pub(crate) last_object: Option<LastObject>,
}

/// Where each shard goes on. A shard that is not there begins with its first record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Places(BTreeMap<u32, ShardPlace>);

/// Where shards end for a delivery stream that replays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ends(BTreeMap<u32, u64>);

/// Where a shard goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardPlace {
    /// Everything before this position was delivered.
    pub(crate) next: u64,
    /// Whether that is everything, and nothing will follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) closed: bool,
}

/// What a delivery stream has delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryTotals {
    /// Records of the source that are accounted for. An aggregated record is one, and a fragment of video.
    pub records: u64,
    /// Objects that were written, those with failed records and of the backup among them; playlists are not.
    pub objects: u64,
    /// Bytes of these objects.
    pub bytes: u64,
    /// Their bytes before compression.
    pub uncompressed_bytes: u64,
    /// Records that failed and are in objects of the error prefix.
    pub failed: u64,
    /// Records that the source's retention deleted before they were delivered, and fragments that nobody can
    /// play because it deleted their codec initialisation or their times are impossible.
    pub missing: u64,
    /// Commits that made files part of a table.
    pub commits: u64,
    /// Rows of these files.
    pub rows: u64,
}

/// The object that was written last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastObject {
    /// Its name in its bucket or directory.
    pub key: String,
    /// When it was there.
    ///
    /// # Units
    /// Milliseconds since 1970-01-01 UTC.
    pub written: i64,
    /// When the newest of its batch's records had arrived.
    ///
    /// # Units
    /// Milliseconds since 1970-01-01 UTC.
    pub newest_arrival: i64,
}

impl Places {
    pub(crate) fn get(&self, shard: ShardId) -> Option<ShardPlace> {
        self.0.get(&shard.get()).copied()
    }

    pub(crate) fn next(&self, shard: ShardId) -> Position {
        Position::new(self.get(shard).unwrap_or_default().next)
    }

    pub(crate) fn is_closed(&self, shard: ShardId) -> bool {
        self.get(shard).is_some_and(|place| place.closed)
    }

    /// Everything before `next` is taken.
    pub(crate) fn advance(&mut self, shard: ShardId, next: Position) {
        let place = self.0.entry(shard.get()).or_default();
        place.next = place.next.max(next.get());
    }

    /// The shard has ended.
    pub(crate) fn close(&mut self, shard: ShardId) {
        self.0.entry(shard.get()).or_default().closed = true;
    }

    /// Forgets shards that have ended and are no more.
    pub(crate) fn keep(&mut self, is_there: impl Fn(ShardId) -> bool) {
        self.0
            .retain(|shard, place| !place.closed || is_there(ShardId::new(*shard)));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ShardId, ShardPlace)> {
        self.0
            .iter()
            .map(|(shard, place)| (ShardId::new(*shard), *place))
    }
}

impl Ends {
    /// Lets a shard end before a position.
    pub(crate) fn set(&mut self, shard: ShardId, end: Position) {
        self.0.insert(shard.get(), end.get());
    }

    /// Where a shard ends; none if it is not to be read at all.
    pub(crate) fn of(&self, shard: ShardId) -> Option<Position> {
        match self.0.is_empty() {
            true => Some(Position::new(u64::MAX)),
            false => self.0.get(&shard.get()).copied().map(Position::new),
        }
    }

    /// Whether everything was taken that is to be.
    pub(crate) fn are_reached(&self, places: &Places) -> bool {
        let mut shards = self.0.keys();
        !self.0.is_empty() && shards.all(|shard| places.is_closed(ShardId::new(*shard)))
    }
}

impl DeliveryTotals {
    /// The sums with those of one more batch.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            objects: self.objects.saturating_add(other.objects),
            bytes: self.bytes.saturating_add(other.bytes),
            uncompressed_bytes: self
                .uncompressed_bytes
                .saturating_add(other.uncompressed_bytes),
            failed: self.failed.saturating_add(other.failed),
            missing: self.missing.saturating_add(other.missing),
            commits: self.commits.saturating_add(other.commits),
            rows: self.rows.saturating_add(other.rows),
        }
    }
}

impl Row for State {
    fn to_row(&self) -> Result<Vec<u8>, RowError> {
        Ok(serde_json::to_vec(self)?)
    }

    fn from_row(row: &[u8]) -> Result<Self, RowError> {
        Ok(serde_json::from_slice(row)?)
    }
}

impl State {
    /// Where a new delivery stream begins, with nothing delivered.
    ///
    /// # Errors
    /// `NotFound` for a stream that is not there, `Invalid` for an end that is still to come.
    pub(super) async fn first(
        engine: &Engine,
        now: ServerTime,
        source: &DeliverySource,
    ) -> Result<Self> {
        let mut state = Self::default();
        let DeliverySource::Stream { name, from, until } = source else {
            return Ok(state);
        };
        let name = StreamName::new(name)?;
        if until.is_some_and(|until| until > now.as_millis()) {
            return Err(Error::invalid(
                "a delivery stream can end only at a time that is over",
            ));
        }
        let stream = engine.describe_stream(&name)?;
        let from = match from {
            Start::TrimHorizon => From::TrimHorizon,
            Start::Latest => From::Latest,
            Start::At(time) => From::At(ServerTime::from_millis(*time)),
        };
        for described in &stream.shards {
            let shard = engine.shard(&name, described.id).await?;
            let next = shard.resolve(from).await?;
            state.places.advance(described.id, next);
            let mut end = shard.closed().map(|(end, _)| end);
            if let Some(until) = until {
                let until = shard
                    .resolve(From::At(ServerTime::from_millis(*until)))
                    .await?;
                state.ends.set(described.id, until);
                end = Some(until);
            }
            if end.is_some_and(|end| next >= end) {
                state.places.close(described.id);
            }
        }
        Ok(state)
    }

    /// How far the delivery stream is once a batch is there, whose last object was `written`.
    pub(crate) fn after(self, intent: &Intent, written: ServerTime) -> Self {
        let mut objects = intent.objects.iter().rev();
        let last_object = objects.find(|object| object.is_counted());
        let last_object = last_object.map(|last| LastObject {
            key: last.key.clone(),
            written: written.as_millis(),
            newest_arrival: intent.newest_arrival,
        });
        Self {
            batches: intent.batch,
            places: intent.places.clone(),
            ends: self.ends,
            totals: self.totals.plus(intent.totals),
            last_object: last_object.or(self.last_object),
        }
    }

    /// What was noted of a delivery stream.
    pub(crate) fn load(settings: &Settings, delivery: u64) -> Result<Self> {
        let key = key(delivery);
        match settings.get(NAMESPACE, &key)? {
            Some(row) => read_row(NAMESPACE, &key, &row),
            None => Ok(Self::default()),
        }
    }

    /// Notes it, durably.
    pub(crate) async fn save(&self, settings: &Settings, delivery: u64) -> Result<()> {
        settings.put_row(NAMESPACE, &key(delivery), self).await
    }

    /// The delivery streams of which something was noted.
    pub(crate) fn ids(settings: &Settings) -> Result<Vec<u64>> {
        let rows = settings.rows(NAMESPACE)?;
        let ids = rows
            .iter()
            .filter_map(|(key, _)| u64::from_str_radix(key, 16).ok());
        Ok(ids.collect())
    }

    /// Forgets a delivery stream.
    pub(crate) async fn forget(settings: &Settings, delivery: u64) -> Result<()> {
        settings.delete(NAMESPACE, &key(delivery)).await
    }
}

/// Where the engine keeps it.
const NAMESPACE: &str = "delivery-state";

fn key(delivery: u64) -> String {
    format!("{delivery:016x}")
}
