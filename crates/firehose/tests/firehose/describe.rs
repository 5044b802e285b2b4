//! `DescribeDeliveryStream` and `ListDeliveryStreams`.

use crate::support::*;

#[tokio::test]
async fn a_new_delivery_stream_is_described_with_what_was_said_and_what_is_assumed() {
    let fixture = Fixture::new().await;
    let body = json!({
        "DeliveryStreamName": "a",
        "DirectPutSourceConfiguration": {"ThroughputHintInMBs": 7},
        "ExtendedS3DestinationConfiguration": {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake"},
    });
    fixture.call("CreateDeliveryStream", body).await;
    let fixture = fixture.reopen().await;
    let assumed = json!({
        "RoleARN": ROLE,
        "BucketARN": "arn:aws:s3:::lake",
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
        "CompressionFormat": "UNCOMPRESSED",
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "CloudWatchLoggingOptions": {"Enabled": false},
    });
    let extended = with(assumed.clone(), json!({"S3BackupMode": "Disabled"}));
    assert_eq!(
        fixture.describe("a").await,
        json!({
            "DeliveryStreamName": "a",
            "DeliveryStreamARN": format!("{ARN}a"),
            "DeliveryStreamStatus": "ACTIVE",
            "DeliveryStreamEncryptionConfiguration": {"Status": "DISABLED"},
            "DeliveryStreamType": "DirectPut",
            "VersionId": "1",
            "CreateTimestamp": NOON_SECONDS,
            "Source": {"DirectPutSourceDescription": {"ThroughputHintInMBs": 7}},
            "Destinations": [{
                "DestinationId": DESTINATION,
                "S3DestinationDescription": assumed,
                "ExtendedS3DestinationDescription": extended,
            }],
            "HasMoreDestinations": false,
        })
    );
    let body = json!({"DeliveryStreamName": "a", "ExclusiveStartDestinationId": DESTINATION});
    let answer = fixture.call("DescribeDeliveryStream", body).await;
    assert_eq!(
        answer["DeliveryStreamDescription"]["Destinations"],
        json!([])
    );
}

#[tokio::test]
async fn a_data_stream_is_described_with_where_delivery_began() {
    let fixture = Fixture::new().await;
    fixture.clicks().await;
    let source = json!({
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": {"KinesisStreamARN": CLICKS, "RoleARN": ROLE},
    });
    let body = with(creation("k", lake(json!({}))), source);
    fixture.call("CreateDeliveryStream", body).await;
    let described = fixture.describe("k").await;
    assert_eq!(described["DeliveryStreamType"], "KinesisStreamAsSource");
    assert_eq!(
        described["Source"],
        json!({"KinesisStreamSourceDescription": {
            "KinesisStreamARN": CLICKS,
            "RoleARN": ROLE,
            "DeliveryStartTimestamp": NOON_SECONDS,
        }})
    );
    let body = json!({"DeliveryStreamName": "k", "Record": record(b"x")});
    assert_eq!(
        fixture.refused("PutRecord", body).await,
        "InvalidArgumentException: This operation is not permitted on KinesisStreamAsSource delivery \
         stream type."
    );
}

#[tokio::test]
async fn names_are_listed_in_pages_and_by_type() {
    let fixture = Fixture::new().await;
    fixture.clicks().await;
    for index in 0..12 {
        fixture.create(&format!("d{index:02}"), json!({})).await;
    }
    let source = json!({
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": {"KinesisStreamARN": CLICKS, "RoleARN": ROLE},
    });
    let body = with(creation("e", lake(json!({}))), source);
    fixture.call("CreateDeliveryStream", body).await;
    let listed = async |body: Value| {
        let answer = fixture.call("ListDeliveryStreams", body).await;
        let names = answer["DeliveryStreamNames"].as_array().unwrap().clone();
        (names, answer["HasMoreDeliveryStreams"].as_bool().unwrap())
    };
    let (names, more) = listed(json!({})).await;
    assert_eq!((names.len(), more), (10, true));
    let (rest, more) = listed(json!({"ExclusiveStartDeliveryStreamName": names[9]})).await;
    assert_eq!(
        (rest, more),
        (vec![json!("d10"), json!("d11"), json!("e")], false)
    );
    let (names, more) = listed(json!({"Limit": 13})).await;
    assert_eq!((names.len(), more), (13, false));
    let kinesis = json!({"DeliveryStreamType": "KinesisStreamAsSource", "Limit": 1});
    assert_eq!(listed(kinesis).await, (vec![json!("e")], false));
    let direct = json!({"DeliveryStreamType": "DirectPut", "Limit": 11});
    let (names, more) = listed(direct).await;
    assert_eq!((names.len(), more), (11, true));
}
