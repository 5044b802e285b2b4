//! Delivery streams of video: ffmpeg is the judge of objects and playlists.

use std::path::Path;
use std::time::Duration;

use afflux_deliver::{
    Deliveries, DeliveryDescription, DeliveryOptions, DeliverySettings, DeliverySource,
    EndpointSettings, ObjectSettings, Place, Receiver, Start, Stores,
};
use afflux_engine::{Engine, EngineOptions, NewStream, Shard, StreamKind};
use afflux_entry::Kind;
use afflux_transform::{Compression, Processor};
use afflux_types::{Clock, ErrorKind, ProducerTime, Result, ServerTime, ShardId, StreamName};

use crate::bucket::{BUCKET, Bucket, Mood};
use crate::delivery::{copy, directory, files, has, name, options, until};
use crate::video::{CAMERA, OTHER, append, film, pictures, stored};

/// A second before eleven o'clock.
const START: i64 = 1_795_258_799_000;

fn door() -> StreamName {
    StreamName::new("door").unwrap()
}

fn settings(place: Place) -> DeliverySettings {
    let source = DeliverySource::Stream {
        name: "door".into(),
        from: Start::TrimHorizon,
        until: None,
    };
    let objects = ObjectSettings {
        buffer_seconds: 0,
        ..ObjectSettings::new(place)
    };
    DeliverySettings::new(source, objects)
}

/// A server with one camera's stream.
struct Server {
    engine: Engine,
    deliveries: Deliveries,
    shard: Shard,
    clock: Clock,
}

impl Server {
    async fn open(dir: &Path, clock: Clock, bucket: Option<&Bucket>) -> Self {
        let engine = Engine::open(EngineOptions::new(dir.join("data")), clock.clone()).unwrap();
        if engine.describe_stream(&door()).is_err() {
            let new = NewStream::new(door(), StreamKind::Video);
            engine.create_stream(new).await.unwrap();
        }
        let buckets: Vec<_> = bucket
            .map(|bucket| Bucket::settings(&bucket.endpoint()))
            .into_iter()
            .collect();
        let options = DeliveryOptions {
            stores: Stores::new(&buckets).unwrap(),
            ..options(dir)
        };
        let deliveries = Deliveries::open(engine.clone(), clock.clone(), options);
        Self {
            shard: engine.shard(&door(), ShardId::new(0)).await.unwrap(),
            deliveries: deliveries.await.unwrap(),
            engine,
            clock,
        }
    }

    /// Makes a delivery stream.
    async fn create(&self, settings: DeliverySettings) -> Result<DeliveryDescription> {
        self.deliveries.create(&name(), settings, "{}".into()).await
    }

    /// Films what begins now by everybody's clock; gives the count of fragments.
    async fn film(&self, input: &'static [u8]) -> usize {
        let now = ProducerTime::from_millis(self.clock.wall().as_millis());
        usize::try_from(film(&self.shard, input, now).await).unwrap()
    }

    async fn shutdown(self) {
        self.deliveries.shutdown().await;
        self.engine.shutdown().await.unwrap();
    }
}

/// What pictures show, one after the other.
fn shown(path: &Path) -> Vec<String> {
    pictures(path).into_iter().map(|(_, shows)| shows).collect()
}

/// The playlists and the other files below a directory.
fn lists(root: &Path) -> (Vec<String>, Vec<String>) {
    let files = files(root).into_keys();
    files.partition(|name| name.ends_with(".m3u8"))
}

/// Asserts that the objects below a directory play, by themselves and in the playlists of two hours.
fn check(root: &Path, objects: u64) {
    let (playlists, videos) = lists(root);
    assert_eq!(
        playlists,
        [
            "2026/11/21/10/lake-2026-11-21-10.m3u8",
            "2026/11/21/11/lake-2026-11-21-11-2.m3u8",
            "2026/11/21/11/lake-2026-11-21-11.m3u8",
        ]
    );
    assert_eq!(videos.len(), usize::try_from(objects).unwrap());
    let fixtures = Path::new("../../fixtures/video");
    let (camera, other) = (
        shown(&fixtures.join("h264-aac.mp4")),
        shown(&fixtures.join("hevc.mp4")),
    );
    let twice = [&camera[..], &camera[..]].concat();
    for (list, expected) in playlists.iter().zip([&camera, &other, &twice]) {
        let played = pictures(&root.join(list));
        let times: Vec<i64> = played.iter().map(|(time, _)| *time).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{list}: {times:?}");
        // Films follow each other; the sound of the first goes on for half a picture more.
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(
            longest <= Some(2 * (times[1] - times[0])),
            "{list}: {times:?}"
        );
        let shows: Vec<String> = played.into_iter().map(|(_, shows)| shows).collect();
        assert_eq!(&shows, expected, "{list}");
    }
    let alone: usize = videos
        .iter()
        .map(|name| shown(&root.join(name)).len())
        .sum();
    assert_eq!(alone, 3 * camera.len() + other.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hour_has_a_playlist_that_plays_all_of_it_over_a_restart() {
    for is_bucket in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let bucket = Bucket::start().await;
        let clock = Clock::manual(ServerTime::from_millis(START));
        let server = Server::open(dir.path(), clock.clone(), Some(&bucket)).await;
        let place = match is_bucket {
            true => Place::Bucket(BUCKET.into()),
            false => directory(dir.path()),
        };
        server.create(settings(place)).await.unwrap();
        let mut count = server.film(CAMERA).await;
        until(&server.deliveries, has(count)).await;
        clock.advance(Duration::from_millis(3_020));
        count += server.film(CAMERA).await;
        until(&server.deliveries, has(count)).await;
        server.shutdown().await;

        let server = Server::open(dir.path(), clock.clone(), Some(&bucket)).await;
        clock.advance(Duration::from_millis(3_020));
        count += server.film(CAMERA).await;
        clock.advance(Duration::from_millis(3_020));
        count += server.film(OTHER).await;
        let described = until(&server.deliveries, has(count)).await;
        server.shutdown().await;

        let totals = described.status.totals;
        assert_eq!((totals.missing, totals.failed), (0, 0));
        let root = dir.path().join("objects");
        copy(&root, &bucket.objects());
        let bytes = files(&root);
        let videos = bytes.iter().filter(|(name, _)| name.ends_with(".mp4"));
        let bytes: usize = videos.map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(totals.bytes, u64::try_from(bytes).unwrap());
        check(&root, totals.objects);
        let spool = files(&dir.path().join("data/delivery")).into_keys();
        let (reels, others): (Vec<_>, Vec<_>) = spool.partition(|name| name.ends_with(".reel"));
        assert_eq!((reels.len(), others.len()), (1, 1), "{reels:?} {others:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_stream_that_is_made_again_leaves_the_playlists_that_are_there() {
    for is_bucket in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let bucket = Bucket::start().await;
        let clock = Clock::manual(ServerTime::from_millis(START - 60_000));
        let server = Server::open(dir.path(), clock.clone(), Some(&bucket)).await;
        let place = || match is_bucket {
            true => Place::Bucket(BUCKET.into()),
            false => directory(dir.path()),
        };
        let root = dir.path().join("objects");
        server.create(settings(place())).await.unwrap();
        let mut count = server.film(CAMERA).await;
        until(&server.deliveries, has(count)).await;
        server.deliveries.delete(&name()).await.unwrap();
        copy(&root, &bucket.objects());
        let before = files(&root);

        // From the first fragment on once more.
        server.create(settings(place())).await.unwrap();
        until(&server.deliveries, has(count)).await;
        server.shutdown().await;
        let server = Server::open(dir.path(), clock.clone(), Some(&bucket)).await;
        clock.advance(Duration::from_millis(3_020));
        count += server.film(CAMERA).await;
        until(&server.deliveries, has(count)).await;
        server.shutdown().await;

        copy(&root, &bucket.objects());
        let after = files(&root);
        for (name, bytes) in before {
            assert_eq!(after.get(&name), Some(&bytes), "{name}");
        }
        let (playlists, _) = lists(&root);
        let hour = "2026/11/21/10/lake-2026-11-21-10";
        assert_eq!(
            playlists,
            [format!("{hour}-2.m3u8"), format!("{hour}.m3u8")]
        );
        let camera = shown(Path::new("../../fixtures/video/h264-aac.mp4"));
        let twice = [&camera[..], &camera[..]].concat();
        for (playlist, expected) in playlists.iter().zip([twice, camera]) {
            assert_eq!(shown(&root.join(playlist)), expected, "{playlist}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_playlist_is_in_a_bucket_after_the_objects_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::start().await;
    let clock = Clock::manual(ServerTime::from_millis(START));
    let server = Server::open(dir.path(), clock.clone(), Some(&bucket)).await;
    let place = Place::Bucket(BUCKET.into());
    server.create(settings(place)).await.unwrap();
    let mut count = 0;
    for _ in 0..3 {
        // What is written first is late.
        bucket.fail([Mood::Refuse(503)]);
        count += server.film(CAMERA).await;
        until(&server.deliveries, has(count)).await;
        clock.advance(Duration::from_millis(3_020));
    }
    server.shutdown().await;
    let playlists = bucket.objects().into_keys();
    let playlists = playlists.filter(|key| key.ends_with(".m3u8"));
    assert_eq!(playlists.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_without_their_initialisation_are_missing_and_hold_back_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path(), Clock::system(), None).await;
    let (_, lost) = stored(OTHER, ProducerTime::from_millis(START));
    let count = lost.len();
    for body in lost {
        append(&server.shard, Kind::Fragment, 1, body).await;
    }
    let found = server.film(CAMERA).await;
    let settings = settings(directory(dir.path()));
    server.create(settings).await.unwrap();
    let described = until(&server.deliveries, has(found)).await;
    server.shutdown().await;
    let totals = described.status.totals;
    let of = |count: usize| u64::try_from(count).unwrap();
    assert_eq!((totals.records, totals.missing), (of(found), of(count)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_change_video_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path(), Clock::system(), None).await;
    let settings = || settings(directory(dir.path()));
    let objects = settings().objects;
    let refused = [
        DeliverySettings {
            processors: vec![Processor::AppendDelimiter(b"\n".to_vec())],
            ..settings()
        },
        DeliverySettings {
            backup: Some(objects.clone()),
            ..settings()
        },
        DeliverySettings {
            receiver: Some(Receiver::Http(EndpointSettings::new(
                "https://example.com".into(),
            ))),
            ..settings()
        },
        DeliverySettings {
            objects: ObjectSettings {
                compression: Compression::Gzip,
                ..objects
            },
            ..settings()
        },
    ];
    for settings in refused {
        let error = server.create(settings).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("video is delivered as it is"));
    }
    server.create(settings()).await.unwrap();
    let changed = DeliverySettings {
        backup: Some(settings().objects),
        ..settings()
    };
    let name = name();
    let update = server.deliveries.update(&name, 1, changed, "{}".into());
    assert_eq!(update.await.unwrap_err().kind(), ErrorKind::Invalid);
    server.shutdown().await;
}
