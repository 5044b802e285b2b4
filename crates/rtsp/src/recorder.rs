//! Frames of one connection to a camera become fragments. No I/O.
//!
//! ```text
//!  frames ──► Cutter ──► waiting until the clock is known ──► Builder ──► Recorded
//!  reports ─► CameraClock ────────────────────────────────────┘
//! ```
//!
//! A fragment waits until it is known when it was made: for the first sender reports, a few seconds
//! after the connection. What outlives a connection is the [`History`]: a camera that is connected
//! again and sends what it has sent before is recorded from where the recording ended.

use std::collections::VecDeque;
use std::time::Duration;

use afflux_media::build::{self, TrackDescription};
use afflux_media::frames::{self, Builder};
use afflux_media::{Continuity, Fragment, Init, InitId, Limits, Timeline, TrackKind};
use afflux_types::ProducerTime;

use crate::clock::{CameraClock, TimeSource, to_ns, to_ticks};
use crate::cut::{Cut, Cutter, Frame, Rules};

/// A key frame ends no fragment that is shorter, as AWS asks of its producers.
const LEAST: Duration = Duration::from_secs(1);
/// How long fragments of sound alone are.
const SOUND: Duration = Duration::from_secs(2);
/// Bytes of one fragment, and of the fragments that wait for the clock.
const BYTES_MAX: usize = 32 << 20;
/// Frames of one fragment, half of what a fragment may have.
const FRAMES_MAX: usize = 1 << 15;
/// A camera's clock that is off by less after a reconnect is the same clock.
const SAME_CLOCK: Duration = Duration::from_secs(2);
/// What comes so shortly before the end of the recording is new: half a picture.
const OVERLAP: Duration = Duration::from_millis(20);
/// Timestamps of one track that lie further apart are of two clocks.
const LEAP: Duration = Duration::from_secs(60);

/// A frame that is alone in its fragment plays until the next one if that is so near.
const STRETCH_MAX: Duration = Duration::from_secs(1);

/// How frames become fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderOptions {
    /// How long a fragment is at most.
    pub fragment: Duration,
    /// How long the first fragment waits for the camera's clock.
    pub clock_wait: Duration,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        Self {
            fragment: Duration::from_secs(15),
            clock_wait: Duration::from_secs(6),
        }
    }
}

/// A fragment, and when it was made.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What a player needs before the fragment.
    pub init: Init,
    /// The fragment.
    pub fragment: Fragment,
    /// When its first frame was made.
    pub producer_time: ProducerTime,
    /// Whether it goes on where the fragment before it ended.
    pub continuity: Continuity,
    /// Whose clock said so.
    pub source: TimeSource,
}

/// What is known of a camera from one connection to the next.
#[derive(Clone, Debug)]
pub struct History {
    timeline: Timeline,
    /// Where the recording ended, by the camera's clock.
    end_ns: Option<i64>,
    /// How far the camera's clock was before ours.
    ahead_ns: i64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            timeline: Timeline::new(ProducerTime::from_millis(0)),
            end_ns: None,
            ahead_ns: 0,
        }
    }
}

/// What is wrong with what a camera sends.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The frames make no fragment.
    #[error("the camera's frames make no fragment")]
    Media(#[from] afflux_media::Error),
    /// The timestamps of a track leap.
    #[error("the timestamps of track {track} leap by {} seconds", leap_ns / 1_000_000_000)]
    Leap {
        /// Which track, counted from zero.
        track: usize,
        /// From one frame to the next, in nanoseconds.
        leap_ns: i64,
    },
}

/// Makes fragments of the frames of one connection.
#[derive(Debug)]
pub struct Recorder {
    options: RecorderOptions,
    tracks: Vec<TrackDescription>,
    init: Init,
    builder: (InitId, Builder),
    reference: usize,
    cutter: Cutter,
    clock: CameraClock,
    history: History,
    /// When the latest frame of each track was made.
    latest: Vec<Option<i64>>,
    /// When the first frame arrived.
    began_ns: Option<i64>,
    waiting: VecDeque<(Init, Cut)>,
    /// When the last fragment that was placed began.
    placed_ticks: Option<i64>,
    /// The recording has everything before this time.
    resume_ns: Option<i64>,
    jumped: bool,
    ready: VecDeque<Recorded>,
}

impl Recorder {
    /// A recorder of these tracks, numbered from one, for one connection.
    ///
    /// # Errors
    /// If the tracks make no codec initialisation.
    pub fn new(
        tracks: Vec<TrackDescription>,
        options: RecorderOptions,
        history: History,
    ) -> Result<Self, RecordError> {
        let init = build::build(&tracks, None, &Limits::default())?;
        let video = tracks
            .iter()
            .position(|track| track.kind() == TrackKind::Video);
        let reference = video.unwrap_or(0);
        let rate = tracks.get(reference).map_or(1, |track| track.timescale);
        let ticks = |duration| to_ticks(ns_of(duration), rate);
        let least = if video.is_some() { LEAST } else { SOUND };
        let rules = Rules {
            reference,
            has_video: video.is_some(),
            least: ticks(least.min(options.fragment)),
            most: ticks(options.fragment),
            bytes_max: BYTES_MAX,
            frames_max: FRAMES_MAX,
        };
        Ok(Self {
            options,
            builder: builder(&init),
            init,
            reference,
            cutter: Cutter::new(rules),
            clock: CameraClock::new(tracks.iter().map(|track| track.timescale)),
            history,
            latest: vec![None; tracks.len()],
            began_ns: None,
            waiting: VecDeque::new(),
            placed_ticks: None,
            resume_ns: None,
            jumped: false,
            ready: VecDeque::new(),
            tracks,
        })
    }

    /// The tracks that are recorded.
    #[must_use]
    pub fn tracks(&self) -> &[TrackDescription] {
        &self.tracks
    }

    /// Whether nothing is recorded yet, for want of a key frame.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.cutter.is_idle()
    }

    /// Whose clock is used, once that is decided.
    #[must_use]
    pub fn source(&self) -> Option<TimeSource> {
        self.clock.source()
    }

    /// How far the camera's clock is before ours, in nanoseconds; zero if ours is used.
    #[must_use]
    pub fn ahead_ns(&self) -> i64 {
        self.clock.ahead_ns()
    }

    /// Takes a frame that arrived at `at_ns`, in nanoseconds since 1970 by our clock.
    ///
    /// # Errors
    /// If timestamps leap, or the frames make no fragment.
    pub fn frame(&mut self, frame: Frame, at_ns: i64) -> Result<(), RecordError> {
        let track = frame.track;
        let (Some(description), Some(latest)) =
            (self.tracks.get(track), self.latest.get_mut(track))
        else {
            return Ok(());
        };
        let before = latest.replace(frame.ticks).unwrap_or(frame.ticks);
        let leap_ns = to_ns(frame.ticks.saturating_sub(before), description.timescale);
        if leap_ns.saturating_abs() > ns_of(LEAP) {
            return Err(RecordError::Leap { track, leap_ns });
        }
        self.clock.arrived(track, frame.ticks, at_ns);
        let began_ns = *self.began_ns.get_or_insert(at_ns);
        if let Some(cut) = self.cutter.push(frame) {
            self.waiting.push_back((self.init.clone(), cut));
        }
        let waited = at_ns.saturating_sub(began_ns) >= ns_of(self.options.clock_wait);
        self.place(waited)
    }

    /// Takes a sender report of a track that arrived at `at_ns`: the moment `ns` by the camera's
    /// clock is `ticks`. Returns whether such a time can be true.
    pub fn report(&mut self, track: usize, ticks: i64, ns: i64, at_ns: i64) -> bool {
        self.clock.reported(track, ticks, ns, at_ns)
    }

    /// The camera codes its tracks otherwise from the next frame on; their number and their clocks
    /// stay.
    ///
    /// # Errors
    /// If the tracks make no codec initialisation.
    pub fn change(&mut self, tracks: Vec<TrackDescription>) -> Result<(), RecordError> {
        let init = build::build(&tracks, None, &Limits::default())?;
        if let Some(cut) = self.cutter.finish() {
            self.waiting.push_back((self.init.clone(), cut));
        }
        self.init = init;
        self.tracks = tracks;
        Ok(())
    }

    /// The next fragment that is whole and placed.
    pub fn poll(&mut self) -> Option<Recorded> {
        self.ready.pop_front()
    }

    /// The connection is over: the last fragment ends here. [`Recorder::poll`] until `None`, then
    /// take the history.
    ///
    /// # Errors
    /// If the frames make no fragment.
    pub fn finish(&mut self) -> Result<(), RecordError> {
        if let Some(cut) = self.cutter.finish() {
            self.waiting.push_back((self.init.clone(), cut));
        }
        self.place(true)
    }

    /// What the next connection has to know.
    #[must_use]
    pub fn into_history(self) -> History {
        self.history
    }

    /// Places the fragments that wait, if the clock is known or `now` it must be.
    fn place(&mut self, now: bool) -> Result<(), RecordError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.clock.source().is_none() {
            let bytes: usize = self.waiting.iter().map(|(_, cut)| cut.bytes).sum();
            if !now && !self.clock.is_reported() && bytes < BYTES_MAX {
                return Ok(());
            }
            self.clock.decide();
            self.resume();
        }
        while let Some((init, cut)) = self.waiting.pop_front() {
            self.place_one(init, cut)?;
        }
        Ok(())
    }

    /// Compares the clock with that of the connection before.
    fn resume(&mut self) {
        let Some(end_ns) = self.history.end_ns else {
            return;
        };
        let moved = self.clock.ahead_ns().saturating_sub(self.history.ahead_ns);
        if moved.saturating_abs() < ns_of(SAME_CLOCK) {
            self.resume_ns = Some(end_ns.saturating_sub(ns_of(OVERLAP)));
        } else {
            self.jumped = true;
        }
    }

    fn place_one(&mut self, init: Init, mut cut: Cut) -> Result<(), RecordError> {
        let rate = self.rate(self.reference);
        let first = cut.span(self.reference).map(|(first, _)| first);
        if let Some(first) = first {
            if let Some(before) = self.placed_ticks {
                let step = self.clock.step(to_ns(first.saturating_sub(before), rate));
                self.jumped |= step.jumped_ns.is_some();
            }
            self.placed_ticks = Some(first);
        }
        if !self.pass_over(&mut cut) {
            return Ok(());
        }
        if self.builder.0 != init.id() {
            self.builder = builder(&init);
        }
        let until_next = self.until_next(&cut);
        let is_reference = |frame: &Frame| frame.track == self.reference;
        let last = cut.frames.iter().rposition(is_reference);
        for (index, frame) in cut.frames.into_iter().enumerate() {
            let Some(pts) = self.clock.place(frame.track, frame.ticks) else {
                continue;
            };
            let until_next = until_next.filter(|_| Some(index) == last);
            self.builder.1.push(frames::Frame {
                track_id: self.track_id(frame.track),
                pts,
                key: frame.key,
                duration: until_next.or(frame.duration),
                data: vec![frame.data],
            })?;
        }
        let Some(fragment) = self.builder.1.finish(&init)? else {
            return Ok(());
        };
        let recorded = self.recorded(init, fragment);
        self.ready.push_back(recorded);
        Ok(())
    }

    /// How long the reference's last frame plays; unknown if it would be much longer than the frame
    /// before: then frames were lost, or others are still to come that are shown before the next key
    /// frame.
    fn until_next(&self, cut: &Cut) -> Option<u32> {
        let reference = cut.frames.iter().rev();
        let mut reference = reference.filter(|frame| frame.track == self.reference);
        let last = reference.next()?.ticks;
        let ticks = cut.next_ticks?.checked_sub(last)?;
        let limit = match reference.next() {
            Some(before) => last.checked_sub(before.ticks)?.saturating_mul(3) / 2,
            None => to_ticks(ns_of(STRETCH_MAX), self.rate(self.reference)),
        };
        let fits = 1..=limit;
        u32::try_from(ticks).ok().filter(|_| fits.contains(&ticks))
    }

    /// Drops what the recording has; returns whether something is left.
    fn pass_over(&mut self, cut: &mut Cut) -> bool {
        let Some(resume_ns) = self.resume_ns else {
            return true;
        };
        let (clock, tracks, reference) = (&self.clock, &self.tracks, self.reference);
        let is_new = |frame: &Frame| {
            let rate = tracks.get(frame.track).map_or(1, |track| track.timescale);
            let placed = clock.place(frame.track, frame.ticks);
            placed.is_some_and(|ticks| to_ns(ticks, rate) >= resume_ns)
        };
        // What is left may start in the middle of a group of pictures, whose start is recorded.
        cut.frames.retain(is_new);
        if !cut.frames.iter().any(|frame| frame.track == reference) {
            return false;
        }
        self.resume_ns = None;
        true
    }

    fn recorded(&mut self, init: Init, fragment: Fragment) -> Recorded {
        let reference = *fragment.reference();
        let placement = self.history.timeline.place(&reference);
        let end = reference
            .base_decode_time
            .saturating_add(reference.duration);
        let end = i64::try_from(end).unwrap_or(i64::MAX);
        self.history.end_ns = Some(to_ns(end, reference.timescale));
        self.history.ahead_ns = self.clock.ahead_ns();
        let jumped = std::mem::take(&mut self.jumped);
        Recorded {
            init,
            fragment,
            producer_time: placement.producer_time,
            continuity: if jumped {
                Continuity::Discontinuous
            } else {
                placement.continuity
            },
            source: self.clock.source().unwrap_or(TimeSource::Arrival),
        }
    }

    fn rate(&self, track: usize) -> u32 {
        self.tracks.get(track).map_or(1, |track| track.timescale)
    }

    fn track_id(&self, track: usize) -> u32 {
        self.tracks.get(track).map_or(0, |track| track.id)
    }
}

fn builder(init: &Init) -> (InitId, Builder) {
    (init.id(), Builder::new(init, Limits::default()))
}

fn ns_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
