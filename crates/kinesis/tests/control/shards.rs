//! Shards listed, split and merged.

use std::time::Duration;

use crate::support::*;

const MIDDLE: &str = "170141183460469231731687303715884105728";
const LAST: &str = "340282366920938463463374607431768211455";

fn split(shard: &str, at: &str) -> Value {
    json!({"StreamName": "s", "ShardToSplit": shard, "NewStartingHashKey": at})
}

fn merge(one: &str, other: &str) -> Value {
    json!({"StreamName": "s", "ShardToMerge": one, "AdjacentShardToMerge": other})
}

/// A stream whose shard 0 is split an hour after noon into 1 and 2, which are merged into 3 an hour
/// later.
async fn reshaped() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    fixture.clock.advance(HOUR);
    let answer = fixture.call("SplitShard", split("shardId-000000000000", MIDDLE));
    assert_eq!(answer.await, Value::Null);
    fixture.clock.advance(HOUR);
    let answer = fixture.call("MergeShards", merge("shardId-000000000002", "1"));
    assert_eq!(answer.await, Value::Null);
    fixture
}

fn filter(kind: &str, more: Value) -> Value {
    let mut filter = more;
    filter["Type"] = json!(kind);
    json!({"StreamName": "s", "ShardFilter": filter})
}

fn seconds_after_noon(seconds: i64) -> f64 {
    Duration::from_millis(u64::try_from(noon().as_millis() + seconds * 1_000).unwrap())
        .as_secs_f64()
}

#[tokio::test]
async fn lineage_and_ranges_are_shown() {
    let fixture = reshaped().await.reopen().await;
    let answer = fixture.call("ListShards", json!({"StreamName": "s"})).await;
    let shards = answer["Shards"].as_array().unwrap();
    let members =
        |member: &str| -> Vec<Value> { shards.iter().map(|shard| shard[member].clone()).collect() };
    let null = Value::Null;
    let (first, second) = (json!("shardId-000000000000"), json!("shardId-000000000001"));
    assert_eq!(
        members("ParentShardId"),
        [null.clone(), first.clone(), first, second]
    );
    assert_eq!(
        members("AdjacentParentShardId"),
        [
            null.clone(),
            null.clone(),
            null,
            json!("shardId-000000000002")
        ]
    );
    let range = |start: &str, end: &str| json!({"StartingHashKey": start, "EndingHashKey": end});
    let below = "170141183460469231731687303715884105727";
    assert_eq!(
        members("HashKeyRange"),
        [
            range("0", LAST),
            range("0", below),
            range(MIDDLE, LAST),
            range("0", LAST)
        ]
    );
    let numbers: Vec<(String, Option<String>)> = members("SequenceNumberRange")
        .iter()
        .map(|range| {
            let number = |name: &str| range[name].as_str().map(str::to_owned);
            let start = number("StartingSequenceNumber").unwrap();
            (start, number("EndingSequenceNumber"))
        })
        .collect();
    let closed: Vec<bool> = numbers.iter().map(|(_, end)| end.is_some()).collect();
    assert_eq!(closed, [true, true, true, false]);
    for (parent, child) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        let (start, end) = &numbers[parent];
        let (start, end): (&str, &str) = (start, end.as_deref().unwrap());
        assert!(start < end && end < numbers[child].0.as_str());
    }
}

#[tokio::test]
async fn every_filter_lists_its_shards() {
    let fixture = reshaped().await;
    let timed = |kind, seconds| filter(kind, json!({"Timestamp": seconds_after_noon(seconds)}));
    let half_past = 5_400;
    for (request, shards) in [
        (json!({"StreamName": "s"}), vec![0, 1, 2, 3]),
        (filter("FROM_TRIM_HORIZON", json!({})), vec![0, 1, 2, 3]),
        (filter("AT_TRIM_HORIZON", json!({})), vec![0]),
        (filter("AT_LATEST", json!({})), vec![3]),
        (
            filter("AFTER_SHARD_ID", json!({"ShardId": "shardId-1"})),
            vec![2, 3],
        ),
        (timed("AT_TIMESTAMP", 60), vec![0]),
        (timed("AT_TIMESTAMP", half_past), vec![1, 2]),
        (timed("AT_TIMESTAMP", 3_600), vec![0, 1, 2]),
        (timed("AT_TIMESTAMP", 9_000), vec![3]),
        (timed("AT_TIMESTAMP", -99_999), vec![0]),
        (timed("FROM_TIMESTAMP", half_past), vec![1, 2, 3]),
        (timed("FROM_TIMESTAMP", -99_999), vec![0, 1, 2, 3]),
        (timed("FROM_TIMESTAMP", 9_000), vec![3]),
        (
            json!({"StreamName": "s", "ExclusiveStartShardId": "shardId-000000000002"}),
            vec![3],
        ),
    ] {
        assert_eq!(fixture.listed(request.clone()).await, shards, "{request}");
    }
}

#[tokio::test]
async fn a_closed_shard_is_listed_until_retention_ends() {
    let fixture = reshaped().await;
    fixture.clock.advance(23 * HOUR);
    let all = json!({"StreamName": "s"});
    assert_eq!(fixture.listed(all.clone()).await, [0, 1, 2, 3]);
    // At the moment of the split its parent has every key already.
    let horizon = filter("AT_TRIM_HORIZON", json!({}));
    assert_eq!(fixture.listed(horizon.clone()).await, [0]);
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(fixture.listed(all.clone()).await, [1, 2, 3]);
    assert_eq!(fixture.listed(horizon.clone()).await, [1, 2]);
    let answer = fixture.call("DescribeStream", all.clone()).await;
    assert_eq!(shard_numbers(&answer["StreamDescription"]), [1, 2, 3]);
    fixture.clock.advance(HOUR);
    fixture.engine.enforce_retention();
    assert_eq!(fixture.listed(all).await, [3]);
    assert_eq!(fixture.listed(horizon).await, [3]);
}

#[tokio::test]
async fn filters_that_lack_something_are_refused() {
    let fixture = reshaped().await;
    for (kind, more, error) in [
        ("AT_TIMESTAMP", json!({}), "Timestamp must be provided"),
        ("FROM_TIMESTAMP", json!({}), "Timestamp must be provided"),
        ("AFTER_SHARD_ID", json!({}), "ShardId must be provided"),
        (
            "AT_LATEST",
            json!({"ShardId": "1"}),
            "ShardId cannot be provided",
        ),
        (
            "AT_LATEST",
            json!({"Timestamp": 1}),
            "Timestamp cannot be provided",
        ),
    ] {
        let said = fixture.refused("ListShards", filter(kind, more)).await;
        let whole = format!("InvalidArgumentException: {error} for a ShardFilter of type {kind}.");
        assert_eq!(said, whole);
    }
    let unknown = filter("AFTER_SHARD_ID", json!({"ShardId": "shard-1"}));
    assert_eq!(
        fixture.refused("ListShards", unknown).await,
        "ResourceNotFoundException: Could not find shard shard-1 in stream s under account \
         000000000000."
    );
}

#[tokio::test]
async fn pages_keep_their_filter_and_their_stream() {
    let fixture = reshaped().await;
    let mut request = filter("AFTER_SHARD_ID", json!({"ShardId": "shardId-0"}));
    request["MaxResults"] = json!(1);
    let mut answer = fixture.call("ListShards", request).await;
    let mut seen = shard_numbers(&answer);
    let token = answer["NextToken"].clone();
    while answer["NextToken"] != Value::Null {
        let next = json!({"NextToken": answer["NextToken"], "MaxResults": 1});
        answer = fixture.call("ListShards", next).await;
        seen.extend(shard_numbers(&answer));
    }
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(fixture.listed(json!({"NextToken": token})).await, [2, 3]);
    let arn = json!({"NextToken": token, "StreamARN": format!("{ARN}s")});
    assert_eq!(fixture.listed(arn).await, [2, 3]);
    for (member, value) in [
        ("StreamName", json!("s")),
        ("StreamCreationTimestamp", json!(1)),
        ("ExclusiveStartShardId", json!("shardId-0")),
    ] {
        let mut body = json!({"NextToken": token});
        body[member] = value;
        assert_eq!(
            fixture.refused("ListShards", body).await,
            format!(
                "InvalidArgumentException: NextToken and {member} cannot be provided together."
            )
        );
    }
    assert_eq!(
        fixture.refused("ListShards", json!({})).await,
        "InvalidArgumentException: Either NextToken or StreamName should be provided."
    );
    // The same name is not the same stream.
    fixture
        .call("DeleteStream", json!({"StreamName": "s"}))
        .await;
    fixture.create("s", 9).await;
    let gone = fixture
        .refused("ListShards", json!({"NextToken": token}))
        .await;
    assert!(gone.starts_with("ResourceNotFoundException"), "{gone}");
    fixture.clock.advance(Duration::from_millis(300_001));
    assert_eq!(
        fixture
            .refused("ListShards", json!({"NextToken": token}))
            .await,
        "ExpiredNextTokenException: NextToken expired. The token was created at time Sat Nov 21 \
         14:00:00 UTC 2026 while right now it is Sat Nov 21 14:05:00 UTC 2026 which is further in \
         the future than the tolerated delay of 300000 milliseconds."
    );
}

#[tokio::test]
async fn a_stream_is_told_from_another_by_its_time_of_creation() {
    let fixture = reshaped().await;
    let body = |seconds: f64| json!({"StreamName": "s", "StreamCreationTimestamp": seconds});
    assert_eq!(fixture.listed(body(1_795_262_400.9)).await, [0, 1, 2, 3]);
    let other = fixture.refused("ListShards", body(1_795_262_399.0)).await;
    assert!(other.starts_with("ResourceNotFoundException"), "{other}");
}

#[tokio::test]
async fn splits_that_cannot_be_are_refused() {
    let fixture = reshaped().await;
    let refused = |shard, at| fixture.refused("SplitShard", split(shard, at));
    let range = |at: &str| {
        format!(
            "InvalidArgumentException: NewStartingHashKey {at} used in SplitShard() on shard \
             shardId-000000000003 in stream s under account 000000000000 is not both greater than \
             one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey {LAST}."
        )
    };
    let beyond = "999999999999999999999999999999999999999";
    for at in ["0", "1", LAST, beyond] {
        assert_eq!(refused("shardId-000000000003", at).await, range(at));
    }
    assert_eq!(
        refused("shardId-000000000000", MIDDLE).await,
        "InvalidArgumentException: Shard shardId-000000000000 in stream s under account 000000000000 \
         has already been merged or split, and thus is not eligible for merging or splitting."
    );
    assert_eq!(
        refused("shardId-4", MIDDLE).await,
        "ResourceNotFoundException: Could not find shard shardId-000000000004 in stream s under \
         account 000000000000."
    );
    fixture.call("SplitShard", split("3", "2")).await;
    assert_eq!(fixture.summary("s").await["OpenShardCount"], 2);
}

#[tokio::test]
async fn only_neighbors_that_are_open_can_be_merged() {
    let fixture = Fixture::new().await;
    fixture.create("s", 3).await;
    assert_eq!(
        fixture.refused("MergeShards", merge("0", "2")).await,
        "InvalidArgumentException: Shards shardId-000000000000 and shardId-000000000002 in stream s \
         under account 000000000000 are not an adjacent pair of shards eligible for merging"
    );
    let itself = fixture.refused("MergeShards", merge("0", "0")).await;
    assert!(itself.contains("not an adjacent pair"), "{itself}");
    fixture.call("MergeShards", merge("0", "1")).await;
    assert_eq!(
        fixture.refused("MergeShards", merge("1", "2")).await,
        "InvalidArgumentException: Shard shardId-000000000001 in stream s under account 000000000000 \
         has already been merged or split, and thus is not eligible for merging or splitting."
    );
    fixture.call("MergeShards", merge("3", "2")).await;
    let open = filter("AT_LATEST", json!({}));
    assert_eq!(fixture.listed(open).await, [4]);
}
