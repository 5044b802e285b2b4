//! Taking entries in: what is refused and with which words, quotas, order, durability.

use std::time::Duration;

use afflux_engine::{Quota, StreamKind, Throttled};
use afflux_entry::{Header, Kind};
use afflux_types::{ErrorKind, Position, ServerTime};
use bytes::Bytes;

use crate::support::*;

#[tokio::test]
async fn an_entry_gets_its_place_and_is_read_back_as_it_was_sent() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let first = put(&shard, batch(None, &[("a", None, b"1"), ("b", None, b"2")])).await;
    assert_eq!((first.position.get(), first.end.get()), (0, 2));
    assert_eq!((first.arrival, first.duplicate), (noon(), false));
    let (header, body) = record(None, b"3");
    let pieces = body[0].chunks(3).map(Bytes::copy_from_slice).collect();
    let second = shard.append(header, pieces).await.unwrap();
    assert_eq!((second.position.get(), second.end.get()), (2, 3));
    shard.wait_durable(second.end).await.unwrap();
    let seen = read_all(&shard).await;
    assert_eq!(data(&seen), [b"1", b"2", b"3"]);
    assert_eq!(
        seen.iter().map(|s| s.position).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    let stats = &fixture.engine.stats().streams[0];
    assert_eq!((stats.entries_in, stats.records_in), (2, 3));
    assert_eq!((stats.records_out, stats.subscriptions), (3, 0));
}

/// Appends must fail with these words.
async fn refused(
    fixture: &Fixture,
    kind: StreamKind,
    (header, body): (Header, Vec<Bytes>),
    expected: &str,
) {
    let name = match kind {
        StreamKind::Records | StreamKind::Delivery => "records",
        StreamKind::Video => "video",
    };
    let shard = fixture.shard(&stream_name(name), 1).await;
    let error = shard.append(header, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert_eq!(error.message(), expected);
}

#[tokio::test]
async fn bad_entries_are_refused_with_value_and_limit() {
    let fixture = Fixture::new();
    for (name, kind) in [
        ("records", StreamKind::Records),
        ("video", StreamKind::Video),
    ] {
        let change = |new: &mut afflux_engine::NewStream| {
            (new.kind, new.shards, new.record_bytes_max) = (kind, 2, 10);
        };
        fixture.stream_with(name, change).await;
    }
    let high = Some(u128::MAX);
    let good = batch(None, &[("k", high, b"data")]);
    let with = |change: fn(&mut Header)| {
        let mut entry = good.clone();
        change(&mut entry.0);
        entry
    };
    let records = StreamKind::Records;
    refused(
        &fixture,
        records,
        entry(Kind::Fragment, 1, None, Bytes::new()),
        "stream records is for records and does not take a video fragment",
    )
    .await;
    refused(
        &fixture,
        records,
        entry(Kind::Marker, 0, None, Bytes::new()),
        "stream records is for records and does not take a shard marker",
    )
    .await;
    refused(
        &fixture,
        StreamKind::Video,
        good.clone(),
        "stream video is for video and does not take a record batch",
    )
    .await;
    refused(
        &fixture,
        records,
        with(|header| header.body_len += 1),
        "the entry's body has 29 bytes; its header says 30",
    )
    .await;
    refused(
        &fixture,
        records,
        with(|header| header.record_count = 0),
        "a record batch has a record count of 0; 1 to 65536 are possible",
    )
    .await;
    refused(
        &fixture,
        records,
        with(|header| header.record_count = 2),
        "record 1 of the batch at body offset 29 is malformed: its header reaches beyond the body",
    )
    .await;
    refused(&fixture, records, batch(None, &[("", high, b"")]),
        "record 0 of the batch at body offset 0 is malformed: partition key is empty; it needs 1 to 256 characters").await;
    refused(&fixture, records, batch(None, &[("k", high, b"0123456789")]),
        "record 0 of the batch at body offset 0 is malformed: key and data have 11 bytes; the limit is 10").await;
    refused(&fixture, records, batch(None, &[("k", Some(7), b"")]),
        "the hash key 7 of the batch's first record is not in the range 170141183460469231731687303715884105728 to 340282366920938463463374607431768211455 of shardId-000000000001").await;
    refused(&fixture, records, batch(Some((5, 0)), &[("k", high, b"")]),
        "shardId-000000000001 of stream records: producer 0x0000000000000005 sent sequence 0; sequences count from 1").await;
    let shard = fixture.shard(&stream_name("records"), 1).await;
    assert_eq!(shard.watermarks().appended, Position::ZERO);
}

#[tokio::test]
async fn a_quota_throttles_and_says_how_long() {
    let fixture = Fixture::new();
    let quota = Quota {
        bytes_per_second: 0,
        records_per_second: 2,
    };
    let stream = fixture
        .stream_with("s", |new| new.quota = Some(quota))
        .await;
    let shard = fixture.shard(&stream, 0).await;
    for _ in 0..2 {
        put(&shard, record(None, b"x")).await;
    }
    let (header, body) = record(None, b"x");
    let error = shard.append(header, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(
        error.message(),
        "shardId-000000000000 of stream s: the shard's quota is used up"
    );
    let wait = Throttled::of(&error).unwrap().retry_after;
    assert!(
        !wait.is_zero() && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    fixture.advance(wait);
    put(&shard, record(None, b"x")).await;
    assert_eq!(fixture.engine.stats().streams[0].throttled, 1);
}

#[tokio::test]
async fn records_are_admitted_one_by_one_and_a_failed_append_gives_their_quota_back() {
    let fixture = Fixture::new();
    let quota = Quota {
        bytes_per_second: 100,
        records_per_second: 0,
    };
    let stream = fixture
        .stream_with("s", |new| new.quota = Some(quota))
        .await;
    let shard = fixture.shard(&stream, 0).await;
    let admission = shard.admit([60, 41, 40]);
    assert_eq!(admission.refused(), [1]);
    assert_eq!(shard.admit([1]).refused(), [0]);
    let (mut header, body) = record(None, b"x");
    header.record_count = 2;
    let failed = shard.append_admitted(header, body, admission).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Invalid);
    let admission = shard.admit([100]);
    assert_eq!(admission.refused(), []);
    // What was admitted is not counted once more.
    let (header, body) = record(None, b"x");
    let taken = shard.append_admitted(header, body, admission).await;
    assert_eq!(taken.unwrap().end, Position::new(1));
    assert_eq!(shard.admit([1]).refused(), [0]);
    fixture.advance(Duration::from_millis(10));
    assert_eq!(shard.admit([1]).refused(), []);
    assert_eq!(fixture.engine.stats().streams[0].throttled, 3);
}

#[tokio::test]
async fn arrival_never_decreases_when_the_clock_jumps_back() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    for hours in [5, 1, 3] {
        fixture
            .clock
            .set_wall(noon().plus(Duration::from_secs(hours * 3_600)));
        let shard = fixture.shard(&stream, 0).await;
        put(&shard, record(None, b"x")).await;
        fixture.reopen().await;
    }
    let seen = read_all(&fixture.shard(&stream, 0).await).await;
    let arrivals: Vec<ServerTime> = seen.iter().map(|seen| seen.arrival).collect();
    assert_eq!(arrivals, [noon().plus(Duration::from_secs(5 * 3_600)); 3]);
}

#[tokio::test]
async fn an_initialisation_is_durable_before_it_is_acknowledged() {
    let mut fixture = Fixture::new();
    let stream = fixture
        .stream_with("cam", |new| new.kind = StreamKind::Video)
        .await;
    let shard = fixture.shard(&stream, 0).await;
    let init = put(
        &shard,
        entry(Kind::Init, 0, Some((1, 1)), Bytes::from_static(b"moov")),
    )
    .await;
    assert_eq!((init.position, init.end), (Position::ZERO, Position::ZERO));
    fixture.reopen().await;
    let shard = fixture.shard(&stream, 0).await;
    put(
        &shard,
        entry(Kind::Fragment, 1, Some((1, 2)), Bytes::from_static(b"moof")),
    )
    .await;
    let slice = shard.read(Position::ZERO, 1).await.unwrap();
    let kinds: Vec<Kind> = entries(&slice.bytes)
        .iter()
        .map(|(header, _)| header.kind)
        .collect();
    assert_eq!(kinds, [Kind::Init, Kind::Fragment]);
}

#[tokio::test]
async fn much_more_than_the_log_queues_passes_in_order() {
    let fixture = Fixture::with(|options| {
        options.volume.segment_bytes_max = 4 << 20;
        options.volume.queue_bytes_max = 1 << 20;
    });
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let data = vec![7; 100_000];
    let mut end = Position::ZERO;
    for _ in 0..200 {
        let (header, body) = record(None, &data);
        let accepted = shard.append(header, body).await.unwrap();
        assert_eq!(accepted.position, end);
        end = accepted.end;
    }
    shard.wait_durable(end).await.unwrap();
    assert_eq!(read_all(&shard).await.len(), 200);
}

#[tokio::test]
async fn shutdown_drains_and_then_refuses() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let (header, body) = record(None, b"x");
    let accepted = shard.append(header, body).await.unwrap();
    let mut subscription = shard.subscribe(afflux_engine::From::Latest).await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next(1).await });
    fixture.engine.shutdown().await.unwrap();
    shard.wait_accepted(&accepted).await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unavailable, "the server is stopping")
    );
    let (header, body) = record(None, b"x");
    let error = shard.append(header, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(fixture.engine.shard(&stream, shard.id()).await.is_err());
    fixture.engine.shutdown().await.unwrap();
}
