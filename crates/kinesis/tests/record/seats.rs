//! Who may subscribe, and when: the service's rules of one reader, five seconds, and a call a second.

use afflux_aws::kinesis::Code;
use afflux_types::{ConsumerName, StreamName};

use crate::support::*;

const IN_USE: &str =
    "Another active subscription exists for this consumer: 000000000000:s:shardId-000000000000:c";
const TOO_SOON: &str = "Rate exceeded for consumer c of shard shardId-000000000000 in stream s under account \
     000000000000.";

fn trim_horizon() -> Value {
    json!({"Type": "TRIM_HORIZON"})
}

/// A start that is refused.
fn nowhere() -> Value {
    json!({"Type": "AT_SEQUENCE_NUMBER"})
}

async fn ready(fixture: &Fixture) -> String {
    fixture.stream("s", 2).await;
    fixture.consumer("s", "c").await
}

#[tokio::test]
async fn a_subscription_is_safe_for_five_seconds_and_then_taken_over() {
    let fixture = Fixture::new().await;
    let arn = ready(&fixture).await;
    let mut first = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(first.next().await, Some(Frame::Initial));
    fixture.advance_ms(4_999);
    let early = fixture.subscribe(&arn, "0", trim_horizon()).await;
    assert_refused(early, Code::ResourceInUse, IN_USE);
    // Another shard and another consumer have seats of their own.
    fixture.subscribe(&arn, "1", trim_horizon()).await.unwrap();
    let other = fixture.consumer("s", "d").await;
    fixture
        .subscribe(&other, "0", trim_horizon())
        .await
        .unwrap();
    fixture.put("s", "k", b"").await;
    fixture.advance_ms(1);
    let waiting = tokio::spawn(async move {
        let mut last = None;
        while let Some(frame) = first.next().await {
            last = Some(frame);
        }
        last
    });
    let mut second = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    let exception = Frame::Exception("ResourceInUseException".to_owned(), IN_USE.to_owned());
    assert_eq!(waiting.await.unwrap(), Some(exception));
    assert_eq!(second.next().await, Some(Frame::Initial));
    // Where the service's limits do not hold, a client that has gone leaves its seat at once.
    drop(second);
    fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
}

#[tokio::test]
async fn a_call_that_succeeded_keeps_others_away_for_five_seconds_also_when_its_reader_has_gone() {
    let fixture = Fixture::throttled().await;
    let arn = ready(&fixture).await;
    let subscribe = || fixture.subscribe(&arn, "0", trim_horizon());
    drop(subscribe().await.unwrap());
    for ms in [0, 1_000, 1_000, 2_999] {
        fixture.advance_ms(ms);
        assert_refused(subscribe().await, Code::ResourceInUse, IN_USE);
        // As often as it is tried: calls that are refused so are not counted.
        assert_refused(subscribe().await, Code::ResourceInUse, IN_USE);
    }
    fixture.advance_ms(1);
    let mut second = subscribe().await.unwrap();
    assert_eq!(second.next().await, Some(Frame::Initial));
    fixture.advance_ms(4_999);
    assert_refused(subscribe().await, Code::ResourceInUse, IN_USE);
    fixture.advance_ms(1);
    let _third = subscribe().await.unwrap();
    let exception = Frame::Exception("ResourceInUseException".to_owned(), IN_USE.to_owned());
    assert_eq!(second.next().await, Some(exception));
    assert_eq!(second.next().await, None);
}

#[tokio::test]
async fn one_call_a_second_for_a_consumer_and_a_shard() {
    let fixture = Fixture::throttled().await;
    let arn = ready(&fixture).await;
    let other = fixture.consumer("s", "d").await;
    let subscribe = |shard, start| fixture.subscribe(&arn, shard, start);
    // A call that failed leaves the seat free, and counts.
    let failed = subscribe("0", nowhere()).await;
    assert_eq!(failed.unwrap_err().code(), Code::InvalidArgument);
    for ms in [0, 999] {
        fixture.advance_ms(ms);
        let again = subscribe("0", trim_horizon()).await;
        assert_refused(again, Code::LimitExceeded, TOO_SOON);
    }
    // Another shard and another consumer have calls of their own.
    subscribe("1", trim_horizon()).await.unwrap();
    let other = fixture.subscribe(&other, "0", trim_horizon()).await;
    other.unwrap();
    // A call that was refused for its rate does not count.
    fixture.advance_ms(1);
    subscribe("0", trim_horizon()).await.unwrap();
}

#[tokio::test]
async fn a_dry_run_is_a_call_and_takes_nothing() {
    let fixture = Fixture::throttled().await;
    let arn = ready(&fixture).await;
    let dry = json!({"ConsumerARN": arn, "ShardId": "0", "StartingPosition": trim_horizon(),
                     "DryRun": true});
    let answer = || fixture.answer("SubscribeToShard", dry.clone());
    assert_eq!(answer().await.unwrap_err().code(), Code::DryRunOperation);
    assert_refused(answer().await, Code::LimitExceeded, TOO_SOON);
    fixture.advance_ms(1_000);
    let mut reader = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(reader.next().await, Some(Frame::Initial));
    fixture.advance_ms(5_000);
    assert_eq!(answer().await.unwrap_err().code(), Code::DryRunOperation);
    // The reader goes on.
    fixture.put("s", "k", b"").await;
    fixture.put("s", "l", b"").await;
    assert!(matches!(reader.next().await, Some(Frame::Event(_))));
}

#[tokio::test]
async fn of_many_calls_at_once_one_succeeds() {
    let fixture = Fixture::throttled().await;
    let arn = ready(&fixture).await;
    for _ in 0..5 {
        let subscribe = || fixture.subscribe(&arn, "0", trim_horizon());
        let (a, b, c) = tokio::join!(subscribe(), subscribe(), subscribe());
        let all = [a, b, c];
        assert_eq!(all.iter().filter(|call| call.is_ok()).count(), 1);
        for refused in all.into_iter().filter_map(Result::err) {
            let code = refused.code();
            assert!(
                matches!(code, Code::ResourceInUse | Code::LimitExceeded),
                "{code:?}"
            );
        }
        fixture.advance_ms(5_000);
    }
}

#[tokio::test]
async fn a_consumer_that_is_registered_anew_is_another_one() {
    let fixture = Fixture::throttled().await;
    let arn = ready(&fixture).await;
    let _reader = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    let (stream, consumer) = (
        StreamName::new("s").unwrap(),
        ConsumerName::new("c").unwrap(),
    );
    fixture
        .engine
        .deregister_consumer(&stream, &consumer)
        .await
        .unwrap();
    fixture.advance_ms(1_000);
    let new = fixture.consumer("s", "c").await;
    assert_ne!(new, arn);
    fixture.subscribe(&new, "0", trim_horizon()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_seat_too() {
    let fixture = Fixture::throttled().await;
    let arn = ready(&fixture).await;
    // Nothing was asked of it yet, not even the first frame.
    let mut idle = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    fixture.advance_ms(5_000);
    let mut next = fixture.subscribe(&arn, "0", trim_horizon()).await.unwrap();
    assert_eq!(next.next().await, Some(Frame::Initial));
    assert_eq!(idle.next().await, Some(Frame::Initial));
    let exception = Frame::Exception("ResourceInUseException".to_owned(), IN_USE.to_owned());
    assert_eq!(idle.next().await, Some(exception));
    assert_eq!(idle.next().await, None);
}
