//! `StartDeliveryStreamEncryption` and `StopDeliveryStreamEncryption`, and encryption from the beginning.

use crate::support::*;

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/one";

fn customer(key: &str) -> Value {
    json!({"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key})
}

fn start(input: Value) -> Value {
    json!({"DeliveryStreamName": "d", "DeliveryStreamEncryptionConfigurationInput": input})
}

async fn described(fixture: &Fixture) -> Value {
    fixture.describe("d").await["DeliveryStreamEncryptionConfiguration"].clone()
}

#[tokio::test]
async fn records_that_wait_are_encrypted_from_the_beginning_or_later() {
    let fixture = Fixture::new().await.with_keys().await;
    let late = lake(json!({"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 900}}));
    let made = with(
        creation("d", late),
        json!({"DeliveryStreamEncryptionConfigurationInput": customer(KEY)}),
    );
    fixture.call("CreateDeliveryStream", made).await;
    let by_customer =
        json!({"KeyARN": KEY, "KeyType": "CUSTOMER_MANAGED_CMK", "Status": "ENABLED"});
    assert_eq!(described(&fixture).await, by_customer);
    assert_eq!(fixture.put("d", &["one\n"]).await["Encrypted"], true);
    let stop = json!({"DeliveryStreamName": "d"});
    for _ in 0..2 {
        let answer = fixture
            .call("StopDeliveryStreamEncryption", stop.clone())
            .await;
        assert_eq!(answer, json!({}));
        assert_eq!(described(&fixture).await, json!({"Status": "DISABLED"}));
    }
    assert_eq!(fixture.put("d", &["two\n"]).await["Encrypted"], false);
    let owned = json!({"KeyType": "AWS_OWNED_CMK", "Status": "ENABLED"});
    fixture.call("StartDeliveryStreamEncryption", stop).await;
    assert_eq!(described(&fixture).await, owned);
    let fixture = fixture.reopen().await;
    assert_eq!(described(&fixture).await, owned);
    fixture
        .call("StartDeliveryStreamEncryption", start(customer(KEY)))
        .await;
    assert_eq!(described(&fixture).await, by_customer);
    fixture.put("d", &["three"]).await;
    let update = json!({
        "DeliveryStreamName": "d",
        "CurrentDeliveryStreamVersionId": "1",
        "DestinationId": DESTINATION,
        "ExtendedS3DestinationUpdate": {"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}},
    });
    fixture.call("UpdateDestination", update).await;
    fixture.delivered("d", 3).await;
    assert_eq!(fixture.lines("lake"), ["one", "three", "two"]);
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_refused_and_leave_nothing() {
    let fixture = Fixture::new().await.with_keys().await;
    let none = KEY.replace("one", "none");
    let missing = "InvalidKMSResourceException: Key none is not found.";
    let made = with(
        creation("d", lake(json!({}))),
        json!({"DeliveryStreamEncryptionConfigurationInput": customer(&none)}),
    );
    assert_eq!(fixture.refused("CreateDeliveryStream", made).await, missing);
    fixture.create("d", json!({})).await;
    let operation = "StartDeliveryStreamEncryption";
    assert_eq!(
        fixture.refused(operation, start(customer(&none))).await,
        missing
    );
    assert_eq!(
        fixture
            .refused(operation, start(json!({"KeyType": "CUSTOMER_MANAGED_CMK"})))
            .await,
        "InvalidArgumentException: KeyARN must be given when KeyType is CUSTOMER_MANAGED_CMK."
    );
    let owned = json!({"KeyType": "AWS_OWNED_CMK", "KeyARN": KEY});
    assert_eq!(
        fixture.refused(operation, start(owned)).await,
        "InvalidArgumentException: KeyARN must not be given when KeyType is AWS_OWNED_CMK."
    );
    assert_eq!(described(&fixture).await, json!({"Status": "DISABLED"}));
    // A delivery stream whose bucket is refused leaves no buffer behind that would bar its name.
    let nowhere = lake(json!({"BucketARN": "arn:aws:s3:::nowhere"}));
    let input = json!({"DeliveryStreamEncryptionConfigurationInput": customer(KEY)});
    for bucket in [nowhere, lake(json!({}))] {
        let body = with(creation("e", bucket.clone()), input.clone());
        let made = fixture.try_call("CreateDeliveryStream", body).await;
        assert_eq!(
            made.is_ok(),
            bucket["BucketARN"] == "arn:aws:s3:::lake",
            "{made:?}"
        );
    }
}

#[tokio::test]
async fn only_what_is_put_is_encrypted_here() {
    let fixture = Fixture::new().await.with_keys().await;
    fixture.clicks().await;
    let source = json!({
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": {"KinesisStreamARN": CLICKS, "RoleARN": ROLE},
    });
    let body = with(creation("d", lake(json!({}))), source);
    let sentence =
        "InvalidArgumentException: Encryption is for delivery streams of the type DirectPut only.";
    let input = json!({"DeliveryStreamEncryptionConfigurationInput": customer(KEY)});
    let refused = fixture
        .refused("CreateDeliveryStream", with(body.clone(), input))
        .await;
    assert_eq!(refused, sentence);
    fixture.call("CreateDeliveryStream", body).await;
    for operation in [
        "StartDeliveryStreamEncryption",
        "StopDeliveryStreamEncryption",
    ] {
        let name = json!({"DeliveryStreamName": "d"});
        assert_eq!(fixture.refused(operation, name).await, sentence);
    }
    assert_eq!(described(&fixture).await, json!({"Status": "DISABLED"}));
}
