//! Segments of one track each, for players that fetch sound and pictures apart (HLS, DASH).
//!
//! A stored fragment already holds a `moof` and an `mdat` for each track, so a media segment is a
//! copy of the small `moof`, with its number and its time set, and a slice of the log. The init
//! segment is written anew from the track's own boxes: it describes one track, claims no duration
//! and carries nothing that is not for players.

use bytes::{Bytes, BytesMut};
use mp4_atom::Tkhd;

use crate::bmff::{Writer, kind};
use crate::error::{Error, Result};
use crate::fragment::StoredTrack;
use crate::head::{self, Brands, Edits, Outline};
use crate::init::{Init, Track};
use crate::layout;

/// `ftyp` of an init segment.
const BRANDS: Brands = Brands {
    major: *b"iso6",
    minor: 0,
    compatible: [*b"iso6", *b"dash", *b"mp41"],
};

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
    BRANDS.write(&mut out)?;
    out.nested(kind::MOOV, |out| {
        let tracks = std::iter::once(track);
        head::write_movie(init, (init.mvhd.timescale, 0), tracks, out)?;
        let tables = |out: &mut Writer| {
            out.bytes(EMPTY_TABLES);
            Ok(())
        };
        head::write_track(track, &outline(track), tables, out)?;
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

/// What the track's own edit list says; how long the track is, and is shown, is left open.
fn outline(track: &Track) -> Outline {
    let edit = track.edit;
    Outline {
        header: Tkhd {
            duration: 0,
            enabled: true,
            ..track.boxes.tkhd.clone()
        },
        duration: 0,
        edits: (edit.delay > 0 || edit.media_time > 0).then_some(Edits {
            delay: edit.delay,
            media_time: edit.media_time,
            shown: 0,
        }),
    }
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
