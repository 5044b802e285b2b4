//! One delivery stream of a server: what is kept of it, and its task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afflux_engine::{Row, RowError};
use afflux_types::{DeliveryName, Result, ServerTime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::probe::BucketReport;
use super::settings::{DeliverySettings, Place};
use super::status::{DeliveryStatus, Status};

/// One delivery stream and its task.
pub(super) struct Running {
    pub(super) kept: Arc<Kept>,
    pub(super) status: Arc<Status>,
    /// None while it is paused.
    pub(super) task: Option<Task>,
}

/// What delivers, until it is told to stop.
pub(super) struct Task {
    pub(super) stop: watch::Sender<bool>,
    pub(super) handle: JoinHandle<()>,
}

/// What is kept of a delivery stream.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) id: u64,
    pub(super) version: u64,
    pub(super) created: i64,
    pub(super) updated: Option<i64>,
    pub(super) paused: bool,
    pub(super) settings: DeliverySettings,
    pub(super) document: String,
}

/// A delivery stream, for whoever asks.
#[derive(Clone)]
pub struct DeliveryDescription {
    /// Its name.
    pub name: DeliveryName,
    /// Never used for another delivery stream.
    pub id: u64,
    /// One, and one more with every change of its settings.
    pub version: u64,
    /// When it was made.
    pub created: ServerTime,
    /// When its settings were changed last.
    pub updated: Option<ServerTime>,
    /// Whether it waits until it is resumed.
    pub paused: bool,
    /// What it does.
    pub settings: DeliverySettings,
    /// What the API that made it says of it; nobody here reads it.
    pub document: String,
    /// What is known of the buckets in object stores that it writes to.
    pub buckets: Vec<BucketReport>,
    /// How it is doing.
    pub status: DeliveryStatus,
}

impl Running {
    pub(super) fn describe(
        &self,
        name: &DeliveryName,
        now: Duration,
        buckets: &[BucketReport],
    ) -> DeliveryDescription {
        let kept = &*self.kept;
        let DeliverySettings {
            objects, backup, ..
        } = &kept.settings;
        let is_used = |bucket: &&BucketReport| {
            let mut places = backup.iter().chain([objects]);
            places.any(
                |objects| matches!(&objects.place, Place::Bucket(name) if *name == bucket.name),
            )
        };
        DeliveryDescription {
            name: name.clone(),
            id: kept.id,
            version: kept.version,
            created: ServerTime::from_millis(kept.created),
            updated: kept.updated.map(ServerTime::from_millis),
            paused: kept.paused,
            settings: kept.settings.clone(),
            document: kept.document.clone(),
            buckets: buckets.iter().filter(is_used).cloned().collect(),
            status: self.status.report(now),
        }
    }

    pub(super) fn stop(&self) {
        if let Some(task) = &self.task {
            task.stop();
        }
    }

    pub(super) async fn end(self) {
        if let Some(task) = self.task {
            task.end().await;
        }
    }
}

impl Task {
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) async fn end(self) {
        self.stop();
        if let Err(error) = self.handle.await {
            tracing::error!(%error, "a delivery's task ended badly");
        }
    }
}

impl Row for Kept {
    fn to_row(&self) -> Result<Vec<u8>, RowError> {
        Ok(serde_json::to_vec(self)?)
    }

    fn from_row(row: &[u8]) -> Result<Self, RowError> {
        Ok(serde_json::from_slice(row)?)
    }
}

impl fmt::Debug for DeliveryDescription {
    /// Leaves the document out, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryDescription")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("paused", &self.paused)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
