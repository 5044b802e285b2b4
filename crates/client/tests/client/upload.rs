//! Uploading through trouble: every fragment is stored once, in order, also after a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use afflux_client::{
    Client, Follow, From, PlacedFragment, SessionId, Source, Spool, TimeOrigin, Uploader,
    UploaderOptions,
};
use afflux_entry::Kind;
use afflux_media::{Continuity, Event, Limits, Splitter, StoredFragment};
use afflux_types::{ErrorKind, ProducerTime};
use afflux_wire::message::{FragmentSelector, FragmentState};
use bytes::Bytes;
use parking_lot::Mutex;

use crate::support::{Server, name, serve};

/// Eight fragments of one second.
const CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/camera.mp4");
const FRAGMENTS: u32 = 8;

fn options(source: Source) -> UploaderOptions {
    UploaderOptions {
        source,
        origin: TimeOrigin::At(ProducerTime::from_millis(10_000)),
        ..UploaderOptions::default()
    }
}

async fn uploader(client: &Client, options: UploaderOptions) -> Uploader {
    client.uploader(&name("s"), options).await.unwrap()
}

async fn push(uploader: &mut Uploader, bytes: &'static [u8]) {
    for piece in bytes.chunks(1_000) {
        uploader.push(Bytes::from_static(piece)).await.unwrap();
    }
}

/// Number in the session, producer time and flag of each stored fragment.
fn stored(server: &Server) -> Vec<(u32, i64, bool)> {
    let store = server.shared.store.lock();
    let entries = store.streams["s"].shards[0].entries.iter();
    let fragments = entries.filter(|(header, _)| header.kind == Kind::Fragment);
    fragments
        .map(|(_, body)| {
            let meta = StoredFragment::peek(body).unwrap();
            let time = meta.producer_time.as_millis();
            (meta.sequence, time, meta.flags.is_discontinuity())
        })
        .collect()
}

fn numbers(server: &Server) -> Vec<u32> {
    stored(server)
        .iter()
        .map(|(number, _, _)| *number)
        .collect()
}

fn all() -> Vec<u32> {
    (0..FRAGMENTS).collect()
}

#[tokio::test]
async fn fragments_are_stored_in_order_with_the_times_of_the_camera() {
    let server = serve(1);
    let client = server.client().await;
    let states = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let states = Arc::clone(&states);
        move |ack: &afflux_wire::message::FragmentAck| states.lock().push((ack.number, ack.state()))
    };
    let mut uploader = uploader(
        &client,
        UploaderOptions {
            on_state: Some(Arc::new(hook)),
            ..options(Source::Live(Spool::Memory))
        },
    )
    .await;
    push(&mut uploader, CAMERA).await;
    uploader.finish().await.unwrap();
    let stored = stored(&server);
    assert_eq!(numbers(&server), all());
    assert!(stored.iter().all(|(_, _, broken)| !broken));
    for ((_, time, _), second) in stored.iter().zip(10..) {
        assert!((time - second * 1_000).abs() < 100, "{time} at {second}");
    }
    let of_first: Vec<FragmentState> = {
        let states = states.lock();
        let of_first = states.iter().filter(|(number, _)| *number == 0);
        of_first.map(|(_, state)| *state).collect()
    };
    assert_eq!(
        of_first,
        [
            FragmentState::Buffering,
            FragmentState::Received,
            FragmentState::Persisted
        ]
    );
}

#[tokio::test]
async fn a_fragment_arrives_while_it_is_made() {
    let server = serve(1);
    let client = server.client().await;
    let mut uploader = uploader(&client, options(Source::Live(Spool::Memory))).await;
    push(&mut uploader, &CAMERA[..10_000]).await;
    let mut started = server.shared.started.subscribe();
    started.wait_for(|count| *count == 1).await.unwrap();
    assert_eq!(numbers(&server), []);
    let error = uploader.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
}

#[tokio::test]
async fn broken_connections_neither_lose_nor_repeat_a_fragment() {
    let server = serve(1);
    let client = server.client().await;
    let mut uploader = uploader(&client, options(Source::Live(Spool::Memory))).await;
    for part in CAMERA.chunks(CAMERA.len() / 6 + 1) {
        server.shared.break_after.store(0, Ordering::SeqCst);
        push(&mut uploader, part).await;
    }
    uploader.finish().await.unwrap();
    assert_eq!(numbers(&server), all());
}

#[tokio::test]
async fn a_full_spool_makes_the_camera_wait() {
    let server = serve(1);
    let client = server.client().await;
    server.shared.acks.send_replace(false);
    let small = UploaderOptions {
        spool_bytes_max: 50_000,
        ..options(Source::Live(Spool::Memory))
    };
    let mut uploader = uploader(&client, small).await;
    let pushing = tokio::spawn(async move {
        push(&mut uploader, CAMERA).await;
        uploader.finish().await.unwrap();
    });
    let mut started = server.shared.started.subscribe();
    started.wait_for(|count| *count >= 1).await.unwrap();
    assert!(!pushing.is_finished());
    server.shared.acks.send_replace(true);
    pushing.await.unwrap();
    assert_eq!(numbers(&server), all());
}

/// The fragments of the fixture, an hour apart, the third of them a discontinuity.
fn placed() -> Vec<PlacedFragment> {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(Bytes::from_static(CAMERA));
    let (mut placed, mut boxes, mut hour) = (Vec::new(), Vec::new(), 0);
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Data(data) => boxes.push(data),
            Event::Finished { .. } => {
                placed.push(PlacedFragment {
                    init: splitter.init().unwrap().bytes().clone(),
                    producer_time: ProducerTime::from_millis(hour * 3_600_000),
                    continuity: if hour == 2 {
                        Continuity::Discontinuous
                    } else {
                        Continuity::Continuous
                    },
                    boxes: std::mem::take(&mut boxes),
                });
                hour += 1;
            }
            Event::Init(_) | Event::Started(_) => {}
        }
    }
    placed
}

#[tokio::test]
async fn whole_fragments_are_stored_where_their_maker_placed_them() {
    let server = serve(1);
    let client = server.client().await;
    server.shared.acks.send_replace(false);
    let small = UploaderOptions {
        spool_bytes_max: 50_000,
        ..options(Source::Live(Spool::Memory))
    };
    let mut uploader = uploader(&client, small).await;
    assert_eq!(uploader.flush().await.unwrap(), 0, "nothing to wait for");
    let mut sent = 0;
    for fragment in placed() {
        if !uploader.has_room().unwrap() {
            break;
        }
        uploader.push_fragment(fragment).await.unwrap();
        sent += 1;
    }
    assert!((2..FRAGMENTS).contains(&sent), "{sent} fit");
    server.shared.acks.send_replace(true);
    for fragment in placed().into_iter().skip(sent as usize) {
        uploader.push_fragment(fragment).await.unwrap();
    }
    assert_eq!(uploader.flush().await.unwrap(), u64::from(FRAGMENTS));
    assert!(uploader.has_room().unwrap());
    let expected: Vec<(u32, i64, bool)> = (0..FRAGMENTS)
        .map(|number| (number, i64::from(number) * 3_600_000, number == 2))
        .collect();
    assert_eq!(stored(&server), expected);
}

#[tokio::test]
async fn a_restarted_camera_sends_what_its_spool_has_and_goes_on() {
    let server = serve(1);
    let client = server.client().await;
    let dir = tempfile::tempdir().unwrap();
    let source = || Source::Live(Spool::Directory(dir.path().to_owned()));
    server.shared.acks.send_replace(false);
    let mut first = uploader(&client, options(source())).await;
    let session = first.session();
    push(&mut first, CAMERA).await;
    drop(first);
    // The task of the first uploader lets go of the spool when it next runs.
    let second = loop {
        match client.uploader(&name("s"), options(source())).await {
            Ok(uploader) => break uploader,
            Err(error) => assert_eq!(error.kind(), ErrorKind::InUse),
        }
        tokio::task::yield_now().await;
    };
    let mut second = second;
    assert_eq!(second.session(), session);
    server.shared.acks.send_replace(true);
    push(&mut second, CAMERA).await;
    second.finish().await.unwrap();
    assert_eq!(numbers(&server), (0..2 * FRAGMENTS).collect::<Vec<_>>());
    let broken: Vec<u32> = stored(&server)
        .iter()
        .filter_map(|(number, _, broken)| broken.then_some(*number))
        .collect();
    assert_eq!(broken, [FRAGMENTS]);
    let left = std::fs::read_dir(dir.path()).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension()
            .is_some_and(|extension| extension == "fragment")
    });
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_spooled_fragment_is_read_back_when_the_server_was_away() {
    let mut server = serve(1);
    let client = server.client().await;
    let dir = tempfile::tempdir().unwrap();
    let source = Source::Live(Spool::Directory(dir.path().to_owned()));
    server.shared.acks.send_replace(false);
    let mut uploader = uploader(&client, options(source)).await;
    push(&mut uploader, CAMERA).await;
    server.restart().await;
    server.shared.acks.send_replace(true);
    uploader.finish().await.unwrap();
    assert_eq!(numbers(&server), all());
}

#[tokio::test]
async fn a_file_that_comes_again_is_stored_once() {
    let server = serve(1);
    let client = server.client().await;
    let source = || Source::Replay(SessionId::of(b"camera.mp4"));
    let mut first = uploader(&client, options(source())).await;
    push(&mut first, &CAMERA[..CAMERA.len() / 2]).await;
    server
        .shared
        .until(|store| store.streams["s"].shards[0].end.get() >= 3)
        .await;
    drop(first);
    let mut second = uploader(&client, options(source())).await;
    push(&mut second, CAMERA).await;
    assert!(second.skipped() >= 3);
    second.finish().await.unwrap();
    assert_eq!(numbers(&server), all());
    let times: Vec<i64> = stored(&server).iter().map(|(_, time, _)| *time).collect();
    assert!(times.is_sorted_by(|a, b| b - a > 900));
}

#[tokio::test]
async fn stored_video_is_fetched_and_followed_with_its_initialisation() {
    let server = serve(1);
    let client = server.client().await;
    let mut uploader = uploader(&client, options(Source::Live(Spool::Memory))).await;
    push(&mut uploader, CAMERA).await;
    uploader.finish().await.unwrap();

    let mut fetch = client
        .fetch_fragments(&name("s"), FragmentSelector::default())
        .await
        .unwrap();
    let mut kinds = Vec::new();
    while let Some(batch) = fetch.next().await.unwrap() {
        kinds.push(batch.kind());
    }
    assert_eq!(kinds[0], Kind::Init);
    assert_eq!(
        kinds.iter().filter(|kind| **kind == Kind::Fragment).count(),
        8
    );

    let follow = client.follow_video(&name("s"), From::TrimHorizon).await;
    assert_eq!(
        take(&mut follow.unwrap(), 3).await,
        [Kind::Init, Kind::Fragment, Kind::Fragment]
    );
    // From the middle, where no initialisation is.
    let positions = [(
        afflux_types::ShardId::new(0),
        afflux_types::Position::new(5),
    )];
    let from = From::Positions(positions.into());
    let follow = client.follow_video(&name("s"), from).await;
    let kinds = take(&mut follow.unwrap(), 4).await;
    assert_eq!(kinds[0], Kind::Init);
    assert_eq!(&kinds[1..], [Kind::Fragment; 3]);
}

async fn take(follow: &mut Follow, count: usize) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(follow.next().await.unwrap().unwrap().kind());
    }
    kinds
}

#[tokio::test]
async fn an_input_that_is_no_video_is_refused() {
    let server = serve(1);
    let client = server.client().await;
    let mut uploader = uploader(&client, options(Source::Live(Spool::Memory))).await;
    let error = uploader
        .push(Bytes::from_static(b"GIF89a not a film"))
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
}
