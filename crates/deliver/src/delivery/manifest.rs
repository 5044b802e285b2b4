//! What a batch brought: an object beside its objects, which says what they are and where they come from.
//!
//! It is written after them and never again, so that a reader of manifests finds every record once, whatever
//! is being written meanwhile, and can check every byte. Its form is in `DELIVERY.md`.

use std::collections::BTreeMap;

use afflux_transform::Compression;
use afflux_types::{Position, ShardId};
use serde::{Deserialize, Serialize};

use super::batch::Group;
use super::settings::{DeliverySource, Place};
use super::state::Places;
use super::work::Plan;

/// The version of the form.
pub(crate) const VERSION: u32 = 1;
/// The directory of all manifests of a place. Readers of tables skip names that begin so.
pub(crate) const DIRECTORY: &str = "_manifests";
/// What names of manifests end with.
pub(crate) const EXTENSION: &str = ".json";

/// What a batch brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    pub(crate) delivery: String,
    /// Tells delivery streams apart that had the same name one after the other.
    pub(crate) delivery_id: String,
    pub(crate) settings_version: u64,
    /// None if the records were put into the delivery stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<String>,
    pub(crate) batch: u64,
    /// Of the source.
    pub(crate) records: u64,
    pub(crate) failed: u64,
    pub(crate) shards: Vec<ShardRange>,
    pub(crate) objects: Vec<Listed>,
}

/// What of a shard a batch accounts for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardRange {
    pub(crate) shard: String,
    pub(crate) from_position: u64,
    /// Exclusive.
    pub(crate) to_position: u64,
    /// Positions between them that are in no object.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) missing: u64,
    /// Whether nothing of the shard follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) closed: bool,
}

/// An object of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// If that is not the manifest's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Place>,
    pub(crate) key: String,
    pub(crate) holds: Holds,
    /// Of the object as a whole.
    pub(crate) compression: Compression,
    pub(crate) bytes: u64,
    pub(crate) uncompressed_bytes: u64,
    /// After processing; of video none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) records: Option<u64>,
    /// Of the object as it is, in hexadecimal.
    pub(crate) sha256: String,
}

/// What an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holds {
    /// Records as they came out of the processors.
    Records,
    /// Each of these in an envelope.
    Envelopes,
    /// Records that were converted to a Parquet file.
    Parquet,
    /// Records that failed.
    Failed,
    /// Records as they came from the source.
    Source,
    /// Fragments.
    Video,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a batch has taken of each shard.
#[derive(Debug, Default)]
pub(crate) struct Ranges(BTreeMap<ShardId, ShardRange>);

impl Ranges {
    /// The shard is taken to `next`, from where it is in `places`.
    pub(crate) fn advance(&mut self, places: &Places, shard: ShardId, next: Position) {
        let range = self.of(places, shard);
        range.to_position = range.to_position.max(next.get());
    }

    /// So many positions are in no object.
    pub(crate) fn lose(&mut self, places: &Places, shard: ShardId, missing: u64) {
        let range = self.of(places, shard);
        range.missing = range.missing.saturating_add(missing);
    }

    /// Nothing of the shard follows.
    pub(crate) fn close(&mut self, places: &Places, shard: ShardId) {
        self.of(places, shard).closed = true;
    }

    fn of(&mut self, places: &Places, shard: ShardId) -> &mut ShardRange {
        let next = places.next(shard).get();
        self.0.entry(shard).or_insert_with(|| ShardRange {
            shard: shard.to_string(),
            from_position: next,
            to_position: next,
            missing: 0,
            closed: false,
        })
    }
}

impl Manifest {
    /// The manifest of a batch, without its objects and its counts.
    pub(crate) fn new(plan: &Plan, batch: u64, ranges: Ranges) -> Self {
        let stream = match &plan.settings.source {
            DeliverySource::Direct => None,
            DeliverySource::Stream { name, .. } => Some(name.clone()),
        };
        Self {
            version: VERSION,
            delivery: plan.name.clone(),
            delivery_id: format!("{:016x}", plan.id),
            settings_version: plan.version,
            stream,
            batch,
            records: 0,
            failed: 0,
            shards: ranges.0.into_values().collect(),
            objects: Vec::new(),
        }
    }

    /// With what its batch has: records of the source, those of them that failed, and objects.
    pub(crate) fn with(self, (records, failed): (u64, u64), objects: Vec<Listed>) -> Self {
        Self {
            records,
            failed,
            objects,
            ..self
        }
    }

    /// Its name in the place of the objects that are not a backup.
    pub(crate) fn key(&self) -> String {
        let Self {
            delivery,
            delivery_id,
            batch,
            ..
        } = self;
        format!("{DIRECTORY}/{delivery}-{delivery_id}/{batch:020}{EXTENSION}")
    }
}

impl Holds {
    /// What the objects of a group hold that are not converted.
    pub(crate) fn of(group: &Group, is_enveloped: bool) -> Self {
        match group {
            Group::Output(_) if is_enveloped => Self::Envelopes,
            Group::Output(_) => Self::Records,
            Group::Failed(_) => Self::Failed,
            Group::Backup => Self::Source,
            Group::Video => Self::Video,
        }
    }
}
