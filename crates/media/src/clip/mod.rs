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

mod movie;
mod table;

use std::collections::BTreeSet;

use bytes::Bytes;

use self::table::{Chunk, Table};
use crate::error::{Error, Result};
use crate::fragment::StoredFragment;
use crate::init::{Init, InitId};
use crate::moof::TrackFragment;
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
    session_id: Option<u128>,
    shift: Shift,
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

    /// Adds the next fragment. After an error the clip is as it was, and can be finished.
    ///
    /// # Errors
    /// If the fragment needs another init, is damaged, or makes the clip too large.
    pub fn push(&mut self, fragment: &StoredFragment) -> Result<()> {
        let meta = fragment.meta();
        if meta.init_id != self.init.id() && !self.alike.contains(&meta.init_id) {
            return Err(Error::InitChanged {
                clip: self.init.id(),
                fragment: meta.init_id,
            });
        }
        let mut parts = Vec::with_capacity(meta.tracks.len());
        let (mut bytes, mut samples) = (self.media_bytes, self.samples);
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
        let is_new_session = self.session_id.is_some_and(|id| id != meta.session_id);
        if is_new_session || meta.flags.is_discontinuity() || !self.fits(&parts) {
            self.shift = self.close_up(&parts);
        }
        self.session_id = Some(meta.session_id);
        for part in parts {
            let offset = self.media_bytes;
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
        self.samples = samples;
        Ok(())
    }

    /// Writes the tables.
    ///
    /// # Errors
    /// If there are no fragments, or the tables do not fit an MP4.
    pub fn finish(self) -> Result<Clip> {
        if self.samples == 0 {
            return Err(Error::ClipEmpty);
        }
        let head = movie::head(&self.init, &self.tables, self.media_bytes)?;
        let bytes = length(&head) + self.media_bytes;
        let mut pieces = Vec::with_capacity(self.media.len() + 1);
        pieces.push(head);
        pieces.extend(self.media);
        Ok(Clip { pieces, bytes })
    }

    /// Whether every track can go on at the times that the fragment has.
    fn fits(&self, parts: &[Part]) -> bool {
        parts.iter().all(|part| {
            self.tables.get(part.table).is_none_or(|table| {
                let start = i128::from(part.track.base_decode_time);
                table.can_continue_at(start + self.shift.ticks(table.timescale))
            })
        })
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
struct Part {
    /// Index of its table.
    table: usize,
    track: TrackFragment,
    data: Bytes,
}

/// A progressive MP4 file in pieces: the tables, then slices of the fragments.
#[derive(Clone, Debug)]
pub struct Clip {
    pieces: Vec<Bytes>,
    bytes: u64,
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
            session_id: None,
            shift: Shift {
                ticks: 0,
                timescale: 1,
            },
        }
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
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
