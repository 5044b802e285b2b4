//! Makes a Matroska header from a codec initialisation, for streams whose producer sent none.
//!
//! Source: RFC 9559; the codec mappings of Matroska.

use bytes::Bytes;

use super::codec::{WAVE_ALAW, WAVE_FORMAT_BYTES, WAVE_PCM, WAVE_ULAW};
use super::ebml::{Id, UNKNOWN_SIZE, put, put_id, put_nested, put_unsigned};
use crate::init::{Init, Track, TrackKind};

/// What wrote the header.
const APPLICATION: &[u8] = b"Afflux";

/// What a header says beside the tracks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Nanoseconds in a tick.
    pub(super) scale: u64,
    /// The Segment's number; without one it is made from the init.
    pub(super) segment_uid: Option<[u8; 16]>,
}

/// An EBML head, the start of a Segment of unknown size, Info and Tracks.
pub(super) fn header(init: &Init, origin: Origin) -> Bytes {
    let mut out = Vec::new();
    put_nested(Id::EBML, &mut out, |out| {
        put_unsigned(Id::EBML_VERSION, 1, out);
        put_unsigned(Id::EBML_READ_VERSION, 1, out);
        put_unsigned(Id::MAX_ID_LENGTH, 4, out);
        put_unsigned(Id::MAX_SIZE_LENGTH, 8, out);
        put(Id::DOC_TYPE, b"matroska", out);
        put_unsigned(Id::DOC_TYPE_VERSION, 4, out);
        put_unsigned(Id::DOC_TYPE_READ_VERSION, 2, out);
    });
    put_id(Id::SEGMENT, &mut out);
    out.push(0x01);
    out.extend_from_slice(&[UNKNOWN_SIZE; 7]);
    put_nested(Id::INFO, &mut out, |out| {
        put_unsigned(Id::TIMESTAMP_SCALE, origin.scale, out);
        put(Id::MUXING_APP, APPLICATION, out);
        put(Id::WRITING_APP, APPLICATION, out);
        let uid = origin.segment_uid.unwrap_or_else(|| {
            let [a, b, c, d, e, f, g, h] = init.media_id().get().to_be_bytes();
            [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 1]
        });
        put(Id::SEGMENT_UID, &uid, out);
    });
    put_nested(Id::TRACKS, &mut out, |out| {
        for track in init.tracks() {
            put_nested(Id::TRACK_ENTRY, out, |out| put_track(track, out));
        }
    });
    out.into()
}

fn put_track(track: &Track, out: &mut Vec<u8>) {
    let (codec_id, private) = coding(track);
    put_unsigned(Id::TRACK_NUMBER, u64::from(track.id()), out);
    put_unsigned(Id::TRACK_UID, u64::from(track.id()), out);
    put_unsigned(
        Id::TRACK_TYPE,
        match track.kind() {
            TrackKind::Video => 1,
            TrackKind::Audio => 2,
            TrackKind::Other => 0x21,
        },
        out,
    );
    put(Id::LANGUAGE, b"und", out);
    put(Id::CODEC_ID, codec_id.as_bytes(), out);
    if let Some(private) = private {
        put(Id::CODEC_PRIVATE, &private, out);
    }
    if track.codec() == "opus" {
        // A decoder needs 80 ms before what it is to play.
        put_unsigned(Id::SEEK_PRE_ROLL, 80_000_000, out);
        let skip = track
            .config()
            .and_then(|dops| dops.get(2..4)?.first_chunk().copied());
        let skip = skip.map_or(0, u16::from_be_bytes);
        put_unsigned(
            Id::CODEC_DELAY,
            u64::from(skip) * 1_000_000_000 / 48_000,
            out,
        );
    }
    match track.kind() {
        TrackKind::Video => put_nested(Id::VIDEO, out, |out| {
            put_unsigned(Id::PIXEL_WIDTH, u64::from(track.width()), out);
            put_unsigned(Id::PIXEL_HEIGHT, u64::from(track.height()), out);
        }),
        TrackKind::Audio => put_nested(Id::AUDIO, out, |out| {
            let rate = f64::from(sample_rate(track));
            put(Id::SAMPLING_FREQUENCY, &rate.to_be_bytes(), out);
            put_unsigned(Id::CHANNELS, u64::from(track.channels().max(1)), out);
            if matches!(track.codec(), "sowt" | "twos") {
                put_unsigned(Id::BIT_DEPTH, 16, out);
            }
        }),
        TrackKind::Other => {}
    }
}

/// Samples in a second; high rates have no room in a sample entry, but the timescale is one.
fn sample_rate(track: &Track) -> u32 {
    match track.sample_rate() {
        0 => track.timescale(),
        rate => rate,
    }
}

/// The codec's name in Matroska, and what a decoder needs.
fn coding(track: &Track) -> (String, Option<Bytes>) {
    let codec = track.codec();
    let name = codec.split('.').next().unwrap_or_default();
    let config = track.config();
    let (id, private) = match (name, codec) {
        ("avc1" | "avc3", _) => ("V_MPEG4/ISO/AVC", config),
        ("hvc1" | "hev1", _) => ("V_MPEGH/ISO/HEVC", config),
        ("av01", _) => ("V_AV1", config),
        ("vp08", _) => ("V_VP8", None),
        ("vp09", _) => ("V_VP9", None),
        ("jpeg", _) => ("V_MJPEG", None),
        ("mp4a", "mp4a.6b" | "mp4a.69") => ("A_MPEG/L3", None),
        ("mp4a", _) => ("A_AAC", config),
        ("opus", _) => ("A_OPUS", config.and_then(|dops| opus_head(&dops))),
        ("flac", _) => {
            let blocks = config.map(|blocks| [b"fLaC", &blocks[..]].concat());
            ("A_FLAC", blocks.map(Bytes::from))
        }
        ("ulaw", _) => ("A_MS/ACM", Some(wave_format(track, WAVE_ULAW, 8))),
        ("alaw", _) => ("A_MS/ACM", Some(wave_format(track, WAVE_ALAW, 8))),
        ("sowt", _) => ("A_PCM/INT/LIT", None),
        ("twos", _) => ("A_PCM/INT/BIG", None),
        ("ac-3", _) => ("A_AC3", None),
        ("ec-3", _) => ("A_EAC3", None),
        _ => {
            let prefix = match track.kind() {
                TrackKind::Video => "V_",
                TrackKind::Audio => "A_",
                TrackKind::Other => "S_",
            };
            return (format!("{prefix}{}", codec.to_ascii_uppercase()), None);
        }
    };
    (id.to_owned(), private)
}

/// The content of `dOps` as an identification header of Opus.
fn opus_head(dops: &[u8]) -> Option<Bytes> {
    let fields = dops.first_chunk::<11>()?;
    let [_version, channels, s1, s0, r3, r2, r1, r0, g1, g0, family] = *fields;
    let mut out = b"OpusHead\x01".to_vec();
    out.extend_from_slice(&[channels, s0, s1, r0, r1, r2, r3, g0, g1, family]);
    out.extend_from_slice(dops.get(11..).unwrap_or_default());
    Some(out.into())
}

/// A WAVEFORMATEX without an extension.
fn wave_format(track: &Track, tag: u16, bits: u16) -> Bytes {
    let (rate, channels) = (sample_rate(track), track.channels().max(1));
    debug_assert_ne!(tag, WAVE_PCM, "samples have a name of their own");
    let block = channels.saturating_mul(bits / 8);
    let mut out = Vec::with_capacity(WAVE_FORMAT_BYTES);
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&rate.saturating_mul(u32::from(block)).to_le_bytes());
    out.extend_from_slice(&block.to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.into()
}
