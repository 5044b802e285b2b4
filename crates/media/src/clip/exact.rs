//! The exact range of a clip: which samples are needed to show it, and when it begins and ends.
//!
//! # Shape
//! Fragments are *held* until a sample of the range comes, because only then is it known at which
//! key frame decoding starts; what is before that is let go. Samples that are shown behind the end
//! are *withheld* until one that is decoded after them is shown before it: then they are needed too.
//!
//! # Time
//! The range is given for each fragment, from its start: when its first picture is shown, or the time
//! of its Cluster, which is when the first of its frames is.
//! Until something of the range comes, each fragment that starts with a key frame sets the range
//! anew on the axis of the session: it is the nearest, and where pictures are reordered over fragments
//! no other says when it starts. Then the range stays, so that the clip is as long as was asked.
//!
//! Where a session ends, decoding starts anew at the next key frame of the range.

use std::collections::VecDeque;
use std::ops::Range;

use super::Part;
use super::movie::scale;
use crate::init::{Init, TrackKind};
use crate::limits::Limits;
use crate::mkv::{Header, clock};
use crate::moof::Sample;

/// How long before the range to look for a key frame where fragments do not start with one: as long
/// as a fragment of the service can be.
const REACH_BEFORE_MS: i64 = 20_000;
/// How long behind the range to look for pictures that are shown before they are decoded, and for
/// sound that comes in the fragment after its pictures.
const REACH_AFTER_MS: i64 = 1_000;
/// How much sound a decoder wants before what is heard: a packet of AAC at 8 kHz is 128 ms, and Opus
/// asks for 80 ms.
///
/// # Source
/// RFC 7845, 4.6.
const PREROLL_MS: i64 = 128;
/// No window is further from its fragment; products with two timescales stay below an `i128`.
const WINDOW_MS_MAX: i64 = 1 << 50;

/// The fragments that a clip of `range` may need: those that play at the start of the result or
/// start within it.
///
/// # Units
/// Milliseconds.
#[must_use]
pub fn reach(range: &Range<i64>) -> Range<i64> {
    let start = range.start.saturating_sub(REACH_BEFORE_MS);
    start..range.end.saturating_add(REACH_AFTER_MS)
}

/// Whether a fragment is too far behind the range to have a part in it.
pub(super) fn is_behind(window: &Range<i64>) -> bool {
    window.end <= -REACH_AFTER_MS
}

/// What is known of the range while fragments come.
#[derive(Debug)]
pub(super) struct Exact {
    /// One for each table of the clip.
    lanes: Vec<Lane>,
    /// Nanoseconds in a tick of the producer's Matroska, if that is what it sends.
    scale: Option<u64>,
    /// The range on the axis of the session.
    range: Option<Range<Instant>>,
    has_begun: bool,
    held: VecDeque<Vec<Part>>,
}

#[derive(Debug)]
struct Lane {
    is_video: bool,
    timescale: u32,
    /// What the init's edit list takes off the times of the track.
    edit: i128,
    /// Whether the decoder has what it needs for the next sample.
    is_open: bool,
    withheld: Vec<Part>,
}

/// A time on the axis of a session.
#[derive(Clone, Copy, Debug)]
struct Instant {
    ticks: i128,
    per_second: i128,
}

impl Instant {
    fn floor(self, timescale: u32) -> i128 {
        (self.ticks * i128::from(timescale)).div_euclid(self.per_second)
    }

    fn ceil(self, timescale: u32) -> i128 {
        -(-self.ticks * i128::from(timescale)).div_euclid(self.per_second)
    }

    fn plus_ms(self, ms: i64) -> Self {
        let ticks = self.ticks + i128::from(ms) * self.per_second / 1_000;
        Self { ticks, ..self }
    }
}

/// Where the decoding of a track starts in what is held.
#[derive(Clone, Copy, Debug)]
struct Start {
    fragment: usize,
    sample: usize,
    /// When the sample is shown.
    at: i128,
}

impl Exact {
    pub(super) fn new(init: &Init, limits: &Limits) -> Self {
        let lanes = init.tracks().iter().map(|track| {
            let (edit, movie) = (track.edit, init.mvhd.timescale);
            let delay = scale(i128::from(edit.delay), movie, track.timescale(), false);
            let far = i128::from(i64::MAX);
            Lane {
                is_video: track.kind() == TrackKind::Video,
                timescale: track.timescale(),
                edit: (i128::from(edit.media_time) - delay).clamp(-far, far),
                is_open: false,
                withheld: Vec::new(),
            }
        });
        let header = init.matroska();
        let header = header.and_then(|bytes| Header::parse(bytes, limits).ok());
        Self {
            lanes: lanes.collect(),
            scale: header.map(|header| header.timestamp_scale()),
            range: None,
            has_begun: false,
            held: VecDeque::new(),
        }
    }

    /// What is not in the clip and may come into it yet.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Part> {
        let withheld = self.lanes.iter().flat_map(|lane| &lane.withheld);
        self.held.iter().flatten().chain(withheld)
    }

    /// Says that what follows does not continue what came.
    pub(super) fn break_off(&mut self) {
        self.range = None;
        self.held.clear();
        for lane in &mut self.lanes {
            lane.is_open = false;
            lane.withheld.clear();
        }
    }

    /// Places the range by the reference track of the next fragment, unless it is placed better.
    /// `lead` is the track's [`StoredTrack::cluster_lead`](crate::StoredTrack::cluster_lead).
    ///
    /// # Units
    /// `window` is in milliseconds from the start of the fragment.
    pub(super) fn place(&mut self, reference: &Part, lead: i16, window: &Range<i64>) {
        let is_key = reference.track.samples.first().is_some_and(Sample::is_sync);
        if self.range.is_some() && (self.has_begun || !is_key) {
            return;
        }
        let first = reference.shown().map(|(at, _)| at).min();
        let Some((first, lane)) = first.zip(self.lanes.get(reference.table)) else {
            return;
        };
        let scale = self.scale.unwrap_or(0);
        let lead = clock::to_timescale(i64::from(lead), scale, lane.timescale);
        let first = first - i128::from(lead.unwrap_or(0));
        let start = Instant {
            ticks: (first - lane.edit) * 1_000,
            per_second: i128::from(lane.timescale) * 1_000,
        };
        let at = |ms: i64| start.plus_ms(ms.clamp(-WINDOW_MS_MAX, WINDOW_MS_MAX));
        self.range = Some(at(window.start)..at(window.end));
    }

    /// The range in ticks of a track.
    pub(super) fn bounds(&self, table: usize) -> Option<Range<i128>> {
        let (range, lane) = self.range.as_ref().zip(self.lanes.get(table))?;
        let start = range.start.floor(lane.timescale) + lane.edit;
        Some(start..range.end.ceil(lane.timescale) + lane.edit)
    }

    /// Takes the next fragment; returns what is now known to be needed, fragment by fragment.
    pub(super) fn push(&mut self, parts: Vec<Part>) -> Vec<Vec<Part>> {
        if self.has_begun {
            return vec![self.cut(parts)];
        }
        let is_pictures = |part: &Part| self.lanes.get(part.table).is_some_and(|l| l.is_video);
        let has_pictures = self.lanes.iter().any(|lane| lane.is_video);
        // Sound that is ahead of its pictures must not settle at which key frame they start.
        let begins = parts
            .iter()
            .any(|part| (!has_pictures || is_pictures(part)) && self.shows(part));
        self.held.push_back(parts);
        if begins {
            return self.begin();
        }
        let starts = self.starts();
        let first = starts.iter().flatten().map(|start| start.fragment).min();
        self.held.drain(..first.unwrap_or(self.held.len()));
        Vec::new()
    }

    /// Returns what is needed if nothing follows: sound of the range may be there without pictures.
    pub(super) fn finish(&mut self) -> Vec<Vec<Part>> {
        let is_shown = self.held.iter().flatten().any(|part| self.shows(part));
        if is_shown { self.begin() } else { Vec::new() }
    }

    fn begin(&mut self) -> Vec<Vec<Part>> {
        let starts = self.starts();
        for (lane, start) in self.lanes.iter_mut().zip(&starts) {
            lane.is_open = start.is_some();
        }
        self.has_begun = true;
        let held = std::mem::take(&mut self.held).into_iter().enumerate();
        held.map(|(fragment, parts)| {
            let from_start = parts.into_iter().filter_map(|mut part| {
                let start = starts.get(part.table).copied().flatten()?;
                match fragment.cmp(&start.fragment) {
                    std::cmp::Ordering::Less => None,
                    std::cmp::Ordering::Equal => Some(part.split_off(start.sample)),
                    std::cmp::Ordering::Greater => Some(part),
                }
            });
            let parts = from_start.collect();
            self.cut(parts)
        })
        .collect()
    }

    /// Where the decoding of each track starts in what is held. A player that knows no edit list
    /// still has sound in step with the pictures before the range.
    fn starts(&self) -> Vec<Option<Start>> {
        let mut starts = vec![None; self.lanes.len()];
        let mut earliest = self
            .range
            .as_ref()
            .map(|range| range.start.plus_ms(-PREROLL_MS));
        for (table, (lane, start)) in self.lanes.iter().zip(&mut starts).enumerate() {
            if !lane.is_video {
                continue;
            }
            *start = self.start_of_pictures(table);
            let key = start.map(|start| Instant {
                ticks: start.at - lane.edit,
                per_second: i128::from(lane.timescale),
            });
            earliest = earliest.zip(key).map_or(earliest, |(earliest, key)| {
                let is_before = key.floor(lane.timescale) < earliest.floor(lane.timescale);
                Some(if is_before { key } else { earliest })
            });
        }
        for (table, (lane, start)) in self.lanes.iter().zip(&mut starts).enumerate() {
            if !lane.is_video
                && let Some(earliest) = earliest
            {
                let limit = earliest.floor(lane.timescale) + lane.edit;
                let mut keys = self.keys(table);
                *start = keys.find_map(|(key, duration)| {
                    (key.at + i128::from(duration) > limit).then_some(key)
                });
            }
        }
        starts
    }

    /// The last key frame at or before the start, or before what is shown first; else the first.
    fn start_of_pictures(&self, table: usize) -> Option<Start> {
        let bounds = self.bounds(table)?;
        let parts = self
            .held
            .iter()
            .flatten()
            .filter(|part| part.table == table);
        let shown = parts.flat_map(|part| self.shown(part));
        let limit = shown.min().unwrap_or(bounds.start).max(bounds.start);
        let (mut first, mut last) = (None, None);
        for (key, _) in self.keys(table) {
            first = first.or(Some(key));
            if key.at <= limit {
                last = Some(key);
            }
        }
        last.or(first)
    }

    /// The samples of a track in what is held that decoding can start at, with their durations.
    fn keys(&self, table: usize) -> impl Iterator<Item = (Start, u32)> {
        let parts = self.held.iter().enumerate().flat_map(move |(i, parts)| {
            let parts = parts.iter().filter(move |part| part.table == table);
            parts.map(move |part| (i, part))
        });
        parts.flat_map(|(fragment, part)| {
            let samples = part.shown().enumerate();
            samples.filter_map(move |(sample, (at, found))| {
                let key = Start {
                    fragment,
                    sample,
                    at,
                };
                found.is_sync().then_some((key, found.duration))
            })
        })
    }

    /// When samples of a part are shown in the range, for a millisecond of it or longer: more exactly
    /// fragments are not placed.
    fn shown(&self, part: &Part) -> impl Iterator<Item = i128> {
        let bounds = self.bounds(part.table);
        let start = self.range.as_ref().map(|range| range.start.plus_ms(1));
        let soon = start.zip(self.lanes.get(part.table));
        let soon = soon.map(|(start, lane)| start.ceil(lane.timescale) + lane.edit - 1);
        let bounds = bounds.zip(soon).into_iter();
        bounds.flat_map(|(bounds, soon)| {
            let shown = part.shown().filter(move |(at, sample)| {
                let end = at + i128::from(sample.duration);
                *at < bounds.end && (*at >= bounds.start || end > soon)
            });
            shown.map(|(at, _)| at)
        })
    }

    fn shows(&self, part: &Part) -> bool {
        self.shown(part).next().is_some()
    }

    /// What of the next fragment is needed, now that the clip has begun.
    fn cut(&mut self, parts: Vec<Part>) -> Vec<Part> {
        let mut needed = Vec::with_capacity(parts.len());
        for mut part in parts {
            let bounds = self.bounds(part.table);
            let Some((bounds, lane)) = bounds.zip(self.lanes.get_mut(part.table)) else {
                continue;
            };
            if !lane.is_open {
                let mut samples = part.shown();
                let key = samples.position(|(at, sample)| sample.is_sync() && at >= bounds.start);
                drop(samples);
                let Some(key) = key else {
                    continue;
                };
                part = part.split_off(key);
                lane.is_open = true;
            }
            let samples = part.shown().enumerate();
            let shown = samples.filter(|(_, (at, sample))| {
                let end = at + i128::from(sample.duration);
                *at < bounds.end && (*at >= bounds.start || end > bounds.start)
            });
            let count = shown.last().map_or(0, |(last, _)| last + 1);
            let rest = part.split_off(count);
            if count > 0 {
                needed.append(&mut lane.withheld);
                needed.push(part);
            }
            if !rest.track.samples.is_empty() {
                lane.withheld.push(rest);
            }
        }
        needed
    }
}
