//! What a splitter finds.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::fragment::{TrackFlags, TrackMeta};
use crate::init::{Init, TrackKind};
use crate::limits::Limits;
use crate::moof::{self, Sample};

/// Something that a [`Splitter`](super::Splitter) found in its input.
///
/// A fragment is one `Started`, then the pieces of its bytes from `moof` to the end of `mdat`,
/// then one `Finished`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A codec initialisation: the first, or a change of codec.
    Init(Init),
    /// The `moof` of a fragment has been read.
    Started(Started),
    /// The next bytes of the fragment, as they stand in the input.
    Data(Bytes),
    /// The fragment is complete.
    Finished {
        /// Bytes of the fragment, the sum of all its `Data`.
        bytes: u64,
    },
}

/// What the `moof` of a fragment says, before its samples have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Where the fragment starts in the input.
    pub position: u64,
    /// Bytes of the `moof`, which is the first `Data`.
    pub moof_bytes: u64,
    /// Bytes of samples that the `moof` announces.
    pub sample_bytes: u64,
    /// Whether decoding can start here: the video, if there is any, starts with a key frame.
    pub keyframe: bool,
    /// The tracks, in the order of the `moof`; those without samples are left out.
    pub tracks: Vec<StartedTrack>,
}

/// One track of a fragment that has started.
///
/// # Units
/// Times are in ticks; `timescale` ticks make a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartedTrack {
    /// The track's number in the init.
    pub track_id: u32,
    /// What the track carries.
    pub kind: TrackKind,
    /// Ticks in a second.
    pub timescale: u32,
    /// When the first sample is decoded.
    pub base_decode_time: u64,
    /// How long the samples play.
    pub duration: u64,
    /// How many samples there are.
    pub samples: usize,
    /// Whether the first sample can be decoded by itself.
    pub starts_with_sync: bool,
}

impl Started {
    /// The track that says when the fragment plays: the first video track, or else the first.
    #[must_use]
    pub fn reference(&self) -> Option<TrackMeta> {
        let video = self
            .tracks
            .iter()
            .find(|track| track.kind == TrackKind::Video);
        video
            .or_else(|| self.tracks.first())
            .map(|track| TrackMeta {
                track_id: track.track_id,
                kind: track.kind,
                timescale: track.timescale,
                base_decode_time: track.base_decode_time,
                duration: track.duration,
                samples: u32::try_from(track.samples).unwrap_or(u32::MAX),
                flags: TrackFlags::default(),
            })
    }

    /// Reads a whole `moof` box that lies at `position`.
    pub(super) fn read(init: &Init, moof: &[u8], position: u64, limits: &Limits) -> Result<Self> {
        let movie = moof::parse(moof, |track_id| init.defaults(track_id), limits)?;
        let moof_bytes = crate::rope::length(moof);
        let sample_bytes = movie.tracks.iter().map(|track| track.bytes).sum::<u64>();
        let bytes = moof_bytes.saturating_add(sample_bytes);
        let limit = limits.fragment_bytes_max();
        if bytes > limit {
            return Err(Error::FragmentTooLarge { bytes, limit });
        }
        let mut tracks = Vec::with_capacity(movie.tracks.len());
        for fragment in movie
            .tracks
            .iter()
            .filter(|track| !track.samples.is_empty())
        {
            let track_id = fragment.track_id;
            let track = init
                .track(track_id)
                .ok_or(Error::UnknownTrack { track_id })?;
            tracks.push(StartedTrack {
                track_id,
                kind: track.kind(),
                timescale: track.timescale(),
                base_decode_time: fragment.base_decode_time,
                duration: fragment.duration,
                samples: fragment.samples.len(),
                starts_with_sync: fragment.samples.first().is_some_and(Sample::is_sync),
            });
        }
        let video = tracks.iter().find(|track| track.kind == TrackKind::Video);
        let keyframe = video.is_none_or(|video| video.starts_with_sync);
        Ok(Self {
            position,
            moof_bytes,
            sample_bytes,
            keyframe,
            tracks,
        })
    }
}
