//! The bounds that hold memory down while a stranger's file is read.

use std::time::Duration;

use afflux_types::limits;

/// What one input may ask of the parsers.
///
/// Every limit is checked against the size that a header declares, before the bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of `ftyp` and `moov` together.
    pub init_bytes: u64,
    /// Bytes of one `moof`.
    pub moof_bytes: u64,
    /// Bytes of one fragment, from its `moof` to the end of its `mdat`. At most 2 GiB is used,
    /// because a sample's place in a fragment is a signed 32-bit number.
    pub fragment_bytes: u64,
    /// Tracks in one input.
    pub tracks: usize,
    /// Samples in one fragment, over all its tracks. A fragment can declare four billion equal
    /// samples in twenty bytes, and each costs 16 bytes of memory while the fragment is parsed,
    /// and at most 16 bytes in the stored form.
    pub fragment_samples: usize,
    /// How long a track in one fragment may play.
    pub fragment_duration: Duration,
}

impl Default for Limits {
    /// The limits of Afflux's network interfaces. 65,536 samples are 22 minutes of AAC or 1.3
    /// seconds of raw audio, and their headers fit the stored form of the largest fragment.
    fn default() -> Self {
        let bytes = |limit| u64::try_from(limit).unwrap_or(u64::MAX);
        Self {
            init_bytes: bytes(limits::INIT_BYTES_MAX),
            moof_bytes: 1 << 20,
            fragment_bytes: bytes(limits::FRAGMENT_BYTES_MAX),
            tracks: limits::TRACKS_MAX,
            fragment_samples: 1 << 16,
            fragment_duration: Duration::from_secs(3_600),
        }
    }
}

impl Limits {
    /// `fragment_bytes`, held below what a sample's place can express.
    pub(crate) fn fragment_bytes_max(&self) -> u64 {
        // Leaves room for the `moof` boxes that normalizing writes.
        self.fragment_bytes.min((1 << 31) - (1 << 24))
    }

    /// `fragment_duration` in ticks of `timescale`.
    pub(crate) fn fragment_ticks_max(&self, timescale: u32) -> u64 {
        let seconds = self.fragment_duration.as_secs();
        seconds
            .saturating_mul(u64::from(timescale))
            .min(u64::MAX >> 2)
    }
}
