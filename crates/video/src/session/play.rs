//! What the server keeps of a session while it is played: its segments, as far as the log was read.
//!
//! All of it follows from the ticket and the log, so a session that was forgotten, by a restart or
//! because there are too many, goes on where it was. Numbers differ then only where retention has
//! deleted fragments that the session had left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_aws::video::{Code, Error};
use afflux_engine::Shard;
use afflux_media::{Init, InitId, Limits, StoredFragment};
use afflux_types::{Position, ServerTime};
use parking_lot::Mutex;

use super::hls::PartLine;
use super::layout::Layout;
use super::segment::Segment;
use super::segments::Segments;
use super::ticket::{Mode, Ticket};
use crate::context::service_error;
use crate::library::{Recording, fragment_at};

/// A session that is being played.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) ticket: Ticket,
    pub(super) shard: Shard,
    pub(super) recording: Arc<Recording>,
    segments: tokio::sync::Mutex<Segments>,
    pub(super) parts: Mutex<Listed>,
}

/// The parts of the newest segments that were listed, by the numbers of the segment and its track.
type Listed = BTreeMap<(u64, usize), Arc<[PartLine]>>;

impl Play {
    pub(super) fn new(ticket: Ticket, shard: Shard, recording: Arc<Recording>) -> Self {
        let horizon = shard.watermarks().trim_horizon;
        let segments = Segments::new(&ticket, ticket.anchor.max(horizon));
        Self {
            segments: tokio::sync::Mutex::new(segments),
            parts: Mutex::default(),
            ticket,
            shard,
            recording,
        }
    }

    /// The segments, read as far as they can be at `now`.
    ///
    /// # Errors
    /// As the log says, and if what follows cannot be played.
    pub(super) async fn segments(
        &self,
        now: ServerTime,
    ) -> Result<tokio::sync::MutexGuard<'_, Segments>, Error> {
        let mut segments = self.segments.lock().await;
        if !segments.is_over() {
            match self.ticket.mode {
                Mode::OnDemand => self.collect(&mut segments).await?,
                Mode::Live | Mode::Replay => self.read_on(&mut segments, now).await?,
            }
        }
        Ok(segments)
    }

    /// Waits until there may be a segment that there was not at the last look.
    pub(super) async fn wait(&self) -> Result<(), Error> {
        let next = self.segments.lock().await.next;
        let waited = self.shard.wait_durable(next.advance(1)).await;
        waited.map_err(|error| service_error(&error))
    }

    /// The stored fragment of a segment.
    pub(super) async fn fragment(&self, segment: &Segment) -> Result<StoredFragment, Error> {
        let is_kept = segment.position >= self.shard.watermarks().trim_horizon;
        let entry = match is_kept {
            true => fragment_at(&self.shard, segment.position).await,
            false => Ok(None),
        };
        let entry = entry.map_err(|error| service_error(&error))?;
        let entry = entry.ok_or_else(|| {
            Error::new(
                Code::ResourceNotFound,
                format!("Fragment {} is not kept any more.", segment.number),
            )
        })?;
        StoredFragment::decode(entry.body()).map_err(|error| service_error(&error.into()))
    }

    /// An initialisation of the session.
    pub(super) async fn init(&self, layout: &Layout) -> Result<Init, Error> {
        self.load(layout.id, layout.position).await
    }

    /// The initialisation that a fragment needs.
    pub(super) async fn load(&self, id: InitId, position: Position) -> Result<Init, Error> {
        load(&self.recording, &self.shard, id, position).await
    }
}

/// The initialisation that a fragment at `position` needs.
///
/// # Errors
/// `MissingCodecPrivateDataException` if it is not kept.
pub(super) async fn load(
    recording: &Recording,
    shard: &Shard,
    id: InitId,
    position: Position,
) -> Result<Init, Error> {
    let body = recording
        .init(shard, id, position)
        .await
        .map_err(|error| service_error(&error))?
        .ok_or_else(|| {
            Error::new(
                Code::MissingCodecPrivateData,
                "The codec initialisation of the media is not kept any more.",
            )
        })?;
    Init::decode(&body, &Limits::default()).map_err(|error| service_error(&error.into()))
}
