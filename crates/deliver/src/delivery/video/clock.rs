//! Where fragments stand in the time of a playlist.
//!
//! Inside one upload the producer's own ticks say it to the sample; its clock, in milliseconds, says where
//! uploads stand to each other. As long as both agree the ticks count. A fragment for which they do not, or
//! of another upload, starts where the clock puts it, unless that is next to what was there before, before
//! it, or further off than any gap of an hour: then it follows without a gap. So time never goes back.

use afflux_media::playback::Shift;
use afflux_media::{Meta, TrackMeta};
use serde::{Deserialize, Serialize};

/// A gap or an overlap that is no more than this is none, and clocks that differ by no more agree.
const TOLERANCE_NS: i64 = 50_000_000;
/// A longer gap is none of the camera's but one of its clock, which was set.
const GAP_NS_MAX: i64 = 3_600 * NS;
const NS: i64 = 1_000_000_000;

/// The time of a playlist, as far as it has come.
///
/// # Units
/// Nanoseconds of the playlist's time, unless a name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    run: Option<Run>,
    /// Where the last fragment ended.
    end: i64,
    /// Where each track ended, by its number.
    tracks: Vec<(u32, i64)>,
}

/// Fragments of one upload whose ticks count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    /// In hexadecimal.
    session: String,
    /// Of the first one: when it is decoded, by its own ticks, by the producer's clock, and here.
    ticks: u64,
    timescale: u32,
    producer_ms: i64,
    start: i64,
}

/// Where a fragment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// What brings its tracks there.
    pub(crate) shifts: Vec<Shift>,
    /// Whether there is a gap before it.
    pub(crate) is_behind_gap: bool,
}

impl Clock {
    /// Places the next fragment; `None` if an MP4 cannot say its times.
    pub(crate) fn place(&mut self, meta: &Meta) -> Option<Placed> {
        let reference = meta.reference()?;
        let held = self.run.as_ref();
        let held = held.filter(|run| run.holds(meta, reference, self.end));
        let (run, shifts) = match held.and_then(|run| Some((run.clone(), run.shifts(meta)?))) {
            Some(held) => held,
            None => {
                let run = self.begin(meta, reference);
                let shifts = run.shifts(meta)?;
                (run, shifts)
            }
        };
        let start = run.at(reference);
        let is_behind_gap =
            !self.tracks.is_empty() && start > self.end.saturating_add(TOLERANCE_NS);
        self.tracks = meta
            .tracks
            .iter()
            .map(|track| (track.track_id, run.end_of(track)))
            .collect();
        self.end = run.end_of(reference).max(start);
        self.run = Some(run);
        Some(Placed {
            start,
            end: self.end,
            shifts,
            is_behind_gap,
        })
    }

    /// Begins a run with this fragment.
    fn begin(&self, meta: &Meta, reference: &TrackMeta) -> Run {
        let free = self.free(meta, reference);
        let wanted = self.run.as_ref().map(|run| run.wanted(meta));
        let wanted = wanted.filter(|wanted| {
            let near = free.saturating_add(TOLERANCE_NS);
            let far = free.saturating_add(GAP_NS_MAX);
            (near..=far).contains(wanted)
        });
        Run {
            session: session(meta),
            ticks: reference.base_decode_time,
            timescale: reference.timescale,
            producer_ms: meta.producer_time.as_millis(),
            start: wanted.unwrap_or(free),
        }
    }

    /// Where a fragment can start so that none of its tracks begins before its end, or before zero.
    fn free(&self, meta: &Meta, reference: &TrackMeta) -> i64 {
        let last = self.tracks.iter().map(|(_, end)| *end).max().unwrap_or(0);
        let latest = self.end.saturating_add(GAP_NS_MAX);
        let free = meta.tracks.iter().map(|track| {
            let known = self.tracks.iter().find(|(id, _)| *id == track.track_id);
            let end = known.map_or(last, |(_, end)| *end).min(latest);
            let lead = ns(reference.base_decode_time, reference.timescale, Round::Up)
                - ns(track.base_decode_time, track.timescale, Round::Down);
            narrow(i128::from(end) + lead)
        });
        free.max().unwrap_or(0)
    }
}

impl Run {
    /// Whether a fragment goes on where this run is, behind `end`.
    fn holds(&self, meta: &Meta, reference: &TrackMeta, end: i64) -> bool {
        let (at, wanted) = (self.at(reference), self.wanted(meta));
        self.session == session(meta)
            && !meta.flags.is_discontinuity()
            && at.abs_diff(wanted) <= TOLERANCE_NS.unsigned_abs()
            && at >= end.saturating_sub(TOLERANCE_NS)
    }

    /// Where the producer's clock puts a fragment.
    fn wanted(&self, meta: &Meta) -> i64 {
        let since = meta.producer_time.as_millis();
        let since = since.saturating_sub(self.producer_ms);
        self.start.saturating_add(since.saturating_mul(1_000_000))
    }

    /// Where its ticks put the beginning of a track.
    fn at(&self, track: &TrackMeta) -> i64 {
        let base = ns(track.base_decode_time, track.timescale, Round::Down);
        let first = ns(self.ticks, self.timescale, Round::Down);
        narrow(i128::from(self.start) + base - first)
    }

    fn end_of(&self, track: &TrackMeta) -> i64 {
        let duration = ns(track.duration, track.timescale, Round::Up);
        narrow(i128::from(self.at(track)) + duration)
    }

    /// What brings the tracks of a fragment to their place; `None` if an MP4 cannot say their times.
    fn shifts(&self, meta: &Meta) -> Option<Vec<Shift>> {
        meta.tracks.iter().map(|track| self.shift(track)).collect()
    }

    /// The same for all fragments of the run, so that they follow each other to the tick.
    fn shift(&self, track: &TrackMeta) -> Option<Shift> {
        let scale = i128::from(track.timescale.max(1));
        let start = -(-i128::from(self.start) * scale).div_euclid(i128::from(NS));
        let first = i128::from(self.ticks) * scale / i128::from(self.timescale.max(1));
        let begin = i128::from(track.base_decode_time) + start - first;
        let end = begin + i128::from(track.duration);
        let fits = begin >= 0 && i64::try_from(end).is_ok();
        Some(Shift {
            track_id: track.track_id,
            ticks: i64::try_from(start - first).ok().filter(|_| fits)?,
        })
    }
}

fn session(meta: &Meta) -> String {
    format!("{:x}", meta.session_id)
}

/// Which way a time between two nanoseconds goes.
#[derive(Clone, Copy, Debug)]
enum Round {
    Down,
    Up,
}

fn ns(ticks: u64, timescale: u32, round: Round) -> i128 {
    let (scaled, scale) = (
        i128::from(ticks) * i128::from(NS),
        i128::from(timescale.max(1)),
    );
    match round {
        Round::Down => scaled / scale,
        Round::Up => -(-scaled).div_euclid(scale),
    }
}

fn narrow(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use afflux_media::{Flags, InitId, TrackFlags, TrackKind};
    use afflux_types::ProducerTime;
    use proptest::prelude::*;

    use super::*;

    const START_MS: i64 = 1_795_255_200_000;
    const SECOND: i64 = NS;

    fn track(track_id: u32, timescale: u32, base: u64, duration: u64) -> TrackMeta {
        let kind = match track_id {
            1 => TrackKind::Video,
            _ => TrackKind::Audio,
        };
        TrackMeta {
            track_id,
            kind,
            timescale,
            base_decode_time: base,
            duration,
            samples: 1,
            flags: TrackFlags::default(),
        }
    }

    fn meta(session_id: u128, after_ms: i64, tracks: Vec<TrackMeta>) -> Meta {
        Meta {
            init_id: InitId::new(1),
            session_id,
            sequence: 0,
            producer_time: ProducerTime::from_millis(START_MS + after_ms),
            duration_ms: 0,
            flags: Flags::default(),
            tracks,
            bytes: 0,
        }
    }

    /// A second of pictures whose ticks begin with `base` seconds.
    fn second(session: u128, after_ms: i64, base: u64) -> Meta {
        meta(
            session,
            after_ms,
            vec![track(1, 90_000, base * 90_000, 90_000)],
        )
    }

    fn place(clock: &mut Clock, meta: &Meta) -> (i64, bool) {
        let placed = clock.place(meta).unwrap();
        let (first, shift) = (&meta.tracks[0], placed.shifts[0].ticks);
        let at = ns(
            first.base_decode_time.checked_add_signed(shift).unwrap(),
            first.timescale,
            Round::Down,
        );
        assert!((at - i128::from(placed.start)).abs() < i128::from(NS) / i128::from(90_000));
        (placed.start, placed.is_behind_gap)
    }

    #[test]
    fn fragments_of_an_upload_follow_each_other_to_the_tick() {
        let mut clock = Clock::default();
        let first = 7 * 90_000;
        for number in 0..100 {
            let base = first + number * 3_003;
            // Milliseconds are rounded, ticks are not.
            let after_ms = i64::try_from(number * 3_003 / 90).unwrap();
            let placed = clock
                .place(&meta(1, after_ms, vec![track(1, 90_000, base, 3_003)]))
                .unwrap();
            assert_eq!(placed.shifts[0].ticks, -7 * 90_000);
            assert!(!placed.is_behind_gap);
        }
    }

    #[test]
    fn an_upload_stands_where_the_clock_of_its_producer_puts_it() {
        let mut clock = Clock::default();
        assert_eq!(place(&mut clock, &second(1, 0, 5)), (0, false));
        // Next to what was there.
        assert_eq!(place(&mut clock, &second(2, 1_020, 0)), (SECOND, false));
        assert!(place(&mut clock, &second(3, 4_000, 0)).1);
        let (start, is_behind_gap) = place(&mut clock, &second(4, 10_000, 77));
        assert!(is_behind_gap && (start - 10 * SECOND).abs() < TOLERANCE_NS);
        // A pause in an upload is a gap as well.
        let (start, is_behind_gap) = place(&mut clock, &second(4, 15_000, 82));
        assert!(is_behind_gap && (start - 15 * SECOND).abs() < TOLERANCE_NS);
    }

    #[test]
    fn a_clock_that_is_set_makes_no_gap_and_time_never_goes_back() {
        let mut clock = Clock::default();
        place(&mut clock, &second(1, 0, 0));
        let year = 365 * 24 * 3_600 * 1_000;
        assert_eq!(place(&mut clock, &second(2, year, 0)), (SECOND, false));
        assert_eq!(place(&mut clock, &second(3, 0, 0)), (2 * SECOND, false));
        // From then on it is measured by the clock as it was set.
        assert_eq!(place(&mut clock, &second(4, 3_000, 0)), (5 * SECOND, true));
        // Ticks that go back, in one upload.
        assert_eq!(place(&mut clock, &second(4, 3_500, 0)), (6 * SECOND, false));
    }

    #[test]
    fn sound_that_begins_before_the_pictures_has_room() {
        let mut clock = Clock::default();
        let sound = |base| track(2, 48_000, base, 48_000);
        let pictures = |base| track(1, 90_000, base, 90_000);
        let first = meta(1, 0, vec![pictures(9_000), sound(0)]);
        let placed = clock.place(&first).unwrap();
        assert_eq!((placed.start, placed.end), (SECOND / 10, SECOND * 11 / 10));
        assert_eq!(
            placed.shifts.iter().map(|shift| shift.ticks).sum::<i64>(),
            0
        );
        // The next upload's as well.
        let next = meta(2, 1_000, vec![pictures(9_000), sound(0)]);
        let placed = clock.place(&next).unwrap();
        assert_eq!(placed.start, SECOND * 11 / 10);
        assert_eq!(placed.shifts[1].ticks, 48_000);
    }

    #[test]
    fn a_clock_goes_on_as_it_was_kept() {
        let mut clock = Clock::default();
        place(&mut clock, &second(u128::MAX, 0, 0));
        let json = serde_json::to_string(&clock).unwrap();
        let mut again: Clock = serde_json::from_str(&json).unwrap();
        let next = second(u128::MAX, 1_010, 1);
        assert_eq!(again.place(&next), clock.place(&next));
    }

    proptest! {
        #[test]
        fn whatever_comes_time_goes_on(
            fragments in prop::collection::vec(
                (0_u128..3, any::<i64>(), any::<[u64; 2]>(), 1_u32.., 0_u64..1 << 40), 1..20,
            ),
        ) {
            let mut clock = Clock::default();
            let mut end = 0;
            for (session, ms, [video, audio], scale, duration) in fragments {
                let half = |base: u64| base >> 1;
                let mut meta = meta(session, 0, vec![
                    track(1, scale, half(video), duration.min(half(u64::MAX) - half(video))),
                    track(2, 48_000, half(audio), 0),
                ]);
                meta.producer_time = ProducerTime::from_millis(ms);
                let mut after = clock.clone();
                let Some(placed) = after.place(&meta) else { continue };
                clock = after;
                prop_assert!(placed.start >= end - TOLERANCE_NS && placed.end >= placed.start);
                for (track, shift) in meta.tracks.iter().zip(&placed.shifts) {
                    let begin = track.base_decode_time.checked_add_signed(shift.ticks).unwrap();
                    prop_assert!(i64::try_from(begin + track.duration).is_ok());
                }
                end = placed.end;
            }
        }
    }
}
