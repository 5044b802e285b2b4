//! Puts: routing, order, limits at their edges.

use std::collections::BTreeMap;

use afflux_aws::kinesis::Code;
use afflux_types::{HashKey, HashKeyRange, StreamName};

use crate::support::*;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn results_stand_in_the_order_of_the_request_and_records_in_that_of_their_shard() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 3).await;
    let ranges: Vec<HashKeyRange> = HashKeyRange::even(3).collect();
    for round in 0..3 {
        let records: Vec<Value> = (0..500)
            .map(|i| json!({"PartitionKey": format!("key-{}", i % 50), "Data": base64(format!("{round}/{i}").as_bytes())}))
            .collect();
        let input = json!({"StreamName": "s", "Records": records});
        let answer = fixture.call("PutRecords", input).await.unwrap();
        assert_eq!(answer["FailedRecordCount"], 0);
        let results = answer["Records"].as_array().unwrap();
        assert_eq!(results.len(), 500);
        let mut last = BTreeMap::new();
        for (i, result) in results.iter().enumerate() {
            let hash_key = HashKey::of(format!("key-{}", i % 50).as_bytes());
            let home = ranges
                .iter()
                .position(|range| range.contains(hash_key))
                .unwrap();
            let id = text(result, "ShardId");
            assert_eq!(id, shard(u32::try_from(home).unwrap()));
            let number = text(result, "SequenceNumber");
            assert!(
                last.insert(id, number.clone())
                    .is_none_or(|last| last < number)
            );
            // The record with that number is the one that was sent.
            let more = json!({"StartingSequenceNumber": number});
            if i % 61 == 0 {
                let iterator = fixture
                    .iterator("s", &text(result, "ShardId"), "AT_SEQUENCE_NUMBER", more)
                    .await;
                let got = fixture.get(&iterator, 1).await;
                assert_eq!(payloads(&got), [format!("{round}/{i}").into_bytes()]);
                assert_eq!(text(&got["Records"][0], "SequenceNumber"), number);
                assert_eq!(
                    text(&got["Records"][0], "PartitionKey"),
                    format!("key-{}", i % 50)
                );
            }
        }
    }
    let mut all = Vec::new();
    for number in 0..3 {
        let iterator = fixture
            .iterator("s", &shard(number), "TRIM_HORIZON", json!({}))
            .await;
        all.extend(fixture.drain(iterator).await);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 1_500);
}

#[tokio::test]
async fn an_explicit_hash_key_overrides_the_partition_key() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 2).await;
    let put = |key: &str| {
        let input =
            json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "ExplicitHashKey": key});
        fixture.call("PutRecord", input)
    };
    let half = 1_u128 << 127;
    for (key, home) in [(0, 0), (half - 1, 0), (half, 1), (u128::MAX, 1)] {
        let answer = put(&key.to_string()).await.unwrap();
        assert_eq!(text(&answer, "ShardId"), shard(home));
    }
    let beyond = "340282366920938463463374607431768211456";
    assert_refused(
        put(beyond).await,
        Code::InvalidArgument,
        &format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {beyond}"
        ),
    );
}

#[tokio::test]
async fn a_record_has_the_size_of_its_key_and_data() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    let put = |len: usize| {
        let data = base64(&vec![0; len]);
        fixture.call(
            "PutRecord",
            json!({"StreamName": "s", "PartitionKey": "käse", "Data": data}),
        )
    };
    put(MIB - 5).await.unwrap();
    assert_refused(
        put(MIB - 4).await,
        Code::Validation,
        "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=1048572 cap=1048572]' at 'data' \
         failed to satisfy constraint: Member must have length less than or equal to 1048576",
    );
    let stream = StreamName::new("s").unwrap();
    fixture
        .engine
        .set_record_bytes_max(&stream, 2 * MIB)
        .await
        .unwrap();
    put(MIB - 4).await.unwrap();
    let records =
        [0, 2 * MIB].map(|len| json!({"PartitionKey": "k", "Data": base64(&vec![0; len])}));
    assert_refused(
        fixture
            .call("PutRecords", json!({"StreamName": "s", "Records": records}))
            .await,
        Code::Validation,
        "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=2097152 cap=2097152]' at \
         'records.2.member.data' failed to satisfy constraint: Member must have length less than or equal to 2097152",
    );
}

#[tokio::test]
async fn a_request_holds_ten_mib_and_no_byte_more() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    let put = |last: usize| {
        let mut records = vec![json!({"PartitionKey": "k", "Data": base64(&vec![0; MIB - 1])}); 9];
        records.push(json!({"PartitionKey": "k", "Data": base64(&vec![0; last])}));
        records.push(json!({"PartitionKey": "k", "Data": ""}));
        fixture.call("PutRecords", json!({"StreamName": "s", "Records": records}))
    };
    assert_refused(
        put(MIB - 1).await,
        Code::InvalidArgument,
        "Records size exceeds 10 MB limit",
    );
    let answer = put(MIB - 2).await.unwrap();
    assert_eq!(answer["FailedRecordCount"], 0);
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    let got = fixture.get(&iterator, 10_000).await;
    assert_eq!(payloads(&got).len(), 11);
    assert_eq!(got["MillisBehindLatest"], 0);
}

#[tokio::test]
async fn the_number_of_records_is_checked() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    for (count, is_good) in [(0, false), (1, true), (500, true), (501, false)] {
        let records = vec![json!({"PartitionKey": "k", "Data": ""}); count];
        let put = fixture
            .call("PutRecords", json!({"StreamName": "s", "Records": records}))
            .await;
        assert_eq!(put.is_ok(), is_good, "{count}");
    }
}

#[tokio::test]
async fn a_record_needs_a_key_unless_the_service_distributes() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    assert_refused(
        fixture
            .call("PutRecord", json!({"StreamName": "s", "Data": ""}))
            .await,
        Code::Validation,
        "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null",
    );
    let records = [
        json!({"Data": ""}),
        json!({"Data": "", "PartitionKey": "k"}),
        json!({"Data": ""}),
    ];
    assert_refused(
        fixture
            .call("PutRecords", json!({"StreamName": "s", "Records": records}))
            .await,
        Code::Validation,
        "2 validation errors detected: Value null at 'records.1.member.partitionKey' failed to satisfy constraint: \
         Member must not be null; Value null at 'records.3.member.partitionKey' failed to satisfy constraint: \
         Member must not be null",
    );
}

#[tokio::test]
async fn distributed_records_go_round_and_keep_what_key_they_have() {
    let fixture = Fixture::new().await;
    fixture
        .call(
            "CreateStream",
            json!({"StreamName": "auto", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
        )
        .await
        .unwrap();
    fixture
        .call(
            "UpdateStreamRecordDistributionStrategy",
            json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/auto", "RecordDistributionStrategy": "AUTO"}),
        )
        .await
        .unwrap();
    let mut homes = BTreeMap::<String, u32>::new();
    for _ in 0..8 {
        let (home, _) = fixture.put("auto", "always the same", b"x").await;
        *homes.entry(home).or_default() += 1;
    }
    assert_eq!(homes.into_values().collect::<Vec<_>>(), [2; 4]);
    let records = [
        json!({"Data": ""}),
        json!({"Data": "", "PartitionKey": "k"}),
    ];
    let answer = fixture
        .call(
            "PutRecords",
            json!({"StreamName": "auto", "Records": records}),
        )
        .await
        .unwrap();
    let (home, number) = (
        text(&answer["Records"][0], "ShardId"),
        text(&answer["Records"][0], "SequenceNumber"),
    );
    let more = json!({"StartingSequenceNumber": number});
    let iterator = fixture
        .iterator("auto", &home, "AT_SEQUENCE_NUMBER", more)
        .await;
    let got = fixture.get(&iterator, 2).await;
    assert_eq!(got["Records"][0]["PartitionKey"], Value::Null);
    assert_eq!(got["Records"][1]["PartitionKey"], "k");
}

#[tokio::test]
async fn a_number_for_ordering_must_be_one_that_somebody_was_given() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    let put = |number: &str| {
        let input = json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": number});
        fixture.call("PutRecord", input)
    };
    let mut last = fixture.put("s", "k", b"").await.1;
    for _ in 0..3 {
        let next = text(&put(&last).await.unwrap(), "SequenceNumber");
        assert!(next > last);
        last = next;
    }
    let far = "49".to_owned() + &format!("{:010}{:020}{:024}", 0, 77, 0);
    for bad in ["0", "4955", &far] {
        assert_refused(
            put(bad).await,
            Code::InvalidArgument,
            &format!(
                "ExclusiveMinimumSequenceNumber {bad} used in PutRecord on stream s under account 000000000000 is invalid."
            ),
        );
    }
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_writes_nothing() {
    let fixture = Fixture::new().await;
    fixture.stream("s", 1).await;
    let run = |operation: &'static str, mut input: Value| {
        input["DryRun"] = json!(true);
        fixture.call(operation, input)
    };
    let text_of = "The request was rejected because the DryRun parameter was specified.";
    let put = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
    assert_refused(run("PutRecord", put).await, Code::DryRunOperation, text_of);
    let put = json!({"StreamName": "s", "Records": [{"PartitionKey": "k", "Data": ""}]});
    assert_refused(run("PutRecords", put).await, Code::DryRunOperation, text_of);
    let put = json!({"StreamName": "none", "PartitionKey": "k", "Data": ""});
    assert_refused(
        run("PutRecord", put).await,
        Code::ResourceNotFound,
        "Stream none under account 000000000000 not found.",
    );
    let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
    assert_eq!(fixture.get(&iterator, 1).await["Records"], json!([]));
    let get = json!({"ShardIterator": iterator});
    assert_refused(run("GetRecords", get).await, Code::DryRunOperation, text_of);
    let get = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "LATEST"});
    assert_refused(
        run("GetShardIterator", get).await,
        Code::DryRunOperation,
        text_of,
    );
}

#[tokio::test]
async fn a_stream_that_was_made_anew_is_found() {
    let fixture = Fixture::new().await;
    let stream = StreamName::new("s").unwrap();
    for shards in [1, 2] {
        fixture.stream("s", shards).await;
        fixture.put("s", "k", b"").await;
        let iterator = fixture.iterator("s", "0", "TRIM_HORIZON", json!({})).await;
        // Deleted behind the service's back.
        fixture.engine.delete_stream(&stream).await.unwrap();
        let input = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
        assert_refused(
            fixture.call("PutRecord", input).await,
            Code::ResourceNotFound,
            "Stream s under account 000000000000 not found.",
        );
        fixture.advance_ms(1_000);
        fixture.stream("s", 1).await;
        assert_refused(
            fixture
                .call("GetRecords", json!({"ShardIterator": iterator}))
                .await,
            Code::ResourceNotFound,
            "Shard shardId-000000000000 in stream s under account 000000000000 does not exist",
        );
        fixture.engine.delete_stream(&stream).await.unwrap();
    }
}
