//! When a fragment was made, by the producer's clock.
//!
//! A session says when it started; the fragments count ticks from there. A producer that starts
//! over, loops a file or sets its clock back sends times that go backwards. That must not end a
//! recording and must not put two fragments at one time, so it starts a new *run*, which goes on
//! where the last one ended.

use afflux_types::ProducerTime;

use crate::fragment::{Continuity, TrackMeta};

/// Where a fragment lies in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// When the fragment starts.
    pub producer_time: ProducerTime,
    /// Which run of times it belongs to, counted from zero.
    pub run: u32,
    /// Whether the fragment starts a new run, other than the first.
    pub continuity: Continuity,
}

/// Turns the times of one session's fragments into the producer's time.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// What a base decode time of zero means in this run, in milliseconds since 1970.
    origin_ms: i64,
    run: u32,
    /// The latest end of any fragment so far.
    end_ms: Option<i64>,
    /// For each track, the earliest base decode time that goes on in this run; at most
    /// `TRACKS_MAX` of them.
    next: Vec<(u32, u64)>,
}

impl Timeline {
    /// A timeline whose zero is `session_start`.
    #[must_use]
    pub fn new(session_start: ProducerTime) -> Self {
        Self {
            origin_ms: session_start.as_millis(),
            run: 0,
            end_ms: None,
            next: Vec::new(),
        }
    }

    /// Places the next fragment by its reference track
    /// ([`Fragment::reference`](crate::Fragment::reference)).
    ///
    /// Times in milliseconds are rounded down and saturate.
    pub fn place(&mut self, reference: &TrackMeta) -> Placement {
        let base_ms = i64::try_from(reference.base_ms()).unwrap_or(i64::MAX);
        // A fragment that plays for no time may be followed by another at its own time.
        let next = reference
            .base_decode_time
            .saturating_add(reference.duration.min(1));
        let known = self
            .next
            .iter_mut()
            .find(|(id, _)| *id == reference.track_id);
        let went_back = known
            .as_ref()
            .is_some_and(|(_, next)| reference.base_decode_time < *next);
        if went_back {
            self.run = self.run.saturating_add(1);
            self.origin_ms = self
                .end_ms
                .unwrap_or(self.origin_ms)
                .saturating_sub(base_ms);
            self.next.clear();
            self.next.push((reference.track_id, next));
        } else if let Some((_, known)) = known {
            *known = next;
        } else if self.next.len() < afflux_types::limits::TRACKS_MAX {
            self.next.push((reference.track_id, next));
        }
        let start_ms = self.origin_ms.saturating_add(base_ms);
        let duration_ms = i64::try_from(reference.duration_ms()).unwrap_or(i64::MAX);
        let end_ms = start_ms.saturating_add(duration_ms);
        self.end_ms = Some(self.end_ms.map_or(end_ms, |latest| latest.max(end_ms)));
        let continuity = if went_back {
            Continuity::Discontinuous
        } else {
            Continuity::Continuous
        };
        Placement {
            producer_time: ProducerTime::from_millis(start_ms),
            run: self.run,
            continuity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::TrackFlags;
    use crate::init::TrackKind;

    fn fragment(track_id: u32, base_ms: u64, duration_ms: u64) -> TrackMeta {
        TrackMeta {
            track_id,
            kind: TrackKind::Video,
            timescale: 90_000,
            base_decode_time: base_ms * 90,
            duration: duration_ms * 90,
            samples: 1,
            flags: TrackFlags::default(),
        }
    }

    fn place(timeline: &mut Timeline, track: u32, base_ms: u64) -> (i64, u32, bool) {
        let placement = timeline.place(&fragment(track, base_ms, 1_000));
        let is_new = placement.continuity == Continuity::Discontinuous;
        (placement.producer_time.as_millis(), placement.run, is_new)
    }

    #[test]
    fn gaps_stay_in_the_run() {
        let mut timeline = Timeline::new(ProducerTime::from_millis(50_000));
        assert_eq!(place(&mut timeline, 1, 0), (50_000, 0, false));
        assert_eq!(place(&mut timeline, 1, 1_000), (51_000, 0, false));
        assert_eq!(place(&mut timeline, 1, 9_000), (59_000, 0, false));
    }

    #[test]
    fn going_back_starts_a_run_where_the_last_one_ended() {
        let mut timeline = Timeline::new(ProducerTime::from_millis(50_000));
        place(&mut timeline, 1, 0);
        place(&mut timeline, 1, 1_000);
        assert_eq!(place(&mut timeline, 1, 0), (52_000, 1, true));
        assert_eq!(place(&mut timeline, 1, 1_000), (53_000, 1, false));
        assert_eq!(
            place(&mut timeline, 1, 1_000),
            (54_000, 2, true),
            "a repeat is not a place"
        );
    }

    #[test]
    fn tracks_that_arrive_apart_share_the_run() {
        let mut timeline = Timeline::new(ProducerTime::from_millis(0));
        assert_eq!(place(&mut timeline, 1, 2_000), (2_000, 0, false));
        assert_eq!(place(&mut timeline, 2, 1_990), (1_990, 0, false));
        assert_eq!(place(&mut timeline, 1, 3_000), (3_000, 0, false));
    }

    #[test]
    fn impossible_times_saturate() {
        let mut timeline = Timeline::new(ProducerTime::from_millis(i64::MAX));
        let end = TrackMeta {
            base_decode_time: i64::MAX as u64,
            timescale: 1,
            ..fragment(1, 0, 0)
        };
        assert_eq!(timeline.place(&end).producer_time.as_millis(), i64::MAX);
        assert_eq!(place(&mut timeline, 1, 0), (i64::MAX, 1, true));
    }
}
