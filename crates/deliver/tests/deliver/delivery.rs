//! Delivery streams of a real engine, to a directory and to an S3-compatible server that fails.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use afflux_deliver::{
    Deliveries, DeliveryDescription, DeliveryOptions, DeliverySettings, DeliverySource,
    ObjectSettings, Owner, Place, Start, Stores,
};
use afflux_engine::{Engine, delivery_stream};
use afflux_entry::{BatchBuilder, Header, Kind};
use afflux_transform::{Compression, Processor};
use afflux_types::{Clock, DeliveryName, ErrorKind, ShardId};
use bytes::Bytes;

use crate::bucket::{BUCKET, Bucket, Conditions, Mood};
use crate::support::{clicks, create_clicks, engine, fill};

pub(crate) fn name() -> DeliveryName {
    DeliveryName::new("lake").unwrap()
}

/// Those of a server without buckets and functions.
pub(crate) fn options(dir: &Path) -> DeliveryOptions {
    DeliveryOptions {
        owner: Owner {
            partition: "aws".into(),
            region: "eu-central-1".into(),
            account: "123456789012".into(),
        },
        memory_bytes: 1 << 20,
        ..DeliveryOptions::new(dir.join("data"))
    }
}

async fn deliveries(dir: &Path, engine: &Engine, bucket: Option<&Bucket>) -> Deliveries {
    let buckets: Vec<_> = bucket
        .into_iter()
        .map(|bucket| Bucket::settings(&bucket.endpoint()))
        .collect();
    let options = DeliveryOptions {
        stores: Stores::new(&buckets).unwrap(),
        ..options(dir)
    };
    let opened = Deliveries::open(engine.clone(), Clock::system(), options);
    opened.await.unwrap()
}

pub(crate) fn settings(place: Place) -> DeliverySettings {
    let source = DeliverySource::Stream {
        name: "clicks".into(),
        from: Start::TrimHorizon,
        until: None,
    };
    let objects = ObjectSettings {
        compression: Compression::Gzip,
        buffer_seconds: 0,
        ..ObjectSettings::new(place)
    };
    DeliverySettings {
        processors: vec![Processor::AppendDelimiter(b"\n".to_vec())],
        ..DeliverySettings::new(source, objects)
    }
}

pub(crate) fn directory(dir: &Path) -> Place {
    let directory = dir.join("objects");
    std::fs::create_dir_all(&directory).unwrap();
    Place::Directory(directory)
}

/// Waits until the delivery stream is as wanted.
pub(crate) async fn until(
    deliveries: &Deliveries,
    wanted: impl Fn(&DeliveryDescription) -> bool,
) -> DeliveryDescription {
    loop {
        let described = deliveries.describe(&name()).unwrap();
        if wanted(&described) {
            return described;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn has(count: usize) -> impl Fn(&DeliveryDescription) -> bool {
    move |described| described.status.totals.records >= u64::try_from(count).unwrap()
}

fn unzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(bytes);
    decoder.read_to_string(&mut text).unwrap();
    text
}

/// Every line of every object, sorted.
pub(crate) fn lines(objects: &BTreeMap<String, Bytes>) -> Vec<String> {
    let mut lines = Vec::new();
    for bytes in objects.values() {
        lines.extend(unzip(bytes).lines().map(str::to_owned));
    }
    lines.sort();
    lines
}

/// The files below a directory, by their names from there.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    let mut rest = vec![root.to_owned()];
    while let Some(directory) = rest.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => rest.push(path),
                false => {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    files.insert(name, std::fs::read(path).unwrap().into());
                }
            }
        }
    }
    files
}

/// Writes objects as files.
pub(crate) fn copy(root: &Path, objects: &BTreeMap<String, Bytes>) {
    for (key, bytes) in objects {
        let path = root.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

pub(crate) fn sorted(mut sent: Vec<String>) -> Vec<String> {
    sent.sort();
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_in_one_object_over_restarts_splits_and_merges() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine(dir.path());
    create_clicks(&first, 2).await;
    let mut sent = fill(&first, [0, 1], 20).await;
    let running = deliveries(dir.path(), &first, None).await;
    let settings = settings(directory(dir.path()));
    running
        .create(&name(), settings, "{}".into())
        .await
        .unwrap();
    until(&running, has(sent.len())).await;
    let zero = ShardId::new(0);
    first.split_shard(&clicks(), zero, None).await.unwrap();
    sent.extend(fill(&first, [2, 3], 20).await);
    running.shutdown().await;
    first.shutdown().await.unwrap();

    let second = engine(dir.path());
    sent.extend(fill(&second, [1, 2], 5).await);
    let running = deliveries(dir.path(), &second, None).await;
    let (two, three) = (ShardId::new(2), ShardId::new(3));
    second.merge_shards(&clicks(), two, three).await.unwrap();
    sent.extend(fill(&second, [4], 5).await);
    let described = until(&running, has(sent.len())).await;
    running.shutdown().await;
    second.shutdown().await.unwrap();

    let objects = files(&dir.path().join("objects"));
    assert_eq!(lines(&objects), sorted(sent));
    assert_eq!(described.status.totals.objects, objects.len() as u64);
    assert_eq!(described.version, 1);
    for name in objects.keys() {
        let date: Vec<&str> = name.split('/').collect();
        let [year, _month, _day, _hour, file] = date[..] else {
            panic!("{name} is not below an hour")
        };
        assert!(file.starts_with(&format!("lake-1-{year}-")) && file.ends_with(".gz"));
    }
    let spool: Vec<String> = files(&dir.path().join("data/delivery"))
        .into_keys()
        .collect();
    assert_eq!(spool, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_begins_where_it_is_told_to_and_misses_nothing_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    fill(&engine, [0], 2).await;
    let zero = ShardId::new(0);
    engine.split_shard(&clicks(), zero, None).await.unwrap();
    let before = fill(&engine, [1, 2], 2).await;
    // Arrival times have milliseconds: what follows is later than what is there.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let time = Clock::system().wall();
    let after = fill(&engine, [1, 2], 2).await;
    for (from, expected) in [
        (Start::Latest, Vec::new()),
        (Start::At(time.as_millis()), after.clone()),
        (Start::TrimHorizon, Vec::new()),
    ] {
        let running = deliveries(dir.path(), &engine, None).await;
        let mut settings = settings(directory(dir.path()));
        settings.source = DeliverySource::Stream {
            name: "clicks".into(),
            from,
            until: None,
        };
        running
            .create(&name(), settings, "{}".into())
            .await
            .unwrap();
        let mut expected = match from {
            Start::TrimHorizon => {
                let mut all: Vec<String> = (0..2)
                    .flat_map(|number| (0..3).map(move |index| format!("{zero} {number} {index}")))
                    .collect();
                all.extend(before.iter().chain(&after).cloned());
                all
            }
            _ => expected,
        };
        expected.extend(fill(&engine, [1], 1).await);
        let count = expected.len();
        let described = until(&running, has(count)).await;
        assert_eq!(described.status.totals.missing, 0, "{from:?}");
        running.delete(&name()).await.unwrap();
        let directory = dir.path().join("objects");
        let mut found = lines(&files(&directory));
        found.dedup();
        assert_eq!(found, sorted(dedup(expected)), "{from:?}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_ends_before_its_time_in_every_shard_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 2).await;
    let sent = fill(&engine, [0, 1], 3).await;
    // Arrival times have milliseconds: what follows is later than what is there.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let time = Clock::system().wall().as_millis();
    fill(&engine, [0, 1], 3).await;
    let running = deliveries(dir.path(), &engine, None).await;
    let replay = |until| DeliverySettings {
        source: DeliverySource::Stream {
            name: "clicks".into(),
            from: Start::TrimHorizon,
            until: Some(until),
        },
        ..settings(directory(dir.path()))
    };
    let (lake, future) = (name(), replay(time + 3_600_000));
    let refused = running.create(&lake, future, "{}".into()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    let made = running.create(&lake, replay(time), "{}".into()).await;
    made.unwrap();
    let described = until(&running, |described| described.status.finished).await;
    fill(&engine, [0, 1], 3).await;
    running.shutdown().await;
    let totals = described.status.totals;
    assert_eq!((totals.records, totals.missing), (sent.len() as u64, 0));
    assert_eq!(lines(&files(&dir.path().join("objects"))), sorted(sent));
}

/// Records that were put again under the same name are one here.
fn dedup(mut records: Vec<String>) -> Vec<String> {
    records.sort();
    records.dedup();
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_store_does_each_record_is_in_one_object() {
    for conditions in [
        Conditions::Honored,
        Conditions::Ignored,
        Conditions::Refused,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bucket = Bucket::start().await;
        bucket.set_conditions(conditions);
        let engine = engine(dir.path());
        create_clicks(&engine, 1).await;
        let running = deliveries(dir.path(), &engine, Some(&bucket)).await;
        bucket.fail([
            Mood::Refuse(503),
            Mood::LoseAnswer,
            Mood::Hang,
            Mood::Refuse(403),
            Mood::Refuse(429),
            Mood::LoseAnswer,
            Mood::Refuse(409),
            Mood::CutAnswer,
            Mood::Trickle,
        ]);
        let settings = settings(Place::Bucket(BUCKET.into()));
        running
            .create(&name(), settings, "{}".into())
            .await
            .unwrap();
        let mut sent = Vec::new();
        for _ in 0..4 {
            sent.extend(fill(&engine, [0], 3).await);
            until(&running, has(sent.len())).await;
        }
        running.shutdown().await;
        assert_eq!(lines(&bucket.objects()), sorted(sent));
        assert!(bucket.writes() >= bucket.objects().len() + 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_store_is_down_records_wait_and_the_status_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::start().await;
    bucket.set_down(Some(503));
    let first = engine(dir.path());
    create_clicks(&first, 1).await;
    let running = deliveries(dir.path(), &first, Some(&bucket)).await;
    let settings = settings(Place::Bucket(BUCKET.into()));
    running
        .create(&name(), settings, "{}".into())
        .await
        .unwrap();
    let mut sent = fill(&first, [0], 5).await;
    let failing = until(&running, |described| described.status.last_error.is_some()).await;
    let error = failing.status.last_error.unwrap();
    assert!(
        error.contains("503") && error.contains("bucket lake"),
        "{error}"
    );
    // What is complete stays so over a restart, and is neither read nor processed again.
    running.shutdown().await;
    first.shutdown().await.unwrap();
    let second = engine(dir.path());
    let running = deliveries(dir.path(), &second, Some(&bucket)).await;
    sent.extend(fill(&second, [0], 5).await);
    bucket.set_down(None);
    until(&running, has(sent.len())).await;
    running.shutdown().await;
    assert_eq!(lines(&bucket.objects()), sorted(sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_have_objects_of_their_own_and_failures_go_to_the_error_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let running = deliveries(dir.path(), &engine, None).await;
    let objects = ObjectSettings {
        prefix: "camera-!{partitionKeyFromQuery:camera}/".into(),
        error_prefix: "failed/!{firehose:error-output-type}/".into(),
        buffer_seconds: 1,
        ..settings(directory(dir.path())).objects
    };
    let query = "{camera: .camera}".into();
    let settings = DeliverySettings {
        processors: vec![
            Processor::AppendDelimiter(b"\n".to_vec()),
            Processor::MetadataExtraction { query },
        ],
        partitioned: true,
        ..DeliverySettings::new(DeliverySource::Direct, objects)
    };
    running
        .create(&name(), settings, "{}".into())
        .await
        .unwrap();
    let buffer = delivery_stream("lake").unwrap();
    let shard = engine
        .deliveries()
        .shard(&buffer, ShardId::new(0))
        .await
        .unwrap();
    let mut builder = BatchBuilder::default();
    for payload in [
        r#"{"camera":1}"#,
        r#"{"camera":2}"#,
        r#"{"camera":1}"#,
        "nonsense",
    ] {
        builder.push(b"direct", None, payload.as_bytes());
    }
    let (body, count) = builder.take();
    let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
    shard.append(header, vec![body]).await.unwrap();
    let described = until(&running, has(4)).await;
    assert_eq!(described.status.totals.failed, 1);
    running.delete(&name()).await.unwrap();
    let objects = files(&dir.path().join("objects"));
    let text = |start: &str| {
        let objects = objects.iter().filter(|(name, _)| name.starts_with(start));
        objects.map(|(_, bytes)| unzip(bytes)).collect::<String>()
    };
    assert_eq!(text("camera-1/"), "{\"camera\":1}\n{\"camera\":1}\n");
    assert_eq!(text("camera-2/"), "{\"camera\":2}\n");
    let failed = text("failed/processing-failed/");
    assert!(failed.contains("\"rawData\":\"bm9uc2Vuc2U=\""), "{failed}");
    let gone = engine.deliveries().describe_stream(&buffer).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_takes_effect_with_the_next_records_and_a_pause_holds_them_back() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    let running = deliveries(dir.path(), &engine, None).await;
    let before = settings(directory(dir.path()));
    running
        .create(&name(), before.clone(), "{}".into())
        .await
        .unwrap();
    let mut sent = fill(&engine, [0], 2).await;
    until(&running, has(sent.len())).await;

    let mut after = before.clone();
    after.objects.prefix = "after/".into();
    let stale = running.update(&name(), 2, after.clone(), "{}".into()).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Expired);
    let changed = running
        .update(&name(), 1, after, "[]".into())
        .await
        .unwrap();
    assert_eq!((changed.version, changed.document.as_str()), (2, "[]"));
    running.set_paused(&name(), true).await.unwrap();
    let held_back = fill(&engine, [0], 2).await;
    assert_eq!(
        lines(&files(&dir.path().join("objects"))),
        sorted(sent.clone())
    );
    sent.extend(held_back);
    running.set_paused(&name(), false).await.unwrap();
    until(&running, has(sent.len())).await;
    running.shutdown().await;

    let objects = files(&dir.path().join("objects"));
    let later = objects.keys().filter(|name| name.contains("/lake-2-"));
    assert!(later.clone().count() > 0);
    assert!(later.clone().all(|name| name.starts_with("after/")));
    assert_eq!(lines(&objects), sorted(sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    let running = deliveries(dir.path(), &engine, None).await;
    let good = settings(directory(dir.path()));
    let create = |settings: DeliverySettings| running.create(&NAME, settings, String::new());
    static NAME: std::sync::LazyLock<DeliveryName> = std::sync::LazyLock::new(name);

    let missing = settings(Place::Bucket("elsewhere".into()));
    let error = create(missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("elsewhere"), "{}", error.message());

    let missing = settings(Place::Directory(dir.path().join("missing")));
    assert_eq!(
        create(missing).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );

    let mut settings = good.clone();
    settings.source = DeliverySource::Stream {
        name: "nothing".into(),
        from: Start::Latest,
        until: None,
    };
    assert_eq!(
        create(settings).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );

    let mut settings = good.clone();
    settings.objects.buffer_bytes = 1;
    let error = create(settings).await.unwrap_err();
    assert!(
        error.message().contains("buffer_bytes of objects is 1;"),
        "{}",
        error.message()
    );

    create(good.clone()).await.unwrap();
    assert_eq!(create(good).await.unwrap_err().kind(), ErrorKind::InUse);
}
