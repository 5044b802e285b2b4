//! The sample table of one track of a clip, as it grows.
//!
//! Times are in ticks of the track, on the clip's own axis: the fragments' times after the clip's
//! shift. They are wide enough that no sum of what a file can say overflows.

use std::ops::Range;

use mp4_atom::{StscEntry, SttsEntry};

use crate::init::Track;
use crate::moof::{Sample, TrackFragment};

/// The sample table of one track.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) track_id: u32,
    pub(super) timescale: u32,
    pub(super) stts: Vec<SttsEntry>,
    /// Composition offsets, run by run.
    pub(super) composition: Vec<(u32, i32)>,
    /// Numbers of the samples that decoding can start at, counted from one.
    pub(super) sync: Vec<u32>,
    pub(super) sizes: Vec<u32>,
    /// Where each chunk starts in the media.
    pub(super) chunks: Vec<u64>,
    pub(super) stsc: Vec<StscEntry>,
    /// What may be shown, if that is not all.
    pub(super) range: Option<Range<i128>>,
    state: Option<State>,
}

/// Where a track that has samples stands.
#[derive(Clone, Copy, Debug)]
struct State {
    /// When the first sample is decoded.
    origin: i128,
    /// When the last sample is decoded. Its duration is not in `stts` yet: the next fragment's
    /// start decides it.
    last: i128,
    last_duration: u32,
    /// Smallest and largest time at which something is shown, from `origin`.
    shown: (i128, i128),
}

/// One track's part of a fragment.
pub(super) struct Chunk<'a> {
    /// When its first sample is decoded.
    pub(super) start: i128,
    /// Where its first sample is in the media.
    pub(super) offset: u64,
    pub(super) track: &'a TrackFragment,
}

impl Table {
    pub(super) fn new(track: &Track) -> Self {
        Self {
            track_id: track.id(),
            timescale: track.timescale(),
            stts: Vec::new(),
            composition: Vec::new(),
            sync: Vec::new(),
            sizes: Vec::new(),
            chunks: Vec::new(),
            stsc: Vec::new(),
            range: None,
            state: None,
        }
    }

    pub(super) fn append(&mut self, chunk: &Chunk<'_>) {
        if chunk.track.samples.is_empty() {
            return;
        }
        let start = chunk.start;
        if let Some(state) = self.state {
            // `can_continue_at` or `Builder::close_up` made sure that the difference fits.
            let duration = u32::try_from(start - state.last).unwrap_or(state.last_duration);
            self.push_duration(duration);
        }
        let origin = self.state.map_or(start, |state| state.origin);
        let mut shown = self
            .state
            .map_or((i128::MAX, i128::MIN), |state| state.shown);
        let mut decoded = start;
        let mut last = (start, 0);
        for (i, sample) in chunk.track.samples.iter().enumerate() {
            if i > 0 {
                self.push_duration(last.1);
            }
            let presents = decoded - origin + i128::from(sample.composition);
            shown.0 = shown.0.min(presents);
            shown.1 = shown.1.max(presents + i128::from(sample.duration));
            last = (decoded, sample.duration);
            decoded += i128::from(sample.duration);
            self.push_sample(sample);
        }
        self.state = Some(State {
            origin,
            last: last.0,
            last_duration: last.1,
            shown,
        });
        self.chunks.push(chunk.offset);
        self.push_chunk(chunk.track);
    }

    /// Whether a sample may be decoded at `start`, after the last one.
    pub(super) fn can_continue_at(&self, start: i128) -> bool {
        self.state
            .is_none_or(|state| can_follow(state.last, state.last_duration, start))
    }

    /// When the last sample ends, if there is one.
    pub(super) fn end(&self) -> Option<i128> {
        self.state
            .map(|state| state.last + i128::from(state.last_duration))
    }

    /// When the first sample is decoded, if there is one.
    pub(super) fn origin(&self) -> Option<i128> {
        self.state.map(|state| state.origin)
    }

    /// From when to when something is shown, counted from the first decoding.
    pub(super) fn shown(&self) -> Option<(i128, i128)> {
        let State { origin, shown, .. } = self.state?;
        Some(match &self.range {
            Some(range) => (
                shown.0.max(range.start - origin),
                shown.1.min(range.end - origin),
            ),
            None => shown,
        })
    }

    /// Whether anything of the track is shown.
    pub(super) fn is_shown(&self) -> bool {
        self.shown()
            .is_some_and(|(first, last)| first < last || self.range.is_none())
    }

    /// The duration of the last sample, which `stts` does not have.
    pub(super) fn last_duration(&self) -> u32 {
        self.state.map_or(0, |state| state.last_duration)
    }

    fn push_duration(&mut self, duration: u32) {
        push_run(&mut self.stts, duration);
    }

    fn push_sample(&mut self, sample: &Sample) {
        self.sizes.push(sample.size);
        if sample.is_sync() {
            // `Limits::samples` is far below this width.
            self.sync
                .push(u32::try_from(self.sizes.len()).unwrap_or(u32::MAX));
        }
        match self.composition.last_mut() {
            Some((count, offset)) if *offset == sample.composition => *count += 1,
            _ => self.composition.push((1, sample.composition)),
        }
    }

    fn push_chunk(&mut self, track: &TrackFragment) {
        let samples = u32::try_from(track.samples.len()).unwrap_or(u32::MAX);
        let same = self.stsc.last().is_some_and(|entry| {
            entry.samples_per_chunk == samples
                && entry.sample_description_index == track.description_index
        });
        if !same {
            self.stsc.push(StscEntry {
                first_chunk: u32::try_from(self.chunks.len()).unwrap_or(u32::MAX),
                samples_per_chunk: samples,
                sample_description_index: track.description_index,
            });
        }
    }
}

/// Whether a sample may be decoded at `start` after one that is decoded at `last`.
pub(super) fn can_follow(last: i128, duration: u32, start: i128) -> bool {
    let since = start - last;
    // A last sample without a duration allows another at its own time.
    since >= i128::from(duration.min(1)) && since <= i128::from(u32::MAX)
}

/// Adds a duration to the runs of equal durations.
pub(super) fn push_run(runs: &mut Vec<SttsEntry>, duration: u32) {
    match runs.last_mut() {
        Some(run) if run.sample_delta == duration => run.sample_count += 1,
        _ => runs.push(SttsEntry {
            sample_count: 1,
            sample_delta: duration,
        }),
    }
}
