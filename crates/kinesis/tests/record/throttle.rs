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
    for _ in 0..2 {
        assert_eq!(put().await.unwrap()["FailedRecordCount"], 0);
    }
    // A thousand records a second: two more of the lower shard, whichever come first.
    let answer = put().await.unwrap();
    assert_eq!(answer["FailedRecordCount"], 497);
    for (i, result) in answer["Records"].as_array().unwrap().iter().enumerate() {
        let is_taken = result.get("ErrorCode").is_none();
        assert_eq!(is_taken, [0, 1, 200].contains(&i), "{i}: {result}");
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
    fixture.advance_ms(1);
    fixture.call("PutRecord", one.clone()).await.unwrap();
    assert_refused(
        fixture.call("PutRecord", one).await,
        Code::ProvisionedThroughputExceeded,
        text_of,
    );
    // After a second there are a thousand again: what was refused took nothing.
    fixture.advance_ms(1_000);
    for failed in [0, 0, 497] {
        assert_eq!(put().await.unwrap()["FailedRecordCount"], failed);
    }
}

/// The places of records in a request that were refused.
fn throttled(answer: &Value) -> Vec<usize> {
    let results = answer["Records"].as_array().unwrap().iter().enumerate();
    let throttled = results
        .filter(|(_, result)| result["ErrorCode"] == "ProvisionedThroughputExceededException");
    let throttled: Vec<usize> = throttled.map(|(place, _)| place).collect();
    assert_eq!(answer["FailedRecordCount"], throttled.len());
    throttled
}

#[tokio::test]
async fn a_record_that_does_not_fit_leaves_its_room_to_smaller_ones() {
    let fixture = Fixture::throttled().await;
    stream(&fixture).await;
    // Key and data of all that are taken make one MiB to the byte.
    let put = |sizes: &[usize]| {
        let record = |&size: &usize| {
            json!({"PartitionKey": "kk", "Data": base64(&vec![b'x'; size - 2]),
                   "ExplicitHashKey": "0"})
        };
        let records: Vec<Value> = sizes.iter().map(record).collect();
        fixture.call("PutRecords", json!({"StreamName": "s", "Records": records}))
    };
    let kib = 1 << 10;
    let sizes = [600, 500, 400, 25, 24, 2].map(|n| n * kib);
    assert_eq!(throttled(&put(&sizes).await.unwrap()), [1, 3, 5]);
    assert_eq!(throttled(&put(&[2]).await.unwrap()), [0]);
    // What is in the shard is what was said to be taken.
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let lengths: Vec<usize> = fixture.drain(iterator).await.iter().map(Vec::len).collect();
    assert_eq!(lengths, [600, 400, 24].map(|n| n * kib - 2));
    // Half a second brings half a MiB.
    fixture.advance_ms(500);
    assert_eq!(throttled(&put(&[513 * kib, 512 * kib]).await.unwrap()), [0]);
    // The whole of it is there after a second, and not more after an hour.
    for ms in [1_000, 3_600_000] {
        fixture.advance_ms(ms);
        assert_eq!(throttled(&put(&[MIB, 2]).await.unwrap()), [1]);
    }
}

#[tokio::test]
async fn a_large_record_is_taken_at_once_and_paid_for_by_the_time_after_it() {
    let fixture = Fixture::throttled().await;
    let input = json!({"StreamName": "s", "ShardCount": 1, "MaxRecordSizeInKiB": 10_240});
    fixture.call("CreateStream", input).await.unwrap();
    let put = |size: usize| {
        let data = base64(&vec![0; size - 1]);
        let input = json!({"StreamName": "s", "PartitionKey": "k", "Data": data});
        fixture.call("PutRecord", input)
    };
    let refused = |result: Result<Value, _>| {
        let text_of =
            "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.";
        assert_refused(result, Code::ProvisionedThroughputExceeded, text_of);
    };
    put(10 * MIB).await.unwrap();
    refused(put(1).await);
    fixture.advance_ms(9_000);
    refused(put(10 * MIB).await);
    refused(put(1).await);
    fixture.advance_ms(1_000);
    put(MIB).await.unwrap();
    refused(put(10 * MIB).await);
    fixture.advance_ms(100);
    put(10 * MIB).await.unwrap();
}

#[tokio::test]
async fn what_a_split_moves_is_not_held_up_by_the_quota_of_the_parent() {
    let fixture = Fixture::throttled().await;
    stream(&fixture).await;
    let low = json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "0"});
    let put = |count: usize| {
        let records = vec![low.clone(); count];
        fixture.call("PutRecords", json!({"StreamName": "s", "Records": records}))
    };
    for count in [500, 500] {
        assert_eq!(put(count).await.unwrap()["FailedRecordCount"], 0);
    }
    assert_eq!(put(1).await.unwrap()["FailedRecordCount"], 1);
    let (stream, id) = (
        afflux_types::StreamName::new("s").unwrap(),
        "0".parse().unwrap(),
    );
    fixture.engine.split_shard(&stream, id, None).await.unwrap();
    let answer = put(500).await.unwrap();
    assert_eq!(answer["FailedRecordCount"], 0);
    assert_eq!(answer["Records"][0]["ShardId"], shard(2));
}

#[tokio::test]
async fn records_that_the_service_distributes_go_where_there_is_room() {
    let fixture = Fixture::throttled().await;
    let mode = json!({"StreamMode": "ON_DEMAND"});
    let input = json!({"StreamName": "s", "StreamModeDetails": mode,
                       "RecordDistributionStrategy": "AUTO"});
    fixture.call("CreateStream", input).await.unwrap();
    let put = |count: usize| {
        let records = vec![json!({"Data": ""}); count];
        fixture.call("PutRecords", json!({"StreamName": "s", "Records": records}))
    };
    // Four shards take a thousand each, wherever a request begins.
    for _ in 0..8 {
        assert_eq!(put(500).await.unwrap()["FailedRecordCount"], 0);
    }
    assert_eq!(put(1).await.unwrap()["FailedRecordCount"], 1);
    fixture.advance_ms(100);
    assert_eq!(put(500).await.unwrap()["FailedRecordCount"], 100);
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
