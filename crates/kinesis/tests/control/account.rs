//! Limits and settings of the account.

use crate::support::*;

fn commitment(status: &str) -> Value {
    json!({"MinimumThroughputBillingCommitment": {"Status": status}})
}

async fn committed() -> Fixture {
    let fixture = Fixture::new().await;
    fixture
        .call("UpdateAccountSettings", commitment("ENABLED"))
        .await;
    fixture
}

#[tokio::test]
async fn limits_count_open_shards_and_streams_on_demand() {
    let fixture = Fixture::new().await;
    fixture.create("s", 3).await;
    fixture.create_on_demand("d").await;
    let split = json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "99"});
    fixture.call("SplitShard", split).await;
    assert_eq!(
        fixture.call("DescribeLimits", json!({})).await,
        json!({
            "ShardLimit": 20_000,
            "OpenShardCount": 8,
            "OnDemandStreamCount": 1,
            "OnDemandStreamCountLimit": 50,
            "ChannelCount": 0,
            "ChannelCountLimit": 0,
        })
    );
}

#[tokio::test]
async fn a_commitment_lasts_a_day_at_least() {
    let fixture = Fixture::new().await;
    let update = "UpdateAccountSettings";
    let describe = "DescribeAccountSettings";
    let none = json!({"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}});
    assert_eq!(fixture.call(describe, json!({})).await, none);
    assert_eq!(fixture.call(update, commitment("DISABLED")).await, none);
    let enabled = fixture.call(update, commitment("ENABLED")).await;
    let times = json!({
        "Status": "ENABLED",
        "StartedAt": 1_795_262_400.0,
        "EarliestAllowedEndAt": 1_795_348_800.0,
    });
    let shown = json!({"MinimumThroughputBillingCommitment": times});
    assert_eq!(enabled, shown);
    fixture.clock.advance(HOUR);
    let ending = fixture.call(update, commitment("DISABLED")).await;
    let mut until = shown.clone();
    until["MinimumThroughputBillingCommitment"]["Status"] =
        json!("ENABLED_UNTIL_EARLIEST_ALLOWED_END");
    assert_eq!(ending, until);
    assert_eq!(fixture.call(update, commitment("ENABLED")).await, shown);
    fixture.call(update, commitment("DISABLED")).await;
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.call(describe, json!({})).await, until);
    fixture.clock.advance(23 * HOUR);
    let ended = json!({"MinimumThroughputBillingCommitment": {
        "Status": "DISABLED",
        "StartedAt": 1_795_262_400.0,
        "EndedAt": 1_795_348_800.0,
    }});
    assert_eq!(fixture.call(describe, json!({})).await, ended);
    let again = fixture.call(update, commitment("ENABLED")).await;
    let started = &again["MinimumThroughputBillingCommitment"]["StartedAt"];
    assert_eq!(started, &json!(1_795_348_800.0));
}

#[tokio::test]
async fn a_stream_on_demand_is_warmed_up_in_a_committed_account() {
    let fixture = committed().await;
    fixture.create_on_demand("s").await;
    let warm = |mibps| json!({"StreamName": "s", "WarmThroughputMiBps": mibps});
    assert_eq!(
        fixture.summary("s").await["WarmThroughput"],
        json!({"TargetMiBps": 4, "CurrentMiBps": 4})
    );
    assert_eq!(
        fixture.call("UpdateStreamWarmThroughput", warm(10)).await,
        json!({
            "StreamName": "s",
            "StreamARN": format!("{ARN}s"),
            "WarmThroughput": {"TargetMiBps": 10, "CurrentMiBps": 10},
        })
    );
    // What is there stays.
    fixture.call("UpdateStreamWarmThroughput", warm(2)).await;
    let fixture = fixture.reopen().await;
    assert_eq!(
        fixture.summary("s").await["WarmThroughput"],
        json!({"TargetMiBps": 2, "CurrentMiBps": 10})
    );
    let beyond = fixture.refused("UpdateStreamWarmThroughput", warm(10_241));
    assert_eq!(
        beyond.await,
        "LimitExceededException: A warm throughput of 10241 MiB/s was requested. The limit is 10240."
    );
    let new = json!({
        "StreamName": "t",
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        "WarmThroughputMiBps": 7,
    });
    fixture.call("CreateStream", new).await;
    assert_eq!(fixture.summary("t").await["OpenShardCount"], 7);
    fixture.create("u", 1).await;
    let mode = json!({
        "StreamARN": format!("{ARN}u"),
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        "WarmThroughputMiBps": 5,
    });
    fixture.call("UpdateStreamMode", mode).await;
    assert_eq!(
        fixture.summary("u").await["WarmThroughput"],
        json!({"TargetMiBps": 5, "CurrentMiBps": 5})
    );
}

#[tokio::test]
async fn nothing_is_warmed_up_without_a_commitment() {
    let fixture = Fixture::new().await;
    fixture.create_on_demand("s").await;
    let warm = json!({"StreamName": "s", "WarmThroughputMiBps": 10});
    assert_eq!(
        fixture.refused("UpdateStreamWarmThroughput", warm).await,
        "ValidationException: WarmThroughputMiBps needs an account with \
         MinimumThroughputBillingCommitment enabled."
    );
}
