//! Good cameras: what goes in comes out, sample for sample.

use std::process::{Command, Stdio};

use afflux_testkit::video::{Camera, Codec, codecs, play, split};

use super::{assert_each_once, fragments};
use crate::support::{World, video};

const START: &str = "2026-11-21T10:00:00Z";
const LONG_BEFORE: &str = "2000-01-01T00:00:00Z";
const LONG_AFTER: &str = "2100-01-01T00:00:00Z";

/// Cuts the whole stream as a clip.
fn clip(world: &World, from: &str, to: &str) -> std::path::PathBuf {
    let out = world.file("clip.mp4");
    let out_text = out.to_str().unwrap();
    world.ok(&[
        "video", "clip", "cam", "--from", from, "--to", to, "-o", out_text,
    ]);
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_pipe_from_ffmpeg_comes_out_as_a_clip_with_every_sample() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(video("cam")).await;
    let camera = Camera::short(12);
    let mut ffmpeg = Command::new("ffmpeg")
        .args(camera.args())
        .arg("-")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = ffmpeg.stdout.take().unwrap();
    let put = world
        .afflux
        .spawn_with(&["video", "put", "cam", "-"], pipe.into(), Stdio::piped());
    put.wait().ok();
    assert!(ffmpeg.wait().unwrap().success());
    assert_each_once(&fragments(&peer, "cam").await, 12);
    let clip = clip(&world, LONG_BEFORE, LONG_AFTER);
    assert_eq!(play(&clip), u64::from(camera.samples));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_codec_keeps_its_samples() {
    for codec in [Codec::H264Opus, Codec::H265, Codec::Av1] {
        let world = World::start();
        let peer = world.peer().await;
        peer.create(video("cam")).await;
        let camera = Camera {
            codec,
            ..Camera::short(4)
        };
        let film = camera.film();
        let (_, sent) = split(&film);
        world
            .afflux
            .run_with(&["video", "put", "cam", "-"], &film)
            .ok();
        assert_each_once(&fragments(&peer, "cam").await, sent.len());
        let clip = clip(&world, LONG_BEFORE, LONG_AFTER);
        assert_eq!(play(&clip), u64::from(camera.samples), "{codec:?}");
        let expected: &[&str] = match codec {
            Codec::H264 => &["h264"],
            Codec::H264Opus => &["h264", "opus"],
            Codec::H265 => &["hevc"],
            Codec::Av1 => &["av1"],
        };
        assert_eq!(codecs(&clip), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_holds_the_fragments_of_its_range() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(video("cam")).await;
    let file = world.file("film.mp4");
    std::fs::write(&file, Camera::short(10).film()).unwrap();
    world.ok(&[
        "video",
        "put",
        "cam",
        file.to_str().unwrap(),
        "--start",
        START,
    ]);
    let stored = fragments(&peer, "cam").await;
    assert_each_once(&stored, 10);
    assert_eq!(
        stored[4].producer_time_ms - stored[0].producer_time_ms,
        2_000
    );
    assert!(
        stored
            .iter()
            .all(|fragment| fragment.key_frame && fragment.duration_ms == 500)
    );
    // From the fragment that plays at 1.2 s to the last one that starts before 3 s: 1.0 to 3.0 s.
    let cut = clip(&world, "2026-11-21T10:00:01.2Z", "2026-11-21T10:00:03Z");
    assert_eq!(play(&cut), 4 * 15);
    let out = world.file("empty.mp4");
    let nothing = [
        "video",
        "clip",
        "cam",
        "--from",
        LONG_BEFORE,
        "--to",
        START,
        "-o",
        out.to_str().unwrap(),
    ];
    world.afflux.run(&nothing).fails(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_gets_the_fragments_as_playable_video() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(video("cam")).await;
    let film = Camera::short(6).film();
    world
        .afflux
        .run_with(&["video", "put", "cam", "-"], &film)
        .ok();
    let tail = world.afflux.run(&[
        "video",
        "tail",
        "cam",
        "--from",
        "trim-horizon",
        "--limit",
        "6",
    ]);
    let file = world.file("tail.mp4");
    std::fs::write(&file, tail.ok_bytes()).unwrap();
    assert_eq!(play(&file), 6 * 15);

    // A live viewer that was there before the camera.
    peer.create(video("live")).await;
    let viewer = world.afflux.spawn(&[
        "video",
        "tail",
        "live",
        "--from",
        "trim-horizon",
        "--limit",
        "6",
    ]);
    world
        .afflux
        .run_with(&["video", "put", "live", "-"], &film)
        .ok();
    let seen = viewer.wait();
    std::fs::write(&file, seen.ok_bytes()).unwrap();
    assert_eq!(play(&file), 6 * 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_starts_again_is_another_session() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(video("cam")).await;
    let film = Camera::short(3).film();
    for start in ["2026-11-21T10:00:00Z", "2026-11-21T10:10:00Z"] {
        world
            .afflux
            .run_with(&["video", "put", "cam", "-", "--start", start], &film)
            .ok();
    }
    assert_each_once(&fragments(&peer, "cam").await, 6);
    let clip = clip(&world, LONG_BEFORE, LONG_AFTER);
    assert_eq!(play(&clip), 6 * 15);
}
