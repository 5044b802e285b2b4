//! Broken cameras: what cannot be played is refused with a reason, the rest is kept.

use afflux_testkit::command::Ended;
use afflux_testkit::peer::Answer;
use afflux_testkit::video::{Camera, boxes, play, split};
use afflux_types::ErrorKind;
use afflux_types::limits::FRAGMENT_BYTES_MAX;
use afflux_wire::message::{Activity, FragmentEnd, FragmentStart, Upload, UploadInit};
use afflux_wire::{Frame, Item};
use bytes::Bytes;

use super::fragments;
use crate::support::{World, assert_serves, video};

async fn world() -> World {
    let world = World::start();
    world.peer().await.create(video("cam")).await;
    world
}

fn put(world: &World, film: &[u8]) -> Ended {
    world.afflux.run_with(&["video", "put", "cam", "-"], film)
}

async fn stored(world: &World) -> usize {
    fragments(&world.peer().await, "cam").await.len()
}

/// Everything that is stored plays without a complaint; returns its samples.
fn playable(world: &World) -> u64 {
    let out = world.file("clip.mp4");
    let range = [
        "--from",
        "2000-01-01T00:00:00Z",
        "--to",
        "2100-01-01T00:00:00Z",
    ];
    let mut args = vec!["video", "clip", "cam", "-o", out.to_str().unwrap()];
    args.extend(range);
    world.afflux.run(&args).ok();
    play(&out)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_without_an_initialisation_is_refused() {
    let world = world().await;
    let (_, parts) = split(&Camera::short(3).film());
    let refused = put(&world, &parts.concat());
    assert!(refused.fails(1).contains("moov"), "{}", refused.stderr);
    assert_eq!(stored(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_that_is_no_video_is_refused() {
    let world = world().await;
    for bytes in [
        b"".as_slice(),
        b"hello, this is not video at all\n",
        &[0; 4_096],
        &[0xff; 64],
    ] {
        put(&world, bytes).fails(1);
    }
    assert_eq!(stored(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_mp4_is_refused_with_advice() {
    let world = world().await;
    let plain = world.file("plain.mp4");
    let fragmented = world.file("fragmented.mp4");
    std::fs::write(&fragmented, Camera::short(2).film()).unwrap();
    let made = std::process::Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-nostdin",
            "-i",
            fragmented.to_str().unwrap(),
            "-c",
            "copy",
        ])
        .arg(&plain)
        .status()
        .unwrap();
    assert!(made.success());
    let refused = world
        .afflux
        .run(&["video", "put", "cam", plain.to_str().unwrap()]);
    assert!(
        refused.fails(1).contains("frag_keyframe"),
        "{}",
        refused.stderr
    );
    assert_eq!(stored(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_kept_as_a_gap() {
    let world = world().await;
    let (init, mut parts) = split(&Camera::short(6).film());
    parts.drain(2..4);
    put(&world, &[init, parts.concat()].concat()).ok();
    assert_eq!(stored(&world).await, 4);
    assert_eq!(playable(&world), 4 * 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_that_run_backwards_do_not_end_a_recording() {
    let world = world().await;
    let (init, parts) = split(&Camera::short(4).film());
    // The camera's clock jumps back to the start, twice.
    let film = [
        init.clone(),
        parts.concat(),
        parts[0].clone(),
        parts[1].clone(),
        parts.concat(),
    ]
    .concat();
    // Each jump starts a new run of times, which goes on where the last one ended.
    put(&world, &film).ok();
    assert_eq!(stored(&world).await, 10);
    assert_eq!(playable(&world), 10 * 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_a_key_frame_does_not_spoil_what_follows() {
    let world = world().await;
    // Fragments of a third of a group: two of three do not start with a key frame.
    let mut args = Camera::short(6).args();
    let flags = args.iter().position(|arg| arg == "-movflags").unwrap();
    args[flags + 1] = "empty_moov+default_base_moof".into();
    args.splice(flags..flags, ["-frag_duration".into(), "160000".into()]);
    let output = std::process::Command::new("ffmpeg")
        .args(&args)
        .arg("-")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (init, parts) = split(&output.stdout);
    assert!(parts.len() > 6, "{} fragments", parts.len());
    // The recording is kept whole; that a fragment does not start with a key frame is no error.
    put(&world, &[init, parts[1..].concat()].concat()).ok();
    assert_eq!(stored(&world).await, parts.len() - 1);
    // What came before the first key frame cannot be played and is not in the clip.
    assert_eq!(playable(&world), 5 * 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fragment_cut_inside_its_data_is_not_stored() {
    let world = world().await;
    let film = Camera::short(4).film();
    let data = boxes(&film)
        .iter()
        .rfind(|found| &found.name == b"mdat")
        .unwrap()
        .bytes;
    let start = data.as_ptr().addr() - film.as_ptr().addr();
    for cut in [start + 8, start + data.len() / 2, start + data.len() - 1] {
        world.peer().await;
        let refused = put(&world, &film[..cut]);
        assert!(refused.fails(1).contains("mdat"), "{}", refused.stderr);
    }
    // Three uploads, three whole fragments each.
    assert_eq!(stored(&world).await, 9);
    assert_eq!(playable(&world), 9 * 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fragment_of_300_megabytes_is_refused_by_its_size() {
    let world = world().await;
    let (init, parts) = split(&Camera::short(2).film());
    let moof = boxes(&parts[1])[0].bytes;
    let bytes: u32 = 300 << 20;
    let mut film = [init, parts[0].clone(), moof.to_vec()].concat();
    film.extend_from_slice(&bytes.to_be_bytes());
    film.extend_from_slice(b"mdat");
    film.resize(film.len() + (bytes as usize - 8), 0);
    let before = world.server.anonymous_bytes();
    let refused = put(&world, &film);
    let words = refused.fails(1);
    assert!(
        words.contains("limit") || words.contains("bytes"),
        "{words}"
    );
    assert!(world.server.anonymous_bytes().saturating_sub(before) < 128 << 20);
    assert_eq!(stored(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_ends_its_fragment_is_stopped_at_the_limit() {
    let world = world().await;
    let peer = world.peer().await;
    let (init, _) = split(&Camera::short(1).film());
    let session_id = Bytes::from_static(&[9; 16]);
    let mut upload = peer
        .open(Activity::Upload(Upload {
            stream: "cam".into(),
            session_id,
        }))
        .await;
    assert!(matches!(upload.frame().await, Frame::UploadOpened(_)));
    upload
        .say(&Frame::UploadInit(UploadInit { init: init.into() }))
        .await;
    let start = FragmentStart {
        number: 0,
        producer_time_ms: 1,
        ..FragmentStart::default()
    };
    upload.say(&Frame::FragmentStart(start)).await;
    let before = world.server.anonymous_bytes();
    // A box that claims to go on for gigabytes, in pieces of 512 KiB.
    let mut first = (u32::MAX).to_be_bytes().to_vec();
    first.extend_from_slice(b"moof");
    let piece = Bytes::from(vec![0; 512 << 10]);
    upload
        .bytes(Frame::fragment_data(Bytes::from(first)).concat().into())
        .await;
    for _ in 0..=FRAGMENT_BYTES_MAX / piece.len() + 1 {
        for bytes in Frame::fragment_data(piece.clone()) {
            upload.bytes(bytes).await;
        }
    }
    let failure = loop {
        match upload.next().await {
            Answer::Item(Item::Frame(Frame::Failure(failure))) => break failure,
            Answer::Item(Item::Frame(Frame::FragmentAck(_))) => {}
            other => panic!("expected a failure, got {other:?}"),
        }
    };
    let kind = ErrorKind::from_code(failure.kind.try_into().unwrap());
    assert!(
        matches!(kind, ErrorKind::Invalid | ErrorKind::LimitExceeded),
        "{failure:?}"
    );
    assert!(world.server.anonymous_bytes().saturating_sub(before) < 2 * FRAGMENT_BYTES_MAX as u64);
    assert_serves(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_out_of_their_order_are_refused() {
    let world = world().await;
    let peer = world.peer().await;
    let (init, parts) = split(&Camera::short(2).film());
    for (session, numbers) in [(1_u8, [1_u64, 2]), (2, [0, 2]), (3, [0, 0])] {
        let session_id = Bytes::from(vec![session; 16]);
        let mut upload = peer
            .open(Activity::Upload(Upload {
                stream: "cam".into(),
                session_id,
            }))
            .await;
        upload
            .say(&Frame::UploadInit(UploadInit {
                init: init.clone().into(),
            }))
            .await;
        for (number, part) in numbers.into_iter().zip(&parts) {
            let start = FragmentStart {
                number,
                producer_time_ms: 1,
                ..FragmentStart::default()
            };
            upload.say(&Frame::FragmentStart(start)).await;
            for bytes in Frame::fragment_data(Bytes::from(part.clone())) {
                upload.bytes(bytes).await;
            }
            upload
                .say(&Frame::FragmentEnd(FragmentEnd { number }))
                .await;
        }
        upload.finish();
        let refused = loop {
            match upload.next().await {
                Answer::Item(Item::Frame(Frame::Failure(failure))) => break failure,
                Answer::Item(Item::Frame(_)) => {}
                other => panic!("session {session}: expected a failure, got {other:?}"),
            }
        };
        assert_eq!(
            refused.kind,
            u32::from(ErrorKind::Invalid.code()),
            "{refused:?}"
        );
    }
    // Sessions 2 and 3 began well: what was received before the failure is kept.
    assert_eq!(stored(&world).await, 2);
}
