//! A segment: a fragment as a session plays it, with its number and its place in time.

use afflux_types::{Position, ServerTime};

/// A fragment in a session.
///
/// # Units
/// Times on the session's axis are in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) position: Position,
    pub(super) arrival: ServerTime,
    /// Counted in the session.
    pub(super) number: u64,
    /// When it starts on the axis.
    pub(super) axis_ms: i64,
    pub(super) start_ns: i64,
    pub(super) duration_ns: i64,
    /// How long everything in the session plays up to its end.
    pub(super) played_ns: i64,
    /// What is added to the times of the media.
    pub(super) shift_ns: i64,
    /// How many discontinuities come before.
    pub(super) period: u64,
    /// The session's number of its initialisation.
    pub(super) init: u32,
    /// How often the initialisation changed before, and when what needs this one begins, as
    /// [`Segment::clock_ns`].
    pub(super) run: u64,
    pub(super) run_ns: i64,
    pub(super) is_key: bool,
    /// Bytes of its body.
    pub(super) bytes: u64,
    pub(super) tracks: Vec<Span>,
}

/// One track's part of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The index of the track in the session.
    pub(super) track: usize,
    /// Counted among the segments that have the track.
    pub(super) number: u64,
    pub(super) timescale: u32,
    /// Ticks; with the shift.
    pub(super) start: i64,
    pub(super) duration: u64,
    pub(super) samples: u32,
}

impl Segment {
    pub(super) fn span(&self, track: usize) -> Option<&Span> {
        self.tracks.iter().find(|span| span.track == track)
    }

    /// When the media begins on the timeline that players see.
    pub(super) fn clock_ns(&self) -> i64 {
        let begins = self.tracks.iter().map(Span::begin_ns);
        begins.min().unwrap_or(self.start_ns)
    }

    /// When the last of the media ends on that timeline.
    pub(super) fn end_ns(&self) -> i64 {
        let ends = self.tracks.iter().map(|span| {
            let duration = to_ns(span.duration, span.timescale, true);
            span.begin_ns().saturating_add(duration)
        });
        ends.max().unwrap_or(self.start_ns)
    }

    /// When a track begins on that timeline; without a track, the fragment.
    pub(super) fn begin_ns(&self, track: Option<usize>) -> i64 {
        let span = track.and_then(|track| self.span(track));
        span.map_or(self.start_ns, Span::begin_ns)
    }

    /// What is added to the times of a track.
    pub(super) fn shift(&self, timescale: u32) -> i64 {
        to_ticks(self.shift_ns, timescale)
    }
}

impl Span {
    fn begin_ns(&self) -> i64 {
        let ns = i128::from(self.start) * 1_000_000_000;
        i64::try_from(ns.div_euclid(i128::from(self.timescale.max(1)))).unwrap_or(i64::MAX)
    }

    pub(super) fn seconds(&self) -> f64 {
        seconds(self.duration, self.timescale)
    }
}

/// A duration in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a playlist says durations to the microsecond"
)]
pub(super) fn seconds(ticks: u64, timescale: u32) -> f64 {
    ticks as f64 / f64::from(timescale.max(1))
}

/// Nanoseconds in ticks, rounded up: two times with the same rest never change places.
pub(super) fn to_ticks(ns: i64, timescale: u32) -> i64 {
    let ticks = -(-i128::from(ns) * i128::from(timescale)).div_euclid(1_000_000_000);
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

pub(super) fn to_ns(ticks: u64, timescale: u32, up: bool) -> i64 {
    let scaled = i128::from(ticks) * 1_000_000_000;
    let timescale = i128::from(timescale.max(1));
    let ns = if up {
        -(-scaled).div_euclid(timescale)
    } else {
        scaled.div_euclid(timescale)
    };
    i64::try_from(ns).unwrap_or(i64::MAX)
}
