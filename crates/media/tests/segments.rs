//! Segments for players, read by ffmpeg: the same frames come out as were put in, whatever the form.
//!
//! ffmpeg must be on `PATH` (Debian: `apt-get install ffmpeg`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "media/support.rs"]
mod support;
#[path = "media/tools.rs"]
mod tools;

use afflux_media::{
    Init, Limits, StoredFragment, StoredTrack, Track, TrackKind, part, segment, ts,
};
use bytes::Bytes;
use proptest::prelude::*;

use support::{ALL, CAMERA, Fixture, H264_AAC, is_slice_of, run, store};
use tools::tool;

/// The MD5 of each decoded frame of one stream, in the order of presentation, and what ffmpeg said.
fn frames(input: &[u8], kind: TrackKind) -> Vec<String> {
    let map = match kind {
        TrackKind::Video => "0:v:0",
        _ => "0:a:0",
    };
    let arguments = ["-i", "pipe:0", "-map", map, "-f", "framemd5", "-"];
    let said = tool("ffmpeg", &arguments, input);
    assert!(said.is_ok, "ffmpeg: {}", said.complaints);
    let serious = said.complaints.lines().find(|line| {
        line.contains("non monoton") || line.contains("Continuity") || line.contains("corrupt")
    });
    assert_eq!(serious, None);
    let lines = said.output.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

fn tracks(init: &Init) -> impl Iterator<Item = &Track> {
    init.tracks().iter()
}

fn of(fragment: &StoredFragment, track: &Track) -> StoredTrack {
    fragment
        .tracks()
        .find(|stored| stored.meta().track_id == track.id())
        .unwrap()
}

/// One track as its init segment and media segments, moved by a day.
fn segments(init: &Init, fragments: &[StoredFragment], track: &Track) -> Vec<Bytes> {
    let mut pieces = vec![segment::init(init, track).unwrap()];
    let day = i64::from(track.timescale()) * 86_400;
    for (fragment, sequence) in fragments.iter().zip(0..) {
        pieces.extend(segment::media(&of(fragment, track), day, sequence).unwrap());
    }
    pieces
}

fn parts(init: &Init, fragments: &[StoredFragment], track: &Track) -> Vec<Bytes> {
    let mut pieces = vec![segment::init(init, track).unwrap()];
    for fragment in fragments {
        let stored = of(fragment, track);
        let target = u64::from(track.timescale()) / 4;
        let parts = part::cut(&stored, target, &Limits::default()).unwrap();
        assert!(parts.iter().all(|part| part.duration() <= target));
        let duration: u64 = parts.iter().map(part::Part::duration).sum();
        assert_eq!(duration, stored.meta().duration);
        for part in &parts {
            pieces.extend(part::media(&stored, part, 0, 0).unwrap());
        }
    }
    pieces
}

fn stream(init: &Init, fragments: &[StoredFragment]) -> Vec<u8> {
    let plan = ts::Plan::of(init).unwrap().unwrap();
    let mut joined = Vec::new();
    for fragment in fragments {
        let made = plan
            .segment(fragment, 10_000_000_000, &Limits::default())
            .unwrap();
        for piece in made {
            joined.extend_from_slice(&piece.unwrap());
        }
    }
    joined
}

/// Fixtures that MPEG-TS can carry.
fn streamable(fixture: &&Fixture) -> bool {
    !fixture.codecs.contains("av01") && !fixture.codecs.contains("opus")
}

#[test]
fn each_track_apart_decodes_to_the_same_frames() {
    for fixture in ALL {
        let (init, fragments) = store(fixture.bytes);
        for track in tracks(&init) {
            let expected = frames(fixture.bytes, track.kind());
            assert!(!expected.is_empty());
            let pieces = segments(&init, &fragments, track);
            let found = frames(&pieces.concat(), track.kind());
            assert_eq!(found, expected, "{} track {}", fixture.name, track.id());
        }
    }
}

#[test]
fn parts_decode_to_the_same_frames() {
    for fixture in [&CAMERA, &H264_AAC] {
        let (init, fragments) = store(fixture.bytes);
        for track in tracks(&init) {
            let expected = frames(fixture.bytes, track.kind());
            let pieces = parts(&init, &fragments, track);
            let found = frames(&pieces.concat(), track.kind());
            assert_eq!(found, expected, "{} track {}", fixture.name, track.id());
        }
    }
}

#[test]
fn transport_streams_decode_to_the_same_frames() {
    for fixture in ALL.iter().filter(streamable) {
        let (init, fragments) = store(fixture.bytes);
        let joined = stream(&init, &fragments);
        assert_eq!(joined.len() % 188, 0);
        for track in tracks(&init) {
            let expected = frames(fixture.bytes, track.kind());
            let found = frames(&joined, track.kind());
            assert_eq!(found, expected, "{} track {}", fixture.name, track.id());
        }
    }
}

#[test]
fn codecs_that_a_transport_stream_cannot_carry_are_left_out() {
    for fixture in ALL.iter().filter(|fixture| !streamable(fixture)) {
        let (init, _) = store(fixture.bytes);
        let plan = ts::Plan::of(&init).unwrap();
        let expected = usize::from(fixture.codecs.contains("avc1"));
        let found = plan.map_or(0, |plan| plan.track_ids().count());
        assert_eq!(found, expected, "{}", fixture.name);
    }
}

#[test]
fn media_is_a_slice_of_the_log_and_can_be_stored_again() {
    let (init, fragments) = store(H264_AAC.bytes);
    for track in tracks(&init) {
        let pieces = segments(&init, &fragments, track);
        for (pair, fragment) in pieces[1..].chunks(2).zip(&fragments) {
            assert!(is_slice_of(&pair[1], fragment.body()));
        }
        let (output, end) = run(pieces, Limits::default());
        end.unwrap();
        assert_eq!(output.inits.len(), 1);
        assert_eq!(output.inits[0].tracks().len(), 1);
        assert_eq!(output.inits[0].codecs(), track.codec());
        let times = output.fragments.iter().zip(&fragments);
        for (found, fragment) in times {
            let expected =
                of(fragment, track).meta().base_decode_time + 86_400 * u64::from(track.timescale());
            assert_eq!(found.started.tracks[0].base_decode_time, expected);
        }
    }
}

#[test]
fn times_that_an_mp4_cannot_say_are_refused() {
    let (init, fragments) = store(H264_AAC.bytes);
    let track = &init.tracks()[0];
    let stored = of(&fragments[1], track);
    assert!(segment::media(&stored, -1 << 40, 0).is_err());
    assert!(segment::media(&stored, i64::MAX, 0).is_err());
    let parts = part::cut(&stored, 1_000, &Limits::default()).unwrap();
    assert!(part::media(&stored, &parts[0], -1 << 40, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A stranger's samples are whatever they are: the log's checks look at boxes only.
    #[test]
    fn damaged_samples_are_refused_or_carried_but_never_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        for fixture in [&H264_AAC, &support::HEVC] {
            let (init, fragments) = store(fixture.bytes);
            let fragment = &fragments[0];
            let mut body = fragment.body().to_vec();
            for (place, byte) in &places {
                let at = place.index(body.len());
                body[at] = *byte;
            }
            let Ok(fragment) = StoredFragment::decode(body.into()) else {
                continue;
            };
            let plan = ts::Plan::of(&init).unwrap().unwrap();
            let mut packets = 0;
            if let Ok(made) = plan.segment(&fragment, 0, &Limits::default()) {
                for piece in made.map_while(Result::ok) {
                    prop_assert_eq!(piece.len() % 188, 0);
                    packets += piece.len() / 188;
                }
            }
            prop_assert!(packets < 10_000);
            for stored in fragment.tracks() {
                if let Ok(parts) = part::cut(&stored, 1_000, &Limits::default()) {
                    for part in &parts {
                        let _ = part::media(&stored, part, 5, 0);
                    }
                }
            }
        }
    }
}
