//! `UpdateDestination`.

use std::time::Duration;

use crate::support::*;

fn update(version: &str, s3: Value) -> Value {
    json!({
        "DeliveryStreamName": "d",
        "CurrentDeliveryStreamVersionId": version,
        "DestinationId": DESTINATION,
        "ExtendedS3DestinationUpdate": s3,
    })
}

#[tokio::test]
async fn a_change_is_merged_and_makes_a_version() {
    let fixture = Fixture::new().await;
    fixture
        .create("d", json!({"Prefix": "a/", "CompressionFormat": "ZIP"}))
        .await;
    fixture.clock.advance(Duration::from_secs(5));
    let change = update("1", json!({"Prefix": "b/"}));
    assert_eq!(
        fixture.call("UpdateDestination", change.clone()).await,
        json!({})
    );
    let described = fixture.describe("d").await;
    assert_eq!(described["VersionId"], "2");
    assert_eq!(described["CreateTimestamp"], NOON_SECONDS);
    assert_eq!(described["LastUpdateTimestamp"], NOON_SECONDS + 5.0);
    let s3 = fixture.described("d").await;
    assert_eq!(
        (&s3["Prefix"], &s3["CompressionFormat"]),
        (&json!("b/"), &json!("ZIP"))
    );
    assert_eq!(
        fixture.refused("UpdateDestination", change).await,
        "ConcurrentModificationException: Cannot update firehose: d since the current version id: 2 and \
         specified version id: 1 do not match"
    );
    fixture.put("d", &["x"]).await;
    fixture.delivered("d", 1).await;
    let (key, _) = fixture.objects("lake").pop_first().unwrap();
    assert!(key.starts_with("b/") && key.contains("/d-2-"), "{key}");
}

#[tokio::test]
async fn a_change_that_is_refused_changes_nothing() {
    let fixture = Fixture::new().await;
    let backup = json!({"S3BackupMode": "Enabled", "S3BackupConfiguration": lake(json!({}))});
    fixture.create("d", backup).await;
    let before = fixture.describe("d").await;
    let partitioned = json!({"DynamicPartitioningConfiguration": {"Enabled": true}});
    for (change, sentence) in [
        (
            update("1", json!({"S3BackupMode": "Disabled"})),
            "S3BackupMode cannot be set to Disabled once it is Enabled.",
        ),
        (
            update("1", partitioned),
            "Dynamic partitioning can be enabled only when a delivery stream is created, and cannot be \
             disabled.",
        ),
        (
            update("1", json!({"BucketARN": "arn:aws:s3:::other"})),
            "bucket other is not among the [[buckets]] of the server's configuration",
        ),
        (
            with(
                update("1", json!({})),
                json!({"DestinationId": "destinationId-2"}),
            ),
            "Destination Id destinationId-2 not found",
        ),
    ] {
        let refused = fixture.refused("UpdateDestination", change).await;
        assert_eq!(refused, format!("InvalidArgumentException: {sentence}"));
    }
    assert_eq!(fixture.describe("d").await, before);
    let moved = json!({"S3BackupUpdate": {"BucketARN": "arn:aws:s3:::spare"}});
    fixture.call("UpdateDestination", update("1", moved)).await;
    let s3 = fixture.described("d").await;
    assert_eq!(s3["S3BackupDescription"]["BucketARN"], "arn:aws:s3:::spare");
}

#[tokio::test]
async fn one_of_two_changes_of_one_version_wins() {
    let fixture = Fixture::new().await;
    fixture.create("d", json!({})).await;
    let (one, two) = tokio::join!(
        fixture.try_call("UpdateDestination", update("1", json!({"Prefix": "one/"}))),
        fixture.try_call("UpdateDestination", update("1", json!({"Prefix": "two/"}))),
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let won = if one.is_ok() { "one/" } else { "two/" };
    assert_eq!(fixture.described("d").await["Prefix"], won);
    assert_eq!(fixture.describe("d").await["VersionId"], "2");
}
