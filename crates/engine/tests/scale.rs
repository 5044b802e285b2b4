//! Ten thousand of everything that may be ten thousand.

use std::collections::BTreeSet;

use afflux_engine::{Event, From, NewStream, StreamKind};
use afflux_types::ShardId;

use crate::support::*;

const MANY: usize = 10_000;

#[tokio::test]
async fn ten_thousand_streams_are_created_listed_and_found_after_a_restart() {
    let mut fixture = Fixture::new();
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..MANY {
        let engine = fixture.engine.clone();
        let new = NewStream::new(stream_name(&format!("camera-{i:05}")), StreamKind::Video);
        tasks.spawn(async move { engine.create_stream(new).await.unwrap().id });
    }
    let ids: BTreeSet<u64> = tasks.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), MANY);
    fixture.reopen().await;
    let mut listed = Vec::new();
    loop {
        let page = fixture.engine.list_streams(listed.last(), 1_000);
        if page.is_empty() {
            break;
        }
        listed.extend(page.into_iter().map(|summary| summary.name));
    }
    assert_eq!(listed.len(), MANY);
    let next = fixture
        .engine
        .create_stream(NewStream::new(stream_name("next"), StreamKind::Records))
        .await
        .unwrap();
    assert_eq!(next.id, MANY as u64 + 1);
}

#[tokio::test]
async fn a_stream_may_have_ten_thousand_shards() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("wide", 10_000).await;
    let before = fixture.engine.describe_stream(&stream).unwrap();
    assert_eq!(before.shards.len(), MANY);
    // None is open, so none has files; retention leaves it so.
    fixture.engine.enforce_retention();
    let shards = fixture.engine.describe_stream(&stream).unwrap().shards;
    assert!(shards.iter().all(|shard| shard.watermarks.is_none()));
    assert_eq!(fixture.engine.stats().volume.shards, 0);
    for number in [0, 4_999, 9_999] {
        let shard = fixture.shard(&stream, number).await;
        let hash = shard.range().start().get();
        put(&shard, batch(None, &[("k", Some(hash), b"x")])).await;
    }
    fixture.reopen().await;
    let shards = fixture.engine.describe_stream(&stream).unwrap().shards;
    for pair in shards.windows(2) {
        assert_eq!(pair[0].range.end().get() + 1, pair[1].range.start().get());
    }
    assert_eq!(
        read_all(&fixture.shard(&stream, 4_999).await).await.len(),
        1
    );
    let limit = fixture
        .engine
        .split_shard(&stream, ShardId::new(0), None)
        .await
        .unwrap_err();
    assert_eq!(
        limit.message(),
        "stream wide has 10000 open shards; the limit is 10000"
    );
    fixture
        .engine
        .merge_shards(&stream, ShardId::new(0), ShardId::new(1))
        .await
        .unwrap();
    fixture
        .engine
        .split_shard(&stream, ShardId::new(5), None)
        .await
        .unwrap();
    fixture.engine.delete_stream(&stream).await.unwrap();
    fixture.reopen().await;
    assert!(fixture.engine.list_streams(None, 1).is_empty());
}

#[tokio::test]
async fn ten_thousand_idle_subscriptions_are_small_and_all_wake() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let mut subscriptions = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        subscriptions.push(shard.subscribe(From::Latest).await.unwrap());
    }
    let mut waits: Vec<_> = subscriptions
        .iter_mut()
        .map(|subscription| Box::pin(subscription.next(1 << 20)))
        .collect();
    // The future is all that a waiting subscription has: the shard keeps a list through the futures.
    let bytes = size_of_val(&*waits[0]) + size_of::<afflux_engine::Subscription>();
    assert!(bytes < 1_024, "an idle subscription has {bytes} bytes");
    assert!(
        waits
            .iter_mut()
            .all(|wait| poll_once(wait.as_mut()).is_pending())
    );
    assert_eq!(fixture.engine.stats().streams[0].subscriptions, MANY as u64);
    put(&shard, record(None, b"x")).await;
    let mut addresses = BTreeSet::new();
    for wait in waits {
        let Event::Slice(slice) = wait.await.unwrap() else {
            panic!("no slice");
        };
        addresses.insert(slice.bytes.as_ptr().addr());
    }
    assert_eq!(addresses.len(), 1, "the bytes were copied");
    drop(subscriptions);
    assert_eq!(fixture.engine.stats().streams[0].subscriptions, 0);
}
