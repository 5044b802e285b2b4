//! What a throttled service refuses, in its words, and that it passes again.

use afflux_aws::kinesis::Code;

use crate::support::*;

const MIB: usize = 1 << 20;

async fn stream(fixture: &Fixture) {
    let input = json!({"StreamName": "s", "ShardCount": 2});
    fixture.call("CreateStream", input).await.unwrap();
}

#[tokio::test]
async fn records_above_a_shards_quota_are_refused_one_by_one() {
    let fixture = Fixture::throttled().await;
    stream(&fixture).await;
    let put = || {
        let low = json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "0"});
        let high =
            json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": u128::MAX.to_string()});
        let mut records = vec![low; 499];
        records.insert(200, high);
        fixture.call("PutRecords", json!({"StreamName": "s", "Records": records}))
    };
    for _ in 0..3 {
        assert_eq!(put().await.unwrap()["FailedRecordCount"], 0);
    }
    let answer = put().await.unwrap();
    assert_eq!(answer["FailedRecordCount"], 499);
    let results = answer["Records"].as_array().unwrap();
    assert_eq!(results[200]["ShardId"], shard(1));
    let text_of =
        "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.";
    let refused =
        json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": text_of});
    for (i, result) in results.iter().enumerate() {
        assert_eq!(*result == refused, i != 200);
    }
    let one = json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "ExplicitHashKey": "0"});
    assert_refused(
        fixture.call("PutRecord", one.clone()).await,
        Code::ProvisionedThroughputExceeded,
        text_of,
    );
    fixture.advance_ms(1_500);
    fixture.call("PutRecord", one).await.unwrap();
}

#[tokio::test]
async fn five_reads_a_second_and_no_more() {
    let fixture = Fixture::throttled().await;
    stream(&fixture).await;
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let get = || fixture.call("GetRecords", json!({"ShardIterator": iterator}));
    for _ in 0..5 {
        get().await.unwrap();
    }
    let text_of = "Rate exceeded for Shard - 000000000000/s/shardId-000000000000";
    assert_refused(get().await, Code::ProvisionedThroughputExceeded, text_of);
    // The other shard is not concerned.
    let other = fixture.iterator("s", "1", "TRIM_HORIZON", json!({})).await;
    fixture.get(&other, 1).await;
    fixture.advance_ms(200);
    get().await.unwrap();
    assert_refused(get().await, Code::ProvisionedThroughputExceeded, text_of);
    for _ in 0..5 {
        fixture.iterator("s", "0", "LATEST", json!({})).await;
    }
    let sixth = fixture.try_iterator("s", "0", "LATEST", json!({})).await;
    assert_refused(sixth, Code::ProvisionedThroughputExceeded, text_of);
}

#[tokio::test]
async fn after_ten_mib_a_shard_rests_for_five_seconds() {
    let fixture = Fixture::throttled().await;
    stream(&fixture).await;
    for _ in 0..10 {
        let input = json!({"StreamName": "s", "PartitionKey": "k", "ExplicitHashKey": "0",
                           "Data": base64(&vec![0; MIB - 1])});
        fixture.call("PutRecord", input).await.unwrap();
        fixture.advance_ms(1_100);
    }
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    // What counts is an answer of about ten MiB, however many reads of the log it takes.
    let answer = fixture.get(&iterator, 10_000).await;
    assert!(payloads(&answer).len() >= 9);
    let next = text(&answer, "NextShardIterator");
    let get = || fixture.call("GetRecords", json!({"ShardIterator": next}));
    fixture.advance_ms(4_400);
    get().await.unwrap_err();
    fixture.advance_ms(601);
    get().await.unwrap();
}
