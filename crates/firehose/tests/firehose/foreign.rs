//! Delivery streams that were made by another door than this API.

use afflux_deliver::{DeliverySettings, DeliverySource, ObjectSettings, Place, Start};
use afflux_transform::{Compression, Processor, RecordFormat, SubRecords};
use afflux_types::DeliveryName;

use crate::support::*;

async fn make(fixture: &Fixture, settings: DeliverySettings) {
    let name = DeliveryName::new("f").unwrap();
    let made = fixture.deliveries.create(&name, settings, String::new());
    made.await.unwrap();
}

#[tokio::test]
async fn they_are_described_as_a_bucket() {
    let fixture = Fixture::new().await;
    fixture.clicks().await;
    let objects = ObjectSettings {
        prefix: "!{partitionKeyFromQuery:a}/".to_owned(),
        error_prefix: "failed/!{firehose:error-output-type}/".to_owned(),
        compression: Compression::Zstd,
        extension: Some(".zst".to_owned()),
        ..ObjectSettings::new(Place::Directory(fixture.bucket("lake")))
    };
    let source = DeliverySource::Stream {
        name: "clicks".to_owned(),
        from: Start::TrimHorizon,
        until: None,
    };
    let settings = DeliverySettings {
        processors: vec![
            Processor::Decompression(RecordFormat::Gzip),
            Processor::DeAggregation(SubRecords::Delimited(b"#".to_vec())),
            Processor::MetadataExtraction {
                query: "{a:.a}".to_owned(),
            },
            Processor::AppendDelimiter(b"\\\n".to_vec()),
        ],
        partitioned: true,
        backup: Some(ObjectSettings::new(Place::Bucket("spare".to_owned()))),
        ..DeliverySettings::new(source, objects)
    };
    make(&fixture, settings).await;
    let role = "arn:aws:iam::000000000000:role/none";
    let described = fixture.describe("f").await;
    let source = &described["Source"]["KinesisStreamSourceDescription"];
    assert_eq!(
        (&source["KinesisStreamARN"], &source["RoleARN"]),
        (&json!(CLICKS), &json!(role))
    );
    let s3 = fixture.described("f").await;
    assert_eq!(s3["BucketARN"], "arn:aws:s3:::directory");
    assert_eq!(s3["RoleARN"], role);
    assert_eq!(s3["CompressionFormat"], Value::Null);
    assert_eq!(s3["FileExtension"], ".zst");
    assert_eq!(s3["S3BackupDescription"]["BucketARN"], "arn:aws:s3:::spare");
    assert_eq!(s3["DynamicPartitioningConfiguration"]["Enabled"], true);
    let delimited = [("SubRecordType", "DELIMITED"), ("Delimiter", "Iw==")];
    let query = [
        ("MetadataExtractionQuery", "{a:.a}"),
        ("JsonParsingEngine", "JQ-1.6"),
    ];
    let expected = processing(&[
        processor("Decompression", &[("CompressionFormat", "GZIP")]),
        processor("RecordDeAggregation", &delimited),
        processor("MetadataExtraction", &query),
        processor("AppendDelimiterToRecord", &[("Delimiter", r"\\\n")]),
    ]);
    assert_eq!(
        s3["ProcessingConfiguration"],
        expected["ProcessingConfiguration"]
    );
}

#[tokio::test]
async fn what_is_said_of_them_can_be_said_to_the_api() {
    let fixture = Fixture::new().await;
    let objects = ObjectSettings {
        compression: Compression::Snappy,
        prefix: "p/".to_owned(),
        ..ObjectSettings::new(Place::Bucket("lake".to_owned()))
    };
    let settings = DeliverySettings {
        processors: vec![Processor::AppendDelimiter(b"\r\n".to_vec())],
        ..DeliverySettings::new(DeliverySource::Direct, objects)
    };
    make(&fixture, settings.clone()).await;
    let body = creation("g", fixture.described("f").await);
    fixture.call("CreateDeliveryStream", body).await;
    let name = DeliveryName::new("g").unwrap();
    assert_eq!(
        fixture.deliveries.describe(&name).unwrap().settings,
        settings
    );
}

#[tokio::test]
async fn they_take_records_and_tags_and_no_changes() {
    let fixture = Fixture::new().await;
    let objects = ObjectSettings {
        buffer_seconds: 0,
        ..ObjectSettings::new(Place::Directory(fixture.bucket("lake")))
    };
    make(
        &fixture,
        DeliverySettings::new(DeliverySource::Direct, objects),
    )
    .await;
    fixture.put("f", &["x"]).await;
    fixture.delivered("f", 1).await;
    let tags = json!({"DeliveryStreamName": "f", "Tags": [{"Key": "k"}]});
    fixture.call("TagDeliveryStream", tags).await;
    let update = json!({
        "DeliveryStreamName": "f",
        "CurrentDeliveryStreamVersionId": "1",
        "DestinationId": DESTINATION,
        "ExtendedS3DestinationUpdate": {"Prefix": "p/"},
    });
    assert_eq!(
        fixture.refused("UpdateDestination", update).await,
        "InvalidArgumentException: Firehose f was not made through this API, and cannot be changed \
         through it."
    );
    fixture
        .call("DeleteDeliveryStream", json!({"DeliveryStreamName": "f"}))
        .await;
}
