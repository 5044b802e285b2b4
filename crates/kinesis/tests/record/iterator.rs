//! Iterators: every type at its edges, and what is no iterator.

use afflux_aws::kinesis::Code;
use afflux_types::StreamName;

use crate::support::*;

#[tokio::test]
async fn every_type_starts_where_it_says_in_shards_of_no_one_and_many_records() {
    let fixture = Fixture::new().await;
    for count in [0_u8, 1, 40] {
        let stream = format!("s{count}");
        fixture.stream(&stream, 1).await;
        let mut numbers = Vec::new();
        for i in 0..count {
            numbers.push(fixture.put(&stream, "k", &[i]).await.1);
            fixture.advance_ms(10);
        }
        let read = async |kind: &str, more: Value| {
            let iterator = fixture.iterator(&stream, &shard(0), kind, more).await;
            fixture.drain(iterator).await
        };
        let from = |first: usize| {
            (first..count.into())
                .map(|i| vec![u8::try_from(i).unwrap()])
                .collect::<Vec<_>>()
        };
        assert_eq!(read("TRIM_HORIZON", json!({})).await, from(0));
        assert_eq!(read("LATEST", json!({})).await, from(count.into()));
        for (i, number) in numbers.iter().enumerate() {
            let more = json!({"StartingSequenceNumber": number});
            assert_eq!(read("AT_SEQUENCE_NUMBER", more.clone()).await, from(i));
            assert_eq!(read("AFTER_SEQUENCE_NUMBER", more).await, from(i + 1));
            let back = i64::try_from(10 * (numbers.len() - i)).unwrap();
            for (ms, first) in [
                (fixture.now_ms() - back, i),
                (fixture.now_ms() - back + 1, i + 1),
            ] {
                let more = json!({"Timestamp": seconds(ms)});
                assert_eq!(read("AT_TIMESTAMP", more).await, from(first));
            }
        }
        let more = json!({"Timestamp": 1});
        assert_eq!(read("AT_TIMESTAMP", more).await, from(0));
        let more = json!({"Timestamp": seconds(fixture.now_ms())});
        assert_eq!(read("AT_TIMESTAMP", more).await, from(count.into()));
    }
}

/// Seconds with a fraction, as the protocol writes times.
fn seconds(ms: i64) -> Value {
    serde_json::from_str(&format!("{}.{:03}", ms / 1_000, ms % 1_000)).unwrap()
}

#[tokio::test]
async fn the_ends_of_a_shard_are_places_too() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    fixture.put("s", "k", b"a").await;
    let described = fixture
        .call("DescribeStream", json!({"StreamName": "s"}))
        .await
        .unwrap();
    let shard = &described["StreamDescription"]["Shards"][0];
    let start = text(&shard["SequenceNumberRange"], "StartingSequenceNumber");
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let more = json!({"StartingSequenceNumber": start});
        let iterator = fixture.iterator("s", "0", kind, more).await;
        assert_eq!(fixture.drain(iterator).await, [b"a"]);
    }
}

#[tokio::test]
async fn latest_is_pinned_when_it_is_asked_for() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    fixture.put("s", "k", b"before").await;
    let iterator = fixture
        .iterator("s", "shardId-0", "LATEST", json!({}))
        .await;
    fixture.put("s", "k", b"after").await;
    // The same iterator again and again: clients retry.
    for _ in 0..2 {
        assert_eq!(fixture.drain(iterator.clone()).await, [b"after"]);
    }
}

#[tokio::test]
async fn a_number_of_elsewhere_is_refused() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 2).await;
    let put = |key: &str| {
        let input =
            json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "ExplicitHashKey": key});
        fixture.call("PutRecord", input)
    };
    let number = text(&put("0").await.unwrap(), "SequenceNumber");
    let with = |stream: &'static str, id: &'static str, number: &str| {
        let more = json!({"StartingSequenceNumber": number});
        fixture.try_iterator(stream, id, "AFTER_SEQUENCE_NUMBER", more)
    };
    assert_refused(
        with("s", "1", &number).await,
        Code::InvalidArgument,
        "Invalid StartingSequenceNumber. It encodes shardId-000000000000, while it was used in a call to a shard \
         with shardId-000000000001",
    );
    fixture.advance_ms(1_000);
    fixture.stream("t", 1).await;
    assert_refused(
        with("t", "0", &number).await,
        Code::InvalidArgument,
        &format!(
            "StartingSequenceNumber {number} used in GetShardIterator on shard shardId-000000000000 in stream t under \
             account 000000000000 is invalid because it did not come from this stream."
        ),
    );
    assert_refused(
        with("s", "0", "77").await,
        Code::InvalidArgument,
        "StartingSequenceNumber 77 used in GetShardIterator on shard shardId-000000000000 in stream s under account \
         000000000000 is invalid.",
    );
    assert_refused(
        with("s", "2", &number).await,
        Code::ResourceNotFound,
        "Shard shardId-000000000002 in stream s under account 000000000000 does not exist",
    );
    assert_refused(
        with("s", "two", &number).await,
        Code::ResourceNotFound,
        "Could not find shard two in stream s under account 000000000000.",
    );
}

#[tokio::test]
async fn members_that_do_not_go_together_are_refused() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    let number = fixture.put("s", "k", b"").await.1;
    let rule = "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
                TRIM_HORIZON or LATEST and no StartingSequenceNumber or (3) AT_TIMESTAMP and Timestamp. Request specified";
    for (kind, more, what) in [
        ("AT_SEQUENCE_NUMBER", json!({}), "no StartingSequenceNumber"),
        (
            "AFTER_SEQUENCE_NUMBER",
            json!({"Timestamp": 1}),
            "no StartingSequenceNumber",
        ),
        (
            "LATEST",
            json!({"StartingSequenceNumber": number}),
            "also a StartingSequenceNumber",
        ),
        ("TRIM_HORIZON", json!({"Timestamp": 1}), "also a Timestamp"),
        ("AT_TIMESTAMP", json!({}), "no Timestamp"),
    ] {
        assert_refused(
            fixture.try_iterator("s", "0", kind, more).await,
            Code::InvalidArgument,
            &format!("{rule} {kind} and {what}."),
        );
    }
    let future = fixture.now_ms() + 1;
    assert_refused(
        fixture
            .try_iterator(
                "s",
                "0",
                "AT_TIMESTAMP",
                json!({"Timestamp": seconds(future)}),
            )
            .await,
        Code::InvalidArgument,
        &format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: \
             {future}, currentTimestampInMillis: {}",
            future - 1
        ),
    );
}

#[tokio::test]
async fn an_iterator_is_good_for_five_minutes_also_after_a_restart_and_in_quotes() {
    let mut fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    fixture.put("s", "k", b"a").await;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    fixture.reopen().await;
    fixture.advance_ms(300_000);
    assert_eq!(
        payloads(&fixture.get(&format!("\"{iterator}\""), 1).await),
        [b"a"]
    );
    let first = text(&fixture.get(&iterator, 1).await, "NextShardIterator");
    let second = text(&fixture.get(&iterator, 1).await, "NextShardIterator");
    assert_ne!(first, second);
    fixture.advance_ms(1);
    assert_refused(
        fixture
            .call("GetRecords", json!({"ShardIterator": iterator}))
            .await,
        Code::ExpiredIterator,
        "Iterator expired. The iterator was created at time Sat Nov 21 12:00:00 UTC 2026 while right now it is Sat Nov \
         21 12:05:00 UTC 2026 which is further in the future than the tolerated delay of 300000 milliseconds.",
    );
    assert_eq!(fixture.get(&first, 1).await["Records"], json!([]));
}

#[tokio::test]
async fn a_forged_iterator_is_refused() {
    let fixture = Fixture::new().await;
    let other = Fixture::new().await;
    for service in [&fixture, &other] {
        service.stream("s", 1).await;
    }
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let foreign = other.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let mut forged = vec![
        foreign,
        "AAAA".to_owned(),
        "not base64!".to_owned(),
        iterator[..iterator.len() - 4].to_owned(),
    ];
    for at in (0..iterator.len()).step_by(7) {
        let mut bytes = iterator.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        forged.push(String::from_utf8(bytes).unwrap());
    }
    for iterator in forged {
        assert_refused(
            fixture
                .call("GetRecords", json!({"ShardIterator": iterator}))
                .await,
            Code::InvalidArgument,
            "Invalid ShardIterator.",
        );
    }
}

#[tokio::test]
async fn a_stream_arn_must_be_of_the_iterators_stream() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let get = |name: &str| {
        let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}");
        fixture.call(
            "GetRecords",
            json!({"ShardIterator": iterator, "StreamARN": arn}),
        )
    };
    get("s").await.unwrap();
    assert_refused(
        get("t").await,
        Code::InvalidArgument,
        "StreamARN and ShardIterator do not name the same stream.",
    );
}

#[tokio::test]
async fn what_retention_took_is_passed_over() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    let old = fixture.put("s", "k", &[0; 30_000]).await.1;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let stream = StreamName::new("s").unwrap();
    for _ in 0..8 {
        fixture.put("s", "k", &[1; 30_000]).await;
    }
    let retention = afflux_engine::Retention {
        bytes: Some(100_000),
        ..Default::default()
    };
    fixture
        .engine
        .set_retention(&stream, retention)
        .await
        .unwrap();
    fixture.engine.enforce_retention();
    let kept = fixture.drain(iterator).await;
    assert!(
        !kept.is_empty() && kept.iter().all(|data| data[0] == 1),
        "{}",
        kept.len()
    );
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let more = json!({"StartingSequenceNumber": old});
        let iterator = fixture.iterator("s", "0", kind, more).await;
        assert_eq!(fixture.drain(iterator).await.len(), kept.len());
    }
    let iterator = fixture
        .iterator("s", "0", "AT_TIMESTAMP", json!({"Timestamp": 1}))
        .await;
    assert_eq!(fixture.drain(iterator).await.len(), kept.len());
}
