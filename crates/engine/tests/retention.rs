//! Retention by age and by bytes, and the end of closed shards.

use std::time::Duration;

use afflux_engine::{Event, From, Retention};
use afflux_types::{ConsumerName, ErrorKind, Position, ShardId};

use crate::support::*;

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn age_deletes_whole_segments_and_nothing_younger() {
    let mut fixture = Fixture::new();
    let stream = fixture
        .stream_with("s", |new| new.retention.age = HOUR * 3)
        .await;
    let shard = fixture.shard(&stream, 0).await;
    for i in 0..12_u8 {
        put(&shard, record(None, &[i; 30_000])).await;
        fixture.advance(HOUR);
    }
    // The last three hours are kept, and at most two segments of two records more. What is full is
    // sealed by a thread of its own, and deleted once that is done.
    let deleted = async {
        loop {
            fixture.engine.enforce_retention();
            let seen = read_all(&shard).await;
            if seen.len() <= 7 {
                break seen;
            }
            tokio::time::sleep(SECOND / 100).await;
        }
    };
    let seen = tokio::time::timeout(60 * SECOND, deleted).await.unwrap();
    assert!(seen.len() >= 3, "{} are left", seen.len());
    assert_eq!(seen.last().unwrap().data, [11; 30_000]);
    let horizon = shard.watermarks().trim_horizon;
    drop(shard);
    fixture.reopen().await;
    let shard = fixture.shard(&stream, 0).await;
    assert_eq!(shard.watermarks().trim_horizon, horizon);
    assert_eq!(shard.watermarks().appended, Position::new(12));
}

#[tokio::test]
async fn bytes_are_bounded_without_waiting_for_the_interval() {
    let fixture = Fixture::with(|options| options.retention_interval = Some(24 * HOUR));
    let stream = fixture.stream("s", 1).await;
    let retention = Retention {
        bytes: Some(100_000),
        ..Retention::default()
    };
    fixture
        .engine
        .set_retention(&stream, retention)
        .await
        .unwrap();
    let shard = fixture.shard(&stream, 0).await;
    for _ in 0..40_u8 {
        put(&shard, record(None, &[0; 30_000])).await;
    }
    let deleted = async {
        while shard.watermarks().trim_horizon < Position::new(30) {
            tokio::time::sleep(SECOND / 100).await;
        }
    };
    tokio::time::timeout(30 * SECOND, deleted)
        .await
        .expect("the oldest are deleted");
}

#[tokio::test]
async fn bytes_are_bounded_and_retention_can_be_changed() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    for i in 0..12_u8 {
        put(&shard, record(None, &[i; 30_000])).await;
    }
    fixture.engine.enforce_retention();
    assert_eq!(read_all(&shard).await.len(), 12);
    let retention = Retention {
        bytes: Some(100_000),
        ..Retention::default()
    };
    fixture
        .engine
        .set_retention(&stream, retention)
        .await
        .unwrap();
    fixture.engine.enforce_retention();
    let kept = read_all(&shard).await.len();
    assert!((2..=6).contains(&kept), "{kept} kept");
    let error = fixture
        .engine
        .set_retention(
            &stream,
            Retention {
                age: HOUR / 2,
                bytes: None,
            },
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "a retention of 1800s was asked for; 1 to 87600 hours are possible"
    );
    drop(shard);
    fixture.reopen().await;
    assert_eq!(
        fixture.engine.describe_stream(&stream).unwrap().retention,
        retention
    );
}

#[tokio::test]
async fn a_closed_shard_goes_when_everything_in_it_has_expired() {
    let mut fixture = Fixture::new();
    let stream = fixture
        .stream_with("s", |new| new.retention.age = HOUR)
        .await;
    let consumer = ConsumerName::new("c").unwrap();
    fixture
        .engine
        .register_consumer(&stream, &consumer)
        .await
        .unwrap();
    let parent = fixture.shard(&stream, 0).await;
    put(&parent, record(None, b"old")).await;
    fixture
        .engine
        .set_checkpoint(&stream, &consumer, ShardId::new(0), Position::new(1))
        .await
        .unwrap();
    let mut slow = parent.subscribe(From::TrimHorizon).await.unwrap();
    fixture
        .engine
        .split_shard(&stream, ShardId::new(0), None)
        .await
        .unwrap();
    fixture.advance(HOUR / 2);
    fixture.engine.enforce_retention();
    assert_eq!(
        fixture
            .engine
            .describe_stream(&stream)
            .unwrap()
            .shards
            .len(),
        3
    );
    fixture.advance(HOUR);
    fixture.engine.enforce_retention();
    let ids = |fixture: &Fixture| -> Vec<u32> {
        let shards = fixture.engine.list_shards(&stream, None, 10).unwrap();
        shards.iter().map(|shard| shard.id.get()).collect()
    };
    assert_eq!(ids(&fixture), [1, 2]);
    let error = fixture
        .engine
        .shard(&stream, ShardId::new(0))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        fixture
            .engine
            .checkpoints(&stream, &consumer)
            .unwrap()
            .is_empty()
    );
    // Who still reads it learns where to go on.
    assert!(matches!(slow.next(1).await.unwrap(), Event::Lagged { to, .. } if to.get() == 1));
    let Event::ShardEnd { children, .. } = slow.next(1).await.unwrap() else {
        panic!("no end");
    };
    assert_eq!(children.len(), 2);
    drop((slow, parent));
    fixture.reopen().await;
    assert_eq!(ids(&fixture), [1, 2]);
    // Numbers are not reused.
    let children = fixture
        .engine
        .split_shard(&stream, ShardId::new(1), None)
        .await
        .unwrap();
    assert_eq!(children[0].id.get(), 3);
}
