//! Connections as real producers make them, and as nobody should.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::Code;
use afflux_aws::video::input::{
    GetHLSStreamingSessionURLInput, PlaybackRange, PlaybackSelector, PutMediaInput,
};
use afflux_aws::video::values::{DiscontinuityMode, FragmentSelectorType, PlaybackMode};
use afflux_testkit::disk::Small;
use afflux_types::ServerTime;
use bytes::Bytes;
use serde_json::Value;

use super::put_media;
use crate::limits::{ACKS_UNREAD_MAX, CONNECTION_MAX, IDLE_EVERY, IDLE_TIMES};
use crate::session;
use crate::testing::{
    AV, CAMERA, House, KVSSINK, OFFLINE, START, error_id, input, mkv, of_kind, read_all, send_all,
    whole,
};

/// What the producer that sent [`OFFLINE`] was told by the service's stand-in, and ended well on.
const OFFLINE_TIMECODES: [u64; 4] = [
    1_795_227_700_587,
    1_795_227_702_387,
    1_795_227_704_187,
    1_795_227_705_987,
];

const END_OF_FRAGMENT: &str = "AWS_KINESISVIDEO_END_OF_FRAGMENT";

/// A fragment of [`AV`]'s two tracks.
fn fragment(timecode: u64) -> Vec<u8> {
    mkv::cluster(timecode, &[mkv::frame(1, 0), mkv::frame(2, 0)])
}

fn body(parts: &[Vec<u8>]) -> Vec<u8> {
    [mkv::head(AV).to_vec(), parts.concat()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_of_the_c_producer_replays_to_the_acknowledgements_of_its_log() {
    let house = House::new().await;
    let acks = house.put(OFFLINE).await;
    for kind in ["BUFFERING", "RECEIVED", "PERSISTED"] {
        let timecodes: Vec<u64> = of_kind(&acks, kind).iter().map(|ack| ack.0).collect();
        assert_eq!(timecodes, OFFLINE_TIMECODES, "{kind}");
    }
    assert_eq!(of_kind(&acks, "RECEIVED"), of_kind(&acks, "PERSISTED"));
    assert_eq!(acks.len(), 12);
    for timecode in OFFLINE_TIMECODES {
        let kinds: Vec<&str> = acks
            .iter()
            .filter(|ack| ack["FragmentTimecode"] == timecode)
            .map(|ack| ack["EventType"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["BUFFERING", "RECEIVED", "PERSISTED"]);
    }
    assert!(of_kind(&acks, "PERSISTED").is_sorted_by(|a, b| a.1 < b.1));
    assert_eq!(house.stored().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn captures_with_sound_and_of_the_gstreamer_element_are_taken() {
    let house = House::new().await;
    let sound = house.put_from(Some(START), AV).await;
    assert_eq!(error_id(&sound), None, "{sound:?}");
    let first = of_kind(&sound, "PERSISTED");
    assert_eq!(first[0].0, 7_200);
    let sink = house.put(KVSSINK).await;
    assert_eq!(error_id(&sink), None, "{sink:?}");
    let count = first.len() + of_kind(&sink, "PERSISTED").len();
    assert_eq!(house.stored().await, u64::try_from(count).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_fragment_tag_persists_while_the_connection_stays_open() {
    let house = House::new().await;
    let (mut upload, mut acks) = house.connect(Some(START)).await;
    let open = body(&[fragment(0), mkv::tags(&[(END_OF_FRAGMENT, "")])]);
    assert!(upload.push(open.into()).await);
    let mut kinds = Vec::new();
    while kinds.len() < 3 {
        let line = acks.next().await.unwrap();
        let ack: Value = serde_json::from_slice(&line).unwrap();
        kinds.push(ack["EventType"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds, ["BUFFERING", "RECEIVED", "PERSISTED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_that_comes_again_gets_its_first_number_and_stands_once() {
    let house = House::new().await;
    let first = of_kind(&house.put(OFFLINE).await, "PERSISTED");
    let again = of_kind(&house.put(OFFLINE).await, "PERSISTED");
    assert_eq!(first, again);
    assert_eq!(house.stored().await, 4);
    // Also by a server that has lost its memory.
    let house = house.restart().await;
    let again = house.put(OFFLINE).await;
    assert_eq!(first, of_kind(&again, "PERSISTED"));
    assert_eq!(first, of_kind(&again, "RECEIVED"));
    assert_eq!(house.stored().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_of_the_same_time_with_other_frames_is_another() {
    let house = House::new().await;
    let mut other = OFFLINE.to_vec();
    let in_a_frame = OFFLINE.len() - 1_000;
    other[in_a_frame] ^= 0xff;
    let first = of_kind(&house.put(OFFLINE).await, "PERSISTED");
    let second = of_kind(&house.put(&other).await, "PERSISTED");
    assert_eq!(first[..3], second[..3]);
    assert!(second[3].1 > first[3].1);
    assert_eq!(house.stored().await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_leaves_whole_fragments_only_and_the_rest_comes_again() {
    let house = House::new().await;
    for cut in (0..OFFLINE.len()).step_by(30_011) {
        let (mut upload, acks) = house.connect(None).await;
        let sent = tokio::spawn(async move {
            for piece in OFFLINE[..cut].chunks(977) {
                assert!(upload.push(Bytes::from_static(piece)).await);
            }
        });
        let acks = read_all(acks).await;
        sent.await.unwrap();
        assert_eq!(error_id(&acks), None, "cut at {cut}");
        let persisted = of_kind(&acks, "PERSISTED").len();
        assert!(of_kind(&acks, "BUFFERING").len() >= persisted);
        assert!(persisted <= 3, "cut at {cut}");
    }
    house.put(OFFLINE).await;
    assert_eq!(house.stored().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_bytes_say_the_same() {
    let whole = House::new()
        .await
        .put(&body(&[fragment(0), fragment(2_000)]))
        .await;
    let house = House::new().await;
    let (upload, acks) = house.connect(None).await;
    let bytes = body(&[fragment(0), fragment(2_000)]).into();
    let sent = tokio::spawn(send_all(upload, bytes, 1));
    let single = read_all(acks).await;
    sent.await.unwrap();
    let kinds = |acks: &[Value]| -> Vec<(u64, u64)> {
        let count = |kind| u64::try_from(of_kind(acks, kind).len()).unwrap();
        ["BUFFERING", "RECEIVED", "PERSISTED"]
            .map(|kind| (count(kind), 0))
            .to_vec()
    };
    assert_eq!(kinds(&whole), kinds(&single));
    assert_eq!(kinds(&single)[2].0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_have_the_numbers_of_the_service_and_keep_what_came_before() {
    let lying = {
        let mut block = mkv::frame(1, 0);
        // A frame that claims 60 MB.
        block[1..9].copy_from_slice(&(60_000_000_u64 | 1 << 56).to_be_bytes());
        let cluster = mkv::cluster(2_000, &[]);
        [&cluster[..4], &[0xff], &cluster[12..], &block].concat()
    };
    let many: Vec<(String, String)> = (0..11).map(|i| (format!("tag{i}"), "x".into())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let long = "x".repeat(257);
    let far = mkv::cluster(
        2_000,
        &[
            mkv::frame(1, 0),
            mkv::frame(2, 0),
            mkv::frame(1, 22_000),
            mkv::frame(2, 22_000),
        ],
    );
    let silent = mkv::cluster(2_000, &[mkv::frame(1, 0)]);
    let undeclared = mkv::cluster(2_000, &[mkv::frame(9, 0)]);
    let tracks: Vec<Vec<u8>> = (1..5).map(mkv::audio).collect();
    let tracks = mkv::header(&tracks);
    let mut half = fragment(2_000);
    half.truncate(half.len() - 1);
    let cases: [(u64, &str, Vec<u8>); 10] = [
        (4_006, "random bytes", vec![0x5a; 4_096]),
        (4_004, "an earlier time", fragment(0)),
        (4_011, "a silent track", silent),
        (4_010, "an undeclared track", undeclared),
        (4_012, "four tracks", tracks),
        (
            4_009,
            "eleven tags",
            [fragment(2_000), mkv::tags(&many)].concat(),
        ),
        (
            4_009,
            "a long tag",
            [fragment(2_000), mkv::tags(&[("a", &long)])].concat(),
        ),
        (4_002, "22 seconds", far),
        (4_001, "a lying size", lying),
        (4_006, "an early end", half),
    ];
    for (id, what, bad) in cases {
        let house = House::tagged(&[("afflux:small-clusters", "keep")]).await;
        let acks = house.put(&body(&[fragment(500), bad])).await;
        assert_eq!(error_id(&acks), Some(id), "{what}: {acks:?}");
        assert_eq!(of_kind(&acks, "PERSISTED").len(), 1, "{what}: {acks:?}");
        assert_eq!(of_kind(&acks, "PERSISTED")[0].0, 500, "{what}");
        assert_eq!(house.stored().await, 1, "{what}");
        let named = match what {
            "random bytes" | "four tracks" => Value::Null,
            "an earlier time" => 0.into(),
            _ => 2_000.into(),
        };
        let told = &acks.last().unwrap()["FragmentTimecode"];
        assert_eq!(*told, named, "{what}: {acks:?}");
        // The next connection is not hindered.
        let acks = house.put(&body(&[fragment(9_000)])).await;
        assert_eq!(
            of_kind(&acks, "PERSISTED").len(),
            1,
            "after {what}: {acks:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_are_nested_to_death_end_the_connection() {
    let nested = (0..200).fold(Vec::new(), |inner, _| mkv::element(&[0x67, 0xc8], &inner));
    let nested = mkv::element(
        &[0x12, 0x54, 0xc3, 0x67],
        &mkv::element(&[0x73, 0x73], &nested),
    );
    let house = House::new().await;
    let acks = house.put(&body(&[nested, fragment(500)])).await;
    assert!(
        matches!(error_id(&acks), Some(4_006 | 4_009)),
        "nested to death: {acks:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_anywhere_end_the_connection_and_nothing_else() {
    let house = House::new().await;
    let mut state = 1_u64;
    for round in 0..200 {
        let mut bytes = body(&[fragment(round * 10_000), fragment(round * 10_000 + 2_000)]);
        for _ in 0..8 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = usize::try_from(state >> 33).unwrap() % bytes.len();
            bytes[at] = u8::try_from(state >> 24 & 0xff).unwrap();
        }
        house.put(&bytes).await;
    }
    let acks = house.put(OFFLINE).await;
    assert_eq!(of_kind(&acks, "PERSISTED").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backward_time_starts_a_discontinuity_if_the_stream_says_so() {
    let house = House::tagged(&[("afflux:backward-timecode", "discontinuity")]).await;
    let acks = house
        .put(&body(&[
            fragment(50_000),
            fragment(52_000),
            fragment(1_000),
        ]))
        .await;
    assert_eq!(error_id(&acks), None, "{acks:?}");
    let timecodes: Vec<u64> = of_kind(&acks, "PERSISTED")
        .iter()
        .map(|ack| ack.0)
        .collect();
    assert_eq!(timecodes, [50_000, 52_000, 1_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_clock_starts_anew_is_played_without_a_hole() {
    // Two seconds, half a second for each frame.
    let two_seconds = |timecode| {
        let frames = [0, 500, 1_000, 1_500].map(|at| [mkv::frame(1, at), mkv::frame(2, at)]);
        mkv::cluster(timecode, frames.as_flattened())
    };
    let house = House::tagged(&[("afflux:backward-timecode", "discontinuity")]).await;
    let (mut upload, acks) = house.connect(None).await;
    assert!(upload.push(body(&[]).into()).await);
    for timecode in [500_000, 502_000, 1_000, 3_000] {
        let fragment = [two_seconds(timecode), mkv::tags(&[(END_OF_FRAGMENT, "")])];
        assert!(upload.push(fragment.concat().into()).await);
        house.clock.advance(Duration::from_secs(2));
    }
    upload.finish().await;
    assert_eq!(of_kind(&read_all(acks).await, "PERSISTED").len(), 4);
    let [from, to] = [START, START + 7_000].map(ServerTime::from_millis);
    let input = GetHLSStreamingSessionURLInput {
        stream_name: Some(CAMERA.to_owned()),
        stream_arn: None,
        playback_mode: Some(PlaybackMode::OnDemand),
        hls_fragment_selector: Some(PlaybackSelector {
            fragment_selector_type: Some(FragmentSelectorType::ServerTimestamp),
            timestamp_range: Some(PlaybackRange {
                start_timestamp: Some(from),
                end_timestamp: Some(to),
            }),
        }),
        container_format: None,
        discontinuity_mode: Some(DiscontinuityMode::OnDiscontinuity),
        display_fragment_timestamp: None,
        expires: None,
        max_media_playlist_fragment_results: None,
    };
    let url = session::hls_session(&house.ctx, input).await.unwrap();
    let (_, query) = url.split_once('?').unwrap();
    let query = format!("{query}&TrackNumber=1");
    let path = "/hls/v1/getHLSMediaPlaylist.m3u8";
    let answer = session::get(&house.ctx, path, &query).await;
    let playlist = String::from_utf8(whole(answer.body).await).unwrap();
    let count = |tag| {
        playlist
            .lines()
            .filter(|line| line.starts_with(tag))
            .count()
    };
    assert_eq!(count("#EXTINF:2.0"), 4, "{playlist}");
    // By the server's clock the one follows the other, and the media is given that clock's times.
    assert_eq!(count("#EXT-X-DISCONTINUITY"), 0, "{playlist}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_codecs_in_the_middle_is_taken() {
    let house = House::new().await;
    let acks = house.put(&[OFFLINE, KVSSINK].concat()).await;
    assert_eq!(error_id(&acks), None, "{:?}", acks.last());
    assert!(of_kind(&acks, "PERSISTED").len() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_brings_the_media_of_a_stream_until_its_fragments_have_ended() {
    let house = House::new().await;
    let (mut upload, acks) = house.connect(None).await;
    let refused = put_media(&house.ctx, input(CAMERA, None))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ConnectionLimitExceeded);
    assert!(upload.push(body(&[fragment(0)]).into()).await);
    assert!(put_media(&house.ctx, input(CAMERA, None)).await.is_err());
    // A producer that changes over says that its last fragment has ended.
    assert!(
        upload
            .push(mkv::tags(&[(END_OF_FRAGMENT, "")]).into())
            .await
    );
    let (next, next_acks) = house.connect(None).await;
    assert!(
        !upload.push(fragment(5_000).into()).await,
        "its seat is taken"
    );
    let told = read_all(acks).await;
    assert_eq!(error_id(&told), Some(4_000));
    assert_eq!(of_kind(&told, "PERSISTED").len(), 1);
    drop(upload);
    assert!(put_media(&house.ctx, input(CAMERA, None)).await.is_err());
    drop((next, next_acks));
    house.connect(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_c_producer_opens_its_next_connection_before_the_last_one_ends() {
    let house = House::new().await;
    let of_c = || PutMediaInput {
        acks: Some(true),
        ..input(CAMERA, None)
    };
    let (mut upload, acks) = put_media(&house.ctx, of_c()).await.unwrap();
    assert!(upload.push(body(&[fragment(0)]).into()).await);
    let mut next = pin!(put_media(&house.ctx, of_c()));
    let early = tokio::time::timeout(Duration::ZERO, &mut next).await;
    assert!(early.is_err(), "the seat is taken");
    upload.finish().await;
    assert!(next.await.is_ok());
    assert_eq!(of_kind(&read_all(acks).await, "PERSISTED").len(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_that_stalls_is_told_that_it_is_idle_and_then_ends() {
    let house = House::new().await;
    let (mut upload, acks) = house.connect(None).await;
    assert!(upload.push(body(&[]).into()).await);
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let told = read_all(acks).await;
    assert_eq!(told.len(), usize::try_from(IDLE_TIMES).unwrap());
    assert!(told.iter().all(|ack| ack["EventType"] == "IDLE"));
    let limits = IDLE_EVERY * (IDLE_TIMES - 1)..IDLE_EVERY * (IDLE_TIMES + 2);
    assert!(
        limits.contains(&started.elapsed()),
        "{:?}",
        started.elapsed()
    );
    assert!(
        !upload.push(fragment(0).into()).await,
        "nothing more is taken"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_after_forty_five_minutes() {
    let house = House::new().await;
    let (mut upload, acks) = house.connect(None).await;
    assert!(upload.push(body(&[fragment(0)]).into()).await);
    house.clock.advance(CONNECTION_MAX);
    assert!(!upload.push(fragment(2_000).into()).await);
    let told = read_all(acks).await;
    assert_eq!(error_id(&told), Some(4_003));
    assert_eq!(told.last().unwrap()["FragmentTimecode"], 2_000);
    assert_eq!(of_kind(&told, "PERSISTED").len(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_client_that_never_reads_its_acknowledgements_is_given_up() {
    let house = House::new().await;
    let (mut upload, acks) = house.connect(None).await;
    let mut bytes = body(&[]);
    for number in 0..1_000 {
        bytes.extend(fragment(number * 2_000));
    }
    let started = tokio::time::Instant::now();
    let sent = tokio::spawn(async move { upload.push(bytes.into()).await });
    // Real time passes until the queue is full; from then on only the clock does.
    while house.stored().await < 80 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    assert!(!sent.await.unwrap());
    assert!(started.elapsed() >= ACKS_UNREAD_MAX);
    assert!(
        house.stored().await < 200,
        "what is not heard is not taken in"
    );
    drop(acks);
    house.connect(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_says_so() {
    let house = House::new().await;
    let (mut upload, acks) = house.connect(None).await;
    assert!(upload.push(body(&[]).into()).await);
    house.ctx.engine.delete_stream(&house.name()).await.unwrap();
    let two = [fragment(0), fragment(2_000)].concat();
    assert!(!upload.push(two.into()).await);
    assert_eq!(error_id(&read_all(acks).await), Some(4_507));
    assert!(put_media(&house.ctx, input(CAMERA, None)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn small_clusters_without_a_key_frame_join_the_fragment_before() {
    // As ffmpeg cuts them: a third of a second each, a key frame in the first.
    let delta = |timecode: u64| {
        let mut video = mkv::frame(1, 0);
        video[12] = 0;
        mkv::cluster(timecode, &[video, mkv::frame(2, 0)])
    };
    let clusters = [
        fragment(0),
        delta(300),
        delta(600),
        fragment(900),
        delta(1_200),
    ];
    let house = House::new().await;
    let acks = house.put(&body(&clusters)).await;
    assert_eq!(error_id(&acks), None, "{acks:?}");
    let persisted = of_kind(&acks, "PERSISTED");
    let timecodes: Vec<u64> = persisted.iter().map(|ack| ack.0).collect();
    assert_eq!(timecodes, [0, 300, 600, 900, 1_200]);
    assert_eq!(persisted[0].1, persisted[2].1, "one fragment, one number");
    assert_eq!(house.stored().await, 2);
    let house = House::tagged(&[("afflux:small-clusters", "keep")]).await;
    house.put(&body(&clusters)).await;
    assert_eq!(house.stored().await, 5);
}

/// A producer of the AWS SDK for C whose connection broke, and whose attempt after that failed, goes on where
/// it was. An error would make it drop the fragment.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_goes_on_in_the_middle_starts_again_if_it_is_told_nothing() {
    for (acks, told) in [(Some(true), None), (None, Some(4_006))] {
        let house = House::new().await;
        let input = PutMediaInput {
            acks,
            ..input(CAMERA, None)
        };
        let middle = &OFFLINE[OFFLINE.len() / 2..];
        for rest in [middle, &mkv::frame(1, 0), &fragment(0)] {
            let (upload, acks) = put_media(&house.ctx, input.clone()).await.unwrap();
            let rest = Bytes::copy_from_slice(rest);
            let sent = tokio::spawn(send_all(upload, rest, 10_000));
            let acks = read_all(acks).await;
            sent.await.unwrap();
            assert_eq!(error_id(&acks), told, "{acks:?}");
            assert_eq!(acks.len(), usize::from(told.is_some()), "{acks:?}");
        }
        assert_eq!(of_kind(&house.put(OFFLINE).await, "PERSISTED").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_to_a_producer_that_wants_no_acknowledgements() {
    let house = House::new().await;
    let mut quiet = input(CAMERA, None);
    quiet.acks = Some(false);
    let (upload, acks) = put_media(&house.ctx, quiet).await.unwrap();
    let sent = tokio::spawn(send_all(upload, Bytes::from_static(OFFLINE), 10_000));
    assert!(read_all(acks).await.is_empty());
    sent.await.unwrap();
    assert_eq!(house.stored().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_connection_and_the_rest_comes_again_when_there_is_space() {
    const FRAGMENTS: u64 = 48;
    let Some(disk) = Small::mount(64) else { return };
    let dir = tempfile::tempdir_in(disk.path()).unwrap();
    let house = House::open(Arc::new(dir)).await;
    house.create(CAMERA, &[], 1).await;
    let ballast = disk.fill(8 << 20);
    let data = vec![0; 256 << 10];
    let fragments = (1..=FRAGMENTS).map(|second| {
        let frames = [mkv::frame_of(1, &data), mkv::frame(2, 0)];
        mkv::cluster(second * 1_000, &frames)
    });
    let media = body(&fragments.collect::<Vec<_>>());
    let acks = house.put(&media).await;
    assert_eq!(error_id(&acks), Some(5_001), "{:?}", acks.last());
    let kept = of_kind(&acks, "PERSISTED");
    let count = u64::try_from(kept.len()).unwrap();
    assert!((1..FRAGMENTS).contains(&count), "{count}");
    assert!(
        kept.iter()
            .map(|ack| ack.0)
            .eq((1..=count).map(|it| it * 1_000))
    );
    let failed = &acks.last().unwrap()["FragmentTimecode"];
    assert_eq!(*failed, (count + 1) * 1_000);
    assert_eq!(house.stored().await, count);
    // The producer sends everything again, as soon as it may.
    std::fs::remove_file(ballast).unwrap();
    let mut all = Vec::new();
    for _ in 0..100 {
        house.clock.advance(Duration::from_secs(10));
        let acks = house.put(&media).await;
        all = of_kind(&acks, "PERSISTED");
        if error_id(&acks).is_none() {
            break;
        }
        assert_eq!(error_id(&acks), Some(5_001), "{:?}", acks.last());
    }
    assert_eq!(all[..kept.len()], kept);
    assert!(all.is_sorted_by(|a, b| a.1 < b.1));
    assert_eq!(house.stored().await, FRAGMENTS);
}
