//! The parts of segments, for players that want to stay close to live.
//!
//! A playlist is asked for again and again, mostly with the segments that it had before: what their
//! parts are is kept, because the fragment must be read, and opened if it is encrypted, to know it.

use std::sync::Arc;

use afflux_aws::video::Error;
use afflux_media::{Limits, StoredTrack, part};

use super::hls::{PART_MS, PartLine, Parts};
use super::media::stored_track;
use super::play::Play;
use super::segment::{Segment, Span, seconds};
use super::segments::Segments;
use crate::context::service_error;

/// Segments, from the end, whose parts are listed: three of the longest segments' time.
const SEGMENTS_LISTED: usize = 4;
/// Segments whose parts are kept, each track counted apart: those that are listed, of 16 tracks.
const SEGMENTS_KEPT: usize = 64;

impl Play {
    /// What the playlist of a track that shows these segments says of parts.
    pub(super) async fn list_parts(
        &self,
        segments: &Segments,
        shown: &[&Segment],
        track: usize,
    ) -> Result<Parts, Error> {
        let mut parts = Parts::default();
        let skip = shown.len().saturating_sub(SEGMENTS_LISTED);
        for segment in shown.iter().skip(skip) {
            if let Some(span) = segment.span(track) {
                let lines = self.parts(segments, segment, span).await?;
                parts.lines.push((span.number, lines));
            }
        }
        let count = segments.layout(0)?.tracks.len();
        for other in (0..count).filter(|other| *other != track) {
            if let Some((segment, span)) = segments.newest(other) {
                let lines = self.parts(segments, segment, span).await?;
                parts.others.push((other + 1, span.number, lines.len()));
            }
        }
        Ok(parts)
    }

    /// The parts of one track of a segment.
    pub(super) async fn parts(
        &self,
        segments: &Segments,
        segment: &Segment,
        span: &Span,
    ) -> Result<Arc<[PartLine]>, Error> {
        let key = (span.number, span.track);
        if let Some(kept) = self.parts.lock().get(&key) {
            return Ok(Arc::clone(kept));
        }
        let fragment = self.fragment(segment).await?;
        let layout = segments.layout(segment.init)?;
        let parts = cut(&stored_track(&fragment, &layout, span.track)?)?;
        let lines = parts.iter().map(|part| PartLine {
            seconds: seconds(part.duration(), span.timescale),
            is_independent: part.is_independent(),
        });
        let lines: Arc<[PartLine]> = lines.collect();
        let mut kept = self.parts.lock();
        kept.insert(key, Arc::clone(&lines));
        if kept.len() > SEGMENTS_KEPT {
            kept.pop_first();
        }
        Ok(lines)
    }
}

/// The parts of a track: halves, but for segments that are shorter than two parts. Players wait for
/// the next part no longer than three parts take (hls.js), and here that is the next segment.
pub(super) fn cut(stored: &StoredTrack) -> Result<Vec<part::Part>, Error> {
    let meta = stored.meta();
    let least = u64::from(meta.timescale) * PART_MS / 1_000;
    let half = u128::from(meta.duration) * u128::from(meta.samples.div_ceil(2));
    let half = half.div_ceil(u128::from(meta.samples.max(1)));
    let target = least.max(u64::try_from(half).unwrap_or(u64::MAX));
    part::cut(stored, target, &Limits::default()).map_err(|error| service_error(&error.into()))
}
