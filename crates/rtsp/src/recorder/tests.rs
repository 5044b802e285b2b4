use afflux_media::build::{Codec, Media};
use bytes::Bytes;

use super::*;

const SECOND: i64 = 1_000_000_000;
/// 2026-11-21 10:00:00 UTC.
const NOON: i64 = 1_795_255_200 * SECOND;
/// Ticks between two pictures.
const PICTURE: i64 = 3_600;
/// Where the camera's timestamps begin.
const RTP_ZERO: i64 = 4_000_000_000;

fn tracks() -> Vec<TrackDescription> {
    let video = TrackDescription {
        id: 1,
        timescale: 90_000,
        media: Media::Video {
            width: 640,
            height: 360,
        },
        codec: Codec::H264(None),
    };
    let sound = TrackDescription {
        id: 2,
        timescale: 8_000,
        media: Media::Audio {
            sample_rate: 8_000,
            channels: 1,
        },
        codec: Codec::Alaw,
    };
    vec![video, sound]
}

fn recorder(history: History) -> Recorder {
    Recorder::new(tracks(), RecorderOptions::default(), history).unwrap()
}

/// A camera of 25 pictures and 10 packets of sound a second, with a key frame each second.
struct Camera {
    recorder: Recorder,
    /// How far its clock is before ours.
    ahead_ns: i64,
    out: Vec<Recorded>,
}

impl Camera {
    fn new(history: History, ahead_ns: i64) -> Self {
        Self {
            recorder: recorder(history),
            ahead_ns,
            out: Vec::new(),
        }
    }

    /// Sends the pictures of these times, counted in pictures from ten o'clock by its clock.
    fn send(&mut self, pictures: std::ops::Range<i64>) {
        for picture in pictures {
            self.picture(picture, picture % 25 == 0);
            if picture % 5 == 0 {
                self.sound(picture * 320);
            }
        }
        self.drain();
    }

    fn picture(&mut self, picture: i64, key: bool) {
        let frame = Frame {
            track: 0,
            ticks: RTP_ZERO + picture * PICTURE,
            key,
            duration: None,
            data: Bytes::from(picture.to_be_bytes().to_vec()),
        };
        let at_ns = NOON + picture * SECOND / 25 - self.ahead_ns;
        self.recorder.frame(frame, at_ns).unwrap();
    }

    fn sound(&mut self, ticks: i64) {
        let frame = Frame {
            track: 1,
            ticks,
            key: true,
            duration: Some(1_600),
            data: Bytes::from_static(&[0xd5; 16]),
        };
        let at_ns = NOON + ticks * SECOND / 8_000 - self.ahead_ns;
        self.recorder.frame(frame, at_ns).unwrap();
    }

    /// Both tracks report the time of a picture.
    fn report(&mut self, picture: i64) {
        let ns = NOON + picture * SECOND / 25;
        let at_ns = ns - self.ahead_ns;
        let ticks = RTP_ZERO + picture * PICTURE;
        assert!(self.recorder.report(0, ticks, ns, at_ns));
        assert!(self.recorder.report(1, picture * 320, ns, at_ns));
    }

    fn finish(mut self) -> (Vec<Recorded>, History) {
        self.recorder.finish().unwrap();
        self.drain();
        (self.out, self.recorder.into_history())
    }

    fn drain(&mut self) {
        self.out.extend(std::iter::from_fn(|| self.recorder.poll()));
    }
}

/// When fragments start in milliseconds after ten, and how many pictures they have.
fn seen(recorded: &[Recorded]) -> Vec<(i64, u32)> {
    let one = |recorded: &Recorded| {
        let start = recorded.producer_time.as_millis() - NOON / 1_000_000;
        (start, recorded.fragment.reference().samples)
    };
    recorded.iter().map(one).collect()
}

fn breaks(recorded: &[Recorded]) -> Vec<bool> {
    let is_break = |recorded: &Recorded| recorded.continuity == Continuity::Discontinuous;
    recorded.iter().map(is_break).collect()
}

#[test]
fn fragments_have_the_cameras_time_and_join() {
    let mut camera = Camera::new(History::default(), 7 * SECOND);
    camera.send(0..30);
    assert!(camera.out.is_empty(), "the clock is not known yet");
    camera.report(30);
    camera.send(30..76);
    let (recorded, _) = camera.finish();
    assert_eq!(
        seen(&recorded),
        [(0, 25), (1_000, 25), (2_000, 25), (3_000, 1)]
    );
    assert_eq!(breaks(&recorded), [false; 4]);
    assert!(recorded.iter().all(|r| r.source == TimeSource::Camera));
    for pair in recorded.windows(2) {
        for (one, next) in pair[0].fragment.tracks().zip(pair[1].fragment.tracks()) {
            let end = one.base_decode_time + one.duration;
            assert_eq!(end, next.base_decode_time, "track {}", one.track_id);
        }
    }
}

#[test]
fn a_camera_without_a_clock_is_recorded_by_arrival() {
    let mut camera = Camera::new(History::default(), 0);
    camera.send(0..140);
    assert!(camera.out.is_empty(), "it may still report");
    camera.send(140..160);
    assert_eq!(camera.recorder.source(), Some(TimeSource::Arrival));
    let (recorded, _) = camera.finish();
    assert_eq!(recorded.len(), 7);
    assert_eq!(seen(&recorded)[6], (6_000, 10));
}

#[test]
fn a_report_after_all_jumps_to_the_cameras_time_once() {
    let mut camera = Camera::new(History::default(), 3_600 * SECOND);
    camera.send(0..175);
    camera.report(176);
    camera.send(175..225);
    camera.report(226);
    camera.send(225..276);
    let (recorded, _) = camera.finish();
    let starts: Vec<i64> = seen(&recorded).iter().map(|(start, _)| *start).collect();
    assert_eq!(starts[..3], [-3_600_000, -3_599_000, -3_598_000]);
    assert_eq!(starts.last(), Some(&11_000));
    assert_eq!(breaks(&recorded).iter().filter(|is| **is).count(), 1);
}

#[test]
fn what_comes_again_after_a_reconnect_is_not_recorded_twice() {
    let mut camera = Camera::new(History::default(), 0);
    camera.report(0);
    camera.send(0..60);
    let (first, history) = camera.finish();
    assert_eq!(seen(&first), [(0, 25), (1_000, 25), (2_000, 10)]);
    // The camera keeps its last seconds and sends them to whoever comes.
    let mut camera = Camera::new(history, 0);
    camera.report(50);
    camera.send(25..110);
    let (second, _) = camera.finish();
    assert_eq!(seen(&second), [(2_400, 15), (3_000, 25), (4_000, 10)]);
    assert_eq!(breaks(&second), [false; 3]);
    let sound = first
        .iter()
        .chain(&second)
        .map(|r| r.fragment.tracks().nth(1).unwrap().samples);
    assert_eq!(sound.sum::<u32>(), 110 / 5, "of the sound neither");
}

#[test]
fn a_gap_between_connections_is_a_gap() {
    let mut camera = Camera::new(History::default(), 0);
    camera.report(0);
    camera.send(0..50);
    let (_, history) = camera.finish();
    let mut camera = Camera::new(history, 0);
    camera.report(1_000);
    camera.send(1_000..1_026);
    let (recorded, _) = camera.finish();
    assert_eq!(seen(&recorded), [(40_000, 25), (41_000, 1)]);
    assert_eq!(breaks(&recorded), [false; 2]);
}

#[test]
fn a_clock_that_was_set_back_starts_a_discontinuity_and_loses_nothing() {
    let mut camera = Camera::new(History::default(), 60 * SECOND);
    camera.report(1_500);
    camera.send(1_500..1_550);
    let (_, history) = camera.finish();
    // The same moment, by a clock that is right now.
    let mut camera = Camera::new(history, 0);
    camera.report(60);
    camera.send(75..126);
    let (recorded, _) = camera.finish();
    assert_eq!(breaks(&recorded), [true, false, false]);
    // Producer times of one recording never go back: it goes on where it ended.
    assert_eq!(seen(&recorded), [(62_000, 25), (63_000, 25), (64_000, 1)]);
}

#[test]
fn open_groups_of_pictures_join_without_overlap() {
    let mut camera = Camera::new(History::default(), 0);
    camera.report(0);
    // The two pictures after a key frame are shown before it.
    camera.picture(0, true);
    for key in (27..160).step_by(27) {
        for picture in key - 26..key - 2 {
            camera.picture(picture, false);
        }
        camera.picture(key, true);
        camera.picture(key - 2, false);
        camera.picture(key - 1, false);
    }
    let (recorded, _) = camera.finish();
    let starts: Vec<i64> = seen(&recorded).iter().map(|(start, _)| *start).collect();
    assert_eq!(starts, [0, 1_000, 2_080, 3_160, 4_240, 5_320]);
    for pair in recorded.windows(2) {
        let (one, next) = (pair[0].fragment.reference(), pair[1].fragment.reference());
        assert_eq!(one.base_decode_time + one.duration, next.base_decode_time);
    }
}

#[test]
fn another_codec_makes_another_initialisation() {
    let mut camera = Camera::new(History::default(), 0);
    camera.report(0);
    camera.send(0..40);
    let mut wider = tracks();
    wider[0].media = Media::Video {
        width: 1_920,
        height: 1_080,
    };
    camera.recorder.change(wider).unwrap();
    camera.send(50..76);
    let (recorded, _) = camera.finish();
    assert_eq!(
        seen(&recorded),
        [(0, 25), (1_000, 15), (2_000, 25), (3_000, 1)]
    );
    let inits: Vec<InitId> = recorded.iter().map(|r| r.init.id()).collect();
    assert_eq!(inits[0], inits[1]);
    assert_ne!(inits[1], inits[2]);
    for recorded in &recorded {
        assert_eq!(recorded.fragment.init_id(), recorded.init.id());
    }
}

#[test]
fn timestamps_that_leap_end_the_connection() {
    let mut camera = Camera::new(History::default(), 0);
    camera.send(0..10);
    let frame = Frame {
        track: 0,
        ticks: RTP_ZERO + 100 * 90_000,
        key: false,
        duration: None,
        data: Bytes::new(),
    };
    let error = camera.recorder.frame(frame, NOON).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the timestamps of track 0 leap by 99 seconds"
    );
}

#[test]
fn frames_of_unknown_tracks_are_passed_over() {
    let mut recorder = recorder(History::default());
    let frame = Frame {
        track: 9,
        ticks: 0,
        key: true,
        duration: None,
        data: Bytes::new(),
    };
    recorder.frame(frame, NOON).unwrap();
    assert!(recorder.is_idle());
    recorder.finish().unwrap();
    assert!(recorder.poll().is_none());
}
