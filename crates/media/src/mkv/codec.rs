//! What a Matroska track is coded with, as MP4 says it.
//!
//! Source: the codec mappings of Matroska, draft-ietf-cellar-codec.

use bytes::Bytes;

use super::clock;
use super::header::Track;
use crate::init::TrackKind;
use crate::init::build::{Codec, Media, TrackDescription};
use crate::nal::{self, ParameterSets, Standard};

/// Bytes of a WAVEFORMATEX before its extension.
pub(super) const WAVE_FORMAT_BYTES: usize = 18;
/// Format tags of a WAVEFORMATEX.
pub(super) const WAVE_PCM: u16 = 1;
pub(super) const WAVE_ALAW: u16 = 6;
pub(super) const WAVE_ULAW: u16 = 7;
const WAVE_MP3: u16 = 0x55;

/// What MP4 says of a track.
///
/// The number fits, because the header was refused otherwise.
pub(super) fn describe(track: &Track, scale: u64) -> TrackDescription {
    let codec = codec(track);
    let (media, timescale) = match track.kind {
        TrackKind::Video => {
            let media = Media::Video {
                width: track.width,
                height: track.height,
            };
            (media, clock::timescale(scale))
        }
        TrackKind::Audio => {
            let sample_rate = match codec {
                // Whatever was recorded, Opus plays 48,000 samples in a second.
                Codec::Opus(_) => 48_000,
                _ => track.sample_rate.max(1),
            };
            let media = Media::Audio {
                sample_rate,
                channels: track.channels.max(1),
            };
            (media, sample_rate)
        }
        TrackKind::Other => (Media::Other, clock::timescale(scale)),
    };
    TrackDescription {
        id: u32::try_from(track.number).unwrap_or(u32::MAX),
        timescale,
        media,
        codec,
    }
}

fn codec(track: &Track) -> Codec {
    let private = || track.codec_private.clone();
    let configuration = |standard| private().filter(|it| nal::is_configuration(standard, it));
    match (track.kind, track.codec_id.as_str()) {
        (TrackKind::Video, "V_MPEG4/ISO/AVC" | "V_MPEG/ISO/AVC") => {
            Codec::H264(configuration(Standard::H264))
        }
        (TrackKind::Video, "V_MPEGH/ISO/HEVC") => Codec::H265(configuration(Standard::H265)),
        (TrackKind::Video, "V_AV1") => Codec::Av1(private().filter(|it| it.len() >= 4)),
        (TrackKind::Video, "V_VP8") => Codec::Vp8,
        (TrackKind::Video, "V_VP9") => Codec::Vp9,
        (TrackKind::Video, "V_MJPEG") => Codec::Jpeg,
        (TrackKind::Video, "V_MS/VFW/FOURCC") => match four_cc(track) {
            Some(b"MJPG" | b"mjpg") => Codec::Jpeg,
            Some(b"H264" | b"h264" | b"avc1") => Codec::H264(None),
            _ => Codec::Unknown,
        },
        (TrackKind::Audio, "A_MS/ACM") => wave(track),
        (TrackKind::Audio, "A_OPUS") => Codec::Opus(private().and_then(|it| opus(&it))),
        (TrackKind::Audio, "A_MPEG/L3") => Codec::Mp3,
        (TrackKind::Audio, "A_FLAC") => Codec::Flac(
            private()
                .filter(|it| it.starts_with(b"fLaC"))
                .map(|it| it.slice(4..)),
        ),
        (TrackKind::Audio, "A_PCM/INT/LIT") if track.bit_depth == 16 => Codec::Pcm16Little,
        (TrackKind::Audio, "A_PCM/INT/BIG") if track.bit_depth == 16 => Codec::Pcm16Big,
        // Old writers put the profile behind the name.
        (TrackKind::Audio, id) if id == "A_AAC" || id.starts_with("A_AAC/") => {
            Codec::Aac(private().filter(|it| it.len() >= 2))
        }
        _ => Codec::Unknown,
    }
}

/// The four characters in a BITMAPINFOHEADER.
fn four_cc(track: &Track) -> Option<&[u8; 4]> {
    track.codec_private.as_ref()?.get(16..)?.first_chunk()
}

/// What a WAVEFORMATEX says.
fn wave(track: &Track) -> Codec {
    let field = |offset: usize| {
        let bytes = track.codec_private.as_ref()?.get(offset..)?;
        bytes.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    };
    match (field(0), field(14)) {
        (Some(WAVE_ALAW), _) => Codec::Alaw,
        (Some(WAVE_ULAW), _) => Codec::Ulaw,
        (Some(WAVE_PCM), Some(16)) => Codec::Pcm16Little,
        (Some(WAVE_MP3), _) => Codec::Mp3,
        _ => Codec::Unknown,
    }
}

/// An identification header of Opus, whose numbers are little-endian, as the content of `dOps`,
/// whose are not.
///
/// # Source
/// RFC 7845, 5.1; Opus in ISOBMFF, 4.3.2.
fn opus(head: &[u8]) -> Option<Bytes> {
    let fields = head.strip_prefix(b"OpusHead")?.first_chunk::<11>()?;
    let [_version, channels, skip @ .., _, _, family] = *fields;
    let [s0, s1, r0, r1, r2, r3] = skip;
    let [.., g0, g1, _] = *fields;
    let mut out = vec![0, channels, s1, s0, r3, r2, r1, r0, g1, g0, family];
    if family != 0 {
        let table = head.get(19..)?;
        let used = table.get(..2 + usize::from(channels))?;
        out.extend_from_slice(used);
    }
    Some(out.into())
}

/// Frames of H.264 or H.265, of which may be unknown how they are laid out.
#[derive(Debug)]
pub(super) struct Units {
    standard: Standard,
    /// Bytes of the lengths in frames, if the header gave a configuration.
    length_bytes: Option<usize>,
    start_codes: StartCodes,
    /// The configuration that the parameter sets in the frames make.
    pub(super) found: Option<Bytes>,
}

/// Whether frames with start codes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StartCodes {
    None,
    /// They came, and nobody has been told yet.
    New,
    Known,
}

impl Units {
    /// What is to know about a track's units; nothing for other codecs.
    pub(super) fn of(track: &Track, codec: &Codec) -> Option<Self> {
        let (standard, config) = match codec {
            Codec::H264(config) => (Standard::H264, config),
            Codec::H265(config) => (Standard::H265, config),
            _ => return None,
        };
        // Some writers put parameter sets with start codes where the configuration belongs.
        let private = track.codec_private.as_ref().filter(|_| config.is_none());
        let has_codes = private.is_some_and(|private| nal::has_start_codes(private));
        let found = private.filter(|_| has_codes).and_then(|private| {
            let units = nal::units(private);
            let units = units.iter().filter_map(|unit| private.get(unit.clone()));
            ParameterSets::find(standard, units).configuration(standard)
        });
        Some(Self {
            standard,
            length_bytes: config
                .as_ref()
                .map(|config| nal::length_bytes(standard, config)),
            start_codes: if has_codes {
                StartCodes::Known
            } else {
                StartCodes::None
            },
            found: found.map(Bytes::from),
        })
    }

    /// The frame with lengths before its units; notes what its parameter sets say.
    pub(super) fn frame(&mut self, data: Vec<Bytes>, key: bool) -> Vec<Bytes> {
        let front = data.first().map_or(&[][..], |piece| piece);
        // Frames with lengths of their own width cannot be mistaken for others.
        let may_have_codes = front.len() < 4 || front.starts_with(&[0, 0, 0, 1]) || {
            front.starts_with(&[0, 0, 1]) && self.length_bytes.unwrap_or(4) == 4
        };
        let looks_inside = key && self.length_bytes.is_none();
        if !may_have_codes && !looks_inside {
            return data;
        }
        let whole = match <[Bytes; 1]>::try_from(data) {
            Ok([whole]) => whole,
            Err(pieces) => Bytes::from(pieces.concat()),
        };
        if nal::has_start_codes(&whole) {
            if self.start_codes == StartCodes::None {
                self.start_codes = StartCodes::New;
            }
            let units = nal::units(&whole);
            if key {
                self.note(units.iter().filter_map(|unit| whole.get(unit.clone())));
            }
            return nal::with_lengths(&whole);
        }
        if looks_inside {
            self.note(nal::units_with_lengths(&whole, 4).into_iter());
        }
        vec![whole]
    }

    /// Whether frames came with start codes and leave with lengths.
    pub(super) fn are_converted(&self) -> bool {
        self.start_codes != StartCodes::None
    }

    /// Whether frames with start codes have come for the first time since this was asked.
    pub(super) fn began_to_convert(&mut self) -> bool {
        let is_new = self.start_codes == StartCodes::New;
        if is_new {
            self.start_codes = StartCodes::Known;
        }
        is_new
    }

    fn note<'a>(&mut self, units: impl Iterator<Item = &'a [u8]>) {
        if self.length_bytes.is_some() {
            return;
        }
        let sets = ParameterSets::find(self.standard, units);
        if let Some(found) = sets.configuration(self.standard) {
            self.found = Some(found.into());
        }
    }
}

/// The same codec with another configuration.
pub(super) fn with_config(codec: &Codec, config: Bytes) -> Codec {
    match codec {
        Codec::H264(_) => Codec::H264(Some(config)),
        Codec::H265(_) => Codec::H265(Some(config)),
        other => other.clone(),
    }
}

/// How many ticks of its track a frame of sound plays, as far as its content says.
pub(super) fn duration(description: &TrackDescription, data: &[Bytes]) -> Option<u32> {
    let Media::Audio {
        sample_rate,
        channels,
    } = description.media
    else {
        return None;
    };
    let bytes = data.iter().map(Bytes::len).sum::<usize>();
    let frames_of = |width: usize| {
        let frames = bytes / (width * usize::from(channels.max(1)));
        u32::try_from(frames).ok().filter(|frames| *frames > 0)
    };
    match &description.codec {
        Codec::Aac(config) => {
            // frameLengthFlag, behind the object type, the frequency (15: written out) and the
            // channels.
            let is_short = config.as_ref().is_some_and(|config| match **config {
                [first, second, ..] => (first & 7, second >> 7) != (7, 1) && second & 4 != 0,
                _ => false,
            });
            Some(if is_short { 960 } else { 1_024 })
        }
        Codec::Mp3 => Some(if sample_rate < 32_000 { 576 } else { 1_152 }),
        Codec::Opus(_) => opus_samples(data),
        Codec::Ulaw | Codec::Alaw => frames_of(1),
        Codec::Pcm16Little | Codec::Pcm16Big => frames_of(2),
        _ => None,
    }
}

/// Samples of a packet of Opus, from its first byte.
///
/// # Source
/// RFC 6716, 3.1.
fn opus_samples(data: &[Bytes]) -> Option<u32> {
    let mut bytes = data.iter().flat_map(|piece| piece.iter());
    let toc = *bytes.next()?;
    let frame = match toc >> 3 {
        mode @ 0..=11 => [480, 960, 1_920, 2_880].get(usize::from(mode & 3)),
        mode @ 12..=15 => [480, 960].get(usize::from(mode & 1)),
        mode => [120, 240, 480, 960].get(usize::from(mode & 3)),
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*bytes.next()? & 0x3f),
    };
    frame
        .map(|samples| samples * count)
        .filter(|samples| (1..=5_760).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opus_header_is_turned_around() {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00";
        let dops = [0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0];
        assert_eq!(opus(head).unwrap(), &dops[..]);
        assert_eq!(opus(b"OpusHead\x01\x02"), None);
    }

    #[test]
    fn opus_packets_say_how_long_they_play() {
        for (packet, samples) in [
            (&[0xfc_u8][..], Some(960)),
            (&[0x08], Some(960)),
            (&[0xff, 0x03], Some(2_880)),
            (&[0xff, 0x00], None),
            (&[], None),
        ] {
            let data = [Bytes::copy_from_slice(packet)];
            assert_eq!(opus_samples(&data), samples, "{packet:?}");
        }
    }
}
