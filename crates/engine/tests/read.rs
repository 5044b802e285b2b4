//! Reading: where to start, waiting, lagging, ends.

use std::time::Duration;

use afflux_engine::{Event, From};
use afflux_types::{ErrorKind, Position};

use crate::support::*;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_reader_starts_where_it_asks_to() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    for i in 0..4 {
        put(&shard, batch(None, &[("k", None, &[i]), ("k", None, &[i])])).await;
        fixture.advance(HOUR);
    }
    let at = |hours: u32| From::At(noon().plus(HOUR * hours));
    for (from, expected) in [
        (From::TrimHorizon, 0),
        (From::Latest, 8),
        (at(0), 0),
        (at(2), 4),
        (From::At(noon().plus(HOUR / 2)), 2),
        (at(100), 8),
        (From::Sequence(Position::new(3)), 3),
        (From::Sequence(Position::new(8)), 8),
    ] {
        assert_eq!(
            shard.resolve(from).await.unwrap().get(),
            expected,
            "{from:?}"
        );
    }
    let error = shard
        .resolve(From::Sequence(Position::new(9)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.message(),
        "position 9 of shardId-000000000000 of stream s is beyond its end 8"
    );
    let error = shard.read(Position::new(9), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // A position inside an entry gives the whole entry.
    let slice = shard.read(Position::new(3), 1).await.unwrap();
    assert_eq!((slice.first.get(), slice.end.get()), (2, 4));
    assert!(shard.read(Position::new(8), 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_subscription_waits_for_what_is_durable_and_tells_how_far_it_is_behind() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 2).await;
    let shard = fixture.shard(&stream, 0).await;
    let other = fixture.shard(&stream, 1).await;
    let mut subscription = shard.subscribe(From::Latest).await.unwrap();
    assert_eq!(subscription.millis_behind(), 0);
    let waiting = tokio::spawn(async move {
        let seen = next_records(&mut subscription).await;
        (seen, subscription)
    });
    put(&other, batch(None, &[("k", Some(u128::MAX), b"other")])).await;
    put(&shard, batch(None, &[("k", Some(0), b"1")])).await;
    let (seen, mut subscription) = waiting.await.unwrap();
    assert_eq!(data(&seen), [b"1"]);
    put(&shard, batch(None, &[("k", Some(0), b"2")])).await;
    put(&shard, batch(None, &[("k", Some(0), b"3")])).await;
    fixture.advance(Duration::from_millis(250));
    let Event::Slice(slice) = subscription.next(1).await.unwrap() else {
        panic!("no slice");
    };
    assert_eq!(data(&records(&slice.bytes)), [b"2"]);
    assert_eq!(subscription.millis_behind(), 250);
    assert_eq!(data(&next_records(&mut subscription).await), [b"3"]);
    assert_eq!(subscription.millis_behind(), 0);
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let mut subscription = shard.subscribe(From::Latest).await.unwrap();
    {
        let next = std::pin::pin!(subscription.next(1));
        assert!(poll_once(next).is_pending());
    }
    put(&shard, record(None, b"1")).await;
    assert_eq!(data(&next_records(&mut subscription).await), [b"1"]);
}

#[tokio::test]
async fn a_reader_that_retention_overtakes_is_told_and_goes_on() {
    let fixture = Fixture::new();
    let stream = fixture
        .stream_with("s", |new| new.retention.age = HOUR)
        .await;
    let shard = fixture.shard(&stream, 0).await;
    let mut slow = shard.subscribe(From::TrimHorizon).await.unwrap();
    for i in 0..10_u8 {
        put(&shard, record(None, &[i; 30_000])).await;
        fixture.advance(HOUR);
        fixture.engine.enforce_retention();
    }
    let horizon = shard.watermarks().trim_horizon;
    assert!(horizon > Position::ZERO);
    let Event::Lagged { from, to } = slow.next(1 << 20).await.unwrap() else {
        panic!("not told");
    };
    assert_eq!((from, to), (Position::ZERO, horizon));
    assert_eq!(next_records(&mut slow).await[0].position, horizon.get());
    let error = shard.read(Position::ZERO, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
    assert!(
        error
            .message()
            .starts_with("position 0 of shardId-000000000000 of stream s has expired"),
        "{error:?}"
    );
    // A place that is trimmed: resolved to the horizon, but a subscription hears of it.
    let trimmed = From::Sequence(Position::ZERO);
    assert_eq!(shard.resolve(trimmed).await.unwrap(), horizon);
    let mut late = shard.subscribe(trimmed).await.unwrap();
    assert!(matches!(late.next(1).await.unwrap(), Event::Lagged { .. }));
    assert_eq!(fixture.engine.stats().streams[0].lagged, 2);
}

#[tokio::test]
async fn a_cold_reader_gets_everything() {
    let mut fixture = Fixture::with(|options| options.volume.segment_bytes_max = 4 << 20);
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    for i in 0..50_u8 {
        put(&shard, record(None, &[i; 100_000])).await;
    }
    drop(shard);
    fixture.reopen().await;
    let shard = fixture.shard(&stream, 0).await;
    let mut subscription = shard.subscribe(From::TrimHorizon).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 50 {
        let Event::Slice(slice) = subscription.next(usize::MAX).await.unwrap() else {
            panic!("no slice");
        };
        assert!(slice.bytes.len() <= 1 << 20, "{} bytes", slice.bytes.len());
        seen.extend(records(&slice.bytes));
    }
    assert!((0..).zip(&seen).all(|(i, seen)| seen.data == [i; 100_000]));
}

#[tokio::test]
async fn producers_and_consumers_of_a_deleted_stream_are_told() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    put(&shard, record(None, b"old")).await;
    let mut subscription = shard.subscribe(From::Latest).await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next(1).await });
    tokio::task::yield_now().await;
    fixture.engine.delete_stream(&stream).await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::NotFound, "stream s was deleted")
    );
    let (header, body) = record(None, b"x");
    for error in [
        shard.append(header, body).await.unwrap_err(),
        shard.read(Position::ZERO, 1).await.unwrap_err(),
        shard.subscribe(From::Latest).await.unwrap_err(),
        shard.wait_durable(Position::new(99)).await.unwrap_err(),
        fixture.engine.shard(&stream, shard.id()).await.unwrap_err(),
        fixture.engine.delete_stream(&stream).await.unwrap_err(),
        fixture.engine.describe_stream(&stream).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
    // The name is free, and what was under it is gone, also after a restart.
    let id = fixture
        .engine
        .create_stream(afflux_engine::NewStream::new(
            stream.clone(),
            afflux_engine::StreamKind::Records,
        ))
        .await
        .unwrap()
        .id;
    assert_eq!(id, 2);
    drop(shard);
    fixture.reopen().await;
    assert!(read_all(&fixture.shard(&stream, 0).await).await.is_empty());
}
