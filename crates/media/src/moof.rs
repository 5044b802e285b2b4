//! Reads a `moof`: which samples each track has in a fragment, and where their bytes lie.
//!
//! Defaults of `tfhd` and `trex` are resolved here, so that nothing further down knows them.
//!
//! Source: ISO/IEC 14496-12, 8.8.

use crate::bmff::{Boxed, Boxes, Reader, kind};
use crate::error::{Error, Result};
use crate::init::Defaults;
use crate::limits::Limits;

/// `sample_is_non_sync_sample` and "depends on other samples": either one says that decoding
/// cannot start here.
const NOT_SYNC: u32 = 0x0001_0000 | 0x0100_0000;

/// Flags of `tfhd`.
mod tfhd {
    pub(super) const BASE_DATA_OFFSET: u32 = 0x01;
    pub(super) const DESCRIPTION_INDEX: u32 = 0x02;
    pub(super) const DURATION: u32 = 0x08;
    pub(super) const SIZE: u32 = 0x10;
    pub(super) const FLAGS: u32 = 0x20;
    pub(super) const BASE_IS_MOOF: u32 = 0x02_0000;
}

/// Flags of `trun`.
pub(crate) mod trun {
    pub(crate) const DATA_OFFSET: u32 = 0x001;
    pub(crate) const FIRST_FLAGS: u32 = 0x004;
    pub(crate) const DURATION: u32 = 0x100;
    pub(crate) const SIZE: u32 = 0x200;
    pub(crate) const FLAGS: u32 = 0x400;
    pub(crate) const COMPOSITION: u32 = 0x800;
}

/// One sample: a coded picture or a packet of sound.
///
/// # Units
/// `duration` and `composition` are in ticks of the track's timescale, `size` is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Until the next sample is decoded.
    pub duration: u32,
    /// Bytes of the sample.
    pub size: u32,
    /// Dependency flags, as ISO/IEC 14496-12, 8.8.3.1 lays them out.
    pub flags: u32,
    /// From decoding the sample to showing it; negative when it is shown "earlier".
    pub composition: i32,
}

impl Sample {
    /// Whether decoding can start at this sample.
    #[must_use]
    pub fn is_sync(&self) -> bool {
        self.flags & NOT_SYNC == 0
    }
}

/// What offsets into the data of a track are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The first byte of the `moof`.
    Moof,
    /// The end of the data of the track before, or the `moof` for the first track.
    PreviousTrack,
    /// A place in the whole input.
    Input(u64),
}

/// Samples whose bytes follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// From the base; without it the run follows the one before.
    pub(crate) data_offset: Option<i32>,
    /// Bytes of all samples.
    pub(crate) bytes: u64,
}

/// One track's part of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrackFragment {
    pub(crate) track_id: u32,
    pub(crate) description_index: u32,
    pub(crate) base: Base,
    /// Ticks from the start of the track to the first sample's decoding.
    pub(crate) base_decode_time: u64,
    pub(crate) runs: Vec<Run>,
    pub(crate) samples: Vec<Sample>,
    /// Sum of the samples' durations; `base_decode_time + duration` does not overflow an `i64`.
    pub(crate) duration: u64,
    /// Sum of the samples' sizes.
    pub(crate) bytes: u64,
}

impl TrackFragment {
    /// Whether the end of the fragment is a time that can be reckoned with.
    pub(crate) fn check_end(&self) -> Result<()> {
        let end = self.base_decode_time.checked_add(self.duration);
        if end.is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(Error::TimeOverflow {
                track_id: self.track_id,
                base_decode_time: self.base_decode_time,
                duration: self.duration,
            });
        }
        Ok(())
    }
}

/// A whole `moof`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MovieFragment {
    pub(crate) sequence: u32,
    pub(crate) tracks: Vec<TrackFragment>,
}

/// Reads the bytes of a `moof` box, header included.
///
/// `defaults` are those of a track of the init; a track without any is unknown.
pub(crate) fn parse(
    moof: &[u8],
    defaults: impl Fn(u32) -> Option<Defaults>,
    limits: &Limits,
) -> Result<MovieFragment> {
    let missing = |kind| Error::MissingBox {
        kind,
        parent: kind::MOOF,
    };
    let moof = Boxes::new(kind::MOOF, moof).next().transpose()?;
    let moof = moof
        .filter(|found| found.kind == kind::MOOF)
        .ok_or_else(|| missing(kind::MOOF))?;
    let mut sequence = None;
    let mut tracks: Vec<TrackFragment> = Vec::new();
    let mut samples_left = limits.fragment_samples;
    for child in moof.children() {
        let child = child?;
        match child.kind {
            kind::MFHD => {
                let mut reader = child.reader();
                reader.version_and_flags(0)?;
                sequence = Some(reader.u32()?);
            }
            kind::TRAF => {
                if tracks.len() >= limits.tracks {
                    return Err(Error::TooManyTracks {
                        limit: limits.tracks,
                    });
                }
                let budget = Budget {
                    left: samples_left,
                    limit: limits.fragment_samples,
                };
                let track = parse_track(&child, &defaults, budget)?;
                if tracks.iter().any(|other| other.track_id == track.track_id) {
                    let track_id = track.track_id;
                    return Err(Error::DuplicateTrack {
                        track_id,
                        parent: kind::MOOF,
                    });
                }
                samples_left = samples_left.saturating_sub(track.samples.len());
                tracks.push(track);
            }
            _ => {}
        }
    }
    Ok(MovieFragment {
        sequence: sequence.ok_or_else(|| missing(kind::MFHD))?,
        tracks,
    })
}

/// How many samples may still be read.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: usize,
    limit: usize,
}

fn parse_track(
    traf: &Boxed<'_>,
    defaults: impl Fn(u32) -> Option<Defaults>,
    budget: Budget,
) -> Result<TrackFragment> {
    let mut header = None;
    let mut base_decode_time = None;
    for child in traf.children() {
        let child = child?;
        match child.kind {
            kind::TFHD => header = Some(parse_header(child.reader(), &defaults)?),
            kind::TFDT => {
                let mut reader = child.reader();
                let (version, _) = reader.version_and_flags(1)?;
                base_decode_time = Some(if version == 1 {
                    reader.u64()?
                } else {
                    u64::from(reader.u32()?)
                });
            }
            // Writing the samples elsewhere would lose the keys' places.
            kind::SENC | kind::SAIZ | kind::SAIO => {
                return Err(Error::Encrypted { kind: child.kind });
            }
            _ => {}
        }
    }
    let missing = |kind| Error::MissingBox {
        kind,
        parent: kind::TRAF,
    };
    let (mut track, defaults) = header.ok_or_else(|| missing(kind::TFHD))?;
    for child in traf.children() {
        let child = child?;
        if child.kind == kind::TRUN {
            parse_run(child.reader(), defaults, budget, &mut track)?;
        }
    }
    if !track.samples.is_empty() {
        track.base_decode_time = base_decode_time.ok_or_else(|| missing(kind::TFDT))?;
    }
    track.check_end()?;
    Ok(track)
}

fn parse_header(
    mut reader: Reader<'_>,
    defaults: impl Fn(u32) -> Option<Defaults>,
) -> Result<(TrackFragment, Defaults)> {
    let (_, flags) = reader.version_and_flags(0)?;
    let has = |flag| flags & flag != 0;
    let track_id = reader.u32()?;
    let mut defaults = defaults(track_id).ok_or(Error::UnknownTrack { track_id })?;
    let base = if has(tfhd::BASE_DATA_OFFSET) {
        Base::Input(reader.u64()?)
    } else if has(tfhd::BASE_IS_MOOF) {
        Base::Moof
    } else {
        Base::PreviousTrack
    };
    for (flag, field) in [
        (tfhd::DESCRIPTION_INDEX, &mut defaults.description_index),
        (tfhd::DURATION, &mut defaults.duration),
        (tfhd::SIZE, &mut defaults.size),
        (tfhd::FLAGS, &mut defaults.flags),
    ] {
        if has(flag) {
            *field = reader.u32()?;
        }
    }
    let track = TrackFragment {
        track_id,
        description_index: defaults.description_index.max(1),
        base,
        base_decode_time: 0,
        runs: Vec::new(),
        samples: Vec::new(),
        duration: 0,
        bytes: 0,
    };
    Ok((track, defaults))
}

fn parse_run(
    mut reader: Reader<'_>,
    defaults: Defaults,
    budget: Budget,
    track: &mut TrackFragment,
) -> Result<()> {
    let track_id = track.track_id;
    let (version, flags) = reader.version_and_flags(1)?;
    let has = |flag| flags & flag != 0;
    let declared = reader.u32()?;
    let data_offset = if has(trun::DATA_OFFSET) {
        Some(reader.i32()?)
    } else {
        None
    };
    let mut first_flags = if has(trun::FIRST_FLAGS) {
        Some(reader.u32()?)
    } else {
        None
    };
    let left = budget.left.saturating_sub(track.samples.len());
    let count = usize::try_from(declared)
        .ok()
        .filter(|count| *count <= left)
        .ok_or(Error::TooManySamples {
            track_id,
            samples: declared,
            limit: budget.limit,
        })?;
    let columns = Columns {
        version,
        flags,
        defaults,
    };
    // The fields must be there before room is made for their samples.
    let mut table = Reader::new(kind::TRUN, reader.bytes(count * columns.sample_bytes())?);
    track.samples.reserve(count);
    let mut bytes = 0;
    for _ in 0..count {
        let mut sample = columns.read(&mut table, track_id)?;
        sample.flags = first_flags.take().unwrap_or(sample.flags);
        // At most 2^32 samples of 2^32 each: neither sum can overflow.
        bytes += u64::from(sample.size);
        track.duration += u64::from(sample.duration);
        track.samples.push(sample);
    }
    track.bytes += bytes;
    if count > 0 {
        track.runs.push(Run { data_offset, bytes });
    }
    Ok(())
}

/// Which fields of a `trun` are written for each sample, and what the others are.
#[derive(Clone, Copy)]
struct Columns {
    version: u8,
    flags: u32,
    defaults: Defaults,
}

impl Columns {
    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn sample_bytes(&self) -> usize {
        let fields = [trun::DURATION, trun::SIZE, trun::FLAGS, trun::COMPOSITION];
        fields.into_iter().filter(|flag| self.has(*flag)).count() * 4
    }

    fn read(&self, table: &mut Reader<'_>, track_id: u32) -> Result<Sample> {
        let mut field = |flag, default| {
            if self.has(flag) {
                table.u32()
            } else {
                Ok(default)
            }
        };
        Ok(Sample {
            duration: field(trun::DURATION, self.defaults.duration)?,
            size: field(trun::SIZE, self.defaults.size)?,
            flags: field(trun::FLAGS, self.defaults.flags)?,
            composition: match (self.has(trun::COMPOSITION), self.version) {
                (false, _) => 0,
                (true, 0) => {
                    let offset = table.u32()?;
                    i32::try_from(offset)
                        .map_err(|_| Error::CompositionOffset { track_id, offset })?
                }
                (true, _) => table.i32()?,
            },
        })
    }
}
