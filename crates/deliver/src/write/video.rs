//! What a shard's writer knows of video: the codec initialisation, and where a file's time begins.

use afflux_media::playback::{Shift, fragment_bytes, init_segment};
use afflux_media::{Init, StoredFragment, Track, TrackMeta};
use bytes::Bytes;

use crate::fault::Result;
use crate::inits::Inits;

/// The video of one shard.
#[derive(Debug)]
pub(super) struct Video {
    pub(super) inits: Inits,
    /// Of the next `moof` in the open file.
    sequence: u32,
    /// Move the open file's start to time zero.
    shifts: Vec<Shift>,
}

impl Video {
    pub(super) fn new(inits: Inits) -> Self {
        Self {
            inits,
            sequence: 0,
            shifts: Vec::new(),
        }
    }

    /// Whether the fragment lies after the open file's start in every track.
    pub(super) fn fits(&self, fragment: &StoredFragment) -> bool {
        fragment_bytes(fragment, 0, &self.shifts).is_ok()
    }

    /// Begins a file with `fragment`: returns what comes before it.
    pub(super) fn begin(&mut self, fragment: &StoredFragment) -> Bytes {
        let Some(init) = self.inits.last() else {
            return Bytes::new();
        };
        self.sequence = 1;
        self.shifts = shifts_to_zero(init, fragment);
        init_segment(init)
    }

    /// The fragment as it stands in the open file.
    pub(super) fn play(
        &mut self,
        fragment: &StoredFragment,
    ) -> Result<Vec<Bytes>, afflux_media::Error> {
        let pieces = fragment_bytes(fragment, self.sequence, &self.shifts)?;
        let boxes = u32::try_from(fragment.meta().tracks.len()).unwrap_or(u32::MAX);
        self.sequence = self.sequence.wrapping_add(boxes);
        Ok(pieces)
    }

    /// Bytes of the init.
    pub(super) fn init_bytes(&self) -> u64 {
        let bytes = self.inits.last().map_or(0, |init| init.bytes().len());
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Moves every track by the same time so that the first one of `fragment` starts at zero.
fn shifts_to_zero(init: &Init, fragment: &StoredFragment) -> Vec<Shift> {
    // As seconds with 64 bits after the point: exact enough to compare.
    let start = |track: &&TrackMeta| {
        (u128::from(track.base_decode_time) << 64) / u128::from(track.timescale.max(1))
    };
    let Some(first) = fragment.meta().tracks.iter().min_by_key(start) else {
        return Vec::new();
    };
    let (base, scale) = (
        u128::from(first.base_decode_time),
        u128::from(first.timescale.max(1)),
    );
    let shift = |track: &Track| {
        let ticks = base * u128::from(track.timescale()) / scale;
        Shift {
            track_id: track.id(),
            ticks: -i64::try_from(ticks).unwrap_or(i64::MAX),
        }
    };
    init.tracks().iter().map(shift).collect()
}
