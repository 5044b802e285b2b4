//! ffmpeg and ffprobe on what becomes of uploads in Matroska: they find in what readers and players
//! get what they find in the upload.
//!
//! They must be on `PATH` (Debian: `apt-get install ffmpeg`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "media/kvs.rs"]
mod kvs;
#[path = "media/tools.rs"]
mod tools;

use std::process::Command;

use afflux_media::mkv::{Coalesce, Event, Settings};
use afflux_media::{Clip, Init, StoredFragment, playback};
use bytes::Bytes;

use kvs::{PLAYABLE, answer, scanned, stored, upload, uploaded};
use tools::{INSTALL, decodes, frames, packets, streamhash};

/// A hash over every decoded picture and sound of each stream.
fn decoded(input: &[u8]) -> String {
    streamhash(&["-fps_mode", "passthrough"], input)
}

fn played(fragments: &[(Init, StoredFragment)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut last = None;
    for ((init, fragment), i) in fragments.iter().zip(0..) {
        if last.replace(init.media_id()) != Some(init.media_id()) {
            file.extend_from_slice(&playback::init_segment(init));
        }
        for piece in playback::fragment_bytes(fragment, i * 8 + 1, &[]).unwrap() {
            file.extend_from_slice(&piece);
        }
    }
    file
}

fn clip(fragments: &[(Init, StoredFragment)]) -> Vec<u8> {
    let mut clip = Clip::builder(fragments[0].0.clone());
    for (_, fragment) in fragments {
        clip.push(fragment).unwrap();
    }
    let pieces: Vec<Bytes> = clip.finish().unwrap().into_iter().collect();
    pieces.concat()
}

/// What ffmpeg makes of its test sources, as Matroska to a pipe.
fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error"])
        .args([
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=25:duration=3",
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=sample_rate=48000:duration=3",
            "-shortest",
        ])
        .args(arguments)
        .args(["-f", "matroska", "pipe:1"])
        .output()
        .expect(INSTALL);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn readers_and_players_decode_what_was_uploaded() {
    for (name, input, counts) in PLAYABLE {
        let fragments = stored(&uploaded(input));
        let back = answer(&fragments);
        assert_eq!(packets(&back), packets(input), "{name} as Matroska");
        assert_eq!(decoded(&back), decoded(input), "{name} as Matroska");
        let file = played(&fragments);
        assert_eq!(packets(&file), packets(input), "{name} as MP4");
        let is_one_axis = *name != "get-media-backward.mkv";
        if is_one_axis {
            assert_eq!(frames(&file), *counts, "{name} as MP4");
            assert_eq!(decoded(&file), decoded(input), "{name} as MP4");
            decodes(&clip(&fragments));
        }
    }
}

const X264: &[&str] = &[
    "-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "veryfast", "-g", "25",
];

/// What it is, how ffmpeg makes the picture and the sound, and how the codecs start.
type Way = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);
const WAYS: &[Way] = &[
    (
        "B-frames and AAC",
        X264,
        &["-bf", "3", "-c:a", "aac"],
        "avc1.64000d,mp4a.40.2",
    ),
    ("Opus", X264, &["-c:a", "libopus"], "avc1.64000d,opus"),
    (
        "A-law",
        X264,
        &["-c:a", "pcm_alaw", "-ar", "8000"],
        "avc1.64000d,alaw",
    ),
    (
        "mu-law",
        X264,
        &["-c:a", "pcm_mulaw", "-ar", "8000"],
        "avc1.64000d,ulaw",
    ),
    ("16 bits", X264, &["-c:a", "pcm_s16le"], "avc1.64000d,sowt"),
    ("FLAC", X264, &["-c:a", "flac"], "avc1.64000d,flac"),
    ("MP3", X264, &["-c:a", "libmp3lame"], "avc1.64000d,mp4a.6b"),
    ("sound alone", &["-vn"], &["-c:a", "aac"], "mp4a.40.2"),
    (
        "H.265",
        &[
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=none:keyint=25",
        ],
        &["-an"],
        "hvc1.",
    ),
    (
        "VP8",
        &["-c:v", "libvpx", "-g", "25", "-deadline", "realtime"],
        &["-an"],
        "vp08.",
    ),
    ("JPEG", &["-c:v", "mjpeg"], &["-an"], "jpeg"),
    (
        "AV1",
        &["-c:v", "libsvtav1", "-preset", "12", "-g", "25"],
        &["-an"],
        "av01.",
    ),
];

#[test]
fn every_codec_that_ffmpeg_writes_comes_back() {
    for (name, video, audio, codecs) in WAYS {
        let input = ffmpeg(&[*video, audio].concat());
        let uploaded = uploaded(&input);
        let fragments = stored(&uploaded);
        assert!(!fragments.is_empty(), "{name}");
        let found = fragments[0].0.codecs();
        assert!(found.starts_with(codecs), "{name}: {found}");
        let back = answer(&fragments);
        assert_eq!(packets(&back), packets(&input), "{name} as Matroska");
        if !["Opus", "MP3"].contains(name) {
            // How many samples of its last packet do not play, ffmpeg says in a field that is lost.
            assert_eq!(decoded(&back), decoded(&input), "{name} as Matroska");
        }
        decodes(&back);
        let file = played(&fragments);
        assert_eq!(packets(&file), packets(&input), "{name} as MP4");
        decodes(&file);
        decodes(&clip(&fragments));
    }
}

#[test]
fn small_clusters_join_until_a_key_frame() {
    let input = ffmpeg(&[
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-g",
        "25",
        "-sc_threshold",
        "0",
        "-an",
        "-cluster_time_limit",
        "200",
    ]);
    let joined = uploaded(&input);
    assert_eq!(joined.finished.len(), 3, "{:?}", joined.started);
    assert!(joined.joined.len() >= 6, "{:?}", joined.joined);
    let settings = Settings {
        coalesce: Coalesce::Never,
        ..Settings::default()
    };
    let (apart, end) = upload([Bytes::from(input.clone())], settings);
    end.unwrap();
    assert_eq!(apart.finished.len(), 3 + joined.joined.len());
    for uploaded in [&joined, &apart] {
        let fragments = stored(uploaded);
        assert_eq!(decoded(&answer(&fragments)), decoded(&input));
        assert_eq!(decoded(&played(&fragments)), decoded(&input));
    }
    assert!(
        joined
            .finished
            .iter()
            .all(|it| it.fragment.flags().is_keyframe())
    );
}

/// The same video without `CodecPrivate`, whose frames have start codes and, where they are key
/// frames, the parameter sets that `CodecPrivate` held.
fn with_start_codes(input: &[u8], codec_id: &str) -> Vec<u8> {
    let (mut sets, mut out) = (Vec::new(), Vec::new());
    let mut blocks = Vec::new();
    let mut timecode = 0;
    for event in scanned(input) {
        match event {
            Event::Header(header) => {
                let private = header.tracks()[0].codec_private.clone().unwrap();
                sets = parameter_sets(&private, codec_id);
                out = kvs::head(&[kvs::entry(1, 1, codec_id, &[])]);
            }
            Event::ClusterStarted(start) => timecode = start.timecode,
            Event::Frame(frame) => {
                let mut data = if frame.key { sets.clone() } else { Vec::new() };
                let lengths = frame.data.concat();
                let mut rest = &lengths[..];
                while let Some((size, after)) = rest.split_first_chunk::<4>() {
                    let size = u32::from_be_bytes(*size).try_into().unwrap();
                    data.extend_from_slice(&[0, 0, 1]);
                    data.extend_from_slice(&after[..size]);
                    rest = &after[size..];
                }
                let flags = if frame.key { 0x80 } else { 0 };
                let time = i16::try_from(frame.time - i64::try_from(timecode).unwrap()).unwrap();
                blocks.push(kvs::block(1, time, flags, &data));
            }
            Event::ClusterEnded => {
                out.extend_from_slice(&kvs::cluster(timecode, &std::mem::take(&mut blocks)));
            }
            Event::Tags(_) => {}
        }
    }
    out.extend_from_slice(&kvs::cluster(timecode, &blocks));
    out
}

/// The parameter sets of a configuration, with start codes.
fn parameter_sets(private: &[u8], codec_id: &str) -> Vec<u8> {
    let mut sets = Vec::new();
    let mut take = |rest: &mut &[u8], count: u8| {
        for _ in 0..count {
            let size = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            sets.extend_from_slice(&[0, 0, 0, 1]);
            sets.extend_from_slice(&rest[2..2 + size]);
            *rest = &rest[2 + size..];
        }
    };
    if codec_id == "V_MPEG4/ISO/AVC" {
        let mut rest = &private[6..];
        take(&mut rest, private[5] & 0x1f);
        let count = rest[0];
        take(&mut &rest[1..], count);
    } else {
        let mut rest = &private[23..];
        for _ in 0..private[22] {
            let count = rest[2];
            rest = &rest[3..];
            take(&mut rest, count);
        }
    }
    sets
}

#[test]
fn start_codes_become_lengths() {
    for (codec, option, keys, codec_id) in [
        ("libx264", "-x264-params", "keyint=25", "V_MPEG4/ISO/AVC"),
        (
            "libx265",
            "-x265-params",
            "log-level=none:keyint=25:open-gop=0",
            "V_MPEGH/ISO/HEVC",
        ),
    ] {
        let input = ffmpeg(&["-c:v", codec, "-preset", "ultrafast", option, keys, "-an"]);
        let with_codes = with_start_codes(&input, codec_id);
        let fragments = stored(&uploaded(&with_codes));
        assert!(fragments[0].0.tracks()[0].has_config(), "{codec}");
        let back = answer(&fragments);
        assert_eq!(decoded(&back), decoded(&input), "{codec}");
        decodes(&back);
        decodes(&played(&fragments));
    }
}
