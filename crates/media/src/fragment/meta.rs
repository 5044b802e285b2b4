//! What is known of a fragment without looking at its samples.

use std::fmt;

use afflux_types::ProducerTime;

use crate::init::{InitId, TrackKind};
use crate::layout::{flag, track_flag};

/// One track's part of a fragment.
///
/// # Units
/// Times are in ticks; `timescale` ticks make a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackMeta {
    /// The track's number in the init.
    pub track_id: u32,
    /// What the track carries.
    pub kind: TrackKind,
    /// Ticks in a second; at least one.
    pub timescale: u32,
    /// When the first sample is decoded.
    pub base_decode_time: u64,
    /// How long the samples play; `base_decode_time + duration` fits an `i64`.
    pub duration: u64,
    /// How many samples there are; at least one.
    pub samples: u32,
    /// What the samples are like.
    pub flags: TrackFlags,
}

impl TrackMeta {
    /// The first tick after the last sample.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.base_decode_time.saturating_add(self.duration)
    }

    /// How long the samples play, in milliseconds, rounded up.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        ticks_to_ms(self.duration, self.timescale, Round::Up)
    }

    /// When the first sample is decoded, in milliseconds from the start of the track.
    #[must_use]
    pub fn base_ms(&self) -> u64 {
        ticks_to_ms(self.base_decode_time, self.timescale, Round::Down)
    }
}

/// Which way a time between two milliseconds goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    Down,
    Up,
}

/// Ticks as milliseconds; saturates.
pub(crate) fn ticks_to_ms(ticks: u64, timescale: u32, round: Round) -> u64 {
    let timescale = u128::from(timescale.max(1));
    let scaled = u128::from(ticks) * 1_000;
    let ms = match round {
        Round::Down => scaled / timescale,
        Round::Up => scaled.div_ceil(timescale),
    };
    u64::try_from(ms).unwrap_or(u64::MAX)
}

/// Properties of one track's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TrackFlags(pub(super) u8);

impl TrackFlags {
    /// The first sample can be decoded by itself.
    #[must_use]
    pub fn starts_with_sync(self) -> bool {
        self.0 & track_flag::STARTS_WITH_SYNC != 0
    }

    /// Samples are shown in another order than they are decoded: there are B-frames.
    #[must_use]
    pub fn is_reordered(self) -> bool {
        self.0 & track_flag::REORDERED != 0
    }

    /// A sample has a negative composition offset.
    #[must_use]
    pub fn has_negative_composition(self) -> bool {
        self.0 & track_flag::NEGATIVE_COMPOSITION != 0
    }
}

/// Properties of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(pub(super) u8);

impl Flags {
    /// Decoding can start at this fragment: its video, if it has any, starts with a key frame.
    #[must_use]
    pub fn is_keyframe(self) -> bool {
        self.0 & flag::KEYFRAME != 0
    }

    /// The fragment's time does not continue that of the fragment before.
    #[must_use]
    pub fn is_discontinuity(self) -> bool {
        self.0 & flag::DISCONTINUITY != 0
    }

    /// There is no video track.
    #[must_use]
    pub fn is_audio_only(self) -> bool {
        self.0 & flag::AUDIO_ONLY != 0
    }

    /// Samples are shown in another order than they are decoded: there are B-frames.
    #[must_use]
    pub fn is_reordered(self) -> bool {
        self.0 & flag::REORDERED != 0
    }
}

/// What the header of a stored fragment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Which init the fragment needs.
    pub init_id: InitId,
    /// Which session brought it.
    pub session_id: u128,
    /// Its number in the session.
    pub sequence: u32,
    /// When it starts, by the producer's clock.
    pub producer_time: ProducerTime,
    /// How long it plays: the longest video track, else the longest track.
    pub duration_ms: u32,
    /// What it is like.
    pub flags: Flags,
    /// Its tracks, at least one.
    pub tracks: Vec<TrackMeta>,
    /// Bytes of the whole body.
    pub bytes: u64,
}

impl Meta {
    /// The track whose time is the fragment's time: the first video track, else the first.
    #[must_use]
    pub fn reference(&self) -> Option<&TrackMeta> {
        reference(self.tracks.iter())
    }
}

/// The first video track, else the first track.
pub(crate) fn reference<'a>(
    mut tracks: impl Iterator<Item = &'a TrackMeta> + Clone,
) -> Option<&'a TrackMeta> {
    let first = tracks.clone().next();
    tracks
        .find(|track| track.kind == TrackKind::Video)
        .or(first)
}

/// How long a fragment plays: the longest video track, else the longest track.
pub(crate) fn duration_ms<'a>(tracks: impl Iterator<Item = &'a TrackMeta> + Clone) -> u64 {
    let longest = |kind: Option<TrackKind>| {
        let wanted = tracks
            .clone()
            .filter(|track| kind.is_none_or(|kind| track.kind == kind));
        wanted.map(TrackMeta::duration_ms).max()
    };
    longest(Some(TrackKind::Video))
        .or_else(|| longest(None))
        .unwrap_or(0)
}

/// The flags that follow from the tracks.
pub(super) fn flags<'a>(tracks: impl Iterator<Item = &'a TrackMeta> + Clone) -> Flags {
    let video = tracks.clone().find(|track| track.kind == TrackKind::Video);
    let any_reordered = { tracks }.any(|track| track.flags.is_reordered());
    let bit = |set, bit| if set { bit } else { 0 };
    Flags(
        bit(
            video.is_none_or(|video| video.flags.starts_with_sync()),
            flag::KEYFRAME,
        ) | bit(video.is_none(), flag::AUDIO_ONLY)
            | bit(any_reordered, flag::REORDERED),
    )
}

/// What the caller knows about a fragment that its bytes do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which session brings the fragment.
    pub session_id: u128,
    /// Its number in the session, counted by the caller.
    pub sequence: u32,
    /// When it starts, by the producer's clock; see [`Timeline`](crate::Timeline).
    pub producer_time: ProducerTime,
    /// Whether its time continues that of the fragment before.
    pub continuity: Continuity,
    /// Names and values that the producer gave to it.
    pub tags: Vec<super::Tag>,
}

/// Whether a fragment's time continues that of the fragment before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Continuity {
    /// The time goes on, perhaps after a gap.
    #[default]
    Continuous,
    /// The time starts anew or jumped backwards.
    Discontinuous,
}

impl fmt::Display for TrackMeta {
    /// Writes what a listing shows: `track 1 at 2.000 s for 1.000 s, 25 samples`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, duration) = (self.base_ms(), self.duration_ms());
        write!(
            f,
            "track {} at {}.{:03} s for {}.{:03} s, {} samples",
            self.track_id,
            base / 1_000,
            base % 1_000,
            duration / 1_000,
            duration % 1_000,
            self.samples
        )
    }
}
