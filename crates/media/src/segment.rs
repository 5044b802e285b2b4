//! Segments of one track each, for players that fetch sound and pictures apart (HLS, DASH).
//!
//! A stored fragment already holds a `moof` and an `mdat` for each track, so a media segment is a
//! copy of the small `moof`, with its number and its time set, and a slice of the log. The init
//! segment is written anew from the track's own boxes: it describes one track, claims no duration
//! and carries nothing that is not for players.

use bytes::{Bytes, BytesMut};
use mp4_atom::{Elst, ElstEntry, FixedPoint, FourCC, Ftyp, Mdhd, Mvhd, Tkhd};

use crate::bmff::{Writer, kind};
use crate::error::{Error, Result};
use crate::fragment::StoredTrack;
use crate::init::{Init, Track};
use crate::layout;

/// The tables that a `stbl` must have: `stts`, `stsc`, `stsz` and `stco` without entries.
const EMPTY_TABLES: &[u8; 68] = b"\
    \0\0\0\x10stts\0\0\0\0\0\0\0\0\
    \0\0\0\x10stsc\0\0\0\0\0\0\0\0\
    \0\0\0\x14stsz\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\x10stco\0\0\0\0\0\0\0\0";
/// `styp` of a media segment.
const STYP: &[u8; 24] = b"\0\0\0\x18stypmsdh\0\0\0\0msdhiso6";

/// The init segment of one track of `init`: `ftyp` and `moov`.
///
/// # Errors
/// If the boxes of the track cannot be written again.
pub fn init(init: &Init, track: &Track) -> Result<Bytes> {
    let mut out = Writer::default();
    out.atom(&Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: [b"iso6", b"dash", b"mp41"]
            .into_iter()
            .map(FourCC::new)
            .collect(),
    })?;
    out.nested(kind::MOOV, |out| {
        out.atom(&Mvhd {
            duration: 0,
            next_track_id: track.id().saturating_add(1),
            ..init.mvhd.clone()
        })?;
        write_track(track, out)?;
        out.nested(kind::MVEX, |out| {
            out.nested(kind::TREX, |out| {
                out.version_and_flags(0, 0);
                out.u32(track.id());
                // A stored `tfhd` says everything else.
                out.u32(1);
                out.bytes(&[0; 12]);
                Ok(())
            })
        })
    })?;
    Ok(out.into_bytes().into())
}

fn write_track(track: &Track, out: &mut Writer) -> Result<()> {
    let boxes = &track.boxes;
    out.nested(kind::TRAK, |out| {
        out.atom(&Tkhd {
            duration: 0,
            enabled: true,
            ..boxes.tkhd.clone()
        })?;
        if track.edit.delay > 0 || track.edit.media_time > 0 {
            out.nested(kind::EDTS, |out| out.atom(&edit_list(track)))?;
        }
        out.nested(kind::MDIA, |out| {
            out.atom(&Mdhd {
                duration: 0,
                ..boxes.mdhd.clone()
            })?;
            out.bytes(&boxes.handler);
            out.nested(kind::MINF, |out| {
                out.bytes(boxes.media_header.as_deref().unwrap_or_default());
                out.bytes(boxes.data_information.as_deref().unwrap_or_default());
                out.nested(kind::STBL, |out| {
                    out.bytes(&boxes.descriptions);
                    out.bytes(EMPTY_TABLES);
                    Ok(())
                })
            })
        })
    })
}

/// What the track's own edit list says; how long it shows is left open.
fn edit_list(track: &Track) -> Elst {
    let media_rate = FixedPoint::from(1);
    let mut entries = Vec::with_capacity(2);
    if track.edit.delay > 0 {
        entries.push(ElstEntry {
            segment_duration: track.edit.delay,
            media_time: None,
            media_rate,
        });
    }
    entries.push(ElstEntry {
        segment_duration: 0,
        media_time: Some(track.edit.media_time),
        media_rate: FixedPoint::from(1),
    });
    Elst { entries }
}

/// The media segment of one track, in pieces: `styp` and `moof`, then the `mdat`, a slice of the log.
///
/// # Units
/// `shift` is in ticks of the track; positive is later.
///
/// # Errors
/// If the shift moves the track before zero or past what an MP4 can say.
pub fn media(track: &StoredTrack, shift: i64, sequence: u32) -> Result<Vec<Bytes>> {
    let time = shifted(track, track.meta().base_decode_time, shift)?;
    let mut head = BytesMut::with_capacity(STYP.len() + track.moof().len());
    head.extend_from_slice(STYP);
    head.extend_from_slice(track.moof());
    let field = |offset| STYP.len() + offset;
    layout::put(
        &mut head,
        field(layout::moof::SEQUENCE),
        &sequence.to_be_bytes(),
    );
    layout::put(
        &mut head,
        field(layout::moof::BASE_DECODE_TIME),
        &time.to_be_bytes(),
    );
    Ok(vec![head.freeze(), track.mdat().clone()])
}

/// A time of the track after a shift, if the whole track can be said there.
pub(crate) fn shifted(track: &StoredTrack, time: u64, shift: i64) -> Result<u64> {
    let meta = track.meta();
    time.checked_add_signed(shift)
        .filter(|time| {
            let end = time.checked_add(meta.duration);
            end.is_some_and(|end| i64::try_from(end).is_ok())
        })
        .ok_or(Error::ShiftOutOfRange {
            track_id: meta.track_id,
            base_decode_time: time,
            shift,
        })
}
