//! What shards took in, and where in their ranges.

use afflux_engine::{Quota, ShardLoad, StreamLoad};
use afflux_types::{HashKey, ShardId, StreamName};

use crate::support::*;

fn look(fixture: &Fixture, stream: &StreamName) -> StreamLoad {
    fixture.engine.take_load(stream).unwrap()
}

/// Bytes and records of each shard.
fn counts(load: &StreamLoad) -> Vec<(u32, u64, u64)> {
    let count = |shard: &ShardLoad| (shard.id.get(), shard.bytes, shard.records);
    load.shards.iter().map(count).collect()
}

fn keys(shard: &ShardLoad) -> Vec<u128> {
    shard.sample.iter().map(|sample| sample.key.get()).collect()
}

#[tokio::test]
async fn open_shards_tell_what_they_took_in_and_a_closed_one_is_gone() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 2).await;
    assert_eq!(counts(&look(&fixture, &stream)), [(0, 0, 0), (1, 0, 0)]);
    let shard = fixture.shard(&stream, 0).await;
    let (header, body) = batch(None, &[("a", Some(1), b"x"), ("b", Some(2), b"y")]);
    let bytes = u64::from(header.body_len);
    put(&shard, (header, body)).await;
    let load = look(&fixture, &stream);
    assert_eq!((load.bytes, load.records), (bytes, 2));
    assert_eq!(counts(&load), [(0, bytes, 2), (1, 0, 0)]);
    let split = fixture.engine.split_shard(&stream, ShardId::new(0), None);
    split.await.unwrap();
    let load = look(&fixture, &stream);
    assert_eq!((load.bytes, load.records), (bytes, 2));
    assert_eq!(counts(&load), [(1, 0, 0), (2, 0, 0), (3, 0, 0)]);
}

#[tokio::test]
async fn a_look_takes_the_hash_keys_of_entries_since_the_last_one() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let one = |key| batch(None, &[("k", Some(key), b"")]);
    put(&shard, one(1)).await;
    assert_eq!(keys(&look(&fixture, &stream).shards[0]), []);
    put(&shard, one(2)).await;
    put(&shard, record(None, b"by its partition key")).await;
    let hashed = HashKey::of(b"k").get();
    assert_eq!(keys(&look(&fixture, &stream).shards[0]), [2, hashed]);
    assert_eq!(keys(&look(&fixture, &stream).shards[0]), []);
}

#[tokio::test]
async fn what_was_refused_or_known_does_not_count() {
    let fixture = Fixture::new();
    let stream = fixture
        .stream_with("s", |new| {
            new.quota = Some(Quota {
                bytes_per_second: 0,
                records_per_second: 1,
            });
        })
        .await;
    let shard = fixture.shard(&stream, 0).await;
    look(&fixture, &stream);
    let first = || batch(Some((7, 1)), &[("k", Some(5), b"")]);
    put(&shard, first()).await;
    put(&shard, first()).await;
    let (header, body) = batch(Some((7, 2)), &[("k", Some(6), b"")]);
    shard.append(header, body).await.unwrap_err();
    let load = look(&fixture, &stream);
    assert_eq!(load.shards[0].records, 1);
    assert_eq!(keys(&load.shards[0]), [5]);
}
