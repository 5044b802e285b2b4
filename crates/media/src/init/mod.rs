//! The codec initialisation of an input: `ftyp` and `moov`, kept verbatim, and what they say.
//!
//! Every fragment of an input can be played with its init and with no other, so a stored fragment
//! names its init by [`InitId`]. The bytes are never rewritten: what a player gets is what the
//! producer sent.

mod body;
mod codec;
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

/// The codec initialisation of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    bytes: Bytes,
    id: InitId,
    tracks: Vec<Track>,
    pub(crate) mvhd: Mvhd,
}

impl Init {
    /// Reads an init from its bytes: an optional `ftyp`, then a `moov` that lists no samples.
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
        let mut moov = None;
        for found in Boxes::new(kind::MOOV, &bytes) {
            let found = found?;
            match found.kind {
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
        Ok(Self {
            id,
            tracks,
            mvhd,
            bytes,
        })
    }

    /// The bytes as they were received.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The init's stable name.
    #[must_use]
    pub fn id(&self) -> InitId {
        self.id
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
