//! From a camera's RTP timestamps to the time of day.
//!
//! RTP counts ticks from a random number. What a tick means is said by *sender reports*, which name
//! one moment in both ways: by the camera's clock and in ticks. A camera that sends none, or whose
//! clock is not set, is placed by when its frames arrive: the frame that was least delayed on the
//! network is the best witness.
//!
//! For each track one *offset* is kept: what to add to a timestamp to get ticks since 1970. It is
//! changed only between two fragments. Small deviations, by which any two clocks drift apart, are
//! worked off slowly, so that fragments join; a large one that the next report confirms is a jump of
//! the camera's clock.

use std::time::Duration;

/// Deviations up to this are worked off, beyond they are a jump.
const DRIFT_MAX: Duration = Duration::from_secs(1);
/// The same for times of arrival, which a slow network alone can move.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// Of a fragment's length this part is worked off, as drifting crystals need a tenth of it.
const SLEW: i64 = 1_000;
/// Two jumps that differ by less are the same.
const CONFIRM: Duration = Duration::from_millis(500);
/// A camera's clock before 2020 was never set; after 2100 it is no better.
const PLAUSIBLE_NS: std::ops::Range<i64> = 1_577_836_800_000_000_000..4_102_444_800_000_000_000;

/// Whose clock says when frames were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// The camera's own, by its sender reports.
    Camera,
    /// Ours, by when frames arrived.
    Arrival,
}

/// What a new fragment begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// How far the camera's clock jumped.
    pub(crate) jumped_ns: Option<i64>,
}

/// The clocks of one connection's tracks.
///
/// # Units
/// `ns` is nanoseconds since 1970, `ticks` are RTP timestamps without their wrap.
#[derive(Debug)]
pub(crate) struct CameraClock {
    tracks: Vec<Track>,
    source: Option<TimeSource>,
    /// How far the camera's clock is before ours, by the latest report.
    ahead_ns: i64,
}

#[derive(Debug)]
struct Track {
    rate: u32,
    offset: Option<i64>,
    /// The offset that the latest report asks for.
    reported: Option<i64>,
    /// The offset that the least delayed frame since the last fragment asks for.
    arrived: Option<i64>,
    /// An offset far from what was known, which nothing has confirmed.
    suspect: Option<i64>,
}

impl CameraClock {
    /// The clocks of tracks with these ticks in a second.
    pub(crate) fn new(rates: impl IntoIterator<Item = u32>) -> Self {
        let track = |rate: u32| Track {
            rate: rate.max(1),
            offset: None,
            reported: None,
            arrived: None,
            suspect: None,
        };
        Self {
            tracks: rates.into_iter().map(track).collect(),
            source: None,
            ahead_ns: 0,
        }
    }

    /// A frame arrived.
    pub(crate) fn arrived(&mut self, track: usize, ticks: i64, ns: i64) {
        if let Some(track) = self.tracks.get_mut(track) {
            let offset = to_ticks(ns, track.rate).saturating_sub(ticks);
            track.arrived = Some(track.arrived.map_or(offset, |least| least.min(offset)));
        }
    }

    /// A sender report arrived at `at_ns` by our clock; returns whether its time can be true.
    pub(crate) fn reported(&mut self, track: usize, ticks: i64, ns: i64, at_ns: i64) -> bool {
        if !PLAUSIBLE_NS.contains(&ns) {
            return false;
        }
        if let Some(track) = self.tracks.get_mut(track) {
            let offset = to_ticks(ns, track.rate).saturating_sub(ticks);
            let known = track.reported.or(track.offset);
            let is_jump = known.is_some_and(|known| !track.is_near(known, offset, DRIFT_MAX));
            if !is_jump || track.confirms(offset) {
                track.reported = Some(offset);
                track.suspect = None;
                self.ahead_ns = ns.saturating_sub(at_ns);
            }
        }
        true
    }

    /// Which clock is used, once that is known.
    pub(crate) fn source(&self) -> Option<TimeSource> {
        self.source
    }

    /// Whether every track has what it takes to follow the camera's clock.
    pub(crate) fn is_reported(&self) -> bool {
        self.tracks.iter().all(|track| track.reported.is_some())
    }

    /// Decides now, with what is known; returns the clock that is used from here on.
    pub(crate) fn decide(&mut self) -> TimeSource {
        let any = self.tracks.iter().any(|track| track.reported.is_some());
        let source = if any {
            TimeSource::Camera
        } else {
            TimeSource::Arrival
        };
        self.source = Some(source);
        for index in 0..self.tracks.len() {
            let wanted = self.wanted(index);
            if let Some(track) = self.tracks.get_mut(index) {
                track.offset = track.offset.or(wanted);
            }
        }
        source
    }

    /// How far the camera's clock is before ours; zero if ours is used.
    pub(crate) fn ahead_ns(&self) -> i64 {
        match self.source {
            Some(TimeSource::Camera) => self.ahead_ns,
            Some(TimeSource::Arrival) | None => 0,
        }
    }

    /// Corrects the offsets between two fragments, `length_ns` after the last time.
    pub(crate) fn step(&mut self, length_ns: i64) -> Step {
        let mut step = Step::default();
        if self.source.is_none() {
            return step;
        }
        if self.tracks.iter().any(|track| track.reported.is_some()) {
            self.source = Some(TimeSource::Camera);
        }
        for index in 0..self.tracks.len() {
            let wanted = self.wanted(index);
            let Some(track) = self.tracks.get_mut(index) else {
                continue;
            };
            track.arrived = None;
            let (Some(wanted), Some(offset)) = (wanted, track.offset) else {
                track.offset = track.offset.or(wanted);
                continue;
            };
            let is_reported = track.reported.is_some();
            let limit = if is_reported { DRIFT_MAX } else { DELAY_MAX };
            if track.is_near(wanted, offset, limit) {
                let most = to_ticks(length_ns.max(0) / SLEW, track.rate);
                let deviation = wanted.saturating_sub(offset).clamp(-most, most);
                track.offset = Some(offset.saturating_add(deviation));
            } else if is_reported || track.confirms(wanted) {
                track.offset = Some(wanted);
                let jumped_ns = to_ns(wanted.saturating_sub(offset), track.rate);
                step.jumped_ns = step.jumped_ns.or(Some(jumped_ns));
            }
        }
        step
    }

    /// Ticks since 1970 of a timestamp; `None` before anything is decided.
    pub(crate) fn place(&self, track: usize, ticks: i64) -> Option<i64> {
        let offset = self.tracks.get(track)?.offset?;
        Some(ticks.saturating_add(offset))
    }

    /// The offset that a track should have.
    fn wanted(&self, index: usize) -> Option<i64> {
        let track = self.tracks.get(index)?;
        track.reported.or_else(|| {
            // Not every camera reports on every track: then the tracks' arrivals relate them.
            let ahead = to_ticks(self.ahead_ns(), track.rate);
            Some(track.arrived?.saturating_add(ahead))
        })
    }
}

impl Track {
    /// Whether two offsets differ by less than `by`.
    fn is_near(&self, one: i64, other: i64, by: Duration) -> bool {
        to_ns(one.saturating_sub(other), self.rate).saturating_abs() < ns_of(by)
    }

    /// Whether this offset was asked for before; if not, it will have been.
    fn confirms(&mut self, offset: i64) -> bool {
        let suspect = self.suspect.replace(offset);
        suspect.is_some_and(|suspect| self.is_near(suspect, offset, CONFIRM))
    }
}

/// Ticks of a rate in nanoseconds, rounded to the nearest.
pub(crate) fn to_ticks(ns: i64, rate: u32) -> i64 {
    let scaled = i128::from(ns) * i128::from(rate) + 500_000_000;
    i64::try_from(scaled.div_euclid(1_000_000_000)).unwrap_or(i64::MAX)
}

/// Nanoseconds of ticks, rounded down.
pub(crate) fn to_ns(ticks: i64, rate: u32) -> i64 {
    let scaled = i128::from(ticks) * 1_000_000_000;
    i64::try_from(scaled.div_euclid(i128::from(rate.max(1)))).unwrap_or(i64::MAX)
}

fn ns_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    /// 2026-11-21 10:00:00 UTC.
    const NOON: i64 = 1_795_255_200 * SECOND;

    fn video() -> CameraClock {
        CameraClock::new([90_000])
    }

    fn placed_ns(clock: &CameraClock, ticks: i64) -> i64 {
        to_ns(clock.place(0, ticks).unwrap(), 90_000)
    }

    #[test]
    fn a_report_says_what_a_tick_means() {
        let mut clock = video();
        clock.arrived(0, 1_000, NOON + SECOND);
        assert!(clock.place(0, 1_000).is_none(), "nothing is decided yet");
        assert!(clock.reported(0, 1_000 + 90_000, NOON, NOON + 2 * SECOND));
        assert_eq!(clock.decide(), TimeSource::Camera);
        assert_eq!(placed_ns(&clock, 1_000), NOON - SECOND);
        assert_eq!(placed_ns(&clock, 1_000 + 45_000), NOON - SECOND / 2);
        assert_eq!(clock.ahead_ns(), -2 * SECOND);
    }

    #[test]
    fn without_reports_the_least_delayed_frame_is_the_witness() {
        let mut clock = video();
        for (frame, delay) in [(0, 300), (1, 40), (2, 900)] {
            clock.arrived(0, frame * 90_000, NOON + frame * SECOND + delay * 1_000_000);
        }
        assert_eq!(clock.decide(), TimeSource::Arrival);
        assert_eq!(placed_ns(&clock, 0), NOON + 40_000_000);
        assert_eq!(clock.ahead_ns(), 0);
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_believed() {
        let mut clock = video();
        clock.arrived(0, 0, NOON);
        assert!(!clock.reported(0, 0, 17 * SECOND, NOON));
        assert_eq!(clock.decide(), TimeSource::Arrival);
        assert_eq!(placed_ns(&clock, 0), NOON);
    }

    #[test]
    fn drift_is_worked_off_slowly() {
        let mut clock = video();
        clock.reported(0, 0, NOON, NOON);
        clock.decide();
        clock.reported(0, 900_000, NOON + 10 * SECOND + 30_000_000, NOON);
        assert_eq!(clock.step(2 * SECOND), Step::default());
        assert_eq!(placed_ns(&clock, 0), NOON + 2_000_000);
        for _ in 0..20 {
            clock.step(2 * SECOND);
        }
        assert_eq!(placed_ns(&clock, 0), NOON + 30_000_000, "and no further");
    }

    #[test]
    fn a_jump_needs_a_second_witness() {
        let mut clock = video();
        clock.reported(0, 0, NOON, NOON);
        clock.decide();
        clock.reported(0, 90_000, NOON + 61 * SECOND, NOON + SECOND);
        assert_eq!(clock.step(SECOND), Step::default());
        clock.reported(0, 180_000, NOON + 2 * SECOND, NOON + 2 * SECOND);
        assert_eq!(clock.step(SECOND), Step::default(), "it was a slip");
        for second in [3, 4] {
            let by = NOON + (60 + second) * SECOND;
            clock.reported(0, second * 90_000, by, NOON + second * SECOND);
        }
        assert_eq!(clock.step(SECOND).jumped_ns, Some(60 * SECOND));
        assert_eq!(placed_ns(&clock, 0), NOON + 60 * SECOND);
        assert_eq!(clock.step(SECOND), Step::default(), "once");
    }

    #[test]
    fn a_track_without_reports_follows_the_other_by_arrival() {
        let mut clock = CameraClock::new([90_000, 8_000]);
        let ahead = 5 * SECOND;
        clock.arrived(0, 0, NOON);
        clock.arrived(1, 77, NOON);
        clock.reported(0, 0, NOON + ahead, NOON);
        assert!(!clock.is_reported());
        assert_eq!(clock.decide(), TimeSource::Camera);
        assert_eq!(to_ns(clock.place(1, 77).unwrap(), 8_000), NOON + ahead);
    }

    #[test]
    fn the_first_report_after_a_decision_takes_over() {
        let mut clock = video();
        clock.arrived(0, 0, NOON);
        assert_eq!(clock.decide(), TimeSource::Arrival);
        clock.reported(0, 90_000, NOON + SECOND + 400_000_000, NOON + SECOND);
        assert_eq!(clock.step(SECOND), Step::default());
        assert_eq!(clock.source(), Some(TimeSource::Camera));
        assert_eq!(placed_ns(&clock, 0), NOON + 1_000_000);
    }

    #[test]
    fn impossible_numbers_saturate() {
        let mut clock = video();
        clock.arrived(0, i64::MIN, i64::MAX);
        clock.arrived(7, 0, 0);
        clock.reported(0, i64::MAX, NOON, i64::MIN);
        clock.decide();
        clock.step(i64::MAX);
        assert!(clock.place(0, i64::MAX).is_some());
        assert!(clock.place(7, 0).is_none());
    }
}
