//! `afflux stream` and `afflux consumer`.

use serde_json::json;

use crate::support::World;

#[test]
fn a_stream_is_created_listed_described_and_deleted() {
    let world = World::start();
    assert!(
        world
            .ok(&["stream", "create", "orders", "--shards", "4"])
            .contains("orders")
    );
    world.ok(&[
        "stream",
        "create",
        "ticks",
        "--durability",
        "os",
        "--retention-hours",
        "48",
    ]);
    let list = world
        .afflux
        .run(&["stream", "list", "--output", "json"])
        .json();
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["stream"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["orders", "ticks"]);
    assert_eq!(list[0]["open_shards"], 4);
    assert_eq!(list[0]["kind"], "records");
    assert!(
        world.ok(&["stream", "list"]).lines().count() == 3,
        "a header and two rows"
    );

    let ticks = world
        .afflux
        .run(&["stream", "describe", "ticks", "--output", "json"])
        .json();
    assert_eq!(ticks["durability"], "os");
    assert_eq!(ticks["retention_hours"], 48);
    assert_eq!(ticks["record_bytes_max"], 1 << 20);
    let shard = &ticks["shards"][0];
    assert_eq!(shard["shard"], "shardId-000000000000");
    assert_eq!(shard["starting_hash_key"], "0");
    assert_eq!(shard["ending_hash_key"], u128::MAX.to_string());
    assert_eq!(shard["closed"], false);
    assert!(
        world
            .ok(&["stream", "describe", "ticks"])
            .contains("shardId-000000000000")
    );

    world.ok(&["stream", "delete", "ticks"]);
    assert!(
        world
            .afflux
            .run(&["stream", "describe", "ticks"])
            .fails(1)
            .contains("ticks")
    );
    let list = world
        .afflux
        .run(&["stream", "list", "--output", "json"])
        .json();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn a_name_that_is_taken_unknown_or_impossible_is_refused() {
    let world = World::start();
    world.ok(&["stream", "create", "orders"]);
    assert!(
        world
            .afflux
            .run(&["stream", "create", "orders"])
            .fails(1)
            .contains("orders")
    );
    for command in ["describe", "delete"] {
        assert!(
            world
                .afflux
                .run(&["stream", command, "nowhere"])
                .fails(1)
                .contains("nowhere")
        );
    }
    for name in ["a/b", "..", "a b", "", &"n".repeat(129)] {
        world.afflux.run(&["stream", "create", name]).fails(2);
    }
}

#[test]
fn numbers_outside_their_limits_are_refused() {
    let world = World::start();
    for args in [
        ["--shards", "0"],
        ["--shards", "10001"],
        ["--retention-hours", "0"],
        ["--retention-hours", "87601"],
        ["--record-bytes-max", "10485761"],
    ] {
        let refused = world
            .afflux
            .run(&["stream", "create", "s", args[0], args[1]]);
        let code = refused.code;
        assert!(matches!(code, Some(1 | 2)), "{args:?} ended with {code:?}");
    }
    assert_eq!(
        world
            .afflux
            .run(&["stream", "list", "--output", "json"])
            .json(),
        json!([])
    );
    world
        .afflux
        .run(&["stream", "create", "s", "--shards", "many"])
        .fails(2);
    world
        .afflux
        .run(&["stream", "create", "s", "--durability", "maybe"])
        .fails(2);
}

#[test]
fn shards_split_and_merge() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let split = ["stream", "split", "s", "--shard", "0", "--output", "json"];
    let shards = world.afflux.run(&split).json()["shards"].clone();
    assert_eq!(shards.as_array().unwrap().len(), 3);
    assert_eq!(shards[0]["closed"], true);
    assert_eq!(
        shards[0]["children"],
        json!(["shardId-000000000001", "shardId-000000000002"])
    );
    assert_eq!(shards[2]["starting_hash_key"], (1_u128 << 127).to_string());

    let at = 1_000.to_string();
    let split = [
        "stream",
        "split",
        "s",
        "--shard",
        "shardId-000000000001",
        "--at",
        &at,
        "--output",
        "json",
    ];
    let shards = world.afflux.run(&split).json()["shards"].clone();
    assert_eq!(shards[4]["starting_hash_key"], "1000");

    let merge = [
        "stream",
        "merge",
        "s",
        "--shard",
        "3",
        "--adjacent",
        "4",
        "--output",
        "json",
    ];
    let shards = world.afflux.run(&merge).json()["shards"].clone();
    assert_eq!(
        shards[5]["parents"],
        json!(["shardId-000000000003", "shardId-000000000004"])
    );

    for bad in [
        ["split", "--shard", "0", "--at", "5"].as_slice(),
        &["split", "--shard", "77"],
        &["split", "--shard", "2", "--at", "5"],
        &["merge", "--shard", "2", "--adjacent", "2"],
        &["merge", "--shard", "0", "--adjacent", "2"],
        &["merge", "--shard", "2", "--adjacent", "77"],
    ] {
        let args = [&["stream", bad[0], "s"], &bad[1..]].concat();
        world.afflux.run(&args).fails(1);
    }
    world
        .afflux
        .run(&["stream", "split", "s", "--shard", "first"])
        .fails(2);
    world
        .afflux
        .run(&["stream", "split", "s", "--shard", "2", "--at", "-1"])
        .fails(2);
    world.afflux.run(&["stream", "split", "s"]).fails(2);
}

#[test]
fn consumers_are_registered_listed_and_deregistered() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    world.ok(&["consumer", "register", "s", "billing"]);
    let list = world
        .afflux
        .run(&["consumer", "list", "s", "--output", "json"])
        .json();
    assert_eq!(list[0]["consumer"], "billing");
    assert!(world.ok(&["consumer", "list", "s"]).contains("billing"));
    world
        .afflux
        .run(&["consumer", "register", "s", "billing"])
        .fails(1);
    world
        .afflux
        .run(&["consumer", "register", "nowhere", "billing"])
        .fails(1);
    world
        .afflux
        .run(&["consumer", "register", "s", "a b"])
        .fails(2);
    world.ok(&["consumer", "deregister", "s", "billing"]);
    world
        .afflux
        .run(&["consumer", "deregister", "s", "billing"])
        .fails(1);
    assert_eq!(
        world
            .afflux
            .run(&["consumer", "list", "s", "--output", "json"])
            .json(),
        json!([])
    );
}
