//! Streams made, described, listed and deleted.

use crate::support::*;

#[tokio::test]
async fn a_new_stream_is_active_at_once_and_described_whole() {
    let fixture = Fixture::new().await;
    let answer = fixture
        .call("CreateStream", json!({"StreamName": "orders"}))
        .await;
    assert_eq!(answer, Value::Null);
    let described = fixture
        .call(
            "DescribeStream",
            json!({"StreamName": "orders", "Limit": 1}),
        )
        .await;
    let quarter = "85070591730234615865843651857942052863";
    let start = described["StreamDescription"]["Shards"][0]["SequenceNumberRange"]
        ["StartingSequenceNumber"]
        .as_str()
        .unwrap();
    assert_eq!(start.len(), 56);
    assert_eq!(
        described,
        json!({"StreamDescription": {
            "StreamName": "orders",
            "StreamARN": format!("{ARN}orders"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "Shards": [{
                "ShardId": "shardId-000000000000",
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": quarter},
                "SequenceNumberRange": {"StartingSequenceNumber": start},
            }],
            "HasMoreShards": true,
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_795_262_400.0,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        }})
    );
    assert_eq!(
        fixture.summary("orders").await,
        json!({
            "StreamName": "orders",
            "StreamARN": format!("{ARN}orders"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_795_262_400.0,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
            "OpenShardCount": 4,
            "ConsumerCount": 0,
            "MaxRecordSizeInKiB": 1_024,
            "ChannelCount": 0,
            "RecordDistributionStrategy": "USER_PARTITION_KEY",
            "QueueCount": 0,
        })
    );
}

#[tokio::test]
async fn shards_are_described_in_pages_of_at_most_a_hundred() {
    let fixture = Fixture::new().await;
    fixture.create("many", 120).await;
    let page = |more: Value| {
        let mut body = json!({"StreamARN": format!("{ARN}many")});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        async {
            let answer = fixture.call("DescribeStream", body).await;
            let description = &answer["StreamDescription"];
            (
                shard_numbers(description),
                description["HasMoreShards"] == true,
            )
        }
    };
    assert_eq!(page(json!({})).await, ((0..100).collect(), true));
    assert_eq!(
        page(json!({"Limit": 10_000})).await,
        ((0..100).collect(), true)
    );
    assert_eq!(
        page(json!({"ExclusiveStartShardId": "shardId-000000000099"})).await,
        ((100..120).collect(), false)
    );
    assert_eq!(
        page(json!({"ExclusiveStartShardId": "shardId-9", "Limit": 2})).await,
        (vec![10, 11], true)
    );
}

#[tokio::test]
async fn a_stream_is_made_as_it_is_asked_for_and_still_so_after_a_restart() {
    let fixture = Fixture::new().await;
    fixture
        .call(
            "CreateStream",
            json!({
                "StreamName": "s",
                "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
                "Tags": {"team": "blue"},
                "MaxRecordSizeInKiB": 10_240,
                "RecordDistributionStrategy": "AUTO",
            }),
        )
        .await;
    let fixture = fixture.reopen().await;
    let summary = fixture.summary("s").await;
    assert_eq!(summary["StreamModeDetails"]["StreamMode"], "ON_DEMAND");
    assert_eq!(summary["OpenShardCount"], 4);
    assert_eq!(summary["MaxRecordSizeInKiB"], 10_240);
    assert_eq!(summary["RecordDistributionStrategy"], "AUTO");
    assert_eq!(summary["WarmThroughput"], Value::Null);
    let tags = fixture
        .call("ListTagsForStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(
        tags,
        json!({"Tags": [{"Key": "team", "Value": "blue"}], "HasMoreTags": false})
    );
}

#[tokio::test]
async fn streams_that_cannot_be_made_are_refused() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let cases = [
        (
            json!({"StreamName": "s"}),
            "ResourceInUseException: Stream s under account 000000000000 already exists.",
        ),
        (
            json!({"StreamName": "big", "ShardCount": 10_001}),
            "LimitExceededException: a stream of 10001 shards was asked for; the limit is 10000",
        ),
        (
            json!({"StreamName": "big", "ShardCount": 20_000}),
            "LimitExceededException: This request would exceed the shard limit for the account \
             000000000000 in us-east-1. Current shard count for the account: 1. Limit: 20000. Number \
             of additional shards that would have resulted from this request: 20000. Refer to the AWS \
             Service Limits page \
             (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current \
             limits and how to request higher limits.",
        ),
        (
            json!({"StreamName": "a", "RecordDistributionStrategy": "AUTO"}),
            "ValidationException: RecordDistributionStrategy AUTO is supported for streams in \
             On-Demand mode only.",
        ),
        (
            json!({"StreamName": "a", "WarmThroughputMiBps": 10}),
            "ValidationException: WarmThroughputMiBps is supported for streams in On-Demand mode \
             only.",
        ),
        (
            json!({"StreamName": "a", "MaxRecordSizeInKiB": 1_023}),
            "ValidationException: 1 validation error detected: Value '1023' at 'maxRecordSizeInKiB' \
             failed to satisfy constraint: Member must have value greater than or equal to 1024",
        ),
        (
            json!({"StreamName": "."}),
            "InvalidArgumentException: stream name \".\" is not allowed.",
        ),
    ];
    for (body, error) in cases {
        assert_eq!(fixture.refused("CreateStream", body).await, error);
    }
    let listed = fixture.call("ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!(["s"]));
}

#[tokio::test]
async fn streams_are_listed_by_name_in_pages() {
    let fixture = Fixture::new().await;
    for stream in ["c", "a", "b", "B"] {
        fixture.create(stream, 1).await;
    }
    let first = fixture.call("ListStreams", json!({"Limit": 3})).await;
    assert_eq!(first["StreamNames"], json!(["B", "a", "b"]));
    assert_eq!(first["HasMoreStreams"], true);
    assert_eq!(
        first["StreamSummaries"][0],
        json!({
            "StreamName": "B",
            "StreamARN": format!("{ARN}B"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "StreamCreationTimestamp": 1_795_262_400.0,
        })
    );
    let token = json!({"NextToken": first["NextToken"]});
    let last = json!(["c"]);
    let second = fixture.call("ListStreams", token.clone()).await;
    assert_eq!(second["StreamNames"], last);
    assert_eq!(second["HasMoreStreams"], false);
    assert_eq!(second["NextToken"], Value::Null);
    let by_name = json!({"ExclusiveStartStreamName": "b"});
    let by_name = fixture.call("ListStreams", by_name).await;
    assert_eq!(by_name["StreamNames"], last);
    fixture.clock.advance(HOUR);
    let expired = fixture.refused("ListStreams", token).await;
    assert!(
        expired.starts_with("ExpiredNextTokenException: "),
        "{expired}"
    );
    let forged = fixture.refused("ListStreams", json!({"NextToken": "AAAA"}));
    let forged = forged.await;
    assert!(forged.starts_with("InvalidArgumentException"), "{forged}");
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_told_of_with_its_account() {
    let fixture = Fixture::new().await;
    let not_found =
        "ResourceNotFoundException: Stream nobody under account 000000000000 not found.";
    for operation in [
        "DescribeStream",
        "DescribeStreamSummary",
        "DeleteStream",
        "ListTagsForStream",
        "ListShards",
    ] {
        let body = json!({"StreamName": "nobody"});
        assert_eq!(fixture.refused(operation, body).await, not_found);
    }
    assert_eq!(
        fixture.refused("DescribeStream", json!({})).await,
        "InvalidArgumentException: Either StreamName or StreamARN should be provided."
    );
    let both = json!({"StreamName": "a", "StreamARN": format!("{ARN}b")});
    assert_eq!(
        fixture.refused("DescribeStream", both).await,
        "InvalidArgumentException: StreamName and StreamARN do not name the same stream."
    );
}

#[tokio::test]
async fn a_stream_with_consumers_is_deleted_only_when_that_is_enforced() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let consumer = json!({"StreamARN": format!("{ARN}s"), "ConsumerName": "c"});
    fixture.call("RegisterStreamConsumer", consumer).await;
    let tags = json!({"StreamName": "s", "Tags": {"a": "b"}});
    fixture.call("AddTagsToStream", tags).await;
    assert_eq!(
        fixture
            .refused("DeleteStream", json!({"StreamName": "s"}))
            .await,
        "ResourceInUseException: Stream s under account 000000000000 has 1 registered consumers. \
         Deregister them first, or set EnforceConsumerDeletion."
    );
    let enforced = json!({"StreamName": "s", "EnforceConsumerDeletion": true});
    assert_eq!(fixture.call("DeleteStream", enforced).await, Value::Null);
    assert!(fixture.engine.describe_stream(&name("s")).is_err());
    let rows = fixture.engine.settings().list("kinesis", None, 10).unwrap();
    let keys: Vec<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["token-key"]);
    // A stream of the same name inherits nothing.
    fixture.create("s", 1).await;
    let tags = fixture
        .call("ListTagsForStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(tags["Tags"], json!([]));
}

#[tokio::test]
async fn no_answer_names_a_stream_id() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    let with_id = json!({"StreamName": "s", "StreamId": "abcdefghij0123456789-abc"});
    for operation in ["DescribeStream", "DescribeStreamSummary", "ListShards"] {
        let answer = fixture.call(operation, with_id.clone()).await;
        assert!(!answer.to_string().contains("StreamId"), "{answer}");
    }
}
