//! Writes the `moof` of one track in the one shape that stored fragments have.
//!
//! The boxes before `trun` have a fixed size, so that playing a fragment at another time or under
//! another number is two writes at known offsets ([`layout::moof`]).

use bytes::Bytes;

use super::meta::{TrackFlags, TrackMeta};
use crate::bmff::{Writer, kind};
use crate::error::{Error, Result};
use crate::init::Track;
use crate::layout;
use crate::moof::{Sample, TrackFragment, trun};

/// `default-base-is-moof`, and a description index, duration, size and flags in `tfhd`.
const TFHD_FLAGS: u32 = 0x02_0000 | 0x02 | 0x08 | 0x10 | 0x20;
/// Bytes of the `mdat` header that follows the `moof`.
const MDAT_HEADER_BYTES: u64 = 8;

/// A track's boxes up to its first sample.
pub(crate) struct Head {
    /// The `moof` and the header of the `mdat`.
    pub(crate) bytes: Bytes,
    pub(crate) moof_bytes: u64,
    pub(crate) mdat_bytes: u64,
}

/// Writes the `moof` and the `mdat` header of one track.
pub(crate) fn head(track: &TrackFragment, sequence: u32) -> Result<Head> {
    let shape = Shape::of(&track.samples);
    let moof_bytes = layout::moof::TRUN + shape.trun_bytes(track.samples.len());
    let mdat_bytes = track.bytes + MDAT_HEADER_BYTES;
    let too_large = |bytes| Error::FragmentTooLarge {
        bytes,
        limit: u64::from(u32::MAX),
    };
    let mdat_size = u32::try_from(mdat_bytes).map_err(|_| too_large(mdat_bytes))?;
    let data_offset = i32::try_from(moof_bytes + 8)
        .map_err(|_| too_large(u64::try_from(moof_bytes).unwrap_or(u64::MAX)))?;

    let mut out = Writer::with_capacity(moof_bytes + 8);
    write_moof(&mut out, sequence, |out| {
        out.nested(kind::TRAF, |out| {
            out.nested(kind::TFHD, |out| {
                out.version_and_flags(0, TFHD_FLAGS);
                out.u32(track.track_id);
                out.u32(track.description_index);
                out.u32(shape.duration.unwrap_or(0));
                out.u32(shape.size.unwrap_or(0));
                out.u32(shape.flags.unwrap_or(0));
                Ok(())
            })?;
            out.nested(kind::TFDT, |out| {
                out.version_and_flags(1, 0);
                out.u64(track.base_decode_time);
                Ok(())
            })?;
            out.nested(kind::TRUN, |out| {
                shape.write(&track.samples, data_offset, out)
            })
        })
    })?;
    debug_assert_eq!(
        out.len(),
        moof_bytes,
        "the moof has the size that its offsets were made for"
    );
    out.u32(mdat_size);
    out.bytes(&kind::MDAT.0);
    let moof_bytes = u64::from(data_offset.unsigned_abs()) - MDAT_HEADER_BYTES;
    Ok(Head {
        bytes: out.into_bytes().into(),
        moof_bytes,
        mdat_bytes,
    })
}

/// Writes a `moof` with the boxes of its tracks.
pub(super) fn write_moof(
    out: &mut Writer,
    sequence: u32,
    tracks: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<()> {
    out.nested(kind::MOOF, |out| {
        out.nested(kind::MFHD, |out| {
            out.version_and_flags(0, 0);
            out.u32(sequence);
            Ok(())
        })?;
        tracks(out)
    })
}

/// What the samples of a track have in common; only the rest is written for each sample.
struct Shape {
    duration: Option<u32>,
    size: Option<u32>,
    /// The flags of all samples, except perhaps the first.
    flags: Option<u32>,
    first_flags: Option<u32>,
    has_composition: bool,
}

impl Shape {
    fn of(samples: &[Sample]) -> Self {
        let common = |samples: &[Sample], field: fn(&Sample) -> u32| {
            let (first, rest) = samples.split_first()?;
            rest.iter()
                .all(|sample| field(sample) == field(first))
                .then_some(field(first))
        };
        let rest = samples
            .get(1..)
            .filter(|rest| !rest.is_empty())
            .unwrap_or(samples);
        let flags = common(rest, |sample| sample.flags);
        Self {
            duration: common(samples, |sample| sample.duration),
            size: common(samples, |sample| sample.size),
            flags,
            first_flags: samples
                .first()
                .map(|first| first.flags)
                .filter(|first| flags.is_some_and(|flags| flags != *first)),
            has_composition: samples.iter().any(|sample| sample.composition != 0),
        }
    }

    /// How many fields are written for each sample.
    fn fields(&self) -> usize {
        [
            self.duration.is_none(),
            self.size.is_none(),
            self.flags.is_none(),
            self.has_composition,
        ]
        .into_iter()
        .filter(|written| *written)
        .count()
    }

    fn trun_bytes(&self, samples: usize) -> usize {
        // Header, version and flags, count, data offset.
        20 + if self.first_flags.is_some() { 4 } else { 0 } + samples * self.fields() * 4
    }

    fn write(&self, samples: &[Sample], data_offset: i32, out: &mut Writer) -> Result<()> {
        let flag = |written, flag| if written { flag } else { 0 };
        let flags = trun::DATA_OFFSET
            | flag(self.first_flags.is_some(), trun::FIRST_FLAGS)
            | flag(self.duration.is_none(), trun::DURATION)
            | flag(self.size.is_none(), trun::SIZE)
            | flag(self.flags.is_none(), trun::FLAGS)
            | flag(self.has_composition, trun::COMPOSITION);
        // Version 1: composition offsets are signed.
        out.version_and_flags(1, flags);
        out.u32(u32::try_from(samples.len()).map_err(|_| Error::NoSamples)?);
        out.i32(data_offset);
        if let Some(first_flags) = self.first_flags {
            out.u32(first_flags);
        }
        for sample in samples {
            if self.duration.is_none() {
                out.u32(sample.duration);
            }
            if self.size.is_none() {
                out.u32(sample.size);
            }
            if self.flags.is_none() {
                out.u32(sample.flags);
            }
            if self.has_composition {
                out.i32(sample.composition);
            }
        }
        Ok(())
    }
}

/// What the table of tracks says about a track's samples.
pub(super) fn summarize(fragment: &TrackFragment, track: &Track) -> TrackMeta {
    let mut presented = i64::MIN;
    let mut decoded = 0_i64;
    let mut is_reordered = false;
    let mut has_negative_composition = false;
    for sample in &fragment.samples {
        let presents = decoded.saturating_add(i64::from(sample.composition));
        is_reordered |= presents < presented;
        has_negative_composition |= sample.composition < 0;
        presented = presented.max(presents);
        decoded = decoded.saturating_add(i64::from(sample.duration));
    }
    let bit = |set, bit| if set { bit } else { 0 };
    let starts_with_sync = fragment.samples.first().is_some_and(Sample::is_sync);
    let flags = bit(starts_with_sync, layout::track_flag::STARTS_WITH_SYNC)
        | bit(is_reordered, layout::track_flag::REORDERED)
        | bit(
            has_negative_composition,
            layout::track_flag::NEGATIVE_COMPOSITION,
        );
    TrackMeta {
        track_id: fragment.track_id,
        kind: track.kind(),
        timescale: track.timescale(),
        base_decode_time: fragment.base_decode_time,
        duration: fragment.duration,
        samples: u32::try_from(fragment.samples.len()).unwrap_or(u32::MAX),
        flags: TrackFlags(flags),
    }
}
