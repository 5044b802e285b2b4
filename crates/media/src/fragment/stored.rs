//! Reads fragments back from the log.
//!
//! Decoding checks the structure, so that every offset is good and patching a `moof` is safe; it
//! does not look at samples. [`StoredFragment::verify`] does, for bodies that a stranger made.

use std::ops::Range;

use afflux_types::ProducerTime;
use bytes::Bytes;

use super::meta::{self, Flags, Meta, TrackFlags, TrackMeta};
use super::{Tag, check_track, tags};
use crate::bmff::{FourCc, kind};
use crate::error::{Error, Result};
use crate::init::{Init, InitId, TrackKind};
use crate::layout::{
    self, HEADER_BYTES, TRACK_BYTES, VERSION, flag, header, moof, track, track_flag,
};
use crate::limits::Limits;
use crate::moof::{Sample, TrackFragment, trun};
use crate::rope::length;

/// A fragment in a log: one buffer and the places in it.
#[derive(Clone, Debug)]
pub struct StoredFragment {
    body: Bytes,
    meta: Meta,
    tags: Range<usize>,
    tag_count: u8,
    parts: Vec<Place>,
}

/// Where a track's boxes lie; `moof.end == mdat.start`, and parts follow each other to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    moof: Range<usize>,
    mdat: Range<usize>,
    cluster_lead: i16,
}

impl StoredFragment {
    /// Reads the body of a log entry, without copying.
    ///
    /// # Errors
    /// If the body is cut, of an unknown version, or its parts are not where it says.
    pub fn decode(body: Bytes) -> Result<Self> {
        let (meta, parts) = parse_head(&body)?;
        if meta.bytes != length(&body) {
            return Err(Error::StoredLength {
                what: "fragment",
                declared: meta.bytes,
                actual: length(&body),
            });
        }
        let [tag_count] = layout::get::<1>(&body, header::TAGS)?;
        let tags_start = HEADER_BYTES + TRACK_BYTES * parts.len();
        let tags_bytes = u32::from_le_bytes(layout::get(&body, header::TAGS_LENGTH)?);
        let mut end = tags_start.saturating_add(usize::try_from(tags_bytes).unwrap_or(usize::MAX));
        let tags = tags_start..end;
        for (i, (place, meta)) in parts.iter().zip(&meta.tracks).enumerate() {
            if place.moof.start != end || place.mdat.start != place.moof.end {
                return Err(Error::StoredPlace {
                    line: i,
                    track_id: meta.track_id,
                });
            }
            end = place.mdat.end;
            check_boxes(&body, place, meta).ok_or(Error::StoredBoxes {
                line: i,
                track_id: meta.track_id,
            })?;
        }
        if end != body.len() {
            return Err(Error::StoredLength {
                what: "fragment",
                declared: u64::try_from(end).unwrap_or(u64::MAX),
                actual: length(&body),
            });
        }
        let fragment = Self {
            body,
            meta,
            tags,
            tag_count,
            parts,
        };
        fragment.decode_tags()?;
        Ok(fragment)
    }

    /// Reads what the header says, from the front of a body; the rest may be missing.
    ///
    /// # Errors
    /// If the header is cut, of an unknown version, or impossible.
    pub fn peek(body: &[u8]) -> Result<Meta> {
        parse_head(body).map(|(meta, _)| meta)
    }

    /// What the header says.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The body that was decoded.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The producer's tags.
    #[must_use]
    pub fn tags(&self) -> Vec<Tag> {
        self.decode_tags().unwrap_or_default()
    }

    /// The tracks, in the order in which they are stored; at least one.
    pub fn tracks(&self) -> impl Iterator<Item = StoredTrack> {
        self.meta
            .tracks
            .iter()
            .zip(&self.parts)
            .map(|(meta, place)| StoredTrack {
                meta: *meta,
                cluster_lead: place.cluster_lead,
                moof: self.body.slice(place.moof.clone()),
                mdat: self.body.slice(place.mdat.clone()),
            })
    }

    /// Checks that the samples are what the header says and what `init` allows.
    ///
    /// A fragment that [`Fragment::encode`](super::Fragment::encode) made always passes.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn verify(&self, init: &Init, limits: &Limits) -> Result<()> {
        if self.meta.init_id != init.id() {
            return Err(Error::StoredInitId {
                declared: self.meta.init_id,
                actual: init.id(),
            });
        }
        if self.meta.bytes
            > limits
                .fragment_bytes_max()
                .saturating_add(limits.moof_bytes * 2)
        {
            return Err(Error::FragmentTooLarge {
                bytes: self.meta.bytes,
                limit: limits.fragment_bytes_max(),
            });
        }
        for (i, track) in self.tracks().enumerate() {
            let track_id = track.meta.track_id;
            if self
                .meta
                .tracks
                .iter()
                .filter(|other| other.track_id == track_id)
                .count()
                > 1
            {
                return Err(Error::DuplicateTrack {
                    track_id,
                    parent: kind::MOOF,
                });
            }
            let sent_as_cluster = init.matroska().is_some() || track.cluster_lead == 0;
            if !sent_as_cluster || check_track(init, &track.parse(limits)?, limits)? != track.meta {
                return Err(Error::StoredBoxes { line: i, track_id });
            }
        }
        let expected = meta::flags(self.meta.tracks.iter()).0;
        let actual = self.meta.flags.0 & !flag::DISCONTINUITY;
        let duration = meta::duration_ms(self.meta.tracks.iter());
        if expected != actual || duration != u64::from(self.meta.duration_ms) {
            return Err(Error::StoredHeader { expected, actual });
        }
        Ok(())
    }

    fn decode_tags(&self) -> Result<Vec<Tag>> {
        tags::decode(&self.body.slice(self.tags.clone()), self.tag_count)
    }
}

/// One track of a stored fragment.
#[derive(Clone, Debug)]
pub struct StoredTrack {
    meta: TrackMeta,
    cluster_lead: i16,
    moof: Bytes,
    mdat: Bytes,
}

impl StoredTrack {
    /// What the table of tracks says.
    #[must_use]
    pub fn meta(&self) -> &TrackMeta {
        &self.meta
    }

    /// From the time of the Matroska Cluster that the fragment was sent as to the first time at
    /// which the track is shown, in ticks of the producer's header; zero for other producers.
    #[must_use]
    pub fn cluster_lead(&self) -> i16 {
        self.cluster_lead
    }

    /// The `moof` box.
    #[must_use]
    pub fn moof(&self) -> &Bytes {
        &self.moof
    }

    /// The `mdat` box, header included.
    #[must_use]
    pub fn mdat(&self) -> &Bytes {
        &self.mdat
    }

    /// The bytes of all samples, in the order of decoding.
    #[must_use]
    pub fn data(&self) -> Bytes {
        // `check_boxes` found a header of eight bytes.
        self.mdat.slice(8.min(self.mdat.len())..)
    }

    /// The samples, in the order of decoding; their sizes add up to [`StoredTrack::data`].
    ///
    /// # Errors
    /// If the `moof` is damaged or describes other data.
    pub fn samples(&self, limits: &Limits) -> Result<Vec<Sample>> {
        self.parse(limits).map(|track| track.samples)
    }

    pub(crate) fn parse(&self, limits: &Limits) -> Result<TrackFragment> {
        // `tfhd` says everything; there is nothing to take from an init.
        let movie = crate::moof::parse(&self.moof, |_| Some(Default::default()), limits)?;
        let [track] =
            <[TrackFragment; 1]>::try_from(movie.tracks).map_err(|tracks| Error::Malformed {
                kind: kind::MOOF,
                reason: format!("a stored one has one track, this has {}", tracks.len()),
            })?;
        let data = length(&self.mdat).saturating_sub(8);
        if track.bytes != data {
            return Err(Error::UnusedData {
                declared: track.bytes,
                present: data,
            });
        }
        if usize::try_from(self.meta.samples) != Ok(track.samples.len())
            || track.duration != self.meta.duration
        {
            return Err(Error::StoredBoxes {
                line: 0,
                track_id: self.meta.track_id,
            });
        }
        Ok(track)
    }
}

/// The header and the table of tracks, checked as far as they go.
fn parse_head(body: &[u8]) -> Result<(Meta, Vec<Place>)> {
    let [version, flags, tracks] = layout::get::<3>(body, header::VERSION)?;
    if version != VERSION {
        return Err(Error::StoredVersion {
            version,
            newest: VERSION,
        });
    }
    let limit = afflux_types::limits::TRACKS_MAX;
    let count = usize::from(tracks);
    if count == 0 || count > limit {
        return Err(Error::StoredTracks {
            tracks: count,
            limit,
        });
    }
    if flags & !flag::ALL != 0 {
        return Err(Error::StoredFlags { flags });
    }
    let mut meta = Meta {
        init_id: InitId::new(u64::from_le_bytes(layout::get(body, header::INIT_ID)?)),
        session_id: u128::from_le_bytes(layout::get(body, header::SESSION_ID)?),
        sequence: u32::from_le_bytes(layout::get(body, header::SEQUENCE)?),
        producer_time: ProducerTime::from_millis(i64::from_le_bytes(layout::get(
            body,
            header::PRODUCER_TIME,
        )?)),
        duration_ms: u32::from_le_bytes(layout::get(body, header::DURATION)?),
        flags: Flags(flags),
        tracks: Vec::with_capacity(count),
        bytes: u64::from_le_bytes(layout::get(body, header::LENGTH)?),
    };
    let mut parts = Vec::with_capacity(count);
    for i in 0..count {
        let line = layout::get::<TRACK_BYTES>(body, HEADER_BYTES + i * TRACK_BYTES)?;
        let (track, place) = parse_line(&line, i)?;
        meta.tracks.push(track);
        parts.push(place);
    }
    Ok((meta, parts))
}

fn parse_line(line: &[u8; TRACK_BYTES], i: usize) -> Result<(TrackMeta, Place)> {
    let u32_at = |offset| layout::get(line, offset).map(u32::from_le_bytes);
    let u64_at = |offset| layout::get(line, offset).map(u64::from_le_bytes);
    let [kind, flags] = layout::get::<2>(line, track::KIND)?;
    let meta = TrackMeta {
        track_id: u32_at(track::ID)?,
        kind: TrackKind::from_code(kind),
        timescale: u32_at(track::TIMESCALE)?,
        base_decode_time: u64_at(track::BASE_DECODE_TIME)?,
        duration: u64_at(track::DURATION)?,
        samples: u32_at(track::SAMPLES)?,
        flags: TrackFlags(flags),
    };
    let end = meta.base_decode_time.checked_add(meta.duration);
    let is_possible = meta.timescale > 0
        && meta.samples > 0
        && flags & !track_flag::ALL == 0
        && kind == meta.kind.code()
        && end.is_some_and(|end| i64::try_from(end).is_ok());
    let range = |offset, bytes| {
        let (offset, bytes) = (u32_at(offset)?, u32_at(bytes)?);
        let end = offset
            .checked_add(bytes)
            .and_then(|end| usize::try_from(end).ok());
        let start = usize::try_from(offset).ok();
        start
            .zip(end)
            .map(|(start, end)| start..end)
            .filter(|_| is_possible)
            .ok_or(Error::StoredPlace {
                line: i,
                track_id: meta.track_id,
            })
    };
    let place = Place {
        moof: range(track::MOOF_OFFSET, track::MOOF_LENGTH)?,
        mdat: range(track::MDAT_OFFSET, track::MDAT_LENGTH)?,
        cluster_lead: i16::from_le_bytes(layout::get(line, track::CLUSTER_LEAD)?),
    };
    Ok((meta, place))
}

/// Whether the boxes of a part have the one shape that stored fragments have, up to the samples.
fn check_boxes(body: &[u8], place: &Place, meta: &TrackMeta) -> Option<()> {
    let (moof, mdat) = (body.get(place.moof.clone())?, body.get(place.mdat.clone())?);
    let u32_at = |bytes: &[u8], offset| layout::get(bytes, offset).ok().map(u32::from_be_bytes);
    let is_box = |bytes: &[u8], offset: usize, kind: FourCc, size: usize| {
        let fits = u32_at(bytes, offset).and_then(|size| usize::try_from(size).ok()) == Some(size);
        let named = layout::get::<4>(bytes, offset + 4).is_ok_and(|name| name == kind.0);
        (fits && named).then_some(())
    };
    let data_offset = i32::try_from(moof.len().checked_add(8)?).ok()?;
    is_box(moof, 0, kind::MOOF, moof.len())?;
    is_box(moof, 8, kind::MFHD, 16)?;
    is_box(moof, 24, kind::TRAF, moof.len().checked_sub(24)?)?;
    is_box(moof, moof::TFHD, kind::TFHD, 32)?;
    is_box(moof, moof::TFDT, kind::TFDT, 20)?;
    is_box(
        moof,
        moof::TRUN,
        kind::TRUN,
        moof.len().checked_sub(moof::TRUN)?,
    )?;
    is_box(mdat, 0, kind::MDAT, mdat.len())?;
    let holds = u32_at(moof, moof::TFHD + 12)? == meta.track_id
        && u32_at(moof, moof::TFDT + 8)? == 1 << 24
        && layout::get(moof, moof::BASE_DECODE_TIME)
            .ok()
            .map(u64::from_be_bytes)?
            == meta.base_decode_time
        && u32_at(moof, moof::TRUN + 8)? & trun::DATA_OFFSET != 0
        && u32_at(moof, moof::TRUN + 12)? == meta.samples
        && layout::get(moof, moof::TRUN + 16)
            .ok()
            .map(i32::from_be_bytes)?
            == data_offset;
    holds.then_some(())
}
