//! `CreateDeliveryStream` and `DeleteDeliveryStream`: what is made, and what is refused with which words.

use afflux_firehose::Options;
use afflux_transform::{Processor, TransformerSettings};
use afflux_types::DeliveryName;

use crate::support::*;

#[tokio::test]
async fn a_delivery_stream_is_there_when_it_is_answered_and_gone_when_it_is_deleted() {
    let fixture = Fixture::new().await;
    let body = creation("a", lake(json!({})));
    let answer = fixture.call("CreateDeliveryStream", body.clone()).await;
    assert_eq!(answer["DeliveryStreamARN"], format!("{ARN}a"));
    assert_eq!(
        fixture.refused("CreateDeliveryStream", body).await,
        "ResourceInUseException: Firehose a under accountId 000000000000 already exists"
    );
    let fixture = fixture.reopen().await;
    assert_eq!(
        fixture.describe("a").await["DeliveryStreamStatus"],
        "ACTIVE"
    );
    let body = json!({"DeliveryStreamName": "a", "AllowForceDelete": true});
    assert_eq!(
        fixture.call("DeleteDeliveryStream", body.clone()).await,
        json!({})
    );
    let gone = "ResourceNotFoundException: Firehose a under account 000000000000 not found.";
    for operation in [
        "DeleteDeliveryStream",
        "DescribeDeliveryStream",
        "StopDeliveryStreamEncryption",
    ] {
        assert_eq!(fixture.refused(operation, body.clone()).await, gone);
    }
    fixture.create("a", json!({})).await;
}

#[tokio::test]
async fn what_a_client_began_that_went_away_is_finished() {
    let fixture = Fixture::new().await.with_keys().await;
    let key = json!({"DeliveryStreamEncryptionConfigurationInput": {"KeyType": "AWS_OWNED_CMK"}});
    let call = fixture.try_call(
        "CreateDeliveryStream",
        with(creation("a", lake(json!({}))), key),
    );
    tokio::select! {
        biased;
        _ = call => panic!("it was made without waiting"),
        () = std::future::ready(()) => {}
    }
    let name = json!({"DeliveryStreamName": "a"});
    while fixture
        .try_call("DescribeDeliveryStream", name.clone())
        .await
        .is_err()
    {
        tokio::task::yield_now().await;
    }
    let described = fixture.describe("a").await;
    let status = &described["DeliveryStreamEncryptionConfiguration"]["Status"];
    assert_eq!(status, "ENABLED");
}

#[tokio::test]
async fn the_older_form_of_a_bucket_makes_the_same() {
    let fixture = Fixture::new().await;
    let body = json!({"DeliveryStreamName": "old", "S3DestinationConfiguration": lake(json!({}))});
    fixture.call("CreateDeliveryStream", body).await;
    fixture.create("new", json!({})).await;
    assert_eq!(
        fixture.described("old").await,
        fixture.described("new").await
    );
}

#[tokio::test]
async fn a_bucket_must_be_configured_and_the_error_says_where() {
    let fixture = Fixture::new().await;
    let other = json!({"BucketARN": "arn:aws:s3:::other"});
    let sentence = "InvalidArgumentException: bucket other is not among the [[buckets]] of the server's configuration";
    assert_eq!(fixture.refused_lake(other.clone()).await, sentence);
    let backup = json!({"S3BackupMode": "Enabled", "S3BackupConfiguration": lake(other)});
    assert_eq!(fixture.refused_lake(backup).await, sentence);
    assert_eq!(
        fixture
            .refused_lake(json!({"BucketARN": "arn:aws:s3:::.."}))
            .await,
        "InvalidArgumentException: \"arn:aws:s3:::..\" is not the ARN of a bucket."
    );
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let fixture = Fixture::new().await;
    let key = "arn:aws:kms:us-east-1:000000000000:key/k";
    let kms = json!({"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}}});
    assert_eq!(
        fixture.refused_lake(kms).await,
        "InvalidArgumentException: KMSEncryptionConfig is not served by this server."
    );
}

#[tokio::test]
async fn sources_are_those_that_are_served_and_go_with_the_type() {
    let fixture = Fixture::new().await;
    fixture.clicks().await;
    let refused = async |more: Value| {
        let body = with(creation("s", lake(json!({}))), more);
        fixture.refused("CreateDeliveryStream", body).await
    };
    let kinesis = |arn: &str| json!({"KinesisStreamARN": arn, "RoleARN": ROLE});
    for kind in ["MSKAsSource", "DatabaseAsSource"] {
        assert_eq!(
            refused(json!({"DeliveryStreamType": kind})).await,
            format!(
                "InvalidArgumentException: The DeliveryStreamType {kind} is not served by this server; \
                 DirectPut and KinesisStreamAsSource are."
            )
        );
    }
    assert_eq!(
        refused(json!({"KinesisStreamSourceConfiguration": kinesis(CLICKS)})).await,
        "InvalidArgumentException: KinesisStreamSourceConfiguration does not go with the \
         DeliveryStreamType DirectPut."
    );
    let from = |arn: &str| json!({"DeliveryStreamType": "KinesisStreamAsSource", "KinesisStreamSourceConfiguration": kinesis(arn)});
    assert_eq!(
        refused(json!({"DeliveryStreamType": "KinesisStreamAsSource"})).await,
        "InvalidArgumentException: KinesisStreamSourceConfiguration must be given for the \
         DeliveryStreamType KinesisStreamAsSource."
    );
    assert_eq!(
        refused(from(&CLICKS.replace("clicks", "none"))).await,
        "InvalidArgumentException: Stream none under account 000000000000 not found."
    );
    let elsewhere = CLICKS.replace("us-east-1", "eu-west-1");
    assert_eq!(
        refused(from(&elsewhere)).await,
        format!(
            "InvalidArgumentException: Stream {elsewhere} is not one of this server, whose region is \
             us-east-1 and whose account is 000000000000."
        )
    );
    // What waits for a delivery stream is no data stream.
    fixture.create("direct", json!({})).await;
    let hidden = CLICKS.replace("clicks", ".delivery.direct");
    assert_eq!(
        refused(from(&hidden)).await,
        "InvalidArgumentException: Stream .delivery.direct under account 000000000000 not found."
    );
}

#[tokio::test]
async fn processors_are_held_against_their_parameters() {
    let fixture = Fixture::new().await;
    for (kind, parameters, sentence) in [
        (
            "RecordDeAggregation",
            &[][..],
            "The RecordDeAggregation processor needs the parameter SubRecordType.",
        ),
        (
            "RecordDeAggregation",
            &[("SubRecordType", "CSV")],
            "\"CSV\" is not a SubRecordType of the RecordDeAggregation processor; allowed are: JSON, DELIMITED.",
        ),
        (
            "RecordDeAggregation",
            &[("SubRecordType", "DELIMITED")],
            "The RecordDeAggregation processor needs the parameter Delimiter.",
        ),
        (
            "RecordDeAggregation",
            &[("SubRecordType", "DELIMITED"), ("Delimiter", "#")],
            "The Delimiter \"#\" of the RecordDeAggregation processor is not base64.",
        ),
        (
            "MetadataExtraction",
            &[("MetadataExtractionQuery", "{a:.a}")],
            "The MetadataExtraction processor needs the parameter JsonParsingEngine.",
        ),
        (
            "AppendDelimiterToRecord",
            &[("Delimiter", ","), ("Delimiter", ";")],
            "The AppendDelimiterToRecord processor has no parameter Delimiter, or has it once.",
        ),
        (
            "Decompression",
            &[("LambdaArn", "f")],
            "The Decompression processor has no parameter LambdaArn, or has it once.",
        ),
    ] {
        let more = processing(&[processor(kind, parameters)]);
        let expected = format!("InvalidArgumentException: {sentence}");
        assert_eq!(fixture.refused_lake(more).await, expected);
    }
    let twice = [(); 2].map(|()| processor("AppendDelimiterToRecord", &[]));
    assert_eq!(
        fixture.refused_lake(processing(&twice)).await,
        "InvalidArgumentException: Cannot have more than 1 AppendDelimiterToRecord processor."
    );
}

#[tokio::test]
async fn functions_are_those_that_are_configured() {
    let fixture = Fixture::new().await;
    let lambda = |more: &[(&str, &str)]| processing(&[processor("Lambda", more)]);
    let arn = |name| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    for (more, sentence) in [
        (
            lambda(&[]),
            "The Lambda processor needs the parameter LambdaArn.",
        ),
        (
            lambda(&[("LambdaArn", &arn("g"))]),
            "function g is not among the [[functions]] of the server's configuration",
        ),
        (
            lambda(&[("LambdaArn", &arn("f")), ("BufferSizeInMBs", "3.1")]),
            "\"3.1\" is not a BufferSizeInMBs of the Lambda processor; allowed are 0.2 to 3.",
        ),
        (
            lambda(&[("LambdaArn", &arn("f")), ("NumberOfRetries", "-1")]),
            "\"-1\" is not a NumberOfRetries of the Lambda processor; allowed are 0 to 300.",
        ),
    ] {
        let expected = format!("InvalidArgumentException: {sentence}");
        assert_eq!(fixture.refused_lake(more).await, expected);
    }
    let whole = [
        ("LambdaArn", &*arn("f:1")),
        ("NumberOfRetries", "0"),
        ("RoleArn", ROLE),
        ("BufferSizeInMBs", "0.2"),
        ("BufferIntervalInSeconds", "900"),
    ];
    fixture.create("d", lambda(&whole)).await;
    let name = DeliveryName::new("d").unwrap();
    let settings = fixture.deliveries.describe(&name).unwrap().settings;
    let expected = Processor::Transformer(TransformerSettings {
        arn: arn("f:1"),
        retries: 0,
        buffer_bytes: 209_716,
        buffer_seconds: 900,
    });
    assert_eq!(settings.processors, [expected]);
}

#[tokio::test]
async fn partitions_need_a_processor_and_a_prefix_that_uses_them() {
    let fixture = Fixture::new().await;
    let on = json!({
        "DynamicPartitioningConfiguration": {"Enabled": true},
        "Prefix": "!{partitionKeyFromQuery:a}/",
        "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/",
    });
    let refused = fixture.refused_lake(on.clone()).await;
    assert!(
        refused.contains("with a MetadataExtraction or a Lambda processor"),
        "{refused}"
    );
    let query = processor(
        "MetadataExtraction",
        &[
            ("MetadataExtractionQuery", "{a:.a}"),
            ("JsonParsingEngine", "JQ-1.6"),
        ],
    );
    let on = with(on, processing(&[query]));
    let without = with(on.clone(), json!({"Prefix": "plain/"}));
    assert_eq!(
        fixture.refused_lake(without).await,
        "InvalidArgumentException: S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic \
         Partitioning is enabled"
    );
    fixture.create("on", on).await;
}

#[tokio::test]
async fn a_backup_says_where_to() {
    let fixture = Fixture::new().await;
    assert_eq!(
        fixture
            .refused_lake(json!({"S3BackupMode": "Enabled"}))
            .await,
        "InvalidArgumentException: S3BackupConfiguration must be given when S3BackupMode is Enabled."
    );
}

#[tokio::test]
async fn delivery_streams_have_a_quota() {
    let fixture = Fixture::with(Options {
        delivery_streams_max: 1,
        ..Options::default()
    })
    .await;
    fixture.create("first", json!({})).await;
    let second = creation("second", lake(json!({})));
    assert_eq!(
        fixture
            .refused("CreateDeliveryStream", second.clone())
            .await,
        "LimitExceededException: You have already consumed your firehose quota of 1 hoses."
    );
    let first = json!({"DeliveryStreamName": "first"});
    fixture.call("DeleteDeliveryStream", first).await;
    fixture.call("CreateDeliveryStream", second).await;
}
