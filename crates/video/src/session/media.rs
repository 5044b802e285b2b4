//! Media: initialisations, segments, their parts, and transport streams.

use std::sync::Arc;

use afflux_aws::video::{Code, Error};
use afflux_media::{Limits, StoredFragment, StoredTrack, part, segment, ts};
use bytes::Bytes;

use super::answer::{self, invalid};
use super::layout::{Layout, Played};
use super::parts::cut;
use super::segment::Segment;
use super::serve::Call;
use super::ticket::Container;
use crate::context::service_error;
use crate::pieces::{Pieces, Source};
use crate::service::SessionAnswer;

const MP4_TYPE: &str = "video/mp4";
const TS_TYPE: &str = "video/mp2t";

/// Nanoseconds before the first sample of a transport stream: sound may start before pictures.
const LEAD_NS: i64 = 10_000_000_000;

impl Call<'_> {
    pub(super) async fn init(&self) -> Result<SessionAnswer, Error> {
        let layout = {
            let segments = self.play.segments(self.ctx.now()).await?;
            segments.layout(self.query.init.unwrap_or(0))?
        };
        let played = track_of(&layout, self.track()?.unwrap_or(0))?;
        let init = self.play.init(&layout).await?;
        let track = init.track(played.id).ok_or_else(no_track)?;
        let bytes = segment::init(&init, track).map_err(|error| service_error(&error.into()))?;
        Ok(answer::media(self.play, MP4_TYPE, vec![bytes]))
    }

    /// The segment that is asked for, and its fragment; waits for the next one of a live session.
    async fn found(&self, track: Option<usize>) -> Result<(Segment, Arc<Layout>, i64), Error> {
        let number = self
            .query
            .number
            .ok_or_else(|| invalid("The request has no FragmentNumber."))?;
        if self.query.part.is_some() && self.play.ticket.is_low_latency() {
            self.wait_for(track, number).await?;
        }
        let segments = self.play.segments(self.ctx.now()).await?;
        let segment = segments.find(track, number).cloned().ok_or_else(|| {
            Error::new(
                Code::ResourceNotFound,
                format!("The session has no fragment {number}."),
            )
        })?;
        let layout = segments.layout(segment.init)?;
        let origin = segments.origin_ms(&self.play.ticket);
        Ok((segment, layout, origin))
    }

    pub(super) async fn segment(&self) -> Result<SessionAnswer, Error> {
        let track = self.track()?.unwrap_or(0);
        let (found, layout, _) = self.found(Some(track)).await?;
        let fragment = self.play.fragment(&found).await?;
        let stored = stored_track(&fragment, &layout, track)?;
        let shift = found.shift(stored.meta().timescale);
        let sequence = u32::try_from(found.number & u64::from(u32::MAX)).unwrap_or(0);
        let pieces = match self.query.part {
            None => segment::media(&stored, shift, sequence),
            Some(number) => {
                let parts = cut(&stored)?;
                let part = parts.get(number).ok_or_else(|| {
                    Error::new(
                        Code::ResourceNotFound,
                        format!("The fragment has {} parts.", parts.len()),
                    )
                })?;
                part::media(&stored, part, shift, sequence)
            }
        };
        let pieces = pieces.map_err(|error| service_error(&error.into()))?;
        Ok(answer::media(self.play, MP4_TYPE, pieces))
    }

    pub(super) async fn stream(&self) -> Result<SessionAnswer, Error> {
        if self.play.ticket.container != Container::Ts {
            return Err(invalid("The session is not one of MPEG_TS."));
        }
        let (found, layout, origin_ms) = self.found(None).await?;
        let fragment = self.play.fragment(&found).await?;
        let init = self.play.init(&layout).await?;
        let shift = found
            .shift_ns
            .saturating_sub(origin_ms.saturating_mul(1_000_000))
            .saturating_add(LEAD_NS);
        let made = ts::Plan::of(&init).and_then(|plan| {
            plan.map(|plan| plan.segment(&fragment, shift, &Limits::default()))
                .transpose()
        });
        let made = made.map_err(|error| service_error(&error.into()))?;
        let Some(made) = made else {
            return Err(no_track());
        };
        Ok(answer::streamed(
            self.play,
            TS_TYPE,
            Pieces::new(Muxed(made)),
        ))
    }
}

/// A transport stream that is made while it is sent.
struct Muxed(ts::Segment);

impl Source for Muxed {
    async fn next(&mut self) -> Option<afflux_types::Result<Bytes>> {
        self.0.next().map(|piece| piece.map_err(Into::into))
    }
}

fn no_track() -> Error {
    Error::new(Code::ResourceNotFound, "The fragment has no such track.")
}

fn track_of(layout: &Layout, track: usize) -> Result<&Played, Error> {
    layout.tracks.get(track).ok_or_else(no_track)
}

pub(super) fn stored_track(
    fragment: &StoredFragment,
    layout: &Layout,
    track: usize,
) -> Result<StoredTrack, Error> {
    let id = track_of(layout, track)?.id;
    fragment
        .tracks()
        .find(|stored| stored.meta().track_id == id)
        .ok_or_else(no_track)
}
