//! Where every field of a stored fragment and of a stored codec initialisation stands.
//!
//! A test compares the tables below with the constants here.
#![doc = include_str!("../FRAGMENT.md")]

use crate::error::{Error, Result};

/// The version that is written, and the newest that is read.
pub const VERSION: u8 = 1;

/// Bytes of the header before the table of tracks.
pub const HEADER_BYTES: usize = 56;
/// Bytes of one line of the table of tracks.
pub const TRACK_BYTES: usize = 48;
/// Bytes before the verbatim bytes of a stored codec initialisation.
pub const INIT_HEADER_BYTES: usize = 16;
/// Bytes of the lengths before a tag's name and value.
pub const TAG_HEADER_BYTES: usize = 4;

/// Offsets in the header of a fragment.
pub mod header {
    /// `u8`.
    pub const VERSION: usize = 0;
    /// `u8`, see [`super::flag`].
    pub const FLAGS: usize = 1;
    /// `u8`, 1 to 8.
    pub const TRACKS: usize = 2;
    /// `u8`, 0 to 10.
    pub const TAGS: usize = 3;
    /// `u32`.
    pub const TAGS_LENGTH: usize = 4;
    /// `u64`.
    pub const INIT_ID: usize = 8;
    /// `u128`.
    pub const SESSION_ID: usize = 16;
    /// `u32`.
    pub const SEQUENCE: usize = 32;
    /// `u32`, milliseconds.
    pub const DURATION: usize = 36;
    /// `i64`, milliseconds since 1970.
    pub const PRODUCER_TIME: usize = 40;
    /// `u64`.
    pub const LENGTH: usize = 48;
}

/// Bits of the header's flags.
pub mod flag {
    /// The first sample of the video can be decoded by itself; always set without video.
    pub const KEYFRAME: u8 = 0x01;
    /// The time does not continue that of the fragment before.
    pub const DISCONTINUITY: u8 = 0x02;
    /// There is no video track.
    pub const AUDIO_ONLY: u8 = 0x04;
    /// Samples are shown in another order than they are decoded.
    pub const REORDERED: u8 = 0x08;
    /// Every bit that has a meaning.
    pub const ALL: u8 = KEYFRAME | DISCONTINUITY | AUDIO_ONLY | REORDERED;
}

/// Offsets in a line of the table of tracks.
pub mod track {
    /// `u32`.
    pub const ID: usize = 0;
    /// `u32`, ticks per second.
    pub const TIMESCALE: usize = 4;
    /// `u64`, ticks.
    pub const BASE_DECODE_TIME: usize = 8;
    /// `u64`, ticks.
    pub const DURATION: usize = 16;
    /// `u32`.
    pub const SAMPLES: usize = 24;
    /// `u8`: 0 other, 1 video, 2 audio.
    pub const KIND: usize = 28;
    /// `u8`, see [`super::track_flag`].
    pub const FLAGS: usize = 29;
    /// `i16`, ticks of the producer's Matroska header.
    pub const CLUSTER_LEAD: usize = 30;
    /// `u32`, from the start of the body.
    pub const MOOF_OFFSET: usize = 32;
    /// `u32`.
    pub const MOOF_LENGTH: usize = 36;
    /// `u32`, from the start of the body to the box header.
    pub const MDAT_OFFSET: usize = 40;
    /// `u32`, box header included.
    pub const MDAT_LENGTH: usize = 44;
}

/// Bits of a track's flags.
pub mod track_flag {
    /// The first sample can be decoded by itself.
    pub const STARTS_WITH_SYNC: u8 = 0x01;
    /// Samples are shown in another order than they are decoded.
    pub const REORDERED: u8 = 0x02;
    /// A sample has a negative composition offset.
    pub const NEGATIVE_COMPOSITION: u8 = 0x04;
    /// Every bit that has a meaning.
    pub const ALL: u8 = STARTS_WITH_SYNC | REORDERED | NEGATIVE_COMPOSITION;
}

/// Offsets in a stored `moof`, all big-endian as the boxes are.
pub mod moof {
    /// `u32` of `mfhd`.
    pub const SEQUENCE: usize = 20;
    /// The `tfhd` box.
    pub const TFHD: usize = 32;
    /// The `tfdt` box.
    pub const TFDT: usize = 64;
    /// `u64` of `tfdt`.
    pub const BASE_DECODE_TIME: usize = 76;
    /// The `trun` box, the last of the `moof`.
    pub const TRUN: usize = 84;
}

/// Offsets in a stored codec initialisation.
pub mod init {
    /// `u8`.
    pub const VERSION: usize = 0;
    /// `u32`.
    pub const LENGTH: usize = 4;
    /// `u64`.
    pub const ID: usize = 8;
}

/// Writes a field; the caller made `bytes` long enough.
pub(crate) fn put(bytes: &mut [u8], offset: usize, field: &[u8]) {
    let place = bytes
        .get_mut(offset..)
        .and_then(|rest| rest.get_mut(..field.len()));
    debug_assert!(
        place.is_some(),
        "a field of {} bytes fits at {offset}",
        field.len()
    );
    if let Some(place) = place {
        place.copy_from_slice(field);
    }
}

/// Reads a field.
pub(crate) fn get<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    bytes
        .get(offset..)
        .and_then(<[u8]>::first_chunk::<N>)
        .copied()
        .ok_or_else(|| Error::StoredCut {
            needed: offset.saturating_add(N),
            actual: bytes.len(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `(offset, field)` pairs of the table under a heading of FRAGMENT.md, and its end.
    fn table(heading: &str) -> (Vec<(usize, String)>, Option<usize>) {
        let text = include_str!("../FRAGMENT.md");
        let section = text
            .split("\n## ")
            .find(|section| section.starts_with(heading))
            .unwrap();
        let mut fields = Vec::new();
        let mut end = None;
        for row in section.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let Ok(offset) = cells[1].parse() else {
                continue;
            };
            match cells[3].trim_matches('`') {
                "" => end = Some(offset),
                field => fields.push((offset, field.to_owned())),
            }
        }
        (fields, end)
    }

    fn check(heading: &str, expected: &[(usize, &str)], bytes: Option<usize>) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(at, name)| (*at, (*name).to_owned()))
            .collect();
        assert_eq!(table(heading), (expected, bytes), "{heading}");
    }

    #[test]
    fn documented_offsets_are_those_of_the_code() {
        check(
            "Fragment header",
            &[
                (header::VERSION, "version"),
                (header::FLAGS, "flags"),
                (header::TRACKS, "tracks"),
                (header::TAGS, "tags"),
                (header::TAGS_LENGTH, "tags_length"),
                (header::INIT_ID, "init_id"),
                (header::SESSION_ID, "session_id"),
                (header::SEQUENCE, "sequence"),
                (header::DURATION, "duration"),
                (header::PRODUCER_TIME, "producer_time"),
                (header::LENGTH, "length"),
            ],
            Some(HEADER_BYTES),
        );
        check(
            "Table of tracks",
            &[
                (track::ID, "id"),
                (track::TIMESCALE, "timescale"),
                (track::BASE_DECODE_TIME, "base_decode_time"),
                (track::DURATION, "duration"),
                (track::SAMPLES, "samples"),
                (track::KIND, "kind"),
                (track::FLAGS, "flags"),
                (track::CLUSTER_LEAD, "cluster_lead"),
                (track::MOOF_OFFSET, "moof_offset"),
                (track::MOOF_LENGTH, "moof_length"),
                (track::MDAT_OFFSET, "mdat_offset"),
                (track::MDAT_LENGTH, "mdat_length"),
            ],
            Some(TRACK_BYTES),
        );
        check(
            "Boxes",
            &[
                (0, "moof"),
                (8, "mfhd"),
                (moof::SEQUENCE, "sequence"),
                (24, "traf"),
                (moof::TFHD, "tfhd"),
                (moof::TFDT, "tfdt"),
                (moof::BASE_DECODE_TIME, "base_decode_time"),
                (moof::TRUN, "trun"),
            ],
            None,
        );
        check(
            "Codec initialisation",
            &[
                (init::VERSION, "version"),
                (1, "reserved"),
                (init::LENGTH, "length"),
                (init::ID, "id"),
            ],
            Some(INIT_HEADER_BYTES),
        );
    }

    #[test]
    fn documented_flags_are_those_of_the_code() {
        let text = include_str!("../FRAGMENT.md");
        for bit in [
            flag::KEYFRAME,
            flag::DISCONTINUITY,
            flag::AUDIO_ONLY,
            flag::REORDERED,
        ] {
            assert!(text.contains(&format!("| {bit:#04x} | ")), "{bit:#04x}");
        }
        let track_bits = [
            track_flag::STARTS_WITH_SYNC,
            track_flag::REORDERED,
            track_flag::NEGATIVE_COMPOSITION,
        ];
        assert_eq!(track_bits, [1, 2, 4]);
        assert!(text.contains("0x01 starts with a key frame, 0x02 reordered, 0x04 negative"));
        assert_eq!(flag::ALL, 0x0f);
        assert_eq!(track_flag::ALL, 0x07);
    }
}
