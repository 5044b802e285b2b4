//! The number of shards, changed as a whole.

use afflux_engine::ShardDescription;
use afflux_kinesis::Options;
use afflux_types::HashKeyRange;

use crate::support::*;

fn to(target: u32) -> Value {
    json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
}

fn shards(fixture: &Fixture) -> Vec<ShardDescription> {
    fixture.engine.describe_stream(&name("s")).unwrap().shards
}

/// The open shards share the hash space evenly, and every closed one has children.
fn check(fixture: &Fixture, count: u32) {
    let (mut open, closed): (Vec<_>, Vec<_>) = shards(fixture)
        .into_iter()
        .partition(|shard| shard.closed.is_none());
    open.sort_by_key(|shard| shard.range.start());
    let ranges: Vec<HashKeyRange> = open.iter().map(|shard| shard.range).collect();
    let even: Vec<HashKeyRange> = HashKeyRange::even(count).collect();
    assert_eq!(ranges, even);
    assert!(closed.iter().all(|shard| !shard.children.is_empty()));
}

#[tokio::test]
async fn doubling_and_halving_take_one_step_a_shard() {
    let fixture = Fixture::new().await;
    fixture.create("s", 4).await;
    let answer = fixture.call("UpdateShardCount", to(8)).await;
    assert_eq!(
        answer,
        json!({
            "StreamName": "s",
            "StreamARN": format!("{ARN}s"),
            "CurrentShardCount": 4,
            "TargetShardCount": 8,
        })
    );
    check(&fixture, 8);
    assert_eq!(shards(&fixture).len(), 4 + 8);
    fixture.call("UpdateShardCount", to(4)).await;
    check(&fixture, 4);
    assert_eq!(shards(&fixture).len(), 4 + 8 + 4);
    let fixture = fixture.reopen().await;
    check(&fixture, 4);
}

/// The most open shards that there ever were, by the tree of those that are known.
fn most_open(shards: &[ShardDescription]) -> usize {
    let (mut open, mut most) = (0, 0);
    for children in shards.chunk_by(|one, next| one.parents == next.parents) {
        let parents = &children[0].parents;
        // Two children of one split have the same parents, and so have all shards without any.
        open = open + children.len() - parents.len();
        most = most.max(open);
    }
    most
}

#[tokio::test]
async fn any_count_is_reached_without_more_shards_than_before_or_afterwards() {
    let fixture = Fixture::with(Options {
        throttled: false,
        shards_max: 13,
        ..Options::default()
    })
    .await;
    fixture.create("s", 10).await;
    for target in [9, 10, 7, 10] {
        fixture.call("UpdateShardCount", to(target)).await;
        check(&fixture, target);
    }
    assert_eq!(most_open(&shards(&fixture)), 10);
    for target in [13, 7, 5, 9, 9, 6, 3, 2, 1, 2] {
        fixture.call("UpdateShardCount", to(target)).await;
        check(&fixture, target);
    }
    assert_eq!(most_open(&shards(&fixture)), 13);
}

#[tokio::test]
async fn shards_that_were_split_by_hand_are_made_equal() {
    let fixture = Fixture::new().await;
    fixture.create("s", 1).await;
    for (shard, at) in [("0", "1000"), ("2", "70000000"), ("1", "10")] {
        let body = json!({"StreamName": "s", "ShardToSplit": shard, "NewStartingHashKey": at});
        fixture.call("SplitShard", body).await;
    }
    fixture.call("UpdateShardCount", to(3)).await;
    check(&fixture, 3);
}

#[tokio::test]
async fn a_count_beyond_twice_or_half_is_refused() {
    let fixture = Fixture::new().await;
    fixture.create("s", 5).await;
    for (target, error) in [
        (
            11,
            "cannot scale up over double your current open shard count. Current open shard count: 5 \
             Target shard count: 11",
        ),
        (
            2,
            "cannot scale down below half your current open shard count. Current open shard count: 5 \
             Target shard count: 2",
        ),
        (
            10_001,
            "cannot scale a stream to more than 10000 shards. Target shard count: 10001",
        ),
    ] {
        let said = fixture.refused("UpdateShardCount", to(target)).await;
        assert_eq!(
            said,
            format!("InvalidArgumentException: UpdateShardCount {error}")
        );
    }
    assert_eq!(shards(&fixture).len(), 5);
}

#[tokio::test]
async fn the_accounts_limit_holds_for_every_way_to_more_shards() {
    let fixture = Fixture::with(Options {
        throttled: false,
        shards_max: 5,
        ..Options::default()
    })
    .await;
    fixture.create("s", 4).await;
    let split = json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "99"});
    fixture.call("SplitShard", split.clone()).await;
    let requests = [
        ("SplitShard", split),
        ("UpdateShardCount", to(6)),
        ("CreateStream", json!({"StreamName": "t", "ShardCount": 1})),
    ];
    for (operation, body) in requests {
        let said = fixture.refused(operation, body).await;
        assert!(
            said.starts_with(
                "LimitExceededException: This request would exceed the shard limit for the account \
                 000000000000 in us-east-1. Current shard count for the account: 5. Limit: 5. \
                 Number of additional shards that would have resulted from this request: 1."
            ),
            "{said}"
        );
    }
}
