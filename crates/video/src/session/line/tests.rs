use afflux_media::{Flags, InitId, TrackFlags, TrackKind};
use afflux_types::ProducerTime;

use super::super::layout::Played;
use super::super::ticket::tests::ticket;
use super::*;

const SECOND: i64 = 1_000_000_000;

fn track(id: u32, kind: TrackKind, timescale: u32, base_ms: u64, ms: u64) -> TrackMeta {
    let ticks = |ms: u64| ms * u64::from(timescale) / 1_000;
    TrackMeta {
        track_id: id,
        kind,
        timescale,
        base_decode_time: ticks(base_ms),
        duration: ticks(ms),
        samples: 10,
        flags: TrackFlags::default(),
    }
}

fn meta(session_id: u128, tracks: Vec<TrackMeta>) -> Meta {
    Meta {
        init_id: InitId::new(1),
        session_id,
        sequence: 0,
        producer_time: ProducerTime::from_millis(0),
        duration_ms: 1_000,
        flags: Flags::default(),
        tracks,
        bytes: 1_000,
    }
}

fn layout(ids: &[u32]) -> Layout {
    let played = |id: &u32| Played {
        id: *id,
        kind: TrackKind::Video,
        timescale: 90_000,
        codec: String::new(),
        width: 0,
        height: 0,
        sample_rate: 0,
        channels: 0,
    };
    Layout {
        id: InitId::new(1),
        position: Position::ZERO,
        is_matroska: false,
        tracks: ids.iter().map(played).collect(),
    }
}

struct Lines {
    line: Line,
    layout: Layout,
    position: u64,
}

impl Lines {
    fn new(protocol: Protocol, mode: Mode) -> Self {
        let ticket = Ticket {
            protocol,
            mode,
            ..ticket()
        };
        Self {
            line: Line::new(&ticket, 0),
            layout: layout(&[1, 2]),
            position: 0,
        }
    }

    fn push(&mut self, axis_ms: i64, init: u32, meta: &Meta) -> Option<Segment> {
        let position = Position::new(self.position);
        self.position += 1;
        self.line.push(Candidate {
            position,
            arrival: ServerTime::from_millis(axis_ms),
            axis_ms,
            meta,
            init,
            layout: &self.layout,
        })
    }

    /// Pushes a second of pictures.
    fn second(&mut self, session: u128, axis_ms: i64, base_ms: u64) -> Segment {
        let video = track(1, TrackKind::Video, 90_000, base_ms, 1_000);
        self.push(axis_ms, 0, &meta(session, vec![video])).unwrap()
    }
}

#[test]
fn inside_an_upload_fragments_follow_each_other_to_the_tick() {
    let mut lines = Lines::new(Protocol::Hls, Mode::OnDemand);
    let first = lines.second(1, 10_000, 0);
    // The axis trembles, the ticks do not.
    for (number, off) in [(1, 49), (2, -50), (3, 0)] {
        let segment = lines.second(
            1,
            10_000 + number * 1_000 + off,
            number.unsigned_abs() * 1_000,
        );
        assert_eq!(segment.start_ns, first.start_ns + number * SECOND);
        assert_eq!((segment.shift_ns, segment.period), (first.shift_ns, 0));
    }
    let late = lines.second(1, 14_051, 4_000);
    assert_eq!(late.start_ns, 14_051_000_000);
    assert_eq!(late.period, 1);
}

#[test]
fn another_upload_follows_if_it_is_near_and_is_a_break_if_not() {
    let mut lines = Lines::new(Protocol::Hls, Mode::OnDemand);
    lines.second(1, 10_000, 0);
    let near = lines.second(2, 11_020, 7_000);
    assert_eq!((near.start_ns, near.period), (11 * SECOND, 0));
    let gap = lines.second(3, 13_000, 0);
    assert_eq!((gap.start_ns, gap.period), (13 * SECOND, 1));
    let overlap = lines.second(4, 13_500, 0);
    assert_eq!((overlap.start_ns, overlap.period), (13_500_000_000, 2));
}

#[test]
fn a_cluster_has_the_time_of_its_first_frame_of_whatever_track() {
    let mut lines = Lines::new(Protocol::Hls, Mode::OnDemand);
    lines.layout.is_matroska = true;
    let cluster = |video_ms, audio_ms| {
        let video = track(1, TrackKind::Video, 1_000, video_ms, 2_000);
        meta(
            1,
            vec![video, track(2, TrackKind::Audio, 48_000, audio_ms, 2_000)],
        )
    };
    let first = lines.push(10_000, 0, &cluster(21, 0)).unwrap();
    assert_eq!(first.start_ns, 10_021_000_000);
    // Sound before the key frame is in the cluster that the key frame begins.
    let second = lines.push(11_920, 0, &cluster(2_021, 1_920)).unwrap();
    assert_eq!((second.start_ns, second.period), (12_021_000_000, 0));
    assert_eq!(second.tracks[0].start, 12_021);
}

#[test]
fn other_codecs_are_a_break() {
    let mut lines = Lines::new(Protocol::Hls, Mode::OnDemand);
    lines.second(1, 10_000, 0);
    let video = track(1, TrackKind::Video, 90_000, 1_000, 1_000);
    let other = lines.push(11_000, 1, &meta(1, vec![video])).unwrap();
    assert_eq!((other.period, other.init), (1, 1));
}

#[test]
fn a_manifests_timeline_has_no_gap_and_no_overlap_on_any_track() {
    let mut lines = Lines::new(Protocol::Dash, Mode::OnDemand);
    let mut ends = [i64::MIN; 2];
    let fragment = |session, base_ms| {
        meta(
            session,
            vec![
                track(1, TrackKind::Video, 90_000, base_ms, 1_000),
                track(2, TrackKind::Audio, 44_100, base_ms + 7, 1_016),
            ],
        )
    };
    for (session, axis_ms, base_ms) in [
        (1, 10_000, 0),
        (1, 11_016, 1_016),
        (1, 50_000, 2_040),
        (2, 51_100, 5),
        (3, 51_400, 77_777),
        (3, 20_000, 3),
    ] {
        let segment = lines.push(axis_ms, 0, &fragment(session, base_ms)).unwrap();
        for span in &segment.tracks {
            let start = span.start;
            if ends[span.track] != i64::MIN {
                let gap = start - ends[span.track];
                let most = i64::from(span.timescale) / 20;
                assert!((0..=most).contains(&gap), "{gap} ticks at {axis_ms}");
            }
            ends[span.track] = start + i64::try_from(span.duration).unwrap();
        }
    }
}

#[test]
fn a_live_line_takes_what_is_newer_only_and_sound_that_comes_apart() {
    let mut lines = Lines::new(Protocol::Hls, Mode::Live);
    let video = |base_ms| meta(1, vec![track(1, TrackKind::Video, 90_000, base_ms, 1_000)]);
    let audio = |base_ms| meta(1, vec![track(2, TrackKind::Audio, 48_000, base_ms, 1_000)]);
    assert!(lines.push(10_000, 0, &video(0)).is_some());
    let sound = lines.push(9_990, 0, &audio(0)).unwrap();
    assert_eq!(
        (sound.number, sound.tracks[0].number, sound.period),
        (1, 0, 0)
    );
    assert!(lines.push(10_000, 0, &video(0)).is_none());
    assert!(lines.push(9_000, 0, &video(0)).is_none());
    let next = lines.push(11_000, 0, &video(1_000)).unwrap();
    assert_eq!((next.number, next.tracks[0].number), (2, 1));
}

#[test]
fn tracks_that_are_not_played_are_passed_over() {
    let mut lines = Lines::new(Protocol::Hls, Mode::OnDemand);
    let text = meta(1, vec![track(9, TrackKind::Other, 1_000, 0, 1_000)]);
    assert_eq!(lines.push(10_000, 0, &text), None);
    assert_eq!(lines.second(1, 10_000, 0).number, 0);
}

#[test]
fn impossible_times_saturate() {
    let mut lines = Lines::new(Protocol::Hls, Mode::OnDemand);
    for axis_ms in [i64::MAX, i64::MIN, 0] {
        let mut far = track(1, TrackKind::Video, 1, 0, 0);
        far.base_decode_time = u64::try_from(i64::MAX).unwrap();
        assert!(lines.push(axis_ms, 0, &meta(1, vec![far])).is_some());
    }
}
