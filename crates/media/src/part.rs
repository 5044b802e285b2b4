//! Parts of a track's segment, for players that want to stay close to live (low-latency HLS).
//!
//! A fragment is durable as a whole, so its parts appear together; what a player gains is that it
//! may start inside a fragment and needs to hold back by parts, not by whole segments. Each part is
//! a `moof` of its own over a slice of the log; all parts together have the samples of the segment.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::fragment::{Head, StoredTrack, track_head};
use crate::limits::Limits;
use crate::moof::{Sample, TrackFragment};
use crate::segment::shifted;

/// Samples of a track in a row.
///
/// # Units
/// Times are in ticks of the track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    samples: Vec<Sample>,
    description_index: u32,
    /// When the first sample is decoded, from the start of the fragment's track.
    start: u64,
    duration: u64,
    /// Where the first sample is in the data of the track.
    offset: u64,
    bytes: u64,
}

impl Part {
    /// How long the samples play.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.duration
    }

    /// Whether decoding can start with the part.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.samples.first().is_some_and(Sample::is_sync)
    }
}

/// Cuts a track into parts of `target` ticks. Only a sample that is longer makes a longer part.
///
/// # Errors
/// If the stored `moof` is damaged.
pub fn cut(track: &StoredTrack, target: u64, limits: &Limits) -> Result<Vec<Part>> {
    let TrackFragment {
        samples,
        description_index,
        ..
    } = track.parse(limits)?;
    let mut parts: Vec<Part> = Vec::new();
    let (mut start, mut offset) = (0_u64, 0_u64);
    for sample in samples {
        let (ticks, bytes) = (u64::from(sample.duration), u64::from(sample.size));
        match parts.last_mut() {
            Some(part) if part.duration.saturating_add(ticks) <= target => {
                part.samples.push(sample);
                part.duration += ticks;
                part.bytes += bytes;
            }
            _ => parts.push(Part {
                samples: vec![sample],
                description_index,
                start,
                duration: ticks,
                offset,
                bytes,
            }),
        }
        // Sums of at most 2^32 numbers of 32 bits.
        start += ticks;
        offset += bytes;
    }
    Ok(parts)
}

/// A part for a player, in pieces: its `moof`, then a slice of the log.
///
/// # Units
/// `shift` is in ticks of the track; positive is later.
///
/// # Errors
/// If the shift moves the track before zero or past what an MP4 can say.
pub fn media(track: &StoredTrack, part: &Part, shift: i64, sequence: u32) -> Result<Vec<Bytes>> {
    let start = track.meta().base_decode_time.saturating_add(part.start);
    let moof = TrackFragment {
        track_id: track.meta().track_id,
        description_index: part.description_index,
        base: crate::moof::Base::Moof,
        base_decode_time: shifted(track, start, shift)?,
        runs: Vec::new(),
        samples: part.samples.clone(),
        duration: part.duration,
        bytes: part.bytes,
    };
    let Head { bytes, .. } = track_head(&moof, sequence)?;
    let data = track.data();
    let place = |offset| usize::try_from(offset).ok();
    let range = place(part.offset).zip(place(part.offset.saturating_add(part.bytes)));
    let (from, to) =
        range
            .filter(|(_, to)| *to <= data.len())
            .ok_or_else(|| Error::UnusedData {
                declared: part.offset.saturating_add(part.bytes),
                present: crate::rope::length(&data),
            })?;
    Ok(vec![bytes, data.slice(from..to)])
}
