//! The codec initialisation of an input: `ftyp` and `moov`, kept verbatim, and what they say.
//!
//! Every fragment of an input can be played with its init and with no other, so a stored fragment
//! names its init by [`InitId`]. The bytes are never rewritten: what a player gets is what the
//! producer sent.
//!
//! A producer of Matroska sends no `moov`; one is made from its header. The header itself is kept
//! behind the `moov`, in a `uuid` box that players never see, so that a reader of Matroska gets it
//! back.

mod body;
pub mod build;
mod codec;
mod config;
mod track;

pub(crate) use track::Defaults;
pub use track::{Track, TrackKind};

use std::fmt;

use bytes::Bytes;
use md5::{Digest, Md5};
use mp4_atom::Mvhd;

use crate::bmff::{Boxed, Boxes, kind};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::rope::length;

/// A stable name of an init: the first eight bytes, read as a big-endian number, of the MD5 of
/// its bytes.
///
/// It tells inits of one stream apart; it does not prove that two inits are equal when a producer
/// means to deceive itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InitId(u64);

impl InitId {
    /// Wraps a stored id.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self(id)
    }

    /// The id as a number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The id of an init with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest: [u8; 16] = Md5::digest(bytes).into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Display for InitId {
    /// Writes 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The type of the `uuid` box that holds a Matroska header.
const MATROSKA: [u8; 16] = *b"afflux.matroska\0";

/// Bytes of the header of that box.
const HEADER_BYTES: usize = 8;

/// The codec initialisation of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    bytes: Bytes,
    /// How much of the front of `bytes` players get; a Matroska header may follow.
    media_length: usize,
    id: InitId,
    media_id: InitId,
    tracks: Vec<Track>,
    pub(crate) mvhd: Mvhd,
}

impl Init {
    /// Reads an init from its bytes: an optional `ftyp`, then a `moov` that lists no samples; at
    /// the end there may be a Matroska header.
    ///
    /// # Errors
    /// If the bytes are not that, if a track cannot be understood, or if a limit is exceeded.
    pub fn parse(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self> {
        let bytes: Bytes = bytes.into();
        if length(&bytes) > limits.init_bytes {
            return Err(Error::BoxTooLarge {
                kind: kind::MOOV,
                offset: 0,
                bytes: length(&bytes),
                limit: limits.init_bytes,
            });
        }
        let (mut moov, mut media_length) = (None, None);
        let mut at = 0;
        for found in Boxes::new(kind::MOOV, &bytes) {
            let found = found?;
            let start = at;
            at += found.whole.len();
            if media_length.is_some() {
                return Err(Error::UnexpectedBox {
                    kind: found.kind,
                    place: "a codec initialisation, behind its Matroska header",
                });
            }
            match found.kind {
                kind::UUID if moov.is_some() && is_matroska(&found) => {
                    media_length = Some(start);
                }
                kind::MOOV if moov.is_none() => moov = Some(found),
                kind::FTYP | kind::STYP | kind::FREE | kind::SKIP => {}
                kind => {
                    return Err(Error::UnexpectedBox {
                        kind,
                        place: "a codec initialisation",
                    });
                }
            }
        }
        let moov = moov.ok_or(Error::NoInit)?;
        let (mvhd, tracks) = parse_movie(&moov, &bytes, limits)?;
        let id = InitId::of(&bytes);
        let media_id = media_length
            .and_then(|length| bytes.get(..length))
            .map_or(id, InitId::of);
        Ok(Self {
            id,
            media_id,
            tracks,
            mvhd,
            media_length: media_length.unwrap_or(bytes.len()),
            bytes,
        })
    }

    /// The bytes as they are stored. They may end in a Matroska header; players get
    /// [`Init::media_bytes`].
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// `ftyp` and `moov`, which is what a player needs before any fragment.
    #[must_use]
    pub fn media_bytes(&self) -> Bytes {
        self.bytes.slice(..self.media_length.min(self.bytes.len()))
    }

    /// The header that a producer of Matroska sent, if it was one.
    #[must_use]
    pub fn matroska(&self) -> Option<Bytes> {
        let start = self.media_length + HEADER_BYTES + MATROSKA.len();
        (start <= self.bytes.len()).then(|| self.bytes.slice(start..))
    }

    /// The init's stable name.
    #[must_use]
    pub fn id(&self) -> InitId {
        self.id
    }

    /// A stable name of [`Init::media_bytes`]: a player that has one init needs no other with the
    /// same name. Sessions of a producer of Matroska have inits of their own, because each session
    /// has a header of its own, and these share this name.
    #[must_use]
    pub fn media_id(&self) -> InitId {
        self.media_id
    }

    /// The tracks, in the order of the `moov`; at least one.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The track with this number.
    #[must_use]
    pub fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id() == id)
    }

    /// The codecs of all tracks, as a playlist's `CODECS` attribute or a MIME type lists them.
    #[must_use]
    pub fn codecs(&self) -> String {
        let codecs: Vec<&str> = self.tracks.iter().map(Track::codec).collect();
        codecs.join(",")
    }

    pub(crate) fn defaults(&self, track_id: u32) -> Option<Defaults> {
        self.track(track_id).map(|track| track.defaults)
    }
}

/// Whether a box holds a Matroska header, in the form in which it is written here.
fn is_matroska(found: &Boxed<'_>) -> bool {
    found.body.starts_with(&MATROSKA) && found.whole.len() - found.body.len() == HEADER_BYTES
}

fn parse_movie(moov: &Boxed<'_>, bytes: &Bytes, limits: &Limits) -> Result<(Mvhd, Vec<Track>)> {
    let (mut mvhd, mut tracks, mut extends) = (None, Vec::<Track>::new(), None);
    for child in moov.children() {
        let child = child?;
        match child.kind {
            kind::MVHD => mvhd = Some(child.decode::<Mvhd>()?),
            kind::MVEX => extends = Some(child),
            kind::TRAK => {
                if tracks.len() >= limits.tracks {
                    return Err(Error::TooManyTracks {
                        limit: limits.tracks,
                    });
                }
                let track = Track::parse(&child, bytes)?;
                if tracks.iter().any(|other| other.id() == track.id()) {
                    return Err(Error::DuplicateTrack {
                        track_id: track.id(),
                        parent: kind::MOOV,
                    });
                }
                tracks.push(track);
            }
            _ => {}
        }
    }
    let mvhd = mvhd.ok_or(Error::MissingBox {
        kind: kind::MVHD,
        parent: kind::MOOV,
    })?;
    let extends = extends.ok_or(Error::NotFragmented {
        found: "a moov without mvex",
    })?;
    if tracks.is_empty() {
        return Err(Error::MissingBox {
            kind: kind::TRAK,
            parent: kind::MOOV,
        });
    }
    for child in extends.children() {
        let child = child?;
        if child.kind == kind::TREX {
            let (id, defaults) = track::parse_defaults(&child)?;
            if let Some(track) = tracks.iter_mut().find(|track| track.id() == id) {
                track.defaults = defaults;
            }
        }
    }
    Ok((mvhd, tracks))
}
