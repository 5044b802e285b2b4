//! A fragment: the smallest piece of video that is acknowledged, stored, listed and played.
//!
//! [`Fragment`] is made from a `moof` and `mdat` as they were received: the boxes of all tracks
//! are taken apart, checked, and written again in one shape, without touching a sample's bytes.
//! [`StoredFragment`] reads that shape back from a log; [`layout`] says what it is, byte by byte.

mod meta;
mod normalize;
mod place;
mod stored;
mod tags;
mod whole;

pub use meta::{Continuity, Facts, Flags, Meta, TrackFlags, TrackMeta};
pub(crate) use meta::{Round, ticks_to_ms};
pub(crate) use normalize::{Head, head as track_head};
pub use stored::{StoredFragment, StoredTrack};
pub use tags::{TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX, TAGS_MAX, Tag};

use bytes::Bytes;

use crate::bmff::kind;
use crate::error::{Error, Result};
use crate::init::{Init, InitId};
use crate::layout::{self, HEADER_BYTES, TRACK_BYTES, header, track};
use crate::limits::Limits;
use crate::moof;
use crate::rope::{Rope, length};

/// A fragment in its stored form, still in pieces.
#[derive(Clone, Debug)]
pub struct Fragment {
    init_id: InitId,
    parts: Vec<Part>,
}

/// One track of a fragment.
#[derive(Clone, Debug)]
struct Part {
    meta: TrackMeta,
    cluster_lead: i16,
    /// The `moof` and the header of the `mdat`.
    head: Bytes,
    moof_bytes: u64,
    mdat_bytes: u64,
    /// The samples, as slices of what was received.
    data: Vec<Bytes>,
}

impl Fragment {
    /// Takes a fragment apart: one `moof` and its `mdat`, as [`Splitter`](crate::Splitter) hands
    /// them out, cut anywhere.
    ///
    /// # Errors
    /// If the boxes are damaged, need another init, or say of the data what is not so; if a limit
    /// is exceeded. A fragment that does not start with a key frame is not an error.
    pub fn parse(init: &Init, pieces: Vec<Bytes>, limits: &Limits) -> Result<Self> {
        Self::parse_parts(init, &Rope::new(pieces), None, limits)
    }

    /// As [`Fragment::parse`], for an input whose offsets count from the start of the file.
    ///
    /// `position` is where the first of `pieces` lies in the input, which
    /// [`Started::position`](crate::Started::position) says.
    ///
    /// # Errors
    /// As [`Fragment::parse`].
    pub fn parse_at(
        init: &Init,
        pieces: Vec<Bytes>,
        position: u64,
        limits: &Limits,
    ) -> Result<Self> {
        Self::parse_parts(init, &Rope::new(pieces), Some(position), limits)
    }

    fn parse_parts(
        init: &Init,
        rope: &Rope,
        position: Option<u64>,
        limits: &Limits,
    ) -> Result<Self> {
        if rope.len() > limits.fragment_bytes_max() {
            return Err(Error::FragmentTooLarge {
                bytes: rope.len(),
                limit: limits.fragment_bytes_max(),
            });
        }
        let boxes = place::boxes(rope, limits.moof_bytes)?;
        let moof = rope.contiguous(boxes.moof.start, boxes.moof.end);
        let movie = moof::parse(&moof, |track_id| init.defaults(track_id), limits)?;
        let runs = place::runs(&boxes, &movie, position)?;
        let mut parts = Vec::with_capacity(movie.tracks.len());
        for (track, runs) in movie.tracks.iter().zip(runs) {
            if track.samples.is_empty() {
                continue;
            }
            let mut data = Vec::new();
            for run in runs {
                rope.slice(run.start, run.end, &mut data);
            }
            let meta = check_track(init, track, limits)?;
            let head = normalize::head(track, movie.sequence)?;
            parts.push(Part::new(meta, head, data));
        }
        Self::of_parts(init, parts)
    }

    /// Makes a fragment of tracks that were put together from frames.
    pub(crate) fn assemble(
        init: &Init,
        tracks: Vec<AssembledTrack>,
        limits: &Limits,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(tracks.len());
        let mut bytes = 0_u64;
        for AssembledTrack {
            track,
            data,
            cluster_lead,
        } in tracks
        {
            bytes = bytes.saturating_add(track.bytes);
            let limit = limits.fragment_bytes_max();
            if bytes > limit {
                return Err(Error::FragmentTooLarge { bytes, limit });
            }
            track.check_end()?;
            let meta = check_track(init, &track, limits)?;
            let head = normalize::head(&track, 0)?;
            parts.push(Part {
                cluster_lead,
                ..Part::new(meta, head, data)
            });
        }
        Self::of_parts(init, parts)
    }

    fn of_parts(init: &Init, parts: Vec<Part>) -> Result<Self> {
        if parts.is_empty() {
            return Err(Error::NoSamples);
        }
        Ok(Self {
            init_id: init.id(),
            parts,
        })
    }

    /// The init that the fragment needs.
    #[must_use]
    pub fn init_id(&self) -> InitId {
        self.init_id
    }

    /// The tracks, in the order of the `moof`; at least one.
    pub fn tracks(&self) -> impl Iterator<Item = &TrackMeta> + Clone {
        self.parts.iter().map(|part| &part.meta)
    }

    /// The track whose time is the fragment's time: the first video track, else the first.
    ///
    /// # Panics
    /// Never: a fragment has at least one track.
    #[must_use]
    pub fn reference(&self) -> &TrackMeta {
        meta::reference(self.tracks()).expect("a parsed fragment has at least one track")
    }

    /// How long the fragment plays, in milliseconds: the longest video track, else the longest.
    #[must_use]
    pub fn duration_ms(&self) -> u32 {
        // `check_track` holds every duration below the limit, which is far below 49 days.
        u32::try_from(meta::duration_ms(self.tracks())).unwrap_or(u32::MAX)
    }

    /// What the fragment is like. Whether it is a discontinuity, only the caller knows.
    #[must_use]
    pub fn flags(&self) -> Flags {
        meta::flags(self.tracks())
    }

    /// The body of the log entry that stores this fragment, in pieces: the headers are written
    /// here, the samples are slices of what was received.
    ///
    /// # Errors
    /// If there are too many tags, or the body does not fit 4 GiB.
    pub fn encode(&self, facts: &Facts) -> Result<Vec<Bytes>> {
        let mut tags = Vec::new();
        tags::encode(&facts.tags, &mut tags)?;
        let mut head = vec![0; HEADER_BYTES + TRACK_BYTES * self.parts.len()];
        let mut offset = length(&head) + length(&tags);
        let mut pieces = vec![Bytes::new()];
        for (line, part) in head.iter_lines(HEADER_BYTES).zip(&self.parts) {
            part.write_line(offset, line)?;
            offset += part.moof_bytes + part.mdat_bytes;
            pieces.push(part.head.clone());
            pieces.extend(part.data.iter().cloned());
        }
        self.write_header(facts, length(&tags), offset, &mut head);
        head.extend_from_slice(&tags);
        if let Some(first) = pieces.first_mut() {
            *first = head.into();
        }
        Ok(pieces)
    }

    fn write_header(&self, facts: &Facts, tags_bytes: u64, bytes: u64, head: &mut [u8]) {
        let mut flags = self.flags();
        if facts.continuity == Continuity::Discontinuous {
            flags.0 |= layout::flag::DISCONTINUITY;
        }
        // `Limits` holds tracks and tags far below these widths; see `tags::encode`.
        let tracks = u8::try_from(self.parts.len()).unwrap_or(u8::MAX);
        let tag_count = u8::try_from(facts.tags.len()).unwrap_or(u8::MAX);
        let tags_bytes = u32::try_from(tags_bytes).unwrap_or(u32::MAX);
        layout::put(head, header::VERSION, &[layout::VERSION]);
        layout::put(head, header::FLAGS, &[flags.0]);
        layout::put(head, header::TRACKS, &[tracks]);
        layout::put(head, header::TAGS, &[tag_count]);
        layout::put(head, header::TAGS_LENGTH, &tags_bytes.to_le_bytes());
        layout::put(head, header::INIT_ID, &self.init_id.get().to_le_bytes());
        layout::put(head, header::SESSION_ID, &facts.session_id.to_le_bytes());
        layout::put(head, header::SEQUENCE, &facts.sequence.to_le_bytes());
        layout::put(head, header::DURATION, &self.duration_ms().to_le_bytes());
        let producer_time = facts.producer_time.as_millis();
        layout::put(head, header::PRODUCER_TIME, &producer_time.to_le_bytes());
        layout::put(head, header::LENGTH, &bytes.to_le_bytes());
    }
}

/// A track of a fragment that was put together from frames.
#[derive(Debug)]
pub(crate) struct AssembledTrack {
    /// Its samples; at least one.
    pub(crate) track: moof::TrackFragment,
    /// Their bytes, in the same order.
    pub(crate) data: Vec<Bytes>,
    /// See [`StoredTrack::cluster_lead`].
    pub(crate) cluster_lead: i16,
}

impl Part {
    fn new(meta: TrackMeta, head: Head, data: Vec<Bytes>) -> Self {
        let Head {
            bytes,
            moof_bytes,
            mdat_bytes,
        } = head;
        Self {
            meta,
            cluster_lead: 0,
            head: bytes,
            moof_bytes,
            mdat_bytes,
            data,
        }
    }

    /// Writes a line of the table of tracks for boxes that start at `offset`.
    fn write_line(&self, offset: u64, line: &mut [u8]) -> Result<()> {
        let narrow = |bytes: u64| {
            u32::try_from(bytes).map_err(|_| Error::FragmentTooLarge {
                bytes,
                limit: u64::from(u32::MAX),
            })
        };
        let meta = &self.meta;
        layout::put(line, track::ID, &meta.track_id.to_le_bytes());
        layout::put(line, track::TIMESCALE, &meta.timescale.to_le_bytes());
        layout::put(
            line,
            track::BASE_DECODE_TIME,
            &meta.base_decode_time.to_le_bytes(),
        );
        layout::put(line, track::DURATION, &meta.duration.to_le_bytes());
        layout::put(line, track::SAMPLES, &meta.samples.to_le_bytes());
        layout::put(line, track::KIND, &[meta.kind.code()]);
        layout::put(line, track::FLAGS, &[meta.flags.0]);
        layout::put(line, track::CLUSTER_LEAD, &self.cluster_lead.to_le_bytes());
        layout::put(line, track::MOOF_OFFSET, &narrow(offset)?.to_le_bytes());
        layout::put(
            line,
            track::MOOF_LENGTH,
            &narrow(self.moof_bytes)?.to_le_bytes(),
        );
        let mdat_offset = narrow(offset + self.moof_bytes)?;
        layout::put(line, track::MDAT_OFFSET, &mdat_offset.to_le_bytes());
        layout::put(
            line,
            track::MDAT_LENGTH,
            &narrow(self.mdat_bytes)?.to_le_bytes(),
        );
        narrow(offset + self.moof_bytes + self.mdat_bytes).map(drop)
    }
}

/// The lines of the table of tracks in a header.
trait Lines {
    fn iter_lines(&mut self, start: usize) -> std::slice::ChunksExactMut<'_, u8>;
}

impl Lines for Vec<u8> {
    fn iter_lines(&mut self, start: usize) -> std::slice::ChunksExactMut<'_, u8> {
        self.get_mut(start..)
            .unwrap_or_default()
            .chunks_exact_mut(TRACK_BYTES)
    }
}

/// What a track's samples add up to, if the init and the limits allow it.
fn check_track(init: &Init, fragment: &moof::TrackFragment, limits: &Limits) -> Result<TrackMeta> {
    let track_id = fragment.track_id;
    let track = init
        .track(track_id)
        .ok_or(Error::UnknownTrack { track_id })?;
    if fragment.description_index > track.descriptions {
        return Err(Error::DescriptionIndex {
            track_id,
            index: fragment.description_index,
            count: track.descriptions,
        });
    }
    let limit = limits.fragment_ticks_max(track.timescale());
    if fragment.duration > limit {
        return Err(Error::FragmentTooLong {
            track_id,
            duration_ms: ticks_to_ms(fragment.duration, track.timescale(), Round::Up),
            limit_ms: u64::try_from(limits.fragment_duration.as_millis()).unwrap_or(u64::MAX),
        });
    }
    debug_assert!(
        !fragment.samples.is_empty(),
        "{} tracks have samples",
        kind::TRAF
    );
    Ok(normalize::summarize(fragment, track))
}
