//! What comes before the first Cluster: the EBML head, the Segment's Info and its Tracks.
//!
//! The bytes are kept as they were received, so that a reader of the stream gets them back. Two
//! things are not: the size of the Segment, which becomes unknown because what follows it is another
//! number of Clusters, and elements that say where others are (`SeekHead`, `Void`), which are left
//! out because the places would be wrong.

use bytes::Bytes;

use super::ebml::{self, Element, Id};
use super::error::Error;
use crate::init::TrackKind;
use crate::limits::Limits;

/// Nanoseconds in a tick, if the Info does not say.
pub(crate) const TIMESTAMP_SCALE_DEFAULT: u64 = 1_000_000;
/// Bytes of the EBML head.
pub(super) const EBML_BYTES_MAX: u64 = 4_096;

/// Everything before the first Cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    bytes: Bytes,
    timestamp_scale: u64,
    segment_uid: Option<[u8; 16]>,
    tracks: Vec<Track>,
}

/// One entry of the Tracks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Track {
    /// By which frames name the track; it fits 32 bits and is not zero.
    pub number: u64,
    /// A number that is unique in the Segment.
    pub uid: u64,
    /// What the track carries.
    pub kind: TrackKind,
    /// How it is coded: `V_MPEG4/ISO/AVC`.
    pub codec_id: String,
    /// What a decoder needs before any frame; `None` if it is not there.
    pub codec_private: Option<Bytes>,
    /// A name for people.
    pub name: Option<String>,
    /// Nanoseconds that a frame plays, if all play as long.
    pub default_duration_ns: Option<u64>,
    /// Width in pixels; zero unless this is video.
    pub width: u32,
    /// Height in pixels; zero unless this is video.
    pub height: u32,
    /// Samples in a second; zero unless this is audio.
    pub sample_rate: u32,
    /// Channels; zero unless this is audio.
    pub channels: u16,
    /// Bits of a sample; zero if that is not said.
    pub bit_depth: u16,
}

impl Header {
    /// Reads a header: an EBML head, the start of a Segment of unknown size, Info and Tracks.
    ///
    /// # Errors
    /// If the bytes are not that, or a limit is exceeded.
    pub fn parse(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, Error> {
        let bytes: Bytes = bytes.into();
        let (mut info, mut tracks) = (Info::default(), None);
        let mut rest: &[u8] = &bytes;
        let mut in_segment = false;
        while let Some(header) = ebml::ElementHeader::read(rest, 0)? {
            let body = rest.get(header.header_bytes..).unwrap_or_default();
            if header.id == Id::SEGMENT && !in_segment {
                in_segment = true;
                rest = body;
                continue;
            }
            let size = header.bytes.and_then(|bytes| usize::try_from(bytes).ok());
            let (body, after) =
                size.and_then(|size| body.split_at_checked(size))
                    .ok_or(Error::Malformed {
                        id: header.id,
                        reason: "it runs past the end of the header",
                    })?;
            let element = Element {
                id: header.id,
                body,
            };
            match header.id {
                Id::EBML => check_head(&element)?,
                Id::INFO => info = Info::read(&element)?,
                Id::TRACKS => tracks = Some(read_tracks(&element, &bytes, limits)?),
                _ => {}
            }
            rest = after;
        }
        let tracks = tracks.ok_or(Error::NoTracks)?;
        Ok(Self {
            bytes,
            timestamp_scale: info.timestamp_scale,
            segment_uid: info.segment_uid,
            tracks,
        })
    }

    /// The header as it was received, but for the size of the Segment and for what only says where
    /// other elements are.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Nanoseconds in a tick of Clusters and frames, 1 to 1,000,000,000.
    #[must_use]
    pub fn timestamp_scale(&self) -> u64 {
        self.timestamp_scale
    }

    /// The number that names the Segment, if there is one.
    #[must_use]
    pub fn segment_uid(&self) -> Option<[u8; 16]> {
        self.segment_uid
    }

    /// The tracks, in order; at least one.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The track with this number.
    #[must_use]
    pub fn track(&self, number: u64) -> Option<&Track> {
        self.tracks.iter().find(|track| track.number == number)
    }
}

/// Refuses documents that are not Matroska, or that need a newer EBML.
pub(super) fn check_head(head: &Element<'_>) -> Result<(), Error> {
    let mut document = "matroska";
    for field in head.children() {
        let field = field?;
        let (what, limit) = match field.id {
            Id::DOC_TYPE => {
                document = field.text()?;
                continue;
            }
            Id::MAX_ID_LENGTH => ("element ids", 4),
            Id::MAX_SIZE_LENGTH => ("sizes", 8),
            _ => continue,
        };
        let bytes = field.unsigned()?;
        if bytes > limit {
            return Err(Error::EbmlVersion { what, bytes, limit });
        }
    }
    if !matches!(document, "matroska" | "webm") {
        return Err(Error::DocumentType {
            found: document.chars().take(32).collect(),
        });
    }
    Ok(())
}

/// What the Info says.
#[derive(Clone, Copy, Debug)]
struct Info {
    timestamp_scale: u64,
    segment_uid: Option<[u8; 16]>,
}

impl Default for Info {
    fn default() -> Self {
        Self {
            timestamp_scale: TIMESTAMP_SCALE_DEFAULT,
            segment_uid: None,
        }
    }
}

impl Info {
    fn read(info: &Element<'_>) -> Result<Self, Error> {
        let mut found = Self::default();
        for field in info.children() {
            let field = field?;
            match field.id {
                Id::TIMESTAMP_SCALE => found.timestamp_scale = field.unsigned()?,
                Id::SEGMENT_UID => found.segment_uid = field.body.try_into().ok(),
                _ => {}
            }
        }
        let scale = found.timestamp_scale;
        if !(1..=1_000_000_000).contains(&scale) {
            return Err(Error::TimestampScale { scale });
        }
        Ok(found)
    }
}

fn read_tracks(element: &Element<'_>, bytes: &Bytes, limits: &Limits) -> Result<Vec<Track>, Error> {
    let mut tracks: Vec<Track> = Vec::new();
    for entry in element.children() {
        let entry = entry?;
        if entry.id != Id::TRACK_ENTRY {
            continue;
        }
        if tracks.len() >= limits.tracks {
            return Err(Error::TooManyTracks {
                limit: limits.tracks,
            });
        }
        let track = Track::read(&entry, bytes)?;
        let number = track.number;
        if number == 0 || u32::try_from(number).is_err() {
            return Err(Error::TrackNumber { number });
        }
        if tracks.iter().any(|other| other.number == number) {
            return Err(Error::DuplicateTrack { number });
        }
        tracks.push(track);
    }
    if tracks.is_empty() {
        return Err(Error::NoTracks);
    }
    Ok(tracks)
}

impl Track {
    fn read(entry: &Element<'_>, bytes: &Bytes) -> Result<Self, Error> {
        let mut track = Self {
            number: 0,
            uid: 0,
            kind: TrackKind::Other,
            codec_id: String::new(),
            codec_private: None,
            name: None,
            default_duration_ns: None,
            width: 0,
            height: 0,
            sample_rate: 0,
            channels: 0,
            bit_depth: 0,
        };
        let mut is_encoded = false;
        for field in entry.children() {
            let field = field?;
            match field.id {
                Id::TRACK_NUMBER => track.number = field.unsigned()?,
                Id::TRACK_UID => track.uid = field.unsigned()?,
                Id::TRACK_TYPE => {
                    track.kind = match field.unsigned()? {
                        1 => TrackKind::Video,
                        2 => TrackKind::Audio,
                        _ => TrackKind::Other,
                    };
                }
                Id::CODEC_ID => field.text()?.clone_into(&mut track.codec_id),
                Id::CODEC_PRIVATE if !field.body.is_empty() => {
                    track.codec_private = Some(bytes.slice_ref(field.body));
                }
                Id::NAME => track.name = Some(field.text()?.to_owned()),
                Id::DEFAULT_DURATION => {
                    track.default_duration_ns = Some(field.unsigned()?).filter(|ns| *ns > 0);
                }
                Id::VIDEO => track.read_video(&field)?,
                Id::AUDIO => track.read_audio(&field)?,
                Id::CONTENT_ENCODINGS => {
                    for encoding in field.children() {
                        is_encoded |= encoding?.id == Id::CONTENT_ENCODING;
                    }
                }
                _ => {}
            }
        }
        if is_encoded {
            return Err(Error::Encoded {
                number: track.number,
            });
        }
        if track.kind == TrackKind::Audio {
            // The defaults of RFC 9559.
            track.channels = track.channels.max(1);
            if track.sample_rate == 0 {
                track.sample_rate = 8_000;
            }
        }
        Ok(track)
    }

    fn read_video(&mut self, video: &Element<'_>) -> Result<(), Error> {
        for field in video.children() {
            let field = field?;
            let pixels = match field.id {
                Id::PIXEL_WIDTH => &mut self.width,
                Id::PIXEL_HEIGHT => &mut self.height,
                _ => continue,
            };
            *pixels = u32::try_from(field.unsigned()?)
                .map_err(|_| field.malformed("a picture is not that large"))?;
        }
        Ok(())
    }

    fn read_audio(&mut self, audio: &Element<'_>) -> Result<(), Error> {
        for field in audio.children() {
            let field = field?;
            match field.id {
                Id::SAMPLING_FREQUENCY => {
                    let hertz = field.float()?;
                    // Goes by way of text: there is no checked conversion of a fraction.
                    let whole = (1.0..=10_000_000.0)
                        .contains(&hertz)
                        .then(|| format!("{hertz:.0}").parse().ok());
                    self.sample_rate = whole
                        .flatten()
                        .ok_or_else(|| field.malformed("no sound has that frequency"))?;
                }
                Id::CHANNELS => {
                    self.channels = u16::try_from(field.unsigned()?)
                        .map_err(|_| field.malformed("no sound has that many channels"))?;
                }
                Id::BIT_DEPTH => {
                    self.bit_depth = u16::try_from(field.unsigned()?)
                        .map_err(|_| field.malformed("no sample has that many bits"))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
