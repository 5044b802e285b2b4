//! A clip: stored fragments as one progressive MP4 file that plays anywhere.
//!
//! The file is `ftyp`, `moov`, `mdat`: the tables first, so that it plays while it downloads. Only
//! the tables are written here; the content of the `mdat` is slices of the fragments.
//!
//! # Time
//! Inside a session the times of the fragments are kept: a gap stays a gap, as a last sample that
//! is shown for longer. Where a session ends, a fragment is marked as a discontinuity, time goes
//! backwards, or a gap is longer than a sample can be shown, the clip goes on without a gap. Then
//! all tracks move together, by what the track that needs most needs, so that they stay in step.
//!
//! # Range
//! A clip holds whole fragments, or exactly what is shown in a range of time: then it begins with the
//! key frame that the first picture needs, ends with what the last one needs, and its edit lists show
//! nothing else.

mod exact;
mod movie;
mod table;

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;

use self::exact::Exact;
pub use self::exact::reach;
use self::table::{Chunk, Table, can_follow};
use crate::error::{Error, Result};
use crate::fragment::{Meta, StoredFragment};
use crate::init::{Init, InitId};
use crate::moof::{Sample, TrackFragment};
use crate::rope::length;

/// What a clip may grow to. The tables take about 16 bytes of memory for each sample, and the
/// media stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of media.
    pub bytes: u64,
    /// Samples of all tracks.
    pub samples: u64,
    /// What one fragment may hold.
    pub fragment: crate::Limits,
}

impl Default for Limits {
    /// 8 GiB and 16 million samples: a day of two tracks.
    fn default() -> Self {
        Self {
            bytes: 8 << 30,
            samples: 1 << 24,
            fragment: crate::Limits::default(),
        }
    }
}

/// Collects fragments into a [`Clip`].
#[derive(Debug)]
pub struct Builder {
    init: Init,
    /// Other inits that say the same to players; a stream has one for each session.
    alike: BTreeSet<InitId>,
    limits: Limits,
    /// One for each track of the init, in its order.
    tables: Vec<Table>,
    media: Vec<Bytes>,
    media_bytes: u64,
    samples: u64,
    fragments: u64,
    session_id: Option<u128>,
    shift: Shift,
    /// What is shown, if that is not all.
    exact: Option<Exact>,
}

/// How far the times of fragments are moved, as a fraction of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shift {
    ticks: i128,
    timescale: u32,
}

impl Shift {
    /// The shift in ticks of a track, rounded up.
    fn ticks(self, timescale: u32) -> i128 {
        let scaled = self.ticks * i128::from(timescale);
        -(-scaled).div_euclid(i128::from(self.timescale))
    }

    /// Whether this moves further than `other`.
    fn exceeds(self, other: Self) -> bool {
        self.ticks * i128::from(other.timescale) > other.ticks * i128::from(self.timescale)
    }
}

impl Builder {
    /// Replaces the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets fragments that need `init` into the clip, if it says the same to players; returns
    /// whether it does.
    ///
    /// Sessions of a producer of Matroska have inits of their own; see [`Init::media_id`].
    pub fn accept(&mut self, init: &Init) -> bool {
        let is_alike = init.media_id() == self.init.media_id();
        if is_alike {
            self.alike.insert(init.id());
        }
        is_alike
    }

    /// How many fragments the clip has something of so far.
    #[must_use]
    pub fn fragments(&self) -> u64 {
        self.fragments
    }

    /// Adds the next fragment. After an error the clip is as it was, and can be finished.
    ///
    /// # Errors
    /// If the fragment needs another init, is damaged, or makes the clip too large.
    pub fn push(&mut self, fragment: &StoredFragment) -> Result<()> {
        let parts = self.parse(fragment)?;
        if !self.goes_on(fragment.meta(), &parts) {
            self.shift = self.close_up(&parts);
        }
        self.session_id = Some(fragment.meta().session_id);
        self.append(parts);
        Ok(())
    }

    /// Adds what is needed of the next fragment, which starts at `start`, to show `range` and nothing
    /// else. All fragments of a clip have one range, and [`reach`] says which to try: those that are
    /// not needed add nothing.
    ///
    /// The clip begins at the start of the range, or with the first sample behind it, and ends at the
    /// end of the range, or where the last sample before it ends.
    ///
    /// # Units
    /// Milliseconds, on any axis. A fragment starts when its first picture is shown, without pictures
    /// when its first track does, and in Matroska at the time of its Cluster.
    ///
    /// # Errors
    /// As [`Builder::push`].
    pub fn push_within(
        &mut self,
        fragment: &StoredFragment,
        start: i64,
        range: &Range<i64>,
    ) -> Result<()> {
        let window = range.start.saturating_sub(start)..range.end.saturating_sub(start);
        if exact::is_behind(&window) {
            return Ok(());
        }
        let parts = match self.parse(fragment) {
            // Whatever the codec is behind the range.
            Err(Error::InitChanged { .. }) if window.end <= 0 => return Ok(()),
            parts => parts?,
        };
        let meta = fragment.meta();
        let goes_on = self.goes_on(meta, &parts);
        let exact = self.exact.take();
        let mut exact = exact.unwrap_or_else(|| Exact::new(&self.init, &self.limits.fragment));
        if !goes_on {
            exact.break_off();
            self.shift = self.close_up(&parts);
        }
        self.session_id = Some(meta.session_id);
        let reference = meta.reference().map(|track| track.track_id);
        let stored = fragment.tracks();
        let placed = stored
            .zip(&parts)
            .find(|(_, part)| Some(part.track.track_id) == reference);
        if let Some((stored, part)) = placed {
            exact.place(part, stored.cluster_lead(), &window);
        }
        let needed = exact.push(parts);
        self.append_within(&exact, needed);
        self.exact = Some(exact);
        Ok(())
    }

    /// Writes the tables.
    ///
    /// # Errors
    /// If there are no fragments, or the tables do not fit an MP4.
    pub fn finish(mut self) -> Result<Clip> {
        if let Some(mut exact) = self.exact.take() {
            let needed = exact.finish();
            self.append_within(&exact, needed);
        }
        if !self.tables.iter().any(Table::is_shown) {
            return Err(Error::ClipEmpty);
        }
        let head = movie::head(&self.init, &self.tables, self.media_bytes)?;
        let bytes = length(&head) + self.media_bytes;
        let mut pieces = Vec::with_capacity(self.media.len() + 1);
        pieces.push(head);
        pieces.extend(self.media);
        Ok(Clip {
            pieces,
            bytes,
            fragments: self.fragments,
        })
    }

    /// The samples of a fragment, if the clip may take them.
    fn parse(&self, fragment: &StoredFragment) -> Result<Vec<Part>> {
        let meta = fragment.meta();
        if meta.init_id != self.init.id() && !self.alike.contains(&meta.init_id) {
            return Err(Error::InitChanged {
                clip: self.init.id(),
                fragment: meta.init_id,
            });
        }
        let mut parts = Vec::with_capacity(meta.tracks.len());
        let (mut bytes, mut samples) = (self.media_bytes, self.samples);
        for part in self.exact.iter().flat_map(Exact::pending) {
            bytes = bytes.saturating_add(part.track.bytes);
            samples = samples.saturating_add(part.samples());
        }
        for track in fragment.tracks() {
            let track_id = track.meta().track_id;
            let i = self
                .tables
                .iter()
                .position(|table| table.track_id == track_id);
            let table = i.ok_or(Error::UnknownTrack { track_id })?;
            let parsed = track.parse(&self.limits.fragment)?;
            let data = track.data();
            bytes = bytes.saturating_add(length(&data));
            samples = samples.saturating_add(u64::from(track.meta().samples));
            parts.push(Part {
                table,
                track: parsed,
                data,
            });
        }
        if bytes > self.limits.bytes {
            return Err(Error::ClipTooLarge {
                bytes,
                limit: self.limits.bytes,
            });
        }
        // Counts of samples in an MP4 have 32 bits.
        let limit = self.limits.samples.min(u64::from(u32::MAX));
        if samples > limit {
            return Err(Error::ClipTooManySamples { samples, limit });
        }
        Ok(parts)
    }

    /// Whether a fragment continues what came, perhaps after a gap.
    fn goes_on(&self, meta: &Meta, parts: &[Part]) -> bool {
        let is_new_session = self.session_id.is_some_and(|id| id != meta.session_id);
        !is_new_session && !meta.flags.is_discontinuity() && self.fits(parts)
    }

    /// Whether every track can go on at the times that the fragment has.
    fn fits(&self, parts: &[Part]) -> bool {
        let pending = |table| {
            let pending = self.exact.iter().flat_map(Exact::pending);
            pending.filter(|part| part.table == table).last()
        };
        parts.iter().all(|part| {
            let start = i128::from(part.track.base_decode_time);
            if let Some(before) = pending(part.table) {
                return before.can_continue_at(start);
            }
            self.tables.get(part.table).is_none_or(|table| {
                table.can_continue_at(start + self.shift.ticks(table.timescale))
            })
        })
    }

    fn append(&mut self, parts: Vec<Part>) {
        self.fragments += u64::from(!parts.is_empty());
        for part in parts {
            let offset = self.media_bytes;
            self.samples += part.samples();
            self.media_bytes += length(&part.data);
            self.media.push(part.data);
            if let Some(table) = self.tables.get_mut(part.table) {
                let start = part.track.base_decode_time;
                let start = i128::from(start) + self.shift.ticks(table.timescale);
                table.append(&Chunk {
                    start,
                    offset,
                    track: &part.track,
                });
            }
        }
    }

    /// Adds what is needed for a range, which may reach further with it.
    fn append_within(&mut self, exact: &Exact, needed: Vec<Vec<Part>>) {
        let has_more = needed.iter().any(|parts| !parts.is_empty());
        needed.into_iter().for_each(|parts| self.append(parts));
        if !has_more {
            return;
        }
        for (i, table) in self.tables.iter_mut().enumerate() {
            if let Some(bounds) = exact.bounds(i) {
                let shift = self.shift.ticks(table.timescale);
                let start = table.range.as_ref().map(|range| range.start);
                let start = start.unwrap_or(bounds.start + shift);
                table.range = Some(start..bounds.end + shift);
            }
        }
    }

    /// The smallest shift that puts each track of the fragment at or after its end in the clip.
    fn close_up(&self, parts: &[Part]) -> Shift {
        let shifts = parts.iter().filter_map(|part| {
            let table = self.tables.get(part.table)?;
            let ticks = table.end()? - i128::from(part.track.base_decode_time);
            Some(Shift {
                ticks,
                timescale: table.timescale,
            })
        });
        shifts
            .reduce(|most, shift| if shift.exceeds(most) { shift } else { most })
            .unwrap_or(self.shift)
    }
}

/// One track of a fragment that is being added.
#[derive(Debug)]
struct Part {
    /// Index of its table.
    table: usize,
    track: TrackFragment,
    data: Bytes,
}

impl Part {
    fn samples(&self) -> u64 {
        u64::try_from(self.track.samples.len()).unwrap_or(u64::MAX)
    }

    /// The samples in the order of decoding, and when they are shown.
    fn shown(&self) -> impl Iterator<Item = (i128, &Sample)> {
        let mut decoded = i128::from(self.track.base_decode_time);
        self.track.samples.iter().map(move |sample| {
            let shown = decoded + i128::from(sample.composition);
            decoded += i128::from(sample.duration);
            (shown, sample)
        })
    }

    /// Whether a sample may be decoded at `start`, after the last one.
    fn can_continue_at(&self, start: i128) -> bool {
        let last = self.track.samples.last().map_or(0, |last| last.duration);
        let end = i128::from(self.track.base_decode_time) + i128::from(self.track.duration);
        can_follow(end - i128::from(last), last, start)
    }

    /// Keeps the first samples, and returns the others.
    fn split_off(&mut self, count: usize) -> Self {
        let track = &mut self.track;
        let samples = track.samples.split_off(count.min(track.samples.len()));
        let duration = |sample: &Sample| u64::from(sample.duration);
        let duration = track.samples.iter().map(duration).sum();
        let bytes = |sample: &Sample| u64::from(sample.size);
        let bytes = track.samples.iter().map(bytes).sum();
        let rest = TrackFragment {
            track_id: track.track_id,
            description_index: track.description_index,
            base: track.base,
            base_decode_time: track.base_decode_time + duration,
            runs: Vec::new(),
            samples,
            duration: track.duration - duration,
            bytes: track.bytes - bytes,
        };
        (track.duration, track.bytes) = (duration, bytes);
        let at = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            table: self.table,
            track: rest,
            data: self.data.split_off(at.min(self.data.len())),
        }
    }
}

/// A progressive MP4 file in pieces: the tables, then slices of the fragments.
#[derive(Clone, Debug)]
pub struct Clip {
    pieces: Vec<Bytes>,
    bytes: u64,
    fragments: u64,
}

impl Clip {
    /// Starts a clip of fragments that need `init`.
    #[must_use]
    pub fn builder(init: Init) -> Builder {
        let tables = init.tracks().iter().map(Table::new).collect();
        Builder {
            init,
            alike: BTreeSet::new(),
            limits: Limits::default(),
            tables,
            media: Vec::new(),
            media_bytes: 0,
            samples: 0,
            fragments: 0,
            session_id: None,
            shift: Shift {
                ticks: 0,
                timescale: 1,
            },
            exact: None,
        }
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many fragments the clip has something of.
    #[must_use]
    pub fn fragments(&self) -> u64 {
        self.fragments
    }

    /// The file in pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }
}

impl IntoIterator for Clip {
    type Item = Bytes;
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}
