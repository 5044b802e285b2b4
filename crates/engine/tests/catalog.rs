//! Streams, consumers, checkpoints and settings, across restarts, and what is refused.

use std::time::Duration;

use afflux_engine::{Durability, Engine, EngineOptions, NewStream, Quota, Retention, StreamKind};
use afflux_types::{Clock, ConsumerName, ErrorKind, Position, Result, ShardId};

use crate::support::*;

fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.message()), (kind, message));
}

#[tokio::test]
async fn a_stream_is_described_as_it_was_created_also_after_a_restart() {
    let mut fixture = Fixture::new();
    let new = NewStream {
        name: stream_name("cameras.north"),
        kind: StreamKind::Video,
        shards: 3,
        retention: Retention {
            age: Duration::from_secs(7_200),
            bytes: Some(1 << 40),
        },
        durability: Durability::Os,
        record_bytes_max: 77,
        quota: Some(Quota {
            bytes_per_second: 5,
            records_per_second: 0,
        }),
    };
    let created = fixture.engine.create_stream(new.clone()).await.unwrap();
    fixture.reopen().await;
    let description = fixture.engine.describe_stream(&new.name).unwrap();
    assert_eq!(format!("{created:?}"), format!("{description:?}"));
    assert_eq!((description.id, description.created), (1, noon()));
    assert_eq!(
        (description.kind, description.durability),
        (new.kind, new.durability)
    );
    assert_eq!(
        (description.retention, description.quota),
        (new.retention, new.quota)
    );
    assert_eq!(
        (description.record_bytes_max, description.shards.len()),
        (77, 3)
    );
}

#[tokio::test]
async fn streams_that_cannot_be_are_refused() {
    let fixture = Fixture::new();
    let new = |change: fn(&mut NewStream)| {
        let mut new = NewStream::new(stream_name("s"), StreamKind::Records);
        change(&mut new);
        fixture.engine.create_stream(new)
    };
    let (invalid, limit) = (ErrorKind::Invalid, ErrorKind::LimitExceeded);
    refused(
        new(|new| new.shards = 0).await,
        invalid,
        "a stream needs 1 to 10000 shards, not 0",
    );
    refused(
        new(|new| new.shards = 10_001).await,
        limit,
        "a stream of 10001 shards was asked for; the limit is 10000",
    );
    refused(
        new(|new| new.record_bytes_max = 0).await,
        invalid,
        "records of at most 0 bytes were asked for; 1 to 10485760 are possible",
    );
    refused(
        new(|new| new.record_bytes_max = 10_485_761).await,
        limit,
        "records of 10485761 bytes were asked for; the limit is 10485760",
    );
    refused(
        new(|new| new.retention.age = Duration::from_secs(3_599)).await,
        invalid,
        "a retention of 3599s was asked for; 1 to 87600 hours are possible",
    );
    assert!(fixture.engine.list_streams(None, 10).is_empty());
    new(|_| ()).await.unwrap();
    refused(
        new(|_| ()).await,
        ErrorKind::InUse,
        "stream s exists already",
    );
    let missing = stream_name("missing");
    refused(
        fixture.engine.delete_stream(&missing).await,
        ErrorKind::NotFound,
        "stream missing does not exist",
    );
    refused(
        fixture.engine.shard(&missing, ShardId::new(0)).await,
        ErrorKind::NotFound,
        "stream missing does not exist",
    );
    refused(
        fixture
            .engine
            .shard(&stream_name("s"), ShardId::new(1))
            .await,
        ErrorKind::NotFound,
        "shardId-000000000001 of stream s does not exist",
    );
}

#[tokio::test]
async fn of_two_creations_at_once_one_succeeds() {
    let fixture = Fixture::new();
    let create = || {
        fixture
            .engine
            .create_stream(NewStream::new(stream_name("s"), StreamKind::Records))
    };
    let (a, b) = tokio::join!(create(), create());
    assert_eq!(u8::from(a.is_ok()) + u8::from(b.is_ok()), 1);
}

#[tokio::test]
async fn ids_are_not_reused_and_listings_have_pages() {
    let mut fixture = Fixture::new();
    for name in ["c", "a", "b", "d"] {
        fixture.stream(name, 1).await;
    }
    fixture
        .engine
        .delete_stream(&stream_name("d"))
        .await
        .unwrap();
    fixture.reopen().await;
    let again = fixture
        .engine
        .create_stream(NewStream::new(stream_name("d"), StreamKind::Records))
        .await
        .unwrap();
    assert_eq!(again.id, 5);
    let page = |after: Option<&str>| -> Vec<String> {
        let after = after.map(stream_name);
        let page = fixture.engine.list_streams(after.as_ref(), 2);
        page.iter()
            .map(|summary| summary.name.to_string())
            .collect()
    };
    assert_eq!(page(None), ["a", "b"]);
    assert_eq!(page(Some("b")), ["c", "d"]);
    assert!(page(Some("d")).is_empty());
    let stream = fixture.stream("wide", 5).await;
    let shards = fixture
        .engine
        .list_shards(&stream, Some(ShardId::new(1)), 2)
        .unwrap();
    assert_eq!(
        shards.iter().map(|s| s.id.get()).collect::<Vec<_>>(),
        [2, 3]
    );
}

#[tokio::test]
async fn consumers_and_checkpoints_survive_and_are_checked() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 2).await;
    let (one, two) = (
        ConsumerName::new("one").unwrap(),
        ConsumerName::new("one1").unwrap(),
    );
    let (zero, first) = (ShardId::new(0), ShardId::new(1));
    let engine = fixture.engine.clone();
    engine.register_consumer(&stream, &one).await.unwrap();
    engine.register_consumer(&stream, &two).await.unwrap();
    refused(
        engine.register_consumer(&stream, &one).await,
        ErrorKind::InUse,
        "consumer one of stream s exists already",
    );
    let shard = fixture.shard(&stream, 0).await;
    put(&shard, batch(None, &[("k", Some(0), b"x")])).await;
    engine
        .set_checkpoint(&stream, &one, zero, Position::new(1))
        .await
        .unwrap();
    engine
        .set_checkpoint(&stream, &two, zero, Position::new(0))
        .await
        .unwrap();
    engine
        .set_checkpoint(&stream, &one, first, Position::new(0))
        .await
        .unwrap();
    refused(
        engine
            .set_checkpoint(&stream, &one, zero, Position::new(2))
            .await,
        ErrorKind::Invalid,
        "checkpoint 2 is beyond the end 1 of shardId-000000000000 of stream s",
    );
    let unknown = ConsumerName::new("nobody").unwrap();
    refused(
        engine
            .set_checkpoint(&stream, &unknown, zero, Position::ZERO)
            .await,
        ErrorKind::NotFound,
        "consumer nobody of stream s does not exist",
    );
    drop((shard, engine));
    fixture.reopen().await;
    let engine = &fixture.engine;
    assert_eq!(
        engine.checkpoint(&stream, &one, zero).unwrap(),
        Some(Position::new(1))
    );
    assert_eq!(engine.checkpoints(&stream, &one).unwrap().len(), 2);
    engine.deregister_consumer(&stream, &one).await.unwrap();
    refused(
        engine.checkpoint(&stream, &one, zero),
        ErrorKind::NotFound,
        "consumer one of stream s does not exist",
    );
    assert_eq!(engine.list_consumers(&stream).unwrap()[0].name, two);
    engine.register_consumer(&stream, &one).await.unwrap();
    assert_eq!(engine.checkpoint(&stream, &one, zero).unwrap(), None);
    assert_eq!(
        engine.checkpoint(&stream, &two, zero).unwrap(),
        Some(Position::ZERO)
    );
}

#[tokio::test]
async fn settings_are_kept_apart_and_survive() {
    let mut fixture = Fixture::new();
    let settings = fixture.engine.settings();
    settings.put("a", "1", b"one").await.unwrap();
    settings.put("a", "2", b"two").await.unwrap();
    settings.put("ab", "1", b"other").await.unwrap();
    drop(settings);
    fixture.reopen().await;
    let settings = fixture.engine.settings();
    assert_eq!(settings.get("a", "1").unwrap().unwrap(), b"one");
    assert_eq!(settings.list("a", None, 10).unwrap().len(), 2);
    assert_eq!(
        settings.list("a", Some("1"), 10).unwrap(),
        [("2".to_owned(), b"two".to_vec())]
    );
    settings.delete("a", "1").await.unwrap();
    assert_eq!(settings.get("a", "1").unwrap(), None);
    assert_eq!(settings.get("ab", "1").unwrap().unwrap(), b"other");
    refused(
        settings.get("", "k"),
        ErrorKind::Invalid,
        "the namespace of a setting has 0 bytes; 1 to 64 without a zero byte are possible",
    );
    refused(
        settings.put("a", &"k".repeat(513), b"").await,
        ErrorKind::Invalid,
        "the key of a setting has 513 bytes; up to 512 without a zero byte are possible",
    );
    refused(
        settings.put("a", "k", &vec![0; (1 << 20) + 1]).await,
        ErrorKind::LimitExceeded,
        "a setting of 1048577 bytes was given; the limit is 1048576",
    );
}

#[tokio::test]
async fn a_data_directory_serves_one_engine_at_a_time() {
    let fixture = Fixture::new();
    let options = EngineOptions {
        retention_interval: None,
        ..EngineOptions::new(fixture.dir.path())
    };
    let error = Engine::open(options, Clock::manual(noon())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error:?}");
}

#[tokio::test]
async fn the_retention_thread_starts_and_ends_with_the_engine() {
    let mut fixture =
        Fixture::with(|options| options.retention_interval = Some(Duration::from_secs(3_600)));
    fixture.stream("s", 1).await;
    fixture.reopen().await;
    assert_eq!(fixture.engine.list_streams(None, 10).len(), 1);
}

#[tokio::test]
async fn the_largest_record_can_be_changed_while_a_shard_is_open() {
    let mut fixture = Fixture::new();
    let stream = fixture
        .stream_with("s", |new| new.record_bytes_max = 8)
        .await;
    let shard = fixture.shard(&stream, 0).await;
    let long = || record(None, b"twelve bytes");
    let (header, body) = long();
    let error = shard.append(header, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let engine = &fixture.engine;
    engine.set_record_bytes_max(&stream, 13).await.unwrap();
    assert_eq!(shard.record_bytes_max(), 13);
    put(&shard, long()).await;
    // Neither another change nor a restart forgets it.
    let retention = Retention::default();
    engine.set_retention(&stream, retention).await.unwrap();
    engine
        .split_shard(&stream, ShardId::new(0), None)
        .await
        .unwrap();
    drop(shard);
    fixture.reopen().await;
    let engine = &fixture.engine;
    let described = engine.describe_stream(&stream).unwrap();
    assert_eq!(described.record_bytes_max, 13);
    refused(
        engine.set_record_bytes_max(&stream, 0).await,
        ErrorKind::Invalid,
        "records of at most 0 bytes were asked for; 1 to 10485760 are possible",
    );
    refused(
        engine.set_record_bytes_max(&stream, (10 << 20) + 1).await,
        ErrorKind::LimitExceeded,
        "records of 10485761 bytes were asked for; the limit is 10485760",
    );
    let nobody = stream_name("nobody");
    let unknown = engine.set_record_bytes_max(&nobody, 13).await;
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
}
