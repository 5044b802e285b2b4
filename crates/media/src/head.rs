//! What stands before the samples, for every player: `ftyp`, `mvhd` and the `trak` of a track.
//!
//! The boxes of a track come from its init; the times, the edit list and the tables are the caller's.

use mp4_atom::{Elst, ElstEntry, FixedPoint, FourCC, Ftyp, Mdhd, Mvhd, Tkhd};

use crate::bmff::{Writer, kind};
use crate::error::Result;
use crate::init::{Init, Track};

/// A `ftyp`.
pub(crate) struct Brands {
    pub(crate) major: [u8; 4],
    pub(crate) minor: u32,
    pub(crate) compatible: [[u8; 4]; 3],
}

impl Brands {
    pub(crate) fn write(&self, out: &mut Writer) -> Result<()> {
        out.atom(&Ftyp {
            major_brand: FourCC::new(&self.major),
            minor_version: self.minor,
            compatible_brands: self.compatible.iter().map(FourCC::new).collect(),
        })
    }
}

/// Writes the header of a movie with some of the tracks of `init`.
pub(crate) fn write_movie<'a>(
    init: &Init,
    (timescale, duration): (u32, u64),
    tracks: impl Iterator<Item = &'a Track>,
    out: &mut Writer,
) -> Result<()> {
    out.atom(&Mvhd {
        timescale,
        duration,
        next_track_id: tracks.map(Track::id).max().unwrap_or(0).saturating_add(1),
        ..init.mvhd.clone()
    })
}

/// What a player is told of a track before its samples.
pub(crate) struct Outline {
    /// The header, with how long the track is shown.
    pub(crate) header: Tkhd,
    /// How long its media is, in ticks of the track.
    pub(crate) duration: u64,
    pub(crate) edits: Option<Edits>,
}

/// An edit list: nothing is shown for a while, then the media from some time on.
///
/// # Units
/// `media_time` is in ticks of the track, the others are in ticks of the movie.
pub(crate) struct Edits {
    pub(crate) delay: u64,
    pub(crate) media_time: u64,
    /// Zero is to the end.
    pub(crate) shown: u64,
}

/// Writes a track, with what `tables` writes of its samples.
pub(crate) fn write_track(
    track: &Track,
    outline: &Outline,
    tables: impl FnOnce(&mut Writer) -> Result<()>,
    out: &mut Writer,
) -> Result<()> {
    let boxes = &track.boxes;
    out.nested(kind::TRAK, |out| {
        out.atom(&outline.header)?;
        if let Some(edits) = &outline.edits {
            out.nested(kind::EDTS, |out| out.atom(&edits.list()))?;
        }
        out.nested(kind::MDIA, |out| {
            out.atom(&Mdhd {
                duration: outline.duration,
                ..boxes.mdhd.clone()
            })?;
            out.bytes(&boxes.handler);
            out.nested(kind::MINF, |out| {
                out.bytes(boxes.media_header.as_deref().unwrap_or_default());
                out.bytes(boxes.data_information.as_deref().unwrap_or_default());
                out.nested(kind::STBL, |out| {
                    out.bytes(&boxes.descriptions);
                    tables(out)
                })
            })
        })
    })
}

impl Edits {
    fn list(&self) -> Elst {
        let entry = |segment_duration, media_time| ElstEntry {
            segment_duration,
            media_time,
            media_rate: FixedPoint::from(1),
        };
        let mut entries = Vec::with_capacity(2);
        if self.delay > 0 {
            entries.push(entry(self.delay, None));
        }
        entries.push(entry(self.shown, Some(self.media_time)));
        Elst { entries }
    }
}
