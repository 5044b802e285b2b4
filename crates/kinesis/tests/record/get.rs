//! Reading: limits, times, the formats.

use afflux_aws::document::{Format, decode};
use afflux_aws::kinesis::{Operation, Request};
use afflux_kinesis::Answer;
use bytes::Bytes;

use crate::support::*;

const MIB: usize = 1 << 20;

/// Writes `count` records in requests of up to 500 and 8 MiB.
async fn fill(fixture: &Fixture, stream: &str, count: usize, len: usize) {
    let step = 500.min(8 * MIB / len);
    for start in (0..count).step_by(step) {
        let records: Vec<Value> = (start..count.min(start + step))
            .map(|i| json!({"PartitionKey": "k", "Data": base64(&payload(i, len))}))
            .collect();
        let input = json!({"StreamName": stream, "Records": records});
        let answer = fixture.call("PutRecords", input).await.unwrap();
        assert_eq!(answer["FailedRecordCount"], 0);
    }
}

fn payload(i: usize, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    data[..4].copy_from_slice(&u32::try_from(i).unwrap().to_be_bytes());
    data
}

#[tokio::test]
async fn any_limit_cuts_entries_where_it_must_and_nothing_comes_twice() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    fill(&fixture, "s", 1_100, 100).await;
    let want: Vec<Vec<u8>> = (0..1_100).map(|i| payload(i, 100)).collect();
    for limit in [7, 499, 500, 501, 10_000] {
        let mut iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
        let mut seen = Vec::new();
        while seen.len() < want.len() {
            let answer = fixture.get(&iterator, limit).await;
            let got = payloads(&answer);
            let left = want.len() - seen.len();
            assert_eq!(got.len(), left.min(usize::try_from(limit).unwrap()));
            seen.extend(got);
            let behind = answer["MillisBehindLatest"].as_u64().unwrap();
            assert_eq!(behind == 0, seen.len() == want.len());
            iterator = text(&answer, "NextShardIterator");
        }
        assert_eq!(seen, want);
        let answer = fixture.get(&iterator, limit).await;
        assert_eq!(answer["Records"], json!([]));
        assert_eq!(answer["MillisBehindLatest"], 0);
        assert!(answer.get("ChildShards").is_none());
    }
}

#[tokio::test]
async fn an_answer_has_at_most_ten_thousand_records() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    fill(&fixture, "s", 10_001, 4).await;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let answer = fixture
        .call("GetRecords", json!({"ShardIterator": iterator}))
        .await
        .unwrap();
    assert_eq!(payloads(&answer).len(), 10_000);
    let rest = fixture
        .get(&text(&answer, "NextShardIterator"), 10_000)
        .await;
    assert_eq!(payloads(&rest), [payload(10_000, 4)]);
    let input = json!({"ShardIterator": iterator, "Limit": 10_001});
    fixture.call("GetRecords", input).await.unwrap_err();
}

#[tokio::test]
async fn an_answer_has_at_most_ten_mib_of_keys_and_data() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    fill(&fixture, "s", 25, MIB / 2 - 1).await;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let answer = fixture.get(&iterator, 10_000).await;
    assert!((1..=20).contains(&payloads(&answer).len()));
    assert_eq!(fixture.drain(iterator).await.len(), 25);
}

#[tokio::test]
async fn a_record_of_ten_mib_is_read_alone() {
    let fixture = Fixture::new().await;
    let input = json!({"StreamName": "s", "ShardCount": 1, "MaxRecordSizeInKiB": 10_240});
    fixture.call("CreateStream", input).await.unwrap();
    fixture.put("s", "k", b"before").await;
    let large = vec![7; 10 * MIB - 1];
    fixture.put("s", "k", &large).await;
    fixture.put("s", "k", b"after").await;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    assert_eq!(
        fixture.drain(iterator).await,
        [b"before".to_vec(), large, b"after".to_vec()]
    );
}

#[tokio::test]
async fn how_far_a_reader_is_behind_is_the_age_of_what_it_reads_next() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    for _ in 0..3 {
        fixture.put("s", "k", b"").await;
        fixture.advance_ms(1_000);
    }
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let mut next = iterator;
    for behind in [2_000, 1_000, 0] {
        let answer = fixture.get(&next, 1).await;
        assert_eq!(answer["MillisBehindLatest"], behind);
        let at = answer["Records"][0]["ApproximateArrivalTimestamp"]
            .as_f64()
            .unwrap();
        assert!((1_795_262_400.0..=1_795_262_402.0).contains(&at));
        next = text(&answer, "NextShardIterator");
    }
}

#[tokio::test]
async fn cbor_carries_bytes_and_milliseconds() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    // What the Kinesis Producer Library aggregates passes through as it is.
    let data = [&[0xf3, 0x89, 0x9a, 0xc2][..], &[1; 40]].concat();
    fixture.put("s", "k", &data).await;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let body = Bytes::from(json!({"ShardIterator": iterator}).to_string());
    let operation = Operation::from_target("Kinesis_20131202.GetRecords").unwrap();
    let request = Request::decode(operation, Format::Json, &body).unwrap();
    let Answer::Body(body) = fixture.kinesis.call(request, Format::Cbor).await.unwrap() else {
        panic!("no body");
    };
    let answer = format!("{:?}", decode(Format::Cbor, &body).unwrap());
    assert!(
        answer.contains(&format!("{:?}", Bytes::from(data))),
        "{answer}"
    );
    assert!(answer.contains("Timestamp(1795262400000)"), "{answer}");
}
