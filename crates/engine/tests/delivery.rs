//! Streams that wait for delivery: who finds them, and trimming.

use afflux_engine::{
    Engine, Event, From, NewStream, Quota, Retention, Shard, StreamKind, Throttled, delivery_stream,
};
use afflux_entry::Kind;
use afflux_types::{ConsumerName, Error, ErrorKind, Position, ServerTime, ShardId, StreamName};
use bytes::Bytes;

use crate::support::*;

fn orders() -> StreamName {
    delivery_stream("orders").unwrap()
}

async fn make(fixture: &Fixture, change: impl FnOnce(&mut NewStream)) -> StreamName {
    let mut new = NewStream::new(orders(), StreamKind::Delivery);
    change(&mut new);
    let made = fixture.engine.deliveries().create_stream(new).await;
    made.unwrap().name
}

async fn waiting(fixture: &Fixture) -> Shard {
    let deliveries = fixture.engine.deliveries();
    deliveries.shard(&orders(), ShardId::new(0)).await.unwrap()
}

fn names(engine: &Engine) -> Vec<String> {
    let listed = engine.list_streams(None, 10);
    listed
        .iter()
        .map(|stream| stream.name.to_string())
        .collect()
}

/// What a handle answers to whatever asks for a stream by its name.
async fn asked(engine: &Engine, name: &StreamName) -> Vec<Result<(), Error>> {
    let (consumer, shard) = (ConsumerName::new("c").unwrap(), ShardId::new(0));
    vec![
        engine.shard(name, shard).await.map(drop),
        engine.stream_id(name).map(drop),
        engine.describe_stream(name).map(drop),
        engine.list_shards(name, None, 1).map(drop),
        engine.take_load(name).map(drop),
        engine.set_retention(name, Retention::default()).await,
        engine.set_record_bytes_max(name, 1).await,
        engine.set_encryption(name, None).await,
        engine.register_consumer(name, &consumer).await.map(drop),
        engine.list_consumers(name).map(drop),
        engine.checkpoints(name, &consumer).map(drop),
        engine
            .set_checkpoint(name, &consumer, shard, Position::ZERO)
            .await,
        engine.deregister_consumer(name, &consumer).await,
        engine.split_shard(name, shard, None).await.map(drop),
        engine
            .merge_shards(name, ShardId::new(1), ShardId::new(2))
            .await
            .map(drop),
        engine.delete_stream(name).await,
    ]
}

#[tokio::test]
async fn a_stream_is_found_by_the_handle_for_its_kind_and_no_other() {
    let mut fixture = Fixture::new();
    let users = fixture.stream("users", 1).await;
    let orders = make(&fixture, |_| ()).await;
    for _ in 0..2 {
        assert_eq!(names(&fixture.engine), ["users"]);
        assert_eq!(names(&fixture.engine.deliveries()), [".delivery.orders"]);
        fixture.reopen().await;
    }
    let deliveries = fixture.engine.deliveries();
    for (engine, name) in [(&fixture.engine, &orders), (&deliveries, &users)] {
        for answer in asked(engine, name).await {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(error.message(), format!("stream {name} does not exist"));
        }
    }
    for (engine, name) in [(&fixture.engine, &users), (&deliveries, &orders)] {
        for answer in asked(engine, name).await {
            answer.unwrap();
        }
        assert!(names(engine).is_empty());
    }
}

#[tokio::test]
async fn users_and_deliveries_take_no_names_of_each_other() {
    let fixture = Fixture::new();
    let deliveries = fixture.engine.deliveries();
    let (records, delivery) = (StreamKind::Records, StreamKind::Delivery);
    for (engine, name, kind) in [
        (&fixture.engine, ".delivery.orders", records),
        (&fixture.engine, ".delivery.orders", StreamKind::Video),
        (&fixture.engine, ".delivery.orders", delivery),
        (&fixture.engine, "orders", delivery),
        (&deliveries, "orders", delivery),
        (&deliveries, ".delivery.orders", records),
    ] {
        let new = NewStream::new(stream_name(name), kind);
        let error = engine.create_stream(new).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let expected = format!(
            "stream {name} cannot be made here: names that begin with \".delivery.\" are those of \
             delivery streams, and theirs begin with nothing else"
        );
        assert_eq!(error.message(), expected);
    }
    for name in [".delivery", ".deliveries.x", "a.delivery.x"] {
        fixture.stream(name, 1).await;
    }
    make(&fixture, |_| ()).await;
    let new = NewStream::new(orders(), delivery);
    let error = deliveries.create_stream(new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
}

#[tokio::test]
async fn it_takes_what_a_stream_of_records_takes_and_keeps_it() {
    let mut fixture = Fixture::new();
    let quota = Quota {
        bytes_per_second: 0,
        records_per_second: 2,
    };
    make(&fixture, |new| new.quota = Some(quota)).await;
    let shard = waiting(&fixture).await;
    for data in [b"1", b"2"] {
        put(&shard, record(None, data)).await;
    }
    let (header, body) = record(None, b"3");
    let error = shard.append(header, body).await.unwrap_err();
    assert!(Throttled::of(&error).is_some(), "{error}");
    let (header, body) = entry(Kind::Fragment, 1, None, Bytes::new());
    let error = shard.append(header, body).await.unwrap_err();
    assert_eq!(
        error.message(),
        "stream .delivery.orders is for records and does not take a video fragment"
    );
    drop(shard);
    // Nine years.
    for _ in 0..9 * 365 {
        fixture.advance(std::time::Duration::from_secs(24 * 3_600));
    }
    fixture.engine.enforce_retention();
    fixture.reopen().await;
    fixture.engine.enforce_retention();
    let found = fixture.engine.deliveries().describe_stream(&orders());
    let found = found.unwrap();
    assert_eq!(found.kind, StreamKind::Delivery);
    assert_eq!(found.retention, Retention::UNTIL_TRIMMED);
    let seen = read_all(&waiting(&fixture).await).await;
    assert_eq!(data(&seen), [b"1", b"2"]);
}

/// Trims until everything below `before` is gone but the segment that `before` is in. What is full is
/// sealed by a thread of its own.
async fn trim_to(shard: &Shard, before: u64, least: u64) -> Position {
    let trimmed = async {
        loop {
            let horizon = shard.trim(Position::new(before)).await.unwrap();
            assert!(horizon.get() <= before);
            assert_eq!(shard.watermarks().trim_horizon, horizon);
            if horizon.get() >= least {
                break horizon;
            }
            tokio::task::yield_now().await;
        }
    };
    let minute = std::time::Duration::from_secs(60);
    tokio::time::timeout(minute, trimmed).await.unwrap()
}

#[tokio::test]
async fn what_was_delivered_is_trimmed_and_who_had_not_got_it_is_told() {
    let mut fixture = Fixture::new();
    make(&fixture, |_| ()).await;
    let shard = waiting(&fixture).await;
    // Two of them fill a segment.
    for i in 0..13_u8 {
        put(&shard, record(None, &[i; 30_000])).await;
    }
    let mut slow = shard.subscribe(From::TrimHorizon).await.unwrap();
    let mut quick = shard
        .subscribe(From::Sequence(Position::new(9)))
        .await
        .unwrap();
    assert_eq!(shard.trim(Position::ZERO).await.unwrap(), Position::ZERO);
    let horizon = trim_to(&shard, 9, 8).await;
    assert_eq!(horizon, Position::new(8));
    assert_eq!(shard.trim(Position::new(3)).await.unwrap(), horizon);
    let Event::Lagged { from, to } = slow.next(1).await.unwrap() else {
        panic!("not lagged");
    };
    assert_eq!((from, to), (Position::ZERO, horizon));
    assert_eq!(next_records(&mut slow).await[0].data, [8; 30_000]);
    assert_eq!(next_records(&mut quick).await[0].data, [9; 30_000]);
    let error = shard.read(Position::new(7), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
    // The segment that is written stays, whatever was delivered of it.
    assert_eq!(trim_to(&shard, 13, 12).await, Position::new(12));
    drop((slow, quick, shard));
    fixture.reopen().await;
    let shard = waiting(&fixture).await;
    let seen = read_all(&shard).await;
    assert_eq!((seen.len(), seen[0].position), (1, 12));
    assert_eq!(
        shard.trim(Position::new(9)).await.unwrap(),
        Position::new(12)
    );
    assert_eq!(put(&shard, record(None, b"x")).await.position.get(), 13);
}

#[tokio::test]
async fn a_stream_of_users_and_one_that_is_gone_are_not_trimmed() {
    let fixture = Fixture::new();
    let users = fixture.stream("users", 1).await;
    let shard = fixture.shard(&users, 0).await;
    let error = shard.trim(Position::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.message(),
        "stream users is not one of deliveries: its entries stay until they expire"
    );
    make(&fixture, |_| ()).await;
    let shard = waiting(&fixture).await;
    put(&shard, record(None, b"x")).await;
    let deliveries = fixture.engine.deliveries();
    deliveries.delete_stream(&orders()).await.unwrap();
    let error = shard.trim(Position::new(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        shard
            .resolve(From::At(ServerTime::from_millis(0)))
            .await
            .is_err()
    );
}
