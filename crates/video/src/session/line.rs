//! The line of a session's segments: fragments in the order in which they are played, each with its
//! number and its place in time.
//!
//! # Time
//! A fragment starts at its time on the session's axis. Inside one upload the producer's own ticks say
//! it more exactly than milliseconds do: as long as both agree within 50 ms the ticks count, so that
//! fragments follow each other to the sample. A fragment that is further off, or of another upload,
//! starts at its time on the axis; if it is then within 50 ms of the end before, it follows without a
//! gap. What is left are gaps and overlaps that are real.
//!
//! DASH players get a timeline without gaps: what would leave one, or overlap, is moved to follow the
//! fragment before, all tracks together.

use afflux_media::{Meta, TrackMeta};
use afflux_types::{Position, ServerTime};

use super::layout::Layout;
use super::segment::{Segment, Span, to_ns, to_ticks};
use super::ticket::{Discontinuities, Mode, Protocol, Ticket};
use crate::library::TimeAxis;

/// A gap or an overlap that is no more than this is none.
///
/// # Units
/// Nanoseconds.
const TOLERANCE_NS: i64 = 50_000_000;

/// A fragment that is to be added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) position: Position,
    pub(super) arrival: ServerTime,
    /// When it starts on the axis.
    pub(super) axis_ms: i64,
    pub(super) meta: &'a Meta,
    pub(super) init: u32,
    pub(super) layout: &'a Layout,
}

/// Lines fragments up.
#[derive(Debug)]
pub(super) struct Line {
    closes_up: bool,
    only_newer: bool,
    /// The number that each track begins with.
    first: u64,
    discontinuities: Discontinuities,
    count: u64,
    period: u64,
    /// As in [`Segment`].
    run: u64,
    run_ns: i64,
    played_ns: i64,
    last: Option<Last>,
    /// For each track of the session.
    tracks: Vec<TrackState>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    session_id: u128,
    init: u32,
    /// On the axis, and on the timeline that players see.
    axis_shift_ns: i64,
    shift_ns: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct TrackState {
    count: u64,
    /// The latest time of a fragment whose time is this track's.
    newest_ms: Option<i64>,
    /// The end on the axis, and on the timeline that players see.
    axis_end_ns: Option<i64>,
    end_ns: Option<i64>,
}

impl Line {
    /// An empty line whose first segment has the number `first`.
    pub(super) fn new(ticket: &Ticket, first: u64) -> Self {
        Self {
            closes_up: ticket.protocol == Protocol::Dash,
            only_newer: ticket.mode != Mode::OnDemand && ticket.axis == TimeAxis::Producer,
            discontinuities: ticket.discontinuities,
            first,
            count: first,
            period: 0,
            run: 0,
            run_ns: 0,
            played_ns: 0,
            last: None,
            tracks: Vec::new(),
        }
    }

    /// What is known of a track.
    fn state(&mut self, track: usize) -> &mut TrackState {
        if self.tracks.len() <= track {
            let fresh = TrackState {
                count: self.first,
                ..TrackState::default()
            };
            self.tracks.resize(track + 1, fresh);
        }
        // It was made long enough.
        &mut self.tracks[track]
    }

    /// Adds a fragment; `None` if it has nothing to play or comes too late.
    pub(super) fn push(&mut self, candidate: Candidate<'_>) -> Option<Segment> {
        let Candidate { meta, layout, .. } = candidate;
        let playable: Vec<(usize, &TrackMeta)> = meta
            .tracks
            .iter()
            .filter_map(|track| Some((layout.index(track.track_id)?, track)))
            .collect();
        // Pictures are track zero.
        let (lead, reference) = *playable.iter().min_by_key(|(index, _)| *index)?;
        let newest = self.state(lead).newest_ms;
        if self.only_newer && newest.is_some_and(|newest| candidate.axis_ms <= newest) {
            return None;
        }
        let place = self.place(&candidate, lead, reference);
        let shift_ns = if self.closes_up {
            self.close_up(&place, &playable)
        } else {
            place.shift_ns
        };
        if self.last.is_some() && self.is_announced(&place) {
            self.period += 1;
        }
        let is_new_run = self.last.is_none_or(|last| last.init != candidate.init);
        if is_new_run && self.last.is_some() {
            self.run += 1;
        }
        self.last = Some(Last {
            session_id: meta.session_id,
            init: candidate.init,
            axis_shift_ns: place.shift_ns,
            shift_ns,
        });
        let mut segment = self.add(&candidate, &playable, &place, shift_ns);
        if is_new_run {
            self.run_ns = segment.clock_ns();
        }
        segment.run_ns = self.run_ns;
        Some(segment)
    }

    fn add(
        &mut self,
        candidate: &Candidate<'_>,
        playable: &[(usize, &TrackMeta)],
        place: &Place,
        shift_ns: i64,
    ) -> Segment {
        let mut tracks = Vec::with_capacity(playable.len());
        for (index, track) in playable {
            let end = to_ns(track.end(), track.timescale, true);
            let state = self.state(*index);
            let number = state.count;
            state.count += 1;
            state.axis_end_ns = Some(end.saturating_add(place.shift_ns));
            state.end_ns = Some(end.saturating_add(shift_ns));
            let base = i64::try_from(track.base_decode_time).unwrap_or(i64::MAX);
            tracks.push(Span {
                track: *index,
                number,
                timescale: track.timescale,
                start: base.saturating_add(to_ticks(shift_ns, track.timescale)),
                duration: track.duration,
                samples: track.samples,
            });
        }
        tracks.sort_by_key(|span| span.track);
        self.state(place.lead).newest_ms = Some(candidate.axis_ms);
        let number = self.count;
        self.count += 1;
        self.played_ns = self.played_ns.saturating_add(place.duration_ns);
        Segment {
            position: candidate.position,
            arrival: candidate.arrival,
            number,
            axis_ms: candidate.axis_ms,
            start_ns: place.start_ns,
            duration_ns: place.duration_ns,
            played_ns: self.played_ns,
            shift_ns,
            period: self.period,
            init: candidate.init,
            run: self.run,
            run_ns: self.run_ns,
            is_key: candidate.meta.flags.is_keyframe(),
            bytes: candidate.meta.bytes,
            tracks,
        }
    }

    /// Where on the axis a fragment is.
    fn place(&mut self, candidate: &Candidate<'_>, lead: usize, reference: &TrackMeta) -> Place {
        let meta = candidate.meta;
        let base_ns = to_ns(reference.base_decode_time, reference.timescale, false);
        let bases = || {
            let tracks = meta.tracks.iter();
            tracks.map(|track| to_ns(track.base_decode_time, track.timescale, false))
        };
        let first_ns = bases().min().unwrap_or(base_ns);
        let axis_ns = candidate.axis_ms.saturating_mul(1_000_000);
        let is_near = |a: i64, b: i64| a.abs_diff(b) <= TOLERANCE_NS.unsigned_abs();
        let last = self.last;
        // The fragment's time is that of one of its tracks.
        let is_said = |shift: i64| {
            let latest = bases().max().unwrap_or(base_ns);
            let earliest = first_ns.saturating_add(shift).saturating_sub(TOLERANCE_NS);
            let latest = latest.saturating_add(shift).saturating_add(TOLERANCE_NS);
            (earliest..=latest).contains(&axis_ns)
        };
        let known = last
            .filter(|last| last.session_id == meta.session_id && !meta.flags.is_discontinuity())
            .map(|last| last.axis_shift_ns)
            .filter(|shift| is_said(*shift));
        let end = self.state(lead).axis_end_ns;
        let shift_ns = known.unwrap_or_else(|| {
            // A cluster of Matroska has the time of its first frame, of whatever track; a fragment
            // of MP4 that of its pictures.
            let said_ns = if candidate.layout.is_matroska {
                first_ns
            } else {
                base_ns
            };
            let shift = axis_ns.saturating_sub(said_ns);
            let start = base_ns.saturating_add(shift);
            let follows = end.filter(|end| is_near(*end, start));
            follows.map_or(shift, |end| end.saturating_sub(base_ns))
        });
        let start_ns = base_ns.saturating_add(shift_ns);
        let follows = end.is_none_or(|end| is_near(end, start_ns));
        Place {
            lead,
            start_ns,
            duration_ns: to_ns(reference.duration, reference.timescale, true),
            shift_ns,
            keeps_shift: known.is_some(),
            is_broken: !follows || last.is_some_and(|last| last.init != candidate.init),
        }
    }

    fn is_announced(&self, place: &Place) -> bool {
        match self.discontinuities {
            Discontinuities::All => true,
            Discontinuities::None => false,
            Discontinuities::Broken => place.is_broken,
        }
    }

    /// The shift on a timeline without gaps.
    fn close_up(&self, place: &Place, playable: &[(usize, &TrackMeta)]) -> i64 {
        let Some(last) = self.last else {
            return place.shift_ns;
        };
        if place.keeps_shift && !place.is_broken {
            return last.shift_ns;
        }
        let follows = playable.iter().filter_map(|(index, track)| {
            let end = self.tracks.get(*index)?.end_ns?;
            Some(end.saturating_sub(to_ns(track.base_decode_time, track.timescale, false)))
        });
        follows.max().unwrap_or(place.shift_ns)
    }
}

/// Where a fragment is on the axis.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The track whose time is the fragment's.
    lead: usize,
    start_ns: i64,
    duration_ns: i64,
    shift_ns: i64,
    /// Whether it is where the producer's ticks put it.
    keeps_shift: bool,
    is_broken: bool,
}

#[cfg(test)]
mod tests;
