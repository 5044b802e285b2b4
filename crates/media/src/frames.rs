//! Puts fragments together from frames that arrive one by one, as Matroska and RTP bring them.
//!
//! MP4 wants to know when a sample is decoded and how long it plays; such sources say when it is
//! shown. What is missing follows from the frames of the fragment:
//!
//! - Pictures are decoded at the times at which pictures are shown, in ascending order. Where there
//!   are B-frames, a picture may then be decoded after it is shown; composition offsets become
//!   negative, and no delay has to be known beforehand.
//! - Packets of sound follow each other without gaps, also from one fragment to the next, as long as
//!   the source's times are within [`TOLERANCE_MS`] of that; else they follow the source, so that
//!   rounded times neither tear the sound nor let it drift away from the picture.
//!
//! Bytes of samples are not copied.

use std::mem;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::fragment::{AssembledTrack, Fragment};
use crate::init::{Init, TrackKind};
use crate::limits::Limits;
use crate::mkv::clock;
use crate::moof::{Base, Sample, TrackFragment};
use crate::rope::length;

/// How far sound may be from the times that the source gives it.
pub const TOLERANCE_MS: u32 = 10;

/// Sample flags: needs no other sample.
const SYNC: u32 = 0x0200_0000;
/// Sample flags: needs another sample, decoding cannot start here.
const NOT_SYNC: u32 = 0x0101_0000;
/// A last sample plays as long as the one before; if there is none, this part of a second.
const USUAL_RATE: u32 = 25;
/// A last sample is stretched to the next fragment up to this multiple of the usual.
const STRETCH_MAX: i64 = 3;

/// A coded picture or a packet of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The number of its track in the init.
    pub track_id: u32,
    /// When it is shown, in ticks of its track.
    pub pts: i64,
    /// Whether decoding can start here; sound always can.
    pub key: bool,
    /// How long it plays, in ticks of its track, if that is known from its content.
    pub duration: Option<u32>,
    /// Its bytes, in pieces.
    pub data: Vec<Bytes>,
}

/// Collects the frames of one fragment after the other.
#[derive(Debug)]
pub struct Builder {
    limits: Limits,
    lanes: Vec<Lane>,
    bytes: u64,
    samples: usize,
}

/// What is known about the end of a fragment beside its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// A track and the time of its first frame in the next fragment.
    pub(crate) next: Option<(u32, i64)>,
    /// The Cluster that the fragment was sent as: its timestamp, and nanoseconds in its ticks.
    pub(crate) cluster: Option<(u64, u64)>,
}

/// The frames of one track.
#[derive(Debug)]
struct Lane {
    track_id: u32,
    kind: TrackKind,
    timescale: u32,
    frames: Vec<Queued>,
    data: Vec<Bytes>,
    /// Where sound goes on if nothing says otherwise.
    next: Option<u64>,
    /// How long pictures have been shown lately.
    usual: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Queued {
    pts: i64,
    key: bool,
    duration: Option<u32>,
    size: u32,
}

impl Builder {
    /// A builder of fragments for the tracks of `init`.
    #[must_use]
    pub fn new(init: &Init, limits: Limits) -> Self {
        let lanes = init.tracks().iter().map(|track| Lane {
            track_id: track.id(),
            kind: track.kind(),
            timescale: track.timescale(),
            frames: Vec::new(),
            data: Vec::new(),
            next: None,
            usual: None,
        });
        Self {
            limits,
            lanes: lanes.collect(),
            bytes: 0,
            samples: 0,
        }
    }

    /// Says how long frames of a track play unless they say it themselves, in ticks of the track.
    pub fn set_usual_duration(&mut self, track_id: u32, ticks: u32) {
        if let Some(lane) = self.lane(track_id).filter(|_| ticks > 0) {
            lane.usual = Some(ticks);
        }
    }

    /// Adds a frame; those of one track come in the order in which they are decoded.
    ///
    /// # Errors
    /// If the track is unknown or the fragment becomes too large.
    pub fn push(&mut self, frame: Frame) -> Result<()> {
        let track_id = frame.track_id;
        let bytes = frame.data.iter().map(|piece| length(piece)).sum::<u64>();
        let total = self.bytes.saturating_add(bytes);
        let limit = self.limits.fragment_bytes_max();
        let size = u32::try_from(bytes).ok().filter(|_| total <= limit);
        let size = size.ok_or(Error::FragmentTooLarge {
            bytes: total,
            limit,
        })?;
        if self.samples >= self.limits.fragment_samples {
            return Err(Error::TooManySamples {
                track_id,
                samples: 1,
                limit: self.limits.fragment_samples,
            });
        }
        let lane = self
            .lane(track_id)
            .ok_or(Error::UnknownTrack { track_id })?;
        lane.frames.push(Queued {
            pts: frame.pts,
            key: frame.key || lane.kind != TrackKind::Video,
            duration: frame.duration,
            size,
        });
        lane.data.extend(frame.data);
        self.bytes = total;
        self.samples += 1;
        Ok(())
    }

    /// Bytes of the frames so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many frames there are so far.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Whether a track has frames.
    #[must_use]
    pub fn has_frames(&self, track_id: u32) -> bool {
        let lane = self.lanes.iter().find(|lane| lane.track_id == track_id);
        lane.is_some_and(|lane| !lane.frames.is_empty())
    }

    /// Makes a fragment of the frames so far, for `init`, whose tracks are those that the builder
    /// was made with; nothing if there are none. The next frame starts the next fragment.
    ///
    /// # Errors
    /// If times are beyond what a fragment can say, or a limit is exceeded.
    pub fn finish(&mut self, init: &Init) -> Result<Option<Fragment>> {
        self.close(init, Closing::default())
    }

    pub(crate) fn close(&mut self, init: &Init, closing: Closing) -> Result<Option<Fragment>> {
        if mem::take(&mut self.samples) == 0 {
            return Ok(None);
        }
        self.bytes = 0;
        let mut tracks = Vec::with_capacity(self.lanes.len());
        for lane in &mut self.lanes {
            if !lane.frames.is_empty() {
                tracks.push(lane.close(closing)?);
            }
        }
        Fragment::assemble(init, tracks, &self.limits).map(Some)
    }

    fn lane(&mut self, track_id: u32) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.track_id == track_id)
    }
}

impl Lane {
    fn close(&mut self, closing: Closing) -> Result<AssembledTrack> {
        let frames = mem::take(&mut self.frames);
        let next = closing
            .next
            .filter(|(track_id, _)| *track_id == self.track_id);
        let next = next.map(|(_, pts)| pts);
        let samples = if self.kind == TrackKind::Audio {
            self.sound(&frames)
        } else {
            self.pictures(&frames, next)
        };
        let (base_decode_time, samples) = samples.ok_or_else(|| {
            let shown = frames.iter().map(|frame| frame.pts.max(0).unsigned_abs());
            let (first, last) = (shown.clone().min().unwrap_or(0), shown.max().unwrap_or(0));
            Error::TimeOverflow {
                track_id: self.track_id,
                base_decode_time: first,
                duration: last - first,
            }
        })?;
        let (mut duration, mut bytes) = (0_u64, 0_u64);
        let mut first_shown = i64::MAX;
        let base = i64::try_from(base_decode_time).unwrap_or(i64::MAX);
        for sample in &samples {
            let decoded = base.saturating_add_unsigned(duration);
            first_shown = first_shown.min(decoded.saturating_add(i64::from(sample.composition)));
            duration = duration.saturating_add(u64::from(sample.duration));
            bytes = bytes.saturating_add(u64::from(sample.size));
        }
        self.next = base_decode_time.checked_add(duration);
        let lead = closing.cluster.and_then(|(timecode, scale)| {
            let shown = clock::to_scale(first_shown, self.timescale, scale)?;
            shown.checked_sub_unsigned(timecode)
        });
        let lead = lead
            .unwrap_or(0)
            .clamp(i64::from(i16::MIN), i64::from(i16::MAX));
        Ok(AssembledTrack {
            track: TrackFragment {
                track_id: self.track_id,
                description_index: 1,
                base: Base::Moof,
                base_decode_time,
                runs: Vec::new(),
                samples,
                duration,
                bytes,
            },
            data: mem::take(&mut self.data),
            cluster_lead: i16::try_from(lead).unwrap_or(0),
        })
    }

    /// Decoding times are the times at which pictures are shown, in order; nothing if they are too
    /// far apart.
    fn pictures(&mut self, frames: &[Queued], next: Option<i64>) -> Option<(u64, Vec<Sample>)> {
        let mut decoded: Vec<i64> = frames.iter().map(|frame| frame.pts.max(0)).collect();
        decoded.sort_unstable();
        let usual = match decoded.as_slice() {
            [.., before, last] if last > before => u32::try_from(last - before).ok()?,
            _ => self.usual.unwrap_or(self.timescale / USUAL_RATE).max(1),
        };
        let mut samples = Vec::with_capacity(frames.len());
        for (i, (frame, at)) in frames.iter().zip(&decoded).enumerate() {
            let duration = match decoded.get(i + 1) {
                Some(after) => u32::try_from(after - at).ok()?,
                None => last_duration(frame, next.map(|next| next.saturating_sub(*at)), usual),
            };
            samples.push(Sample {
                duration,
                size: frame.size,
                flags: if frame.key { SYNC } else { NOT_SYNC },
                composition: i32::try_from(frame.pts.saturating_sub(*at)).ok()?,
            });
        }
        self.usual = Some(usual);
        let base = u64::try_from(*decoded.first()?).ok()?;
        Some((base, samples))
    }

    /// Packets follow each other, unless the source's times say that they do not; nothing if those
    /// are too far apart.
    fn sound(&mut self, frames: &[Queued]) -> Option<(u64, Vec<Sample>)> {
        let tolerance = i64::from(self.timescale / (1_000 / TOLERANCE_MS));
        let is_near = |a: i64, b: i64| a.saturating_sub(b).saturating_abs() <= tolerance;
        let first = frames.first()?.pts.max(0);
        let expected = self.next.and_then(|next| i64::try_from(next).ok());
        let base = expected.filter(|next| is_near(*next, first));
        let base = base.unwrap_or(first);
        let mut at = base;
        let mut samples = Vec::with_capacity(frames.len());
        for (i, frame) in frames.iter().enumerate() {
            let after = frames.get(i + 1).map(|after| after.pts);
            let duration = match (frame.duration, after) {
                (Some(nominal), Some(after)) => {
                    let follows = is_near(at.saturating_add(i64::from(nominal)), after);
                    if follows || after <= at {
                        nominal
                    } else {
                        u32::try_from(after - at).ok()?
                    }
                }
                (Some(nominal), None) => nominal,
                (None, Some(after)) => u32::try_from(after.saturating_sub(at).max(0)).ok()?,
                (None, None) => self.usual.unwrap_or(self.timescale / USUAL_RATE).max(1),
            };
            if duration > 0 {
                self.usual = Some(duration);
            }
            at = at.checked_add(i64::from(duration))?;
            samples.push(Sample {
                duration,
                size: frame.size,
                flags: SYNC,
                composition: 0,
            });
        }
        u64::try_from(base).ok().map(|base| (base, samples))
    }
}

/// How long the last picture is shown: until the next fragment, if that is about as long as usual.
fn last_duration(frame: &Queued, next: Option<i64>, usual: u32) -> u32 {
    let longest = i64::from(usual).saturating_mul(STRETCH_MAX);
    next.filter(|ticks| (1..=longest).contains(ticks))
        .and_then(|ticks| u32::try_from(ticks).ok())
        .or(frame.duration)
        .unwrap_or(usual)
}

#[cfg(test)]
mod tests;
