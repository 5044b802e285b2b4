//! Makes a codec initialisation from what other containers and protocols say of their tracks.
//!
//! The result is parsed like one that a producer sent: nothing else is known of a track afterwards
//! than what stands in the boxes.

use bytes::Bytes;
use mp4_atom::{FixedPoint, Mdhd, Mvhd, Tkhd};

use super::{Init, MATROSKA, TrackKind};
use crate::bmff::{FourCc, Writer, kind};
use crate::error::Result;
use crate::limits::Limits;

/// A codec for which there is no name in MP4: the track can be stored and handed back, not played.
pub const UNKNOWN_CODEC: FourCc = FourCc(*b"mkvc");

/// What a track is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackDescription {
    /// By which fragments name the track; not zero.
    pub id: u32,
    /// Ticks in a second; not zero.
    pub timescale: u32,
    /// What it carries.
    pub media: Media,
    /// How it is coded.
    pub codec: Codec,
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Pictures.
    Video {
        /// Pixels; more than 65,535 are written as that.
        width: u32,
        /// Pixels; more than 65,535 are written as that.
        height: u32,
    },
    /// Sound.
    Audio {
        /// Samples in a second.
        sample_rate: u32,
        /// At least one.
        channels: u16,
    },
    /// Anything else.
    Other,
}

/// How a track is coded, with what a decoder needs before any sample.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// H.264; the content of `avcC`.
    H264(Option<Bytes>),
    /// H.265; the content of `hvcC`.
    H265(Option<Bytes>),
    /// AV1; the content of `av1C`.
    Av1(Option<Bytes>),
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// Motion JPEG.
    Jpeg,
    /// AAC; the `AudioSpecificConfig`.
    Aac(Option<Bytes>),
    /// MPEG-1 layer 3.
    Mp3,
    /// Opus; the content of `dOps`.
    Opus(Option<Bytes>),
    /// FLAC; its metadata blocks.
    Flac(Option<Bytes>),
    /// G.711 with mu-law.
    Ulaw,
    /// G.711 with A-law.
    Alaw,
    /// Samples of 16 bits, the low byte first.
    Pcm16Little,
    /// Samples of 16 bits, the high byte first.
    Pcm16Big,
    /// Something that MP4 has no name for.
    Unknown,
}

impl Codec {
    /// The same codec without what a decoder needs.
    #[must_use]
    pub fn without_config(&self) -> Self {
        match self {
            Self::H264(_) => Self::H264(None),
            Self::H265(_) => Self::H265(None),
            Self::Av1(_) => Self::Av1(None),
            Self::Aac(_) => Self::Aac(None),
            Self::Opus(_) => Self::Opus(None),
            Self::Flac(_) => Self::Flac(None),
            other => other.clone(),
        }
    }
}

/// Makes `ftyp` and `moov`, and keeps `matroska`, the header that the producer sent, behind them.
///
/// # Errors
/// If there are no tracks, two have the same id, or a limit is exceeded.
pub fn build(
    tracks: &[TrackDescription],
    matroska: Option<&[u8]>,
    limits: &Limits,
) -> Result<Init> {
    let mut out = Writer::default();
    out.nested(kind::FTYP, |out| {
        out.bytes(b"iso6");
        out.u32(0x200);
        out.bytes(b"iso6cmfcmp41");
        Ok(())
    })?;
    out.nested(kind::MOOV, |out| {
        let next_track_id = tracks.iter().map(|track| track.id).max().unwrap_or(0);
        out.atom(&Mvhd {
            creation_time: 0,
            modification_time: 0,
            timescale: 1_000,
            duration: 0,
            rate: FixedPoint::from(1),
            volume: FixedPoint::from(1),
            matrix: mp4_atom::Matrix::default(),
            next_track_id: next_track_id.saturating_add(1),
        })?;
        tracks
            .iter()
            .try_for_each(|track| write_track(track, out))?;
        out.nested(kind::MVEX, |out| {
            tracks.iter().try_for_each(|track| {
                out.nested(kind::TREX, |out| {
                    out.version_and_flags(0, 0);
                    [track.id, 1, 0, 0, 0]
                        .into_iter()
                        .for_each(|field| out.u32(field));
                    Ok(())
                })
            })
        })
    })?;
    if let Some(header) = matroska {
        out.nested(kind::UUID, |out| {
            out.bytes(&MATROSKA);
            out.bytes(header);
            Ok(())
        })?;
    }
    Init::parse(out.into_bytes(), limits)
}

fn write_track(track: &TrackDescription, out: &mut Writer) -> Result<()> {
    let (width, height) = match track.media {
        Media::Video { width, height } => (pixels(width), pixels(height)),
        _ => (0, 0),
    };
    let is_audio = matches!(track.media, Media::Audio { .. });
    out.nested(kind::TRAK, |out| {
        out.atom(&Tkhd {
            track_id: track.id,
            enabled: true,
            in_movie: true,
            volume: FixedPoint::from(u8::from(is_audio)),
            width: FixedPoint::from(width),
            height: FixedPoint::from(height),
            ..Tkhd::default()
        })?;
        out.nested(kind::MDIA, |out| {
            out.atom(&Mdhd {
                creation_time: 0,
                modification_time: 0,
                timescale: track.timescale,
                duration: 0,
                language: "und".to_owned(),
            })?;
            out.nested(kind::HDLR, |out| {
                out.version_and_flags(0, 0);
                out.u32(0);
                out.bytes(match track.media {
                    Media::Video { .. } => b"vide",
                    Media::Audio { .. } => b"soun",
                    Media::Other => b"meta",
                });
                out.bytes(&[0; 13]);
                Ok(())
            })?;
            out.nested(kind::MINF, |out| write_media_information(track, out))
        })
    })
}

fn write_media_information(track: &TrackDescription, out: &mut Writer) -> Result<()> {
    let (header, flags, fields) = match track.media {
        Media::Video { .. } => (kind::VMHD, 1, 8),
        Media::Audio { .. } => (kind::SMHD, 0, 4),
        Media::Other => (kind::NMHD, 0, 0),
    };
    out.nested(header, |out| {
        out.version_and_flags(0, flags);
        out.bytes([0_u8; 8].get(..fields).unwrap_or_default());
        Ok(())
    })?;
    out.nested(kind::DINF, |out| {
        out.nested(FourCc(*b"dref"), |out| {
            out.version_and_flags(0, 0);
            out.u32(1);
            out.nested(FourCc(*b"url "), |out| {
                // The media is in the same file.
                out.version_and_flags(0, 1);
                Ok(())
            })
        })
    })?;
    out.nested(kind::STBL, |out| {
        out.nested(kind::STSD, |out| {
            out.version_and_flags(0, 0);
            out.u32(1);
            write_entry(track, out)
        })?;
        for (table, fields) in [
            (kind::STTS, 1),
            (FourCc(*b"stsc"), 1),
            (kind::STSZ, 2),
            (FourCc(*b"stco"), 1),
        ] {
            out.nested(table, |out| {
                out.version_and_flags(0, 0);
                (0..fields).for_each(|_| out.u32(0));
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// The four characters of a codec, and its configuration box.
fn names(codec: &Codec) -> (FourCc, Option<(FourCc, &Bytes)>) {
    let (entry, config): (&[u8; 4], Option<(&[u8; 4], &Bytes)>) = match codec {
        Codec::H264(config) => (b"avc1", config.as_ref().map(|config| (b"avcC", config))),
        Codec::H265(config) => (b"hvc1", config.as_ref().map(|config| (b"hvcC", config))),
        Codec::Av1(config) => (b"av01", config.as_ref().map(|config| (b"av1C", config))),
        Codec::Opus(config) => (b"Opus", config.as_ref().map(|config| (b"dOps", config))),
        Codec::Flac(config) => (b"fLaC", config.as_ref().map(|config| (b"dfLa", config))),
        Codec::Vp8 => (b"vp08", None),
        Codec::Vp9 => (b"vp09", None),
        Codec::Jpeg => (b"jpeg", None),
        Codec::Aac(_) | Codec::Mp3 => (b"mp4a", None),
        Codec::Ulaw => (b"ulaw", None),
        Codec::Alaw => (b"alaw", None),
        Codec::Pcm16Little => (b"sowt", None),
        Codec::Pcm16Big => (b"twos", None),
        Codec::Unknown => (&UNKNOWN_CODEC.0, None),
    };
    (
        FourCc(*entry),
        config.map(|(name, config)| (FourCc(*name), config)),
    )
}

fn write_entry(track: &TrackDescription, out: &mut Writer) -> Result<()> {
    let (entry, config) = names(&track.codec);
    out.nested(entry, |out| {
        out.bytes(&[0, 0, 0, 0, 0, 0, 0, 1]);
        match track.media {
            Media::Video { width, height } => write_visual(pixels(width), pixels(height), out),
            Media::Audio {
                sample_rate,
                channels,
            } => write_audio(sample_rate, channels, out),
            Media::Other => {}
        }
        if let Some((name, config)) = config {
            out.nested(name, |out| {
                if matches!(track.codec, Codec::Flac(_)) {
                    out.version_and_flags(0, 0);
                }
                out.bytes(config);
                Ok(())
            })?;
        }
        match &track.codec {
            Codec::Aac(Some(config)) => write_esds(0x40, config, out),
            Codec::Mp3 => write_esds(0x6b, &[], out),
            Codec::Vp8 | Codec::Vp9 => out.nested(FourCc(*b"vpcC"), |out| {
                // Level 0: not known. 8 bits, 4:2:0.
                out.version_and_flags(1, 0);
                out.bytes(&[0, 0, 0x82, 2, 2, 2, 0, 0]);
                Ok(())
            }),
            _ => Ok(()),
        }
    })
}

fn write_visual(width: u16, height: u16, out: &mut Writer) {
    out.bytes(&[0; 16]);
    out.bytes(&width.to_be_bytes());
    out.bytes(&height.to_be_bytes());
    // 72 dots in an inch, both ways.
    out.u32(0x0048_0000);
    out.u32(0x0048_0000);
    out.u32(0);
    out.bytes(&[0, 1]);
    out.bytes(&[0; 32]);
    out.bytes(&[0x00, 0x18, 0xff, 0xff]);
}

fn write_audio(sample_rate: u32, channels: u16, out: &mut Writer) {
    out.bytes(&[0; 8]);
    out.bytes(&channels.to_be_bytes());
    out.bytes(&[0, 16, 0, 0, 0, 0]);
    // 16.16 fixed point; a rate that does not fit is in the codec's own configuration.
    out.u32(u16::try_from(sample_rate).map_or(0, |rate| u32::from(rate) << 16));
}

/// An elementary stream descriptor, ISO/IEC 14496-1, 7.2.6.5.
fn write_esds(object_type: u8, specific: &[u8], out: &mut Writer) -> Result<()> {
    let mut decoder = vec![object_type, 0x15, 0, 0, 0];
    decoder.extend_from_slice(&[0; 8]);
    if !specific.is_empty() {
        put_descriptor(0x05, specific, &mut decoder);
    }
    let mut stream = vec![0, 0, 0];
    put_descriptor(0x04, &decoder, &mut stream);
    put_descriptor(0x06, &[0x02], &mut stream);
    let mut descriptor = Vec::new();
    put_descriptor(0x03, &stream, &mut descriptor);
    out.nested(kind::ESDS, |out| {
        out.version_and_flags(0, 0);
        out.bytes(&descriptor);
        Ok(())
    })
}

/// A tag, a length of four bytes of seven bits, and the content.
fn put_descriptor(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    for shift in [21, 14, 7, 0] {
        let bits = u8::try_from(body.len() >> shift & 0x7f).unwrap_or(0);
        out.push(bits | if shift > 0 { 0x80 } else { 0 });
    }
    out.extend_from_slice(body);
}

fn pixels(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

impl TrackDescription {
    /// The kind of track that this is.
    #[must_use]
    pub fn kind(&self) -> TrackKind {
        match self.media {
            Media::Video { .. } => TrackKind::Video,
            Media::Audio { .. } => TrackKind::Audio,
            Media::Other => TrackKind::Other,
        }
    }
}
