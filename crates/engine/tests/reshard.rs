//! Splits and merges: lineage, what producers and consumers hear, order under load, restarts.

use std::sync::Arc;

use afflux_engine::{Child, Engine, Event, From, Moved, ShardState};
use afflux_types::{ErrorKind, HashKey, HashKeyRange, ShardId, StreamName};

use crate::support::*;

fn id(shard: u32) -> ShardId {
    ShardId::new(shard)
}

fn states(engine: &Engine, stream: &StreamName) -> Vec<(u32, ShardState, Vec<u32>, Vec<u32>)> {
    let numbers = |ids: &[ShardId]| ids.iter().map(|id| id.get()).collect();
    let description = engine.describe_stream(stream).unwrap();
    description
        .shards
        .iter()
        .map(|shard| {
            let (parents, children) = (numbers(&shard.parents), numbers(&shard.children));
            (shard.id.get(), shard.state, parents, children)
        })
        .collect()
}

#[tokio::test]
async fn the_tree_is_kept_and_everyone_is_told() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let parent = fixture.shard(&stream, 0).await;
    put(&parent, record(None, b"before")).await;
    let mut subscription = parent.subscribe(From::TrimHorizon).await.unwrap();
    let children = fixture
        .engine
        .split_shard(&stream, id(0), None)
        .await
        .unwrap();
    let middle = 1 << 127;
    let expected = |number, start: u128, end: u128| Child {
        id: id(number),
        parents: vec![id(0)],
        range: HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap(),
    };
    assert_eq!(
        children,
        [expected(1, 0, middle - 1), expected(2, middle, u128::MAX)]
    );

    let (header, body) = record(None, b"after");
    let error = parent.append(header, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShardMoved);
    assert_eq!(
        error.chain(),
        "shardId-000000000000 of stream s is closed: its range went to shardId-000000000001, shardId-000000000002"
    );
    assert_eq!(Moved::of(&error).unwrap().children, children);
    assert_eq!(data(&next_records(&mut subscription).await), [b"before"]);
    let Event::ShardEnd {
        position,
        children: told,
    } = subscription.next(1).await.unwrap()
    else {
        panic!("no end");
    };
    assert_eq!((position.get(), told), (1, children));

    let merged = fixture
        .engine
        .merge_shards(&stream, id(2), id(1))
        .await
        .unwrap();
    assert_eq!((merged.id, merged.parents), (id(3), vec![id(1), id(2)]));
    assert_eq!(merged.range, HashKeyRange::FULL);
    let tree = [
        (0, ShardState::Closed, vec![], vec![1, 2]),
        (1, ShardState::Closed, vec![0], vec![3]),
        (2, ShardState::Closed, vec![0], vec![3]),
        (3, ShardState::Open, vec![1, 2], vec![]),
    ];
    assert_eq!(states(&fixture.engine, &stream), tree);
    drop((parent, subscription));
    fixture.reopen().await;
    assert_eq!(states(&fixture.engine, &stream), tree);
    let parent = fixture.shard(&stream, 0).await;
    assert_eq!(parent.closed().unwrap().0.get(), 1);
    let (header, body) = record(None, b"after");
    assert_eq!(
        parent.append(header, body).await.unwrap_err().kind(),
        ErrorKind::ShardMoved
    );
    let last = fixture.shard(&stream, 3).await;
    put(&last, record(None, b"after")).await;
}

#[tokio::test]
async fn splits_and_merges_that_cannot_be_are_refused() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 3).await;
    let engine = &fixture.engine;
    let outside = engine
        .split_shard(&stream, id(0), Some(HashKey::MAX))
        .await
        .unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::Invalid);
    assert!(
        outside.message().starts_with(
            "new starting hash key 340282366920938463463374607431768211455 is not inside 0 to"
        ),
        "{outside:?}"
    );
    let apart = engine
        .merge_shards(&stream, id(0), id(2))
        .await
        .unwrap_err();
    assert!(apart.message().ends_with("are not adjacent"), "{apart:?}");
    let same = engine
        .merge_shards(&stream, id(0), id(0))
        .await
        .unwrap_err();
    assert_eq!(
        same.message(),
        "shardId-000000000000 cannot be merged with itself"
    );
    let unknown = engine.split_shard(&stream, id(9), None).await.unwrap_err();
    assert_eq!(
        unknown.message(),
        "shardId-000000000009 of stream s does not exist"
    );
    engine
        .split_shard(&stream, id(0), Some(HashKey::new(1)))
        .await
        .unwrap();
    let again = engine.split_shard(&stream, id(0), None).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::ShardMoved);
    assert_eq!(Moved::of(&again).unwrap().children.len(), 2);
    let single = engine.split_shard(&stream, id(3), None).await.unwrap_err();
    assert_eq!(
        single.message(),
        "shardId-000000000003 has the single hash key 0 and cannot be split"
    );
    let shard = fixture.shard(&stream, 1).await;
    put(
        &shard,
        batch(None, &[("k", Some(u128::MAX / 2), b"open still")]),
    )
    .await;
}

#[tokio::test]
async fn a_dropped_split_leaves_the_shard_open() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    {
        let split = std::pin::pin!(fixture.engine.split_shard(&stream, id(0), None));
        // Whether it got as far as the catalog depends on the disk; both outcomes are whole.
        let _ = poll_once(split);
    }
    let (header, body) = record(None, b"x");
    match shard.append(header, body).await {
        Ok(accepted) => assert_eq!(accepted.position.get(), 0),
        Err(error) => assert_eq!(Moved::of(&error).unwrap().children.len(), 2),
    }
}

/// Produces `0..count` under one key, following the shards as they move.
async fn produce(engine: Engine, stream: StreamName, key: String, count: u32) {
    let hash = HashKey::of(key.as_bytes());
    let mut shard = id(0);
    for i in 0..count {
        loop {
            let handle = engine.shard(&stream, shard).await.unwrap();
            let (header, body) = batch(None, &[(&key, None, &i.to_be_bytes())]);
            match handle.append(header, body).await {
                Ok(_) => break,
                Err(error) => {
                    let children = &Moved::of(&error).unwrap().children;
                    let child = children.iter().find(|child| child.range.contains(hash));
                    shard = child.unwrap().id;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn order_per_key_holds_while_shards_split_and_merge() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let keys: Vec<String> = (0..8).map(|i| format!("key-{i}")).collect();
    let producers: Vec<_> = keys
        .iter()
        .map(|key| {
            tokio::spawn(produce(
                fixture.engine.clone(),
                stream.clone(),
                key.clone(),
                300,
            ))
        })
        .collect();
    let mut rounds = 0;
    while producers.iter().any(|producer| !producer.is_finished()) && rounds < 40 {
        let shards = fixture.engine.describe_stream(&stream).unwrap().shards;
        let mut open: Vec<_> = shards
            .iter()
            .filter(|s| s.state == ShardState::Open)
            .collect();
        open.sort_by_key(|shard| shard.range);
        if rounds % 3 < 2 {
            fixture
                .engine
                .split_shard(&stream, open[rounds % open.len()].id, None)
                .await
                .unwrap();
        } else {
            fixture
                .engine
                .merge_shards(&stream, open[0].id, open[1].id)
                .await
                .unwrap();
        }
        rounds += 1;
    }
    for producer in producers {
        producer.await.unwrap();
    }
    assert!(rounds > 2, "{rounds} rounds");
    fixture.reopen().await;
    let found = by_key(&fixture, &stream).await;
    let expected: Vec<Vec<u8>> = (0..300_u32).map(|i| i.to_be_bytes().to_vec()).collect();
    assert_eq!(found.len(), keys.len());
    for (key, values) in found {
        assert_eq!(values, expected, "{key}");
    }
}

#[tokio::test]
async fn appends_that_wait_out_a_split_go_on() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = Arc::new(fixture.shard(&stream, 0).await);
    let appends: Vec<_> = (0..50)
        .map(|_| {
            let shard = Arc::clone(&shard);
            tokio::spawn(async move {
                let (header, body) = record(None, b"x");
                shard.append(header, body).await
            })
        })
        .collect();
    let split = fixture.engine.split_shard(&stream, id(0), None).await;
    split.unwrap();
    let mut taken = 0;
    for append in appends {
        match append.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::ShardMoved, "{error:?}"),
        }
    }
    assert_eq!(read_all(&shard).await.len(), taken);
    assert_eq!(shard.closed().unwrap().0.get(), taken as u64);
}

#[tokio::test]
async fn a_child_is_a_second_younger_than_its_parents_though_the_clock_stands() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let engine = &fixture.engine;
    engine.split_shard(&stream, id(0), None).await.unwrap();
    engine.split_shard(&stream, id(1), None).await.unwrap();
    engine.merge_shards(&stream, id(4), id(2)).await.unwrap();
    let seconds = |engine: &Engine| -> Vec<(u128, Option<u128>)> {
        let shards = engine.describe_stream(&stream).unwrap().shards;
        let since = |time: afflux_types::ServerTime| time.since(noon()).as_millis() / 1_000;
        let times = shards
            .iter()
            .map(|s| (since(s.created), s.closed.map(since)));
        times.collect()
    };
    let expected = [
        (0, Some(0)),
        (1, Some(0)),
        (1, Some(0)),
        (2, None),
        (2, Some(0)),
        (3, None),
    ];
    assert_eq!(seconds(&fixture.engine), expected);
    fixture.reopen().await;
    assert_eq!(seconds(&fixture.engine), expected);
}
