//! ffmpeg and ffprobe, which nobody here wrote, read what we write and write what we read.
//!
//! They must be on `PATH` (Debian: `apt-get install ffmpeg`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "media/support.rs"]
mod support;
#[path = "media/tools.rs"]
mod tools;

use std::io::Read as _;
use std::process::{Command, Stdio};

use afflux_media::playback::{self, Shift};
use afflux_media::{Clip, Fragment, Init, Limits, StoredFragment, TrackKind};
use bytes::Bytes;

use support::{ALL, CAMERA, H264_AAC, facts, run, store, stored};
use tools::{INSTALL, decodes, frames, packets, probe, tool};

/// When each stream starts, in seconds.
fn starts(input: &[u8]) -> Vec<f64> {
    let said = probe(&["-show_entries", "stream=start_time"], input);
    said.output
        .lines()
        .map(|line| line.parse().expect("a time"))
        .collect()
}

fn clip<'a>(init: &Init, fragments: impl IntoIterator<Item = &'a StoredFragment>) -> Vec<u8> {
    let mut builder = Clip::builder(init.clone());
    fragments
        .into_iter()
        .for_each(|fragment| builder.push(fragment).expect("it fits"));
    builder
        .finish()
        .expect("there are fragments")
        .into_iter()
        .collect::<Vec<Bytes>>()
        .concat()
}

fn play<'a>(init: &Init, fragments: impl IntoIterator<Item = &'a StoredFragment>) -> Vec<u8> {
    let mut file = playback::init_segment(init).to_vec();
    for (fragment, i) in fragments.into_iter().zip(0..) {
        let pieces = playback::fragment_bytes(fragment, i * 8 + 1, &[]).expect("no shift");
        pieces
            .iter()
            .for_each(|piece| file.extend_from_slice(piece));
    }
    file
}

#[test]
fn clips_and_playback_have_every_packet_and_decode_without_a_warning() {
    for fixture in ALL {
        let (init, fragments) = store(fixture.bytes);
        let original = packets(fixture.bytes);
        assert_eq!(
            original.lines().count(),
            fixture.samples.len(),
            "{}",
            fixture.name
        );
        for (form, file) in [
            ("clip", clip(&init, &fragments)),
            ("fMP4", play(&init, &fragments)),
        ] {
            assert_eq!(packets(&file), original, "{} as {form}", fixture.name);
            assert_eq!(frames(&file), fixture.samples, "{} as {form}", fixture.name);
            decodes(&file);
        }
    }
}

#[test]
fn a_clip_of_some_fragments_has_their_frames() {
    for fixture in ALL {
        let (init, fragments) = store(fixture.bytes);
        let file = clip(&init, &fragments[1..]);
        let expected: Vec<u32> = (0..fixture.samples.len())
            .map(|i| {
                fragments[1..]
                    .iter()
                    .map(|fragment| fragment.meta().tracks[i].samples)
                    .sum()
            })
            .collect();
        assert_eq!(frames(&file), expected, "{}", fixture.name);
        decodes(&file);
    }
}

#[test]
fn tracks_start_as_far_apart_in_a_clip_as_in_the_recording() {
    let (init, fragments) = store(H264_AAC.bytes);
    let file = clip(&init, &fragments[1..]);
    let found = starts(&file);
    let start = |track: &afflux_media::TrackMeta| {
        f64::from(u32::try_from(track.base_decode_time).unwrap()) / f64::from(track.timescale)
    };
    let tracks = &fragments[1].meta().tracks;
    let expected = start(&tracks[0]) - start(&tracks[1]);
    assert!(
        (found[0] - found[1] - expected).abs() < 0.000_5,
        "{found:?}, not {expected}"
    );
    assert!(found.contains(&0.0), "{found:?}");
}

#[test]
fn a_clip_over_a_loop_plays_on() {
    let (init, fragments) = store(CAMERA.bytes);
    let file = clip(&init, fragments.iter().chain(&fragments).chain(&fragments));
    assert_eq!(
        frames(&file),
        CAMERA
            .samples
            .iter()
            .map(|count| count * 3)
            .collect::<Vec<_>>()
    );
    decodes(&file);
}

#[test]
fn a_tail_that_joins_late_starts_at_zero() {
    let (init, fragments) = store(H264_AAC.bytes);
    let mut file = playback::init_segment(&init).to_vec();
    let shifts = [
        Shift {
            track_id: 1,
            ticks: -12_800,
        },
        Shift {
            track_id: 2,
            ticks: -41_984,
        },
    ];
    for (fragment, i) in fragments[1..].iter().zip(0..) {
        let pieces = playback::fragment_bytes(fragment, i * 2 + 1, &shifts).expect("it fits");
        pieces
            .iter()
            .for_each(|piece| file.extend_from_slice(piece));
    }
    assert_eq!(frames(&file), [50, 90]);
    decodes(&file);
    // ffmpeg adds the reordering delay of two frames at 25 Hz to the video.
    assert_eq!(starts(&file), [0.08, 0.0]);
}

/// What ffmpeg writes to a pipe with these flags, stored as it arrives.
fn pipe(arguments: &[&str]) -> (Init, Vec<StoredFragment>) {
    let picture = "testsrc2=size=160x120:rate=25:duration=2";
    let mut child = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            picture,
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=sample_rate=48000:duration=2",
            "-shortest",
        ])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-g",
            "25",
            "-sc_threshold",
            "0",
        ])
        .args(["-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .args(arguments)
        .args(["-f", "mp4", "pipe:1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect(INSTALL);
    let mut pieces = Vec::new();
    let mut stdout = child.stdout.take().expect("it was piped");
    loop {
        let mut buffer = vec![0; 4_096];
        let count = stdout.read(&mut buffer).expect("the pipe can be read");
        if count == 0 {
            break;
        }
        buffer.truncate(count);
        pieces.push(Bytes::from(buffer));
    }
    assert!(child.wait().expect("it was started").success());
    let (mut output, end) = run(pieces, Limits::default());
    end.expect("ffmpeg writes whole boxes");
    let init = output.inits.remove(0);
    let fragments = output.fragments.into_iter().zip(0..).map(|(received, i)| {
        let position = received.started.position;
        let fragment =
            Fragment::parse_at(&init, received.pieces, position, &Limits::default()).expect("good");
        let stored = stored(&fragment, &facts(i));
        stored
            .verify(&init, &Limits::default())
            .expect("it was made here");
        stored
    });
    let fragments = fragments.collect();
    (init, fragments)
}

#[test]
fn every_way_in_which_ffmpeg_writes_fragments_is_read() {
    let ways: &[(&str, usize, &[&str])] = &[
        (
            "cmaf",
            2,
            &[
                "-movflags",
                "frag_keyframe+empty_moov+default_base_moof+cmaf",
            ],
        ),
        (
            "edit list",
            2,
            &["-movflags", "frag_keyframe+delay_moov+default_base_moof"],
        ),
        (
            "negative",
            2,
            &["-movflags", "frag_keyframe+empty_moov+negative_cts_offsets"],
        ),
        (
            "absolute offsets",
            2,
            &["-movflags", "frag_keyframe+empty_moov"],
        ),
        (
            "no offsets",
            2,
            &["-movflags", "frag_keyframe+empty_moov+omit_tfhd_offset"],
        ),
        (
            "track by track",
            4,
            &["-movflags", "frag_keyframe+empty_moov+separate_moof"],
        ),
        ("dash", 2, &["-movflags", "frag_keyframe+empty_moov+dash"]),
    ];
    for (name, count, arguments) in ways {
        let (init, fragments) = pipe(arguments);
        assert_eq!(fragments.len(), *count, "{name}");
        let video = |meta: &afflux_media::Meta| -> u32 {
            let tracks = meta
                .tracks
                .iter()
                .filter(|track| track.kind == TrackKind::Video);
            tracks.map(|track| track.samples).sum()
        };
        let pictures: u32 = fragments
            .iter()
            .map(|fragment| video(fragment.meta()))
            .sum();
        assert_eq!(pictures, 50, "{name}");
        for file in [clip(&init, &fragments), play(&init, &fragments)] {
            assert_eq!(frames(&file)[0], 50, "{name}");
            decodes(&file);
        }
        let clip = clip(&init, &fragments);
        let starts = starts(&clip);
        let apart = (starts[0] - starts[1]).abs();
        assert!(apart < 0.1, "{name}: {starts:?}");
    }
}

#[test]
fn a_fragment_for_every_frame_makes_the_same_clip() {
    // Without sound: ffmpeg gives every other packet of sound the time of the one before.
    let flags = "frag_every_frame+empty_moov+default_base_moof";
    let (init, fragments) = pipe(&["-an", "-movflags", flags]);
    assert_eq!(fragments.len(), 50);
    let keys = fragments
        .iter()
        .filter(|fragment| fragment.meta().flags.is_keyframe());
    assert_eq!(keys.count(), 2);
    let file = clip(&init, &fragments);
    assert_eq!(frames(&file), [50]);
    decodes(&file);
}

/// The MD5 of each picture that is shown.
fn pictures(input: &[u8]) -> Vec<String> {
    let arguments = ["-i", "pipe:0", "-map", "0:v:0", "-fps_mode", "passthrough"];
    let said = tool(
        "ffmpeg",
        &[&arguments[..], &["-f", "framemd5", "-"]].concat(),
        input,
    );
    assert!(said.is_ok, "ffmpeg: {}", said.complaints);
    let lines = said.output.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

#[test]
fn an_exact_clip_shows_its_pictures_however_they_are_cut_into_fragments() {
    let ways: &[&[&str]] = &[
        &[
            "-movflags",
            "frag_keyframe+empty_moov+default_base_moof+cmaf",
        ],
        &["-movflags", "frag_keyframe+delay_moov+default_base_moof"],
        &["-movflags", "frag_keyframe+empty_moov+default_base_moof"],
        // Pictures are shown in another order than their fragments come.
        &[
            "-an",
            "-movflags",
            "frag_every_frame+empty_moov+default_base_moof",
        ],
    ];
    for way in ways {
        let (init, fragments) = pipe(way);
        let whole = pictures(&clip(&init, &fragments));
        assert_eq!(whole.len(), 50);
        for (first, last) in [(0, 50), (3, 4), (7, 18), (24, 26), (25, 50), (30, 41)] {
            let range = first * 40..last * 40;
            let mut builder = Clip::builder(init.clone());
            for fragment in &fragments {
                let start = fragment.meta().reference().unwrap().base_ms();
                let start = i64::try_from(start).unwrap();
                builder.push_within(fragment, start, &range).unwrap();
            }
            let file: Vec<Bytes> = builder.finish().unwrap().into_iter().collect();
            let place = |picture| usize::try_from(picture).unwrap();
            let expected = &whole[place(first)..place(last)];
            assert_eq!(pictures(&file.concat()), expected, "{way:?} {range:?}");
        }
    }
}
