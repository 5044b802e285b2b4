//! `PutRecord` and `PutRecordBatch`, and the objects that come of them.

use std::collections::BTreeSet;
use std::io::Read as _;

use crate::support::*;

#[tokio::test]
async fn records_are_delivered_in_their_order_with_what_stands_around_them() {
    let fixture = Fixture::new().await;
    let more = json!({
        "Prefix": "in/!{timestamp:yyyy}/",
        "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/",
        "FileExtension": ".jsonl",
        "CustomTimeZone": "Asia/Tokyo",
    });
    let newline = processor("AppendDelimiterToRecord", &[("Delimiter", r"\n")]);
    fixture
        .create("d", with(more, processing(&[newline])))
        .await;
    let answer = fixture.put("d", &["one", "", "three"]).await;
    assert_eq!(answer["FailedPutCount"], 0);
    assert_eq!(answer["Encrypted"], false);
    let ids = answer["RequestResponses"].as_array().unwrap();
    let ids: BTreeSet<_> = ids
        .iter()
        .map(|it| it["RecordId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 3);
    fixture.delivered("d", 3).await;
    let body = json!({"DeliveryStreamName": "d", "Record": record(b"four")});
    let answer = fixture.call("PutRecord", body).await;
    assert!(!ids.contains(answer["RecordId"].as_str().unwrap()));
    fixture.delivered("d", 4).await;
    let objects = fixture.objects("lake");
    let texts: BTreeSet<_> = objects.values().map(Vec::as_slice).collect();
    assert_eq!(texts, [&b"four\n"[..], b"one\n\nthree\n"].into());
    for key in objects.keys() {
        // Noon of London is evening of Tokyo.
        assert!(key.starts_with("in/2026/d-1-2026-11-21-21-00-00-"), "{key}");
        assert!(key.ends_with(".jsonl"), "{key}");
    }
}

#[tokio::test]
async fn what_comes_out_is_compressed_and_what_came_in_is_kept() {
    let fixture = Fixture::new().await;
    let backup = json!({
        "CompressionFormat": "GZIP",
        "S3BackupMode": "Enabled",
        "S3BackupConfiguration": lake(json!({"BucketARN": "arn:aws:s3:::spare"})),
    });
    let comma = processor("AppendDelimiterToRecord", &[("Delimiter", ",")]);
    fixture
        .create("d", with(backup, processing(&[comma])))
        .await;
    fixture.put("d", &["a", "b"]).await;
    fixture.delivered("d", 2).await;
    let (key, bytes) = fixture.objects("lake").pop_first().unwrap();
    assert!(key.ends_with(".gz"), "{key}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "a,b,");
    let kept: Vec<_> = fixture.objects("spare").into_values().collect();
    assert_eq!(kept, [b"ab".to_vec()]);
}

#[tokio::test]
async fn records_are_taken_apart_and_sorted_by_their_values() {
    let fixture = Fixture::new().await;
    let query = [
        ("MetadataExtractionQuery", "{who:.who}"),
        ("JsonParsingEngine", "JQ-1.6"),
    ];
    let processors = [
        processor("MetadataExtraction", &query),
        processor(
            "RecordDeAggregation",
            &[("SubRecordType", "DELIMITED"), ("Delimiter", "Iw==")],
        ),
        processor("AppendDelimiterToRecord", &[]),
    ];
    let more = json!({
        "DynamicPartitioningConfiguration": {"Enabled": true},
        "Prefix": "who=!{partitionKeyFromQuery:who}/",
        "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/",
    });
    fixture
        .create("d", with(more, processing(&processors)))
        .await;
    fixture
        .put(
            "d",
            &[
                r##"{"who":"ann","n":1}#{"who":"bob"}"##,
                "no json",
                r#"{"who":"ann","n":2}"#,
            ],
        )
        .await;
    fixture.delivered("d", 3).await;
    let objects = fixture.objects("lake");
    let of = |prefix: &str| {
        let found = objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let text: Vec<u8> = found.flat_map(|(_, bytes)| bytes.clone()).collect();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(
        of("who=ann/"),
        "{\"who\":\"ann\",\"n\":1}\n{\"who\":\"ann\",\"n\":2}\n"
    );
    assert_eq!(of("who=bob/"), "{\"who\":\"bob\"}\n");
    assert!(of("failed/processing-failed/").contains("bm8ganNvbg=="));
}

#[tokio::test]
async fn a_batch_has_a_largest_size_that_is_no_constraint() {
    let fixture = Fixture::new().await;
    fixture.create("d", json!({})).await;
    let put = |bytes: &[usize]| {
        let records: Vec<_> = bytes.iter().map(|&bytes| record(&vec![0; bytes])).collect();
        json!({"DeliveryStreamName": "d", "Records": records})
    };
    let most = [1_024_000, 1_024_000, 1_024_000, 1_024_000, 98_304];
    fixture.call("PutRecordBatch", put(&most)).await;
    let beyond = [1_024_000, 1_024_000, 1_024_000, 1_024_000, 98_305];
    assert_eq!(
        fixture.refused("PutRecordBatch", put(&beyond)).await,
        "InvalidArgumentException: Records size exceeds 4 MB limit"
    );
}

#[tokio::test]
async fn records_survive_a_restart_before_they_are_delivered() {
    let fixture = Fixture::new().await;
    let late = json!({"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 900}});
    fixture.create("d", late).await;
    fixture.put("d", &["kept\n"]).await;
    let fixture = fixture.reopen().await;
    fixture.put("d", &["too"]).await;
    let update = json!({
        "DeliveryStreamName": "d",
        "CurrentDeliveryStreamVersionId": "1",
        "DestinationId": DESTINATION,
        "ExtendedS3DestinationUpdate": {"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}},
    });
    fixture.call("UpdateDestination", update).await;
    fixture.delivered("d", 2).await;
    assert_eq!(fixture.lines("lake"), ["kept", "too"]);
}

#[tokio::test]
async fn nothing_is_put_into_a_delivery_stream_that_is_not_there() {
    let fixture = Fixture::new().await;
    let body = json!({"DeliveryStreamName": "none", "Record": record(b"x")});
    let missing = "ResourceNotFoundException: Firehose none under account 000000000000 not found.";
    assert_eq!(fixture.refused("PutRecord", body).await, missing);
    // A delivery stream of the name of an old one begins empty.
    let late = json!({"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 900}});
    fixture.create("none", late.clone()).await;
    fixture.put("none", &["old"]).await;
    fixture
        .call(
            "DeleteDeliveryStream",
            json!({"DeliveryStreamName": "none"}),
        )
        .await;
    let left = fixture.objects("lake").len();
    fixture.create("none", json!({})).await;
    fixture.put("none", &["new"]).await;
    fixture.delivered("none", 1).await;
    assert_eq!(fixture.objects("lake").len(), left + 1);
}
