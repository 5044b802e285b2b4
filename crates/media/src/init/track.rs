//! One `trak` of a `moov`: what the rest of Afflux must know about a track, and the boxes that a
//! clip takes over unchanged.

use bytes::Bytes;
use mp4_atom::{Elst, Mdhd, Stsz, StszSamples, Tkhd};

use super::codec;
use crate::bmff::{Boxed, Boxes, kind};
use crate::error::{Error, Result};

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Anything else: text, metadata.
    Other,
}

impl TrackKind {
    /// The number that stands for this kind in stored fragments.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Video => 1,
            Self::Audio => 2,
        }
    }

    /// The kind behind a number; an unknown one is [`TrackKind::Other`].
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Video,
            2 => Self::Audio,
            _ => Self::Other,
        }
    }
}

/// One track of a codec initialisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    id: u32,
    kind: TrackKind,
    timescale: u32,
    entry: codec::SampleEntry,
    /// Sample entries; a fragment names one of them, counting from one.
    pub(crate) descriptions: u32,
    pub(crate) edit: Edit,
    pub(crate) defaults: Defaults,
    pub(crate) boxes: TrackBoxes,
}

/// Where the init's own edit list puts a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// An empty edit before the media, in ticks of the movie's timescale.
    pub(crate) delay: u64,
    /// Media time that is shown first, in ticks of the track.
    pub(crate) media_time: u64,
}

/// What a fragment leaves out, from `trex`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    pub(crate) description_index: u32,
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

/// Boxes that a clip repeats: decoded where a duration changes, verbatim where nothing does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TrackBoxes {
    pub(crate) tkhd: Tkhd,
    pub(crate) mdhd: Mdhd,
    pub(crate) handler: Bytes,
    pub(crate) media_header: Option<Bytes>,
    pub(crate) data_information: Option<Bytes>,
    pub(crate) descriptions: Bytes,
}

impl Track {
    /// The number by which fragments name the track.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What the track carries.
    #[must_use]
    pub fn kind(&self) -> TrackKind {
        self.kind
    }

    /// Ticks in a second of this track's times; at least one.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        self.timescale
    }

    /// The codec as players name it: `avc1.64001f`, `mp4a.40.2`.
    ///
    /// # Source
    /// RFC 6381.
    #[must_use]
    pub fn codec(&self) -> &str {
        &self.entry.codec
    }

    /// Width of the coded picture in pixels; zero unless this is video.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.entry.width
    }

    /// Height of the coded picture in pixels; zero unless this is video.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.entry.height
    }

    /// Samples in a second of sound; zero unless this is audio.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.entry.sample_rate
    }

    /// Channels of sound; zero unless this is audio.
    #[must_use]
    pub fn channels(&self) -> u16 {
        self.entry.channels
    }

    /// Whether a decoder has all that it needs before any sample: codecs that need a configuration
    /// have one.
    #[must_use]
    pub fn has_config(&self) -> bool {
        let needs = ["avc", "hvc", "hev", "av01", "mp4a.40", "opus", "flac"];
        let is_bare_mp4a = self.codec() == "mp4a";
        let needs_config = is_bare_mp4a || needs.iter().any(|name| self.codec().starts_with(name));
        !needs_config || self.config().is_some()
    }

    /// Reads a `trak` box that lies in `init`.
    pub(super) fn parse(trak: &Boxed<'_>, init: &Bytes) -> Result<Self> {
        let (mut tkhd, mut media, mut edit) = (None, None, Edit::default());
        for child in trak.children() {
            let child = child?;
            match child.kind {
                kind::TKHD => tkhd = Some(child.decode::<Tkhd>()?),
                kind::MDIA => media = Some(Media::parse(&child, init)?),
                kind::EDTS => edit = parse_edit(&child)?,
                _ => {}
            }
        }
        let tkhd = tkhd.ok_or(Error::MissingBox {
            kind: kind::TKHD,
            parent: kind::TRAK,
        })?;
        let media = media.ok_or(Error::MissingBox {
            kind: kind::MDIA,
            parent: kind::TRAK,
        })?;
        let Media {
            mdhd,
            kind,
            handler,
            table,
            media_header,
            data_information,
        } = media;
        let timescale = mdhd.timescale;
        if timescale == 0 {
            return Err(Error::Malformed {
                kind: kind::MDHD,
                reason: format!("track {} has a timescale of zero", tkhd.track_id),
            });
        }
        Ok(Self {
            id: tkhd.track_id,
            kind,
            timescale,
            entry: table.entry,
            descriptions: table.count,
            edit,
            defaults: Defaults::default(),
            boxes: TrackBoxes {
                tkhd,
                mdhd,
                handler,
                media_header,
                data_information,
                descriptions: table.whole,
            },
        })
    }
}

/// The first edits of a track. Later ones change nothing about when media starts.
fn parse_edit(edts: &Boxed<'_>) -> Result<Edit> {
    let mut edit = Edit::default();
    for child in edts.children() {
        let child = child?;
        if child.kind != kind::ELST {
            continue;
        }
        for entry in child.decode::<Elst>()?.entries {
            match entry.media_time {
                None => edit.delay = edit.delay.saturating_add(entry.segment_duration),
                Some(media_time) => {
                    edit.media_time = media_time;
                    break;
                }
            }
        }
    }
    Ok(edit)
}

/// A `mdia` box.
struct Media {
    mdhd: Mdhd,
    kind: TrackKind,
    handler: Bytes,
    media_header: Option<Bytes>,
    data_information: Option<Bytes>,
    table: Descriptions,
}

impl Media {
    fn parse(mdia: &Boxed<'_>, init: &Bytes) -> Result<Self> {
        let missing = |kind| Error::MissingBox {
            kind,
            parent: kind::MDIA,
        };
        let (mut mdhd, mut hdlr, mut minf) = (None, None, None);
        for child in mdia.children() {
            let child = child?;
            match child.kind {
                kind::MDHD => mdhd = Some(child.decode::<Mdhd>()?),
                kind::HDLR => hdlr = Some(child),
                kind::MINF => minf = Some(child),
                _ => {}
            }
        }
        let hdlr = hdlr.ok_or_else(|| missing(kind::HDLR))?;
        let minf = minf.ok_or_else(|| missing(kind::MINF))?;
        let mut handler = hdlr.reader();
        handler.skip(8)?;
        let kind = match &handler.array::<4>()? {
            b"vide" => TrackKind::Video,
            b"soun" => TrackKind::Audio,
            _ => TrackKind::Other,
        };
        let (mut media_header, mut data_information, mut table) = (None, None, None);
        for child in minf.children() {
            let child = child?;
            match child.kind {
                kind::VMHD | kind::SMHD | kind::HMHD | kind::NMHD | kind::STHD => {
                    media_header = Some(init.slice_ref(child.whole));
                }
                kind::DINF => data_information = Some(init.slice_ref(child.whole)),
                kind::STBL => table = Some(Descriptions::parse(&child, kind, init)?),
                _ => {}
            }
        }
        Ok(Self {
            mdhd: mdhd.ok_or_else(|| missing(kind::MDHD))?,
            kind,
            handler: init.slice_ref(hdlr.whole),
            media_header,
            data_information,
            table: table.ok_or(Error::MissingBox {
                kind: kind::STBL,
                parent: kind::MINF,
            })?,
        })
    }
}

/// The sample descriptions of a `stbl` box, which must describe no samples.
struct Descriptions {
    entry: codec::SampleEntry,
    count: u32,
    whole: Bytes,
}

impl Descriptions {
    fn parse(stbl: &Boxed<'_>, kind: TrackKind, init: &Bytes) -> Result<Self> {
        let mut descriptions = None;
        for child in stbl.children() {
            let child = child?;
            match child.kind {
                kind::STSD => descriptions = Some(Self::parse_entries(&child, kind, init)?),
                kind::STTS | kind::STSZ | kind::STZ2 if has_samples(&child)? => {
                    return Err(Error::NotFragmented {
                        found: "a moov that lists samples",
                    });
                }
                _ => {}
            }
        }
        descriptions.ok_or(Error::MissingBox {
            kind: kind::STSD,
            parent: kind::STBL,
        })
    }

    fn parse_entries(stsd: &Boxed<'_>, kind: TrackKind, init: &Bytes) -> Result<Self> {
        let mut reader = stsd.reader();
        reader.version_and_flags(1)?;
        let count = reader.u32()?;
        let mut entries = Boxes::new(kind::STSD, reader.rest());
        let first = entries
            .next()
            .transpose()?
            .ok_or_else(|| Error::Malformed {
                kind: kind::STSD,
                reason: "it has no sample entry".to_owned(),
            })?;
        let mut found = 1;
        for entry in entries {
            entry?;
            found += 1;
        }
        if found != count {
            return Err(Error::Malformed {
                kind: kind::STSD,
                reason: format!("it claims {count} sample entries and has {found}"),
            });
        }
        let entry = match kind {
            TrackKind::Video => codec::visual(&first)?,
            TrackKind::Audio => codec::audio(&first)?,
            TrackKind::Other => codec::SampleEntry {
                codec: codec::plain(first.kind),
                ..Default::default()
            },
        };
        Ok(Self {
            entry,
            count,
            whole: init.slice_ref(stsd.whole),
        })
    }
}

/// Whether a sample table box lists samples.
fn has_samples(table: &Boxed<'_>) -> Result<bool> {
    if table.kind == kind::STSZ {
        return Ok(match table.decode::<Stsz>()?.samples {
            StszSamples::Identical { count, .. } => count > 0,
            StszSamples::Different { sizes } => !sizes.is_empty(),
        });
    }
    let mut reader = table.reader();
    reader.version_and_flags(0)?;
    if table.kind == kind::STZ2 {
        reader.skip(4)?;
    }
    Ok(reader.u32()? > 0)
}

/// A track's defaults from `trex`, with the track's id.
pub(super) fn parse_defaults(trex: &Boxed<'_>) -> Result<(u32, Defaults)> {
    let mut reader = trex.reader();
    reader.version_and_flags(0)?;
    let id = reader.u32()?;
    let defaults = Defaults {
        description_index: reader.u32()?,
        duration: reader.u32()?,
        size: reader.u32()?,
        flags: reader.u32()?,
    };
    Ok((id, defaults))
}
