//! What can be changed of a stream: retention, record size, mode, monitoring, encryption.

use crate::support::*;

#[tokio::test]
async fn retention_moves_between_a_day_and_a_year() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let body = |hours: i64| json!({"StreamName": "s", "RetentionPeriodHours": hours});
    let increase = "IncreaseStreamRetentionPeriod";
    let decrease = "DecreaseStreamRetentionPeriod";
    fixture.call(increase, body(8_760)).await;
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.summary("s").await["RetentionPeriodHours"], 8_760);
    let cases = [
        (
            increase,
            8_761,
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) \
             is too long.",
        ),
        (
            decrease,
            23,
            "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is \
             too short.",
        ),
        (
            increase,
            -1,
            "Minimum allowed retention period is 24 hours. Requested retention period (-1 hours) is \
             too short.",
        ),
        (
            increase,
            24,
            "Requested retention period (24 hours) for stream s can not be shorter than existing \
             retention period (8760 hours). Use DecreaseRetentionPeriod API.",
        ),
    ];
    for (operation, hours, error) in cases {
        let said = fixture.refused(operation, body(hours)).await;
        assert_eq!(said, format!("InvalidArgumentException: {error}"));
    }
    fixture.call(decrease, body(24)).await;
    assert_eq!(fixture.summary("s").await["RetentionPeriodHours"], 24);
    assert_eq!(
        fixture.refused(decrease, body(25)).await,
        "InvalidArgumentException: Requested retention period (25 hours) for stream s can not be \
         longer than existing retention period (24 hours). Use IncreaseRetentionPeriod API."
    );
}

#[tokio::test]
async fn the_largest_record_can_be_changed() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let body = json!({"StreamARN": format!("{ARN}s"), "MaxRecordSizeInKiB": 10_240});
    fixture.call("UpdateMaxRecordSize", body).await;
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.summary("s").await["MaxRecordSizeInKiB"], 10_240);
    let stream = fixture.engine.describe_stream(&name("s")).unwrap();
    assert_eq!(stream.record_bytes_max, 10 << 20);
}

#[tokio::test]
async fn the_mode_can_be_changed_and_brings_its_rules() {
    let fixture = Fixture::new().await;
    fixture.create("s", 2).await;
    let arn = format!("{ARN}s");
    let mode = |mode| json!({"StreamARN": arn, "StreamModeDetails": {"StreamMode": mode}});
    let strategy = |strategy| json!({"StreamARN": arn, "RecordDistributionStrategy": strategy});
    let distribute = "UpdateStreamRecordDistributionStrategy";
    assert_eq!(
        fixture.refused(distribute, strategy("AUTO")).await,
        "ValidationException: Request is invalid. Stream s under account 000000000000 is in \
         Provisioned mode."
    );
    fixture.call("UpdateStreamMode", mode("ON_DEMAND")).await;
    fixture.call(distribute, strategy("AUTO")).await;
    let fixture = fixture.reopen().await;
    let summary = fixture.summary("s").await;
    assert_eq!(summary["StreamModeDetails"]["StreamMode"], "ON_DEMAND");
    assert_eq!(summary["RecordDistributionStrategy"], "AUTO");
    assert_eq!(summary["OpenShardCount"], 2);
    for (operation, more) in [
        (
            "SplitShard",
            json!({"ShardToSplit": "0", "NewStartingHashKey": "9"}),
        ),
        (
            "MergeShards",
            json!({"ShardToMerge": "0", "AdjacentShardToMerge": "1"}),
        ),
        (
            "UpdateShardCount",
            json!({"TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING"}),
        ),
    ] {
        let mut body = more;
        body["StreamName"] = json!("s");
        assert_eq!(
            fixture.refused(operation, body).await,
            "ValidationException: Request is invalid. Stream s under account 000000000000 is in \
             On-Demand mode."
        );
    }
    let still_auto = fixture
        .refused("UpdateStreamMode", mode("PROVISIONED"))
        .await;
    assert!(
        still_auto.starts_with("ValidationException"),
        "{still_auto}"
    );
    fixture
        .call(distribute, strategy("USER_PARTITION_KEY"))
        .await;
    fixture.call("UpdateStreamMode", mode("PROVISIONED")).await;
    let summary = fixture.summary("s").await;
    assert_eq!(summary["StreamModeDetails"]["StreamMode"], "PROVISIONED");
}

#[tokio::test]
async fn monitoring_is_switched_metric_by_metric() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let body = |names: Value| json!({"StreamName": "s", "ShardLevelMetrics": names});
    let enable = "EnableEnhancedMonitoring";
    let answer = fixture.call(enable, body(json!(["OutgoingBytes"]))).await;
    assert_eq!(
        answer,
        json!({
            "StreamName": "s",
            "StreamARN": format!("{ARN}s"),
            "CurrentShardLevelMetrics": [],
            "DesiredShardLevelMetrics": ["OutgoingBytes"],
        })
    );
    let all = [
        "IncomingBytes",
        "IncomingRecords",
        "OutgoingBytes",
        "OutgoingRecords",
        "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded",
        "IteratorAgeMilliseconds",
    ];
    let answer = fixture.call(enable, body(json!(["ALL"]))).await;
    assert_eq!(answer["CurrentShardLevelMetrics"], json!(["OutgoingBytes"]));
    assert_eq!(answer["DesiredShardLevelMetrics"], json!(all));
    let fixture = fixture.reopen().await;
    let disable = "DisableEnhancedMonitoring";
    let answer = fixture.call(disable, body(json!(all[1..]))).await;
    assert_eq!(answer["CurrentShardLevelMetrics"], json!(all));
    assert_eq!(answer["DesiredShardLevelMetrics"], json!(["IncomingBytes"]));
    assert_eq!(
        fixture.summary("s").await["EnhancedMonitoring"],
        json!([{"ShardLevelMetrics": ["IncomingBytes"]}])
    );
}

#[tokio::test]
async fn encryption_is_refused_without_a_key() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let body = |kind| json!({"StreamName": "s", "EncryptionType": kind, "KeyId": "alias/k"});
    assert_eq!(
        fixture.refused("StartStreamEncryption", body("KMS")).await,
        "KMSNotFoundException: The key is not found: this server has no keyring."
    );
    assert_eq!(
        fixture.refused("StopStreamEncryption", body("KMS")).await,
        "InvalidArgumentException: Stream s under account 000000000000 is not encrypted."
    );
    let none = fixture.refused("StartStreamEncryption", body("NONE")).await;
    assert!(none.starts_with("InvalidArgumentException"), "{none}");
}
