//! Delivery streams to HTTP endpoints: what the API says as settings of the delivery, and back.

use afflux_deliver::{
    ContentEncoding, DeliverySettings, DeliverySource, EndpointSettings, ObjectSettings, Place,
    Receiver,
};
use afflux_types::DeliveryName;

use crate::support::*;

const URL: &str = "https://127.0.0.1:9/records";

fn http(name: &str, more: Value) -> Value {
    let least = json!({
        "EndpointConfiguration": {"Url": URL, "Name": "mine", "AccessKey": "hidden"},
        "S3Configuration": lake(json!({})),
    });
    json!({"DeliveryStreamName": name, "HttpEndpointDestinationConfiguration": with(least, more)})
}

async fn settings(fixture: &Fixture, name: &str) -> DeliverySettings {
    let name = DeliveryName::new(name).unwrap();
    fixture.deliveries.describe(&name).unwrap().settings
}

async fn described(fixture: &Fixture, name: &str) -> Value {
    let described = fixture.describe(name).await;
    described["Destinations"][0]["HttpEndpointDestinationDescription"].clone()
}

#[tokio::test]
async fn what_is_said_is_what_is_done_and_the_key_is_not_told() {
    let fixture = Fixture::new().await;
    let more = json!({
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 60},
        "RetryOptions": {"DurationInSeconds": 7},
        "S3BackupMode": "AllData",
        "RequestConfiguration": {
            "ContentEncoding": "GZIP",
            "CommonAttributes": [{"AttributeName": "a", "AttributeValue": "b"}],
        },
    });
    fixture.call("CreateDeliveryStream", http("h", more)).await;
    let expected = EndpointSettings {
        access_key: "hidden".to_owned(),
        attributes: vec![("a".to_owned(), "b".to_owned())],
        encoding: ContentEncoding::Gzip,
        buffer_bytes: 1 << 20,
        buffer_seconds: 60,
        retry_seconds: 7,
        ..EndpointSettings::new(URL.to_owned())
    };
    let made = settings(&fixture, "h").await;
    assert_eq!(made.receiver, Some(Receiver::Http(expected)));
    assert_eq!(made.backup, Some(made.objects));
    let said = described(&fixture, "h").await;
    assert_eq!(
        said["EndpointConfiguration"],
        json!({"Url": URL, "Name": "mine"})
    );
    let update = json!({
        "DeliveryStreamName": "h",
        "CurrentDeliveryStreamVersionId": "1",
        "DestinationId": DESTINATION,
        "HttpEndpointDestinationUpdate": {"RetryOptions": {"DurationInSeconds": 8}},
    });
    fixture.call("UpdateDestination", update).await;
    let Some(Receiver::Http(endpoint)) = settings(&fixture, "h").await.receiver else {
        panic!("not an endpoint")
    };
    assert_eq!(
        (endpoint.retry_seconds, &*endpoint.access_key),
        (8, "hidden")
    );
}

#[tokio::test]
async fn an_endpoint_must_be_allowed() {
    let fixture = Fixture::new().await;
    let other = json!({"EndpointConfiguration": {"Url": "https://127.0.0.2/"}});
    let refused = fixture
        .refused("CreateDeliveryStream", http("h", other))
        .await;
    assert!(
        refused.starts_with("InvalidArgumentException: "),
        "{refused}"
    );
    assert!(refused.contains("[[endpoints]]"), "{refused}");
    let secret = json!({"SecretsManagerConfiguration": {"Enabled": true}});
    assert_eq!(
        fixture
            .refused("CreateDeliveryStream", http("h", secret))
            .await,
        "InvalidArgumentException: SecretsManagerConfiguration is not served by this server."
    );
}

#[tokio::test]
async fn one_that_another_door_made_is_described() {
    let fixture = Fixture::new().await;
    let objects = ObjectSettings::new(Place::Bucket("lake".to_owned()));
    let made = DeliverySettings {
        receiver: Some(Receiver::Http(EndpointSettings {
            access_key: "hidden".to_owned(),
            ..EndpointSettings::new(URL.to_owned())
        })),
        ..DeliverySettings::new(DeliverySource::Direct, objects)
    };
    let name = DeliveryName::new("f").unwrap();
    fixture
        .deliveries
        .create(&name, made, String::new())
        .await
        .unwrap();
    let said = described(&fixture, "f").await;
    assert_eq!(said["EndpointConfiguration"], json!({"Url": URL}));
    assert_eq!(said["S3BackupMode"], "FailedDataOnly");
    assert_eq!(
        said["S3DestinationDescription"]["BucketARN"],
        "arn:aws:s3:::lake"
    );
    assert!(!said.to_string().contains("hidden"));
}
