//! Fragmented MP4 that plays as it is, from an init and stored fragments.
//!
//! Nothing is remuxed: a stored fragment already is a `moof` and an `mdat` for each track. The
//! `moof` is copied to set its number and its time; the `mdat` is a slice of the log.

use bytes::{Bytes, BytesMut};

use crate::error::{Error, Result};
use crate::fragment::StoredFragment;
use crate::init::{Init, TrackKind};
use crate::layout;

/// Moves a track's times.
///
/// # Units
/// Ticks of the track; positive is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The track's number.
    pub track_id: u32,
    /// How far.
    pub ticks: i64,
}

/// The bytes that a player needs before any fragment: `ftyp` and `moov`.
#[must_use]
pub fn init_segment(init: &Init) -> Bytes {
    init.media_bytes()
}

/// The bytes of a fragment for a player, in pieces.
///
/// Each track's `moof` gets the next number from `sequence` on, so the number for the fragment
/// after this one is `sequence` plus its count of tracks. Numbers wrap. Sound comes before pictures.
///
/// # Errors
/// If a shift moves a track before zero or past what an MP4 can say.
pub fn fragment_bytes(
    fragment: &StoredFragment,
    sequence: u32,
    shifts: &[Shift],
) -> Result<Vec<Bytes>> {
    let mut pieces = Vec::with_capacity(fragment.meta().tracks.len() * 2);
    let mut sequence = sequence;
    let mut tracks: Vec<_> = fragment.tracks().collect();
    // Behind a gap sound begins before the sound that was there ends, which is longer than its pictures. Chromium
    // then begins anew, and throws away pictures that it has of that time.
    tracks.sort_by_key(|track| track.meta().kind == TrackKind::Video);
    for track in tracks {
        let meta = track.meta();
        let ticks = shifts.iter().find(|shift| shift.track_id == meta.track_id);
        let ticks = ticks.map_or(0, |shift| shift.ticks);
        let base = meta.base_decode_time.checked_add_signed(ticks);
        let base = base
            .filter(|base| base.checked_add(meta.duration).is_some_and(fits_i64))
            .ok_or(Error::ShiftOutOfRange {
                track_id: meta.track_id,
                base_decode_time: meta.base_decode_time,
                shift: ticks,
            })?;
        let mut moof = BytesMut::from(&track.moof()[..]);
        layout::put(&mut moof, layout::moof::SEQUENCE, &sequence.to_be_bytes());
        layout::put(
            &mut moof,
            layout::moof::BASE_DECODE_TIME,
            &base.to_be_bytes(),
        );
        sequence = sequence.wrapping_add(1);
        pieces.push(moof.freeze());
        pieces.push(track.mdat().clone());
    }
    Ok(pieces)
}

fn fits_i64(ticks: u64) -> bool {
    i64::try_from(ticks).is_ok()
}
