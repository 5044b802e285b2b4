//! Streams that come and go by other doors, and what a crash leaves.

use afflux_engine::{NewStream, StreamKind, delivery_stream};
use afflux_types::ConsumerName;

use crate::support::*;

fn rows(fixture: &Fixture) -> Vec<String> {
    let rows = fixture
        .engine
        .settings()
        .list("kinesis", None, 100)
        .unwrap();
    rows.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn a_stream_from_another_door_has_default_attributes() {
    let fixture = Fixture::new().await;
    let mut new = NewStream::new(name("q"), StreamKind::Records);
    new.record_bytes_max = 1_500;
    new.retention.age = HOUR;
    fixture.engine.create_stream(new).await.unwrap();
    let summary = fixture.summary("q").await;
    assert_eq!(summary["StreamModeDetails"]["StreamMode"], "PROVISIONED");
    assert_eq!(summary["OpenShardCount"], 1);
    assert_eq!(summary["MaxRecordSizeInKiB"], 2);
    assert_eq!(summary["RetentionPeriodHours"], 1);
    let tags = json!({"StreamName": "q", "Tags": {"a": "b"}});
    fixture.call("AddTagsToStream", tags).await;
    let fixture = fixture.reopen().await;
    let tags = fixture.call("ListTagsForStream", json!({"StreamName": "q"}));
    assert_eq!(tags.await["Tags"], json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test]
async fn a_stream_of_video_is_not_part_of_this_api() {
    let fixture = Fixture::new().await;
    let video = NewStream::new(name("camera"), StreamKind::Video);
    fixture.engine.create_stream(video).await.unwrap();
    fixture.create("s", 1).await;
    let listed = fixture.call("ListStreams", json!({"Limit": 1})).await;
    assert_eq!(listed["StreamNames"], json!(["s"]));
    assert_eq!(listed["HasMoreStreams"], false);
    let camera = json!({"StreamName": "camera"});
    for operation in ["DescribeStream", "DeleteStream", "ListShards"] {
        assert_eq!(
            fixture.refused(operation, camera.clone()).await,
            "ResourceNotFoundException: Stream camera under account 000000000000 not found."
        );
    }
    let taken = fixture.refused("CreateStream", camera).await;
    assert!(taken.starts_with("ResourceInUseException"), "{taken}");
    let limits = fixture.call("DescribeLimits", json!({})).await;
    assert_eq!(limits["OpenShardCount"], 1);
}

#[tokio::test]
async fn a_stream_that_waits_for_delivery_is_not_part_of_this_api() {
    let fixture = Fixture::new().await;
    let mut new = NewStream::new(delivery_stream("s").unwrap(), StreamKind::Delivery);
    new.shards = 7;
    let deliveries = fixture.engine.deliveries();
    deliveries.create_stream(new).await.unwrap();
    fixture.create_on_demand("s").await;
    for limit in [1, 2] {
        let listed = fixture.call("ListStreams", json!({"Limit": limit})).await;
        assert_eq!(listed["StreamNames"], json!(["s"]));
        assert_eq!(listed["HasMoreStreams"], false);
    }
    let limits = fixture.call("DescribeLimits", json!({})).await;
    assert_eq!(limits["OpenShardCount"], 4);
    assert_eq!(limits["OnDemandStreamCount"], 1);
    let record = json!({"PartitionKey": "k", "Data": "eA=="});
    let first = json!({"ShardId": "0", "ShardIteratorType": "LATEST"});
    for (operation, more) in [
        ("DescribeStream", json!({})),
        ("DescribeStreamSummary", json!({})),
        ("DeleteStream", json!({})),
        ("ListShards", json!({})),
        ("PutRecord", record.clone()),
        ("PutRecords", json!({"Records": [record]})),
        ("GetShardIterator", first),
        (
            "StopStreamEncryption",
            json!({"EncryptionType": "KMS", "KeyId": "k"}),
        ),
        ("AddTagsToStream", json!({"Tags": {"a": "b"}})),
        (
            "DecreaseStreamRetentionPeriod",
            json!({"RetentionPeriodHours": 24}),
        ),
        ("RegisterStreamConsumer", json!({"ConsumerName": "c"})),
    ] {
        let mut input = more;
        let (key, name) = match operation {
            "RegisterStreamConsumer" => ("StreamARN", format!("{ARN}.delivery.s")),
            _ => ("StreamName", ".delivery.s".to_owned()),
        };
        input[key] = json!(name);
        assert_eq!(
            fixture.refused(operation, input).await,
            "ResourceNotFoundException: Stream .delivery.s under account 000000000000 not found.",
            "{operation}"
        );
    }
    for taken in [".delivery.s", ".delivery.t"] {
        let new = json!({"StreamName": taken, "ShardCount": 1});
        let refused = fixture.refused("CreateStream", new).await;
        assert!(
            refused.starts_with("InvalidArgumentException: stream .delivery."),
            "{refused}"
        );
    }
    assert_eq!(rows(&fixture), ["stream/0000000000000002", "token-key"]);
}

#[tokio::test]
async fn what_other_doors_deleted_is_forgotten_at_the_next_start() {
    let fixture = Fixture::new().await;
    for stream in ["kept", "gone"] {
        fixture.create(stream, 1).await;
        let tags = json!({"StreamName": stream, "Tags": {"a": "b"}});
        fixture.call("AddTagsToStream", tags).await;
        for consumer in ["c", "d"] {
            let arn = format!("{ARN}{stream}");
            let tags = json!({"k": "v"});
            let body = json!({"StreamARN": arn, "ConsumerName": consumer, "Tags": tags});
            fixture.call("RegisterStreamConsumer", body).await;
        }
    }
    assert_eq!(rows(&fixture).len(), 2 + 4 + 1);
    let engine = &fixture.engine;
    engine.delete_stream(&name("gone")).await.unwrap();
    let consumer = ConsumerName::new("d").unwrap();
    engine
        .deregister_consumer(&name("kept"), &consumer)
        .await
        .unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(
        rows(&fixture),
        [
            "consumer/0000000000000001/c/1795262400000",
            "stream/0000000000000001",
            "token-key",
        ]
    );
    let tags = fixture.call("ListTagsForStream", json!({"StreamName": "kept"}));
    assert_eq!(tags.await["Tags"], json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test]
async fn attributes_survive_a_crash_between_the_stream_and_their_row() {
    let fixture = Fixture::new().await;
    fixture.create_on_demand("s").await;
    let settings = fixture.engine.settings();
    let key = "stream/0000000000000001";
    let row = settings.get("kinesis", key).unwrap().unwrap();
    // As it was before the row was moved; and an intent whose stream was never made.
    settings.delete("kinesis", key).await.unwrap();
    for intent in ["intent/s", "intent/t"] {
        settings.put("kinesis", intent, &row).await.unwrap();
    }
    let fixture = fixture.reopen().await;
    assert_eq!(rows(&fixture), [key, "token-key"]);
    // An intent that was not taken away changes nothing that was noted since.
    let tags = json!({"StreamName": "s", "Tags": {"a": "b"}});
    fixture.call("AddTagsToStream", tags).await;
    let settings = fixture.engine.settings();
    settings.put("kinesis", "intent/s", &row).await.unwrap();
    drop(settings);
    let fixture = fixture.reopen().await;
    assert_eq!(rows(&fixture), [key, "token-key"]);
    let tags = fixture.call("ListTagsForStream", json!({"StreamName": "s"}));
    assert_eq!(tags.await["Tags"], json!([{"Key": "a", "Value": "b"}]));
    let summary = fixture.summary("s").await;
    assert_eq!(summary["StreamModeDetails"]["StreamMode"], "ON_DEMAND");
    fixture.create("t", 1).await;
    let summary = fixture.summary("t").await;
    assert_eq!(summary["StreamModeDetails"]["StreamMode"], "PROVISIONED");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_keeps_the_service_from_starting() {
    let fixture = Fixture::new().await;
    fixture.create_on_demand("s").await;
    let key = "stream/0000000000000001";
    let settings = fixture.engine.settings();
    settings.put("kinesis", key, b"{\"mode\":").await.unwrap();
    let opened = afflux_kinesis::Kinesis::open(
        fixture.engine.clone(),
        fixture.clock.clone(),
        afflux_kinesis::Options::default(),
    );
    let error = opened.await.unwrap_err();
    assert_eq!(
        error.message(),
        "the setting \"stream/0000000000000001\" of kinesis is damaged"
    );
}

#[tokio::test]
async fn paging_tokens_are_good_after_a_restart() {
    let fixture = Fixture::new().await;
    fixture.create("s", 2).await;
    let first = json!({"StreamName": "s", "MaxResults": 1});
    let first = fixture.call("ListShards", first).await;
    let fixture = fixture.reopen().await;
    let next = json!({"NextToken": first["NextToken"]});
    assert_eq!(fixture.listed(next).await, [1]);
}
