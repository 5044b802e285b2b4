//! How attributes lie in the engine's settings: JSON, with the service's own words.
//!
//! Members that are not known are ignored and those that are missing have their defaults, so that
//! older and newer programs read each other's rows.

use std::collections::BTreeMap;

use afflux_aws::kinesis::values::{MetricName, RecordDistributionStrategy, StreamMode};
use afflux_engine::{Row, RowError};
use afflux_types::ServerTime;
use serde::{Deserialize, Serialize};

use super::{Account, Attributes, Commitment, ConsumerAttributes};
use crate::resource::Kept;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StreamRow {
    mode: String,
    distribution: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_mibps: Option<u32>,
    metrics: Vec<String>,
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    scalings_ms: Vec<i64>,
    mode_changes_ms: Vec<i64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ConsumerRow {
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct AccountRow {
    committed: bool,
    started_ms: Option<i64>,
    ended_ms: Option<i64>,
}

impl Row for Attributes {
    fn to_row(&self) -> Result<Vec<u8>, RowError> {
        Ok(serde_json::to_vec(&StreamRow {
            mode: self.mode.as_str().to_owned(),
            distribution: self.distribution.as_str().to_owned(),
            warm_mibps: self.warm_mibps,
            metrics: self.metrics.iter().map(ToString::to_string).collect(),
            tags: self.tags.clone(),
            policy: self.policy.as_ref().map(document),
            scalings_ms: millis(&self.scalings),
            mode_changes_ms: millis(&self.mode_changes),
        })?)
    }

    fn from_row(row: &[u8]) -> Result<Self, RowError> {
        let row: StreamRow = serde_json::from_slice(row)?;
        Ok(Self {
            mode: StreamMode::from_word(&row.mode).unwrap_or(StreamMode::Provisioned),
            distribution: RecordDistributionStrategy::from_word(&row.distribution)
                .unwrap_or(RecordDistributionStrategy::UserPartitionKey),
            warm_mibps: row.warm_mibps,
            metrics: row
                .metrics
                .iter()
                .filter_map(|word| MetricName::from_word(word))
                .collect(),
            tags: row.tags,
            policy: row.policy.map(Kept::stored),
            scalings: times(&row.scalings_ms),
            mode_changes: times(&row.mode_changes_ms),
        })
    }
}

impl Row for ConsumerAttributes {
    fn to_row(&self) -> Result<Vec<u8>, RowError> {
        Ok(serde_json::to_vec(&ConsumerRow {
            tags: self.tags.clone(),
            policy: self.policy.as_ref().map(document),
        })?)
    }

    fn from_row(row: &[u8]) -> Result<Self, RowError> {
        let row: ConsumerRow = serde_json::from_slice(row)?;
        Ok(Self {
            tags: row.tags,
            policy: row.policy.map(Kept::stored),
        })
    }
}

impl Row for Account {
    fn to_row(&self) -> Result<Vec<u8>, RowError> {
        let Commitment { started, ended } = self.commitment.unwrap_or_default();
        Ok(serde_json::to_vec(&AccountRow {
            committed: self.commitment.is_some(),
            started_ms: Some(started.as_millis()),
            ended_ms: ended.map(ServerTime::as_millis),
        })?)
    }

    fn from_row(row: &[u8]) -> Result<Self, RowError> {
        let row: AccountRow = serde_json::from_slice(row)?;
        let commitment = row.committed.then(|| Commitment {
            started: ServerTime::from_millis(row.started_ms.unwrap_or_default()),
            ended: row.ended_ms.map(ServerTime::from_millis),
        });
        Ok(Self { commitment })
    }
}

fn document(policy: &Kept) -> String {
    policy.document().to_owned()
}

fn millis(times: &[ServerTime]) -> Vec<i64> {
    times.iter().map(|time| time.as_millis()).collect()
}

fn times(millis: &[i64]) -> Vec<ServerTime> {
    millis
        .iter()
        .copied()
        .map(ServerTime::from_millis)
        .collect()
}
