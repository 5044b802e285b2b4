//! Blocking reload: a request for what is not there yet waits until it is.
//!
//! Source: draft-pantos-hls-rfc8216bis, 6.2.5.2.

use std::time::Duration;

use afflux_aws::video::{Code, Error};

use super::answer::invalid;
use super::segments::Segments;
use super::serve::Call;
use super::ticket::Mode;

/// A request waits for what is not there yet for so many of the longest segments at most.
const WAIT_SEGMENTS: u64 = 3;
/// How far ahead of the newest segment a request may be.
const AHEAD_MAX: u64 = 2;

impl Call<'_> {
    /// Waits until the track has a segment with this number.
    pub(super) async fn wait_for(&self, track: Option<usize>, number: u64) -> Result<(), Error> {
        let segments = self.play.segments(self.ctx.now()).await?;
        let longest = segments.longest_of_all_s();
        drop(segments);
        let arrived = async {
            while !self.is_there(track, number).await? {
                self.play.wait().await?;
            }
            Ok(())
        };
        let limit = Duration::from_secs(WAIT_SEGMENTS.saturating_mul(longest.max(2)));
        let late = |_| {
            Error::new(
                Code::ServiceUnavailable,
                format!("Segment {number} did not come in time."),
            )
        };
        tokio::time::timeout(limit, arrived).await.map_err(late)?
    }

    /// Whether a segment is there, or will never be.
    async fn is_there(&self, track: Option<usize>, number: u64) -> Result<bool, Error> {
        let segments = self.play.segments(self.ctx.now()).await?;
        let newest = segments.newest(track.unwrap_or(0));
        let newest = newest.map(|(_, span)| span.number);
        // The parts of a segment come together: one part more is the next segment.
        let parts = self.part_count(&segments, track, number).await?;
        let wanted = match (self.query.wait_part, parts) {
            (Some(part), Some(parts)) if part >= parts => number.saturating_add(1),
            _ => number,
        };
        if segments.is_over() || newest.is_some_and(|newest| newest >= wanted) {
            return Ok(true);
        }
        let next = newest.map_or(0, |newest| newest.saturating_add(1));
        let is_far = wanted > next.saturating_add(AHEAD_MAX);
        if is_far || self.play.ticket.mode != Mode::Live {
            return Err(invalid(format!(
                "Segment {number} is too far ahead of the newest."
            )));
        }
        Ok(false)
    }

    /// How many parts a segment has, if that is asked for and it is there.
    async fn part_count(
        &self,
        segments: &Segments,
        track: Option<usize>,
        number: u64,
    ) -> Result<Option<u64>, Error> {
        if self.query.wait_part.is_none() || !self.play.ticket.is_low_latency() {
            return Ok(None);
        }
        let segment = segments.find(track, number);
        let span = track.and_then(|track| segment?.span(track));
        let Some((segment, span)) = segment.zip(span) else {
            return Ok(None);
        };
        let lines = self.play.parts(segments, segment, span).await?;
        Ok(u64::try_from(lines.len()).ok())
    }
}
