//! Subscriptions: what is pushed, and how they end.

use afflux_aws::kinesis::Code;
use afflux_types::{ConsumerName, StreamName};

use crate::support::*;

const MIB: usize = 1 << 20;

fn trim_horizon() -> Value {
    json!({"Type": "TRIM_HORIZON"})
}

async fn ready(shards: u32) -> (Fixture, String) {
    let fixture = Fixture::new().await;
    fixture.stream("s", shards).await;
    let arn = fixture.consumer("s", "c").await;
    (fixture, arn)
}

#[tokio::test]
async fn what_is_there_comes_first_and_then_what_is_put() {
    let (fixture, arn) = ready(1).await;
    fixture.put("s", "k", b"0").await;
    let mut pushed = fixture
        .subscribe(&arn, &shard(0), trim_horizon())
        .await
        .unwrap();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    let event = pushed.event().await;
    assert_eq!(payloads(&event), [b"0"]);
    assert_eq!(event["MillisBehindLatest"], 0);
    assert_eq!(event["Records"][0]["PartitionKey"], "k");
    let mut last = text(&event, "ContinuationSequenceNumber");
    assert_eq!(
        number(&last).after(),
        number(&text(&event["Records"][0], "SequenceNumber")).after()
    );
    for i in 1..30_u8 {
        fixture.advance_ms(1_000);
        fixture.put("s", "k", &[i]).await;
        let event = pushed.event().await;
        assert_eq!(payloads(&event), [[i]]);
        let next = text(&event, "ContinuationSequenceNumber");
        assert!(next > last);
        last = next;
    }
}

#[tokio::test]
async fn a_continuation_goes_on_without_a_gap_or_a_repetition() {
    let (fixture, arn) = ready(1).await;
    let mut start = json!({"Type": "LATEST"});
    for i in 0..10_u8 {
        fixture.advance_ms(5_000);
        let mut pushed = fixture.subscribe(&arn, "0", start).await.unwrap();
        assert_eq!(pushed.next().await, Some(Frame::Initial));
        fixture.put("s", "k", &[i]).await;
        let event = pushed.event().await;
        assert_eq!(payloads(&event), [[i]]);
        let number = text(&event, "ContinuationSequenceNumber");
        start = json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number});
    }
}

#[tokio::test]
async fn a_backlog_comes_in_events_of_about_one_mib() {
    let (fixture, arn) = ready(1).await;
    for _ in 0..3 {
        let record = json!({"PartitionKey": "k", "Data": base64(&vec![1; 100_000])});
        let input = json!({"StreamName": "s", "Records": vec![record; 40]});
        fixture.call("PutRecords", input).await.unwrap();
    }
    fixture.advance_ms(70);
    let mut pushed = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    let mut seen = 0;
    while seen < 120 {
        let event = pushed.event().await;
        let records = payloads(&event);
        assert!(records.len() * 100_001 <= MIB, "{}", records.len());
        seen += records.len();
        let behind = if seen == 120 { 0 } else { 70 };
        assert_eq!(event["MillisBehindLatest"], behind);
    }
    assert_eq!(seen, 120);
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_every_five_seconds_and_the_end_after_five_minutes() {
    let (fixture, arn) = ready(1).await;
    fixture.put("s", "k", b"0").await;
    let mut pushed = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    pushed.payloads(1).await;
    let mut last = String::new();
    for i in 1..60 {
        fixture.advance_ms(5_000);
        let event = pushed.event().await;
        assert_eq!(event["Records"], json!([]));
        assert_eq!(event["MillisBehindLatest"], 0);
        let next = text(&event, "ContinuationSequenceNumber");
        assert!(next > last);
        last = next;
        assert_eq!(started.elapsed().as_secs(), 5 * i);
    }
    assert_eq!(pushed.next().await, None);
    assert_eq!(started.elapsed().as_secs(), 300);
    assert_eq!(pushed.next().await, None);
    let start = json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": last});
    let mut pushed = fixture.subscribe(&arn, "0", start).await.unwrap();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    assert_eq!(pushed.payloads(1).await, [b"0"]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_subscription_gets_two_mib_a_second() {
    let fixture = Fixture::throttled().await;
    fixture.stream("s", 1).await;
    let arn = fixture.consumer("s", "c").await;
    for _ in 0..24 {
        fixture.put("s", "k", &vec![0; MIB / 2 - 1]).await;
    }
    let mut pushed = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    assert_eq!(pushed.payloads(24).await.len(), 24);
    // Two MiB come at once and one more is not waited for.
    let seconds = started.elapsed().as_secs_f64();
    assert!((4.0..5.5).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn the_end_of_a_shard_names_its_children_and_ends_the_subscription() {
    let (fixture, arn) = ready(1).await;
    let mut waiting = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(waiting.next().await, Some(Frame::Initial));
    fixture.put("s", "k", b"0").await;
    waiting.payloads(1).await;
    let stream = StreamName::new("s").unwrap();
    let id = "0".parse().unwrap();
    fixture.engine.split_shard(&stream, id, None).await.unwrap();
    let end = waiting.event().await;
    assert_eq!(end["Records"], json!([]));
    assert_eq!(end["MillisBehindLatest"], 0);
    assert!(end.get("ContinuationSequenceNumber").is_none());
    let half = 1_u128 << 127;
    let child = |number, from: u128, to: u128| {
        json!({"ShardId": shard(number), "ParentShards": [shard(0)],
               "HashKeyRange": {"StartingHashKey": from.to_string(), "EndingHashKey": to.to_string()}})
    };
    assert_eq!(
        end["ChildShards"],
        json!([child(1, 0, half - 1), child(2, half, u128::MAX)])
    );
    assert_eq!(waiting.next().await, None);
    // Who comes later finds the records and the end.
    let mut late = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(late.next().await, Some(Frame::Initial));
    assert_eq!(late.payloads(1).await, [b"0"]);
    assert_eq!(late.event().await["ChildShards"], end["ChildShards"]);
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn a_deleted_stream_ends_its_subscriptions_with_an_exception() {
    let (fixture, arn) = ready(1).await;
    let mut pushed = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    fixture
        .engine
        .delete_stream(&StreamName::new("s").unwrap())
        .await
        .unwrap();
    let text_of = "Stream s under account 000000000000 not found.";
    let exception = Frame::Exception("ResourceNotFoundException".to_owned(), text_of.to_owned());
    assert_eq!(pushed.next().await, Some(exception));
    assert_eq!(pushed.next().await, None);
    let gone = fixture.subscribe(&arn, "0", trim_horizon()).await;
    assert_refused(gone, Code::ResourceNotFound, text_of);
}

#[tokio::test(start_paused = true)]
async fn a_deregistered_consumer_is_told_so() {
    let (fixture, arn) = ready(1).await;
    let mut pushed = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    let (stream, consumer) = (
        StreamName::new("s").unwrap(),
        ConsumerName::new("c").unwrap(),
    );
    fixture
        .engine
        .deregister_consumer(&stream, &consumer)
        .await
        .unwrap();
    let text_of = "Consumer c, account 000000000000 not found.";
    let exception = Frame::Exception("ResourceNotFoundException".to_owned(), text_of.to_owned());
    assert_eq!(pushed.next().await, Some(exception));
    assert_eq!(pushed.next().await, None);
    let gone = fixture.subscribe(&arn, "0", trim_horizon()).await;
    assert_eq!(gone.unwrap_err().code(), Code::ResourceNotFound);
}

#[tokio::test]
async fn a_server_that_stops_ends_subscriptions_cleanly() {
    let (fixture, arn) = ready(1).await;
    let mut pushed = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    fixture.engine.shutdown().await.unwrap();
    assert_eq!(pushed.next().await, None);
}

#[tokio::test]
async fn a_subscription_that_retention_overtakes_goes_on_at_the_horizon() {
    let (fixture, arn) = ready(1).await;
    let mut pushed = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(pushed.next().await, Some(Frame::Initial));
    for i in 0..9_u8 {
        fixture.put("s", "k", &[i; 30_000]).await;
    }
    let retention = afflux_engine::Retention {
        bytes: Some(100_000),
        ..Default::default()
    };
    fixture
        .engine
        .set_retention(&StreamName::new("s").unwrap(), retention)
        .await
        .unwrap();
    fixture.engine.enforce_retention();
    let seen = pushed.payloads(1).await;
    assert!(seen[0][0] > 0, "{}", seen[0][0]);
}
