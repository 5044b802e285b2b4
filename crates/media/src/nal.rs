//! H.264 and H.265 bitstreams, as far as a container must know them: where units start in a stream
//! with start codes, and the decoder configuration that the parameter sets make.
//!
//! MP4 and Matroska hold units with their length before each; encoders often write start codes
//! instead (ITU-T H.264, annex B). Frames are converted as ropes: the units stay slices.
//!
//! Source: ISO/IEC 14496-15, 5.3.3 (avcC) and 8.3.3 (hvcC).

use std::ops::Range;

use bytes::Bytes;

use crate::rope::length;

/// Parameter sets of one kind that are looked at.
const SETS_MAX: usize = 16;
/// Units of one frame that are converted.
const UNITS_MAX: usize = 4_096;

/// Which of the two standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    H264,
    H265,
}

/// Whether a frame has start codes and not lengths of four bytes.
///
/// `00 00 01` may also begin the length of a unit of 256 to 511 bytes; then the lengths add up.
pub(crate) fn has_start_codes(frame: &[u8]) -> bool {
    let starts = frame.starts_with(&[0, 0, 0, 1]) || frame.starts_with(&[0, 0, 1]);
    starts && !lengths_add_up(frame)
}

/// Whether units with lengths of four bytes fill a frame.
fn lengths_add_up(frame: &[u8]) -> bool {
    let mut rest = frame;
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        // No unit is shorter than its header of one byte and something in it.
        let Some(after) = after.get(size..).filter(|_| size > 1) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

/// The units of a stream with start codes, without them and without the zeros that fill up.
pub(crate) fn units(stream: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(code) = next_start_code(stream, at) {
        if let Some(last) = found.last_mut() {
            last.end = code;
        }
        if found.len() >= UNITS_MAX {
            break;
        }
        at = code + 3;
        found.push(at..stream.len());
    }
    for unit in &mut found {
        let bytes = stream.get(unit.clone()).unwrap_or_default();
        let used = bytes.iter().rposition(|byte| *byte != 0);
        unit.end = unit.start + used.map_or(0, |last| last + 1);
    }
    found.retain(|unit| !unit.is_empty());
    found
}

/// Where the next `00 00 01` starts.
fn next_start_code(stream: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        // The last byte of a start code is above 1 nearly everywhere: three bytes at a step.
        match *stream.get(at + 2)? {
            0 => at += 1,
            1 => {
                if stream.get(at..at + 2) == Some(&[0, 0]) {
                    return Some(at);
                }
                at += 3;
            }
            _ => at += 3,
        }
    }
}

/// A frame with start codes as one with lengths of four bytes; the units are slices of it.
pub(crate) fn with_lengths(frame: &Bytes) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    for unit in units(frame) {
        let unit = frame.slice(unit);
        let bytes = u32::try_from(unit.len()).unwrap_or(u32::MAX);
        pieces.push(Bytes::copy_from_slice(&bytes.to_be_bytes()));
        pieces.push(unit);
    }
    pieces
}

/// The units of a frame with lengths of `width` bytes; stops where the lengths do not add up.
pub(crate) fn units_with_lengths(frame: &[u8], width: usize) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = frame;
    while found.len() < UNITS_MAX {
        let Some((size, after)) = rest.split_at_checked(width) else {
            break;
        };
        let size = size
            .iter()
            .fold(0_usize, |size, byte| (size << 8) | usize::from(*byte));
        let Some((unit, after)) = after.split_at_checked(size) else {
            break;
        };
        found.push(unit);
        rest = after;
    }
    found
}

/// Parameter sets that were found in a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParameterSets {
    video: Vec<Vec<u8>>,
    sequence: Vec<Vec<u8>>,
    picture: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Keeps the parameter sets among `units`.
    pub(crate) fn find<'a>(standard: Standard, units: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut sets = Self::default();
        for unit in units {
            let Some(first) = unit.first() else { continue };
            let list = match (standard, first & 0x1f, first >> 1 & 0x3f) {
                (Standard::H264, 7, _) | (Standard::H265, _, 33) => &mut sets.sequence,
                (Standard::H264, 8, _) | (Standard::H265, _, 34) => &mut sets.picture,
                (Standard::H265, _, 32) => &mut sets.video,
                _ => continue,
            };
            if list.len() < SETS_MAX
                && u16::try_from(unit.len()).is_ok()
                && !list.iter().any(|known| known == unit)
            {
                list.push(unit.to_vec());
            }
        }
        sets
    }

    /// The decoder configuration, if there is all that it needs.
    pub(crate) fn configuration(&self, standard: Standard) -> Option<Vec<u8>> {
        match standard {
            Standard::H264 => self.avc(),
            Standard::H265 => self.hevc(),
        }
    }

    fn avc(&self) -> Option<Vec<u8>> {
        let sequence = self.sequence.first()?;
        let [profile, constraints, level] = *sequence.get(1..)?.first_chunk::<3>()?;
        self.picture.first()?;
        let mut out = vec![1, profile, constraints, level, 0xff];
        out.push(0xe0 | count(&self.sequence));
        put_sets(&self.sequence, &mut out);
        out.push(count(&self.picture));
        put_sets(&self.picture, &mut out);
        if matches!(profile, 100 | 110 | 122 | 144) {
            let [chroma, luma_depth, chroma_depth] = sample_format(sequence);
            out.extend_from_slice(&[0xfc | chroma, 0xf8 | luma_depth, 0xf8 | chroma_depth, 0]);
        }
        Some(out)
    }

    fn hevc(&self) -> Option<Vec<u8>> {
        let sequence = unescaped(self.sequence.first()?);
        self.picture.first()?;
        // Two bytes of unit header, four bits and three of sub-layers; then the profile.
        let layers = *sequence.get(2)?;
        let profile = sequence.get(3..15)?;
        let mut out = vec![1];
        out.extend_from_slice(profile);
        // No minimum of spatial segmentation, unknown parallelism, 4:2:0 at 8 bits.
        out.extend_from_slice(&[0xf0, 0x00, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0]);
        let sub_layers = (layers >> 1 & 0x07) + 1;
        let nested = layers & 0x01;
        out.push(sub_layers << 3 | nested << 2 | 0x03);
        let lists = [
            (32_u8, &self.video),
            (33, &self.sequence),
            (34, &self.picture),
        ];
        let used = || lists.iter().filter(|(_, sets)| !sets.is_empty());
        out.push(u8::try_from(used().count()).unwrap_or(0));
        for (kind, sets) in used() {
            out.push(0x80 | kind);
            out.extend_from_slice(&u16::from(count(sets)).to_be_bytes());
            put_sets(sets, &mut out);
        }
        Some(out)
    }
}

/// At most [`SETS_MAX`].
fn count(sets: &[Vec<u8>]) -> u8 {
    u8::try_from(sets.len()).unwrap_or(u8::MAX)
}

fn put_sets(sets: &[Vec<u8>], out: &mut Vec<u8>) {
    for set in sets {
        // `find` keeps none that is longer.
        out.extend_from_slice(&u16::try_from(set.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(set);
    }
}

/// Chroma format and depths, less eight, of a sequence parameter set of a high profile; 4:2:0 at 8
/// bits if it ends before it says.
fn sample_format(sequence: &[u8]) -> [u8; 3] {
    let unit = unescaped(sequence);
    let mut bits = Bits {
        bytes: unit.get(4..).unwrap_or_default(),
        at: 0,
    };
    let mut read = || {
        let _id = bits.number()?;
        let chroma = bits.number()?;
        if chroma == 3 {
            bits.bit()?;
        }
        Some([chroma & 3, bits.number()? & 7, bits.number()? & 7])
    };
    read().unwrap_or([1, 0, 0])
}

/// Reads single bits, and numbers in Exp-Golomb code.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit)
    }

    /// A number below 256.
    fn number(&mut self) -> Option<u8> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
        }
        let mut value = 1_u32;
        for _ in 0..zeros {
            value = value.checked_mul(2)? | u32::from(self.bit()?);
        }
        u8::try_from(value - 1).ok()
    }
}

/// The start of a unit without the bytes that keep start codes out of it.
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len().min(64));
    let mut zeros = 0;
    for byte in unit.iter().take(64) {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

/// Bytes before each unit in frames that have this configuration: 1, 2 or 4.
pub(crate) fn length_bytes(standard: Standard, configuration: &[u8]) -> usize {
    let place = match standard {
        Standard::H264 => 4,
        Standard::H265 => 21,
    };
    configuration
        .get(place)
        .map_or(4, |byte| usize::from(byte & 0x03) + 1)
}

/// Whether this is a decoder configuration and not, say, parameter sets with start codes.
pub(crate) fn is_configuration(standard: Standard, bytes: &[u8]) -> bool {
    let bytes_min = match standard {
        Standard::H264 => 7,
        Standard::H265 => 23,
    };
    bytes.first() == Some(&1) && length(bytes) >= bytes_min
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_lie_between_start_codes() {
        let stream = [0, 0, 0, 1, 9, 16, 0, 0, 1, 7, 1, 0, 0, 0, 1, 8, 0, 0];
        assert_eq!(units(&stream), [4..6, 9..11, 15..16]);
        assert!(units(&[0, 0, 2]).is_empty());
    }

    #[test]
    fn a_configuration_is_made_from_parameter_sets() {
        let units: [&[u8]; 3] = [&[9, 16], &[0x67, 66, 192, 30, 1], &[0x68, 1]];
        let sets = ParameterSets::find(Standard::H264, units);
        let made = sets.configuration(Standard::H264).unwrap();
        let expected = [
            1, 66, 192, 30, 255, 0xe1, 0, 5, 0x67, 66, 192, 30, 1, 1, 0, 2, 0x68, 1,
        ];
        assert_eq!(made, expected);
        assert!(is_configuration(Standard::H264, &made));
        assert_eq!(length_bytes(Standard::H264, &made), 4);
        let sets = ParameterSets::find(Standard::H264, [&[9_u8, 16][..]]);
        assert_eq!(sets.configuration(Standard::H264), None);
    }

    #[test]
    fn a_length_that_looks_like_a_start_code_is_a_length() {
        let unit = [&[0, 0, 1, 44][..], &[5; 300]].concat();
        assert!(!has_start_codes(&unit));
        assert!(has_start_codes(&[0, 0, 1, 9, 16, 0, 0, 1, 0x65, 4]));
        assert!(has_start_codes(&[0, 0, 0, 1, 9, 16, 0, 0, 0, 1, 0x65]));
    }

    #[test]
    fn a_high_profile_says_its_sample_format() {
        // libx264, yuv422p10: profile 122, chroma format 2, two bits more than eight.
        let sequence = [0x67, 122, 0, 13, 0xb6, 0xcd, 0x94, 0x0a];
        assert_eq!(sample_format(&sequence), [2, 2, 2]);
    }

    proptest! {
        #[test]
        fn lengths_hold_what_start_codes_held(
            units in prop::collection::vec(prop::collection::vec(2_u8..255, 1..9), 1..6),
            short in any::<bool>(),
        ) {
            let code: &[u8] = if short { &[0, 0, 1] } else { &[0, 0, 0, 1] };
            let stream: Vec<u8> = units.iter().flat_map(|unit| [code, unit].concat()).collect();
            let converted = with_lengths(&stream.into()).concat();
            let read: Vec<Vec<u8>> = units_with_lengths(&converted, 4)
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect();
            prop_assert_eq!(read, units);
        }
    }
}
