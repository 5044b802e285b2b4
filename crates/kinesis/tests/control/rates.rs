//! What AWS limits, where the operator wants it so.

use std::time::Duration;

use afflux_kinesis::Options;

use crate::support::*;

async fn limited() -> Fixture {
    Fixture::with(Options::default()).await
}

impl Fixture {
    /// Lets every bucket be full again.
    fn rest(&self) {
        self.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn calls_beyond_the_rate_are_refused_and_pass_later() {
    let fixture = limited().await;
    for stream in ["a", "b", "c", "d", "e"] {
        fixture.create(stream, 1).await;
    }
    let sixth = json!({"StreamName": "f", "ShardCount": 1});
    assert_eq!(
        fixture.refused("CreateStream", sixth.clone()).await,
        "LimitExceededException: Rate exceeded for stream f under account 000000000000."
    );
    fixture.call("DescribeLimits", json!({})).await;
    assert_eq!(
        fixture.refused("DescribeLimits", json!({})).await,
        "LimitExceededException: Rate exceeded for DescribeLimits under account 000000000000."
    );
    fixture.clock.advance(Duration::from_millis(200));
    fixture.call("CreateStream", sixth).await;
}

#[tokio::test]
async fn shards_have_the_quota_of_aws_only_where_they_are_limited() {
    for (fixture, limited) in [(limited().await, true), (Fixture::new().await, false)] {
        fixture.create("s", 1).await;
        let quota = fixture.engine.describe_stream(&name("s")).unwrap().quota;
        let rates = quota.map(|quota| (quota.bytes_per_second, quota.records_per_second));
        assert_eq!(rates, limited.then_some((1 << 20, 1_000)));
    }
}

#[tokio::test]
async fn a_stream_is_scaled_ten_times_a_day() {
    let fixture = limited().await;
    fixture.create("s", 2).await;
    let to = |target: u32| {
        let kind = "UNIFORM_SCALING";
        json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": kind})
    };
    for round in 0..5 {
        fixture.call("UpdateShardCount", to(3)).await;
        fixture.call("UpdateShardCount", to(2)).await;
        let too_far = fixture.refused("UpdateShardCount", to(9)).await;
        assert!(too_far.starts_with("InvalidArgumentException"), "{too_far}");
        fixture
            .clock
            .advance(if round == 0 { HOUR } else { HOUR / 60 });
    }
    let fixture = fixture.reopen().await;
    assert_eq!(
        fixture.refused("UpdateShardCount", to(3)).await,
        "LimitExceededException: Stream s under account 000000000000 was scaled 10 times within 24 \
         hours, which is the limit."
    );
    fixture.clock.advance(23 * HOUR);
    fixture.call("UpdateShardCount", to(3)).await;
}

#[tokio::test]
async fn the_mode_is_changed_twice_a_day() {
    let fixture = limited().await;
    fixture.create("s", 1).await;
    let to = |mode: &str| {
        let mode = json!({"StreamMode": mode});
        json!({"StreamARN": format!("{ARN}s"), "StreamModeDetails": mode})
    };
    fixture.call("UpdateStreamMode", to("ON_DEMAND")).await;
    fixture.call("UpdateStreamMode", to("ON_DEMAND")).await;
    fixture.call("UpdateStreamMode", to("PROVISIONED")).await;
    assert_eq!(
        fixture.refused("UpdateStreamMode", to("ON_DEMAND")).await,
        "LimitExceededException: The mode of stream s under account 000000000000 was changed 2 times \
         within 24 hours, which is the limit."
    );
    fixture.clock.advance(24 * HOUR);
    fixture.call("UpdateStreamMode", to("ON_DEMAND")).await;
}

#[tokio::test]
async fn a_stream_has_twenty_consumers_and_fifty_where_that_is_paid_for() {
    let fixture = limited().await;
    fixture.create_on_demand("s").await;
    let register = |number: usize| {
        fixture.rest();
        let consumer = format!("c{number}");
        let body = json!({"StreamARN": format!("{ARN}s"), "ConsumerName": consumer});
        fixture.try_call("RegisterStreamConsumer", body)
    };
    for number in 0..20 {
        register(number).await.unwrap();
    }
    assert_eq!(
        register(20).await.unwrap_err(),
        "LimitExceededException: Stream s under account 000000000000 has 20 registered consumers. \
         Limit: 20."
    );
    let commitment = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    fixture.call("UpdateAccountSettings", commitment).await;
    for number in 20..50 {
        register(number).await.unwrap();
    }
    let beyond = register(50).await.unwrap_err();
    assert!(beyond.ends_with("Limit: 50."), "{beyond}");
}

#[tokio::test]
async fn an_account_has_fifty_streams_on_demand() {
    let fixture = limited().await;
    for number in 0..50 {
        fixture.rest();
        fixture.create_on_demand(&format!("s{number}")).await;
    }
    fixture.rest();
    fixture.create("p", 1).await;
    let beyond = "LimitExceededException: This request would exceed the limit of streams in \
                  On-Demand mode for the account 000000000000 in us-east-1. Current count: 50. \
                  Limit: 50.";
    let mode = json!({"StreamMode": "ON_DEMAND"});
    let new = json!({"StreamName": "d", "StreamModeDetails": mode});
    assert_eq!(fixture.refused("CreateStream", new).await, beyond);
    let change = json!({"StreamARN": format!("{ARN}p"), "StreamModeDetails": mode});
    assert_eq!(fixture.refused("UpdateStreamMode", change).await, beyond);
}
