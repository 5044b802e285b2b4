//! H.264 and H.265 as a stream of bytes: start codes before each NAL unit instead of lengths, and
//! the parameter sets before each key frame instead of in the track's description.
//!
//! Source: ISO/IEC 14496-15, 5.3.3 (avcC) and 8.3.3 (hvcC); ITU-T H.264 and H.265, annex B.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::init::Track;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Which of the two codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalCodec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
}

impl NalCodec {
    fn kind(self, nal: &[u8]) -> Option<u8> {
        let first = nal.first()?;
        Some(match self {
            Self::Avc => first & 0x1f,
            Self::Hevc => (first >> 1) & 0x3f,
        })
    }

    fn is_delimiter(self, kind: u8) -> bool {
        kind == match self {
            Self::Avc => 9,
            Self::Hevc => 35,
        }
    }

    /// A sequence parameter set: a sample that has one brings its own parameter sets.
    fn is_sequence_set(self, kind: u8) -> bool {
        kind == match self {
            Self::Avc => 7,
            Self::Hevc => 33,
        }
    }

    fn delimiter(self) -> &'static [u8] {
        match self {
            Self::Avc => &[0, 0, 0, 1, 0x09, 0xf0],
            Self::Hevc => &[0, 0, 0, 1, 0x46, 0x01, 0x50],
        }
    }
}

/// Rewrites the samples of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnexB {
    codec: NalCodec,
    track_id: u32,
    length_bytes: usize,
    /// The parameter sets of the track's description, each behind a start code.
    parameters: Bytes,
}

impl AnnexB {
    /// For a track of H.264 or H.265; `None` for others.
    ///
    /// # Errors
    /// If the description of the codec is missing or damaged.
    pub fn of(track: &Track) -> Result<Option<Self>> {
        let codec = match track.codec().split('.').next() {
            Some("avc1" | "avc3") => NalCodec::Avc,
            Some("hvc1" | "hev1") => NalCodec::Hevc,
            _ => return Ok(None),
        };
        let track_id = track.id();
        let damaged = Error::CodecConfig {
            track_id,
            reason: "it is cut",
        };
        let config = track.config().ok_or(Error::CodecConfig {
            track_id,
            reason: "it is missing",
        })?;
        let parsed = match codec {
            NalCodec::Avc => avc(&config),
            NalCodec::Hevc => hevc(&config),
        };
        let (length_bytes, parameters) = parsed.ok_or(damaged)?;
        Ok(Some(Self {
            codec,
            track_id,
            length_bytes,
            parameters: parameters.into(),
        }))
    }

    /// Which of the two codecs.
    #[must_use]
    pub fn codec(&self) -> NalCodec {
        self.codec
    }

    /// Appends a sample as an access unit: a delimiter, for a key frame the parameter sets unless the
    /// sample has its own, and the NAL units.
    ///
    /// # Errors
    /// If the lengths in the sample do not fit its size.
    pub fn append(&self, sample: &[u8], is_key: bool, out: &mut Vec<u8>) -> Result<()> {
        let damaged = || Error::SampleDamaged {
            track_id: self.track_id,
            reason: "a NAL unit runs past its end",
        };
        let kinds = || Nals::new(sample, self.length_bytes).flatten();
        let brings_sets = || {
            kinds()
                .filter_map(|nal| self.codec.kind(nal))
                .any(|kind| self.codec.is_sequence_set(kind))
        };
        out.extend_from_slice(self.codec.delimiter());
        if is_key && !brings_sets() {
            out.extend_from_slice(&self.parameters);
        }
        for nal in Nals::new(sample, self.length_bytes) {
            let nal = nal.ok_or_else(damaged)?;
            let Some(kind) = self.codec.kind(nal) else {
                continue;
            };
            if !self.codec.is_delimiter(kind) {
                out.extend_from_slice(&START_CODE);
                out.extend_from_slice(nal);
            }
        }
        Ok(())
    }
}

/// The NAL units of a sample; `None`, once, where one runs past the end.
struct Nals<'a> {
    rest: &'a [u8],
    length_bytes: usize,
}

impl<'a> Nals<'a> {
    fn new(sample: &'a [u8], length_bytes: usize) -> Self {
        Self {
            rest: sample,
            length_bytes,
        }
    }

    fn cut(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_at_checked(self.length_bytes)?;
        let length = length
            .iter()
            .fold(0_u32, |length, byte| length << 8 | u32::from(*byte));
        let (nal, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(nal)
    }
}

impl<'a> Iterator for Nals<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let nal = self.cut();
        if nal.is_none() {
            self.rest = &[];
        }
        Some(nal)
    }
}

/// The size of lengths, and the parameter sets behind start codes.
fn avc(config: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (head, mut rest) = config.split_first_chunk::<6>()?;
    let [_, _, _, _, length, sets] = head;
    let mut parameters = Vec::new();
    take_sets(&mut rest, sets & 0x1f, &mut parameters)?;
    let (count, after) = rest.split_first()?;
    rest = after;
    take_sets(&mut rest, *count, &mut parameters)?;
    Some((usize::from(length & 3) + 1, parameters))
}

/// As [`avc`], of H.265.
fn hevc(config: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (head, mut rest) = config.split_first_chunk::<23>()?;
    let [.., length, arrays] = head;
    let mut parameters = Vec::new();
    for _ in 0..*arrays {
        let ([kind, high, low], after) = rest.split_first_chunk::<3>()?;
        rest = after;
        let mut sets = Vec::new();
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            take_sets(&mut rest, 1, &mut sets)?;
        }
        // Video, sequence and picture parameter sets; not messages.
        if (32..=34).contains(&(kind & 0x3f)) {
            parameters.extend_from_slice(&sets);
        }
    }
    Some((usize::from(length & 3) + 1, parameters))
}

/// Takes `count` parameter sets, each behind its length in two bytes.
fn take_sets(rest: &mut &[u8], count: u8, out: &mut Vec<u8>) -> Option<()> {
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(set);
        *rest = after;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(codec: NalCodec) -> AnnexB {
        AnnexB {
            codec,
            track_id: 1,
            length_bytes: 4,
            parameters: Bytes::from_static(b"\0\0\0\x01SETS"),
        }
    }

    #[test]
    fn parameter_sets_come_from_the_description() {
        let config = [1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 1, 0x68];
        let sets = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68].to_vec();
        assert_eq!(avc(&config), Some((4, sets)));
        for cut in 0..config.len() {
            assert_eq!(avc(&config[..cut]), None, "{cut} bytes");
        }
        let mut config = vec![0; 21];
        config.extend([3, 2, 0xa0, 0, 1, 0, 1, 0x40, 0xa7, 0, 1, 0, 1, 0x4e]);
        assert_eq!(hevc(&config), Some((4, vec![0, 0, 0, 1, 0x40])));
    }

    #[test]
    fn key_frames_get_parameter_sets_unless_they_have_their_own() {
        let writer = writer(NalCodec::Avc);
        let delimiter = [0, 0, 0, 1, 9, 0xf0];
        let write = |sample: &[u8], key| {
            let mut out = Vec::new();
            writer.append(sample, key, &mut out).unwrap();
            assert_eq!(&out[..6], &delimiter);
            out.split_off(6)
        };
        let idr = [0, 0, 0, 2, 0x65, 7];
        assert_eq!(write(&idr, true), b"\0\0\0\x01SETS\0\0\0\x01\x65\x07");
        assert_eq!(write(&idr, false), b"\0\0\0\x01\x65\x07");
        let own = [0, 0, 0, 1, 0x67, 0, 0, 0, 2, 0x65, 7];
        assert_eq!(write(&own, true), b"\0\0\0\x01\x67\0\0\0\x01\x65\x07");
        let delimited = [0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 2, 0x41, 7];
        assert_eq!(write(&delimited, false), b"\0\0\0\x01\x41\x07");
    }

    #[test]
    fn lengths_past_the_end_are_refused() {
        let mut out = Vec::new();
        for sample in [
            &[0, 0, 0, 9, 1][..],
            &[0, 0, 1],
            &[0xff, 0xff, 0xff, 0xff, 0x65],
        ] {
            assert!(
                writer(NalCodec::Hevc)
                    .append(sample, true, &mut out)
                    .is_err()
            );
        }
    }
}
