//! `afflux put` and `afflux tail`.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::World;

fn tail(world: &World, more: &[&str]) -> Vec<Value> {
    let args = [&["tail", "s", "--no-follow", "--output", "json"], more].concat();
    world.afflux.run(&args).json_lines()
}

fn data(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["data"].as_str().unwrap())
        .collect()
}

fn put(world: &World, lines: &str) {
    world
        .afflux
        .run_with(&["put", "s", "--key", "k"], lines.as_bytes())
        .ok();
}

#[test]
fn each_line_becomes_a_record_and_comes_back() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let put = ["put", "s", "--key", "k", "--output", "json"];
    let done = world
        .afflux
        .run_with(&put, b"one\n\ntwo\r\nlast without an end")
        .json();
    assert_eq!(done, json!({ "stream": "s", "records": 4 }));
    let records = tail(&world, &["--from", "trim-horizon"]);
    assert_eq!(data(&records), ["one", "", "two", "last without an end"]);
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record["partition_key"], "k");
        assert_eq!(record["shard"], "shardId-000000000000");
        assert_eq!(record["sequence_number"].as_str().unwrap().len(), 56, "{n}");
        assert!(record["arrival_time"].as_str().unwrap().ends_with('Z'));
    }
    let text = world.ok(&["tail", "s", "--from", "trim-horizon", "--no-follow"]);
    assert!(text.contains("last without an end"), "{text}");
}

#[test]
fn lines_come_from_a_file_too() {
    let world = World::start();
    world.ok(&["stream", "create", "s", "--shards", "3"]);
    let file = world.file("lines.txt");
    std::fs::write(&file, "a\nb\nc\n").unwrap();
    world.ok(&["put", "s", "--lines", file.to_str().unwrap()]);
    let records = tail(&world, &["--from", "trim-horizon"]);
    let mut found = data(&records);
    found.sort_unstable();
    assert_eq!(found, ["a", "b", "c"]);
    let missing = world.file("missing.txt");
    world
        .afflux
        .run(&["put", "s", "--lines", missing.to_str().unwrap()])
        .fails(2);
}

#[test]
fn bytes_that_are_no_text_survive() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    world
        .afflux
        .run_with(&["put", "s", "--key", "k"], b"\xff\xfe\x00\n")
        .ok();
    let records = tail(&world, &["--from", "trim-horizon"]);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["data_base64"], "//4A");
    let _ = world
        .afflux
        .run(&["tail", "s", "--from", "trim-horizon", "--no-follow"])
        .code;
}

#[test]
fn tail_starts_at_every_kind_of_place() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    put(&world, "a\nb\nc\n");
    let all = tail(&world, &["--from", "trim-horizon"]);
    assert_eq!(data(&all), ["a", "b", "c"]);
    assert_eq!(
        data(&tail(&world, &["--from", "trim-horizon", "--limit", "2"])),
        ["a", "b"]
    );
    assert!(tail(&world, &["--from", "latest"]).is_empty());
    assert!(tail(&world, &[]).is_empty(), "latest is the default");
    let second = all[1]["sequence_number"].as_str().unwrap();
    assert_eq!(data(&tail(&world, &["--from", second])), ["b", "c"]);
    let arrival = all[0]["arrival_time"].as_str().unwrap();
    assert_eq!(data(&tail(&world, &["--from", arrival])), ["a", "b", "c"]);
    assert_eq!(
        data(&tail(&world, &["--from", "2000-01-01T00:00:00Z"])),
        ["a", "b", "c"]
    );
    assert!(tail(&world, &["--from", "2100-01-01T00:00:00Z"]).is_empty());
    // A number that is no sequence number is a time: seconds since 1970.
    assert_eq!(data(&tail(&world, &["--from", "49"])), ["a", "b", "c"]);
    assert!(tail(&world, &["--from", "4102444800"]).is_empty());
    assert_eq!(
        data(&tail(&world, &["--from", "trim-horizon", "--shard", "0"])),
        ["a", "b", "c"]
    );

    world
        .afflux
        .run(&["tail", "s", "--no-follow", "--from", "yesterday"])
        .fails(2);
    world
        .afflux
        .run(&["tail", "s", "--no-follow", "--shard", "9"])
        .fails(1);
    world
        .afflux
        .run(&["tail", "s", "--no-follow", "--shard", "x"])
        .fails(2);
    world
        .afflux
        .run(&["tail", "nowhere", "--no-follow"])
        .fails(1);
}

#[test]
fn tail_follows_what_arrives_and_stops_when_terminated() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let mut tail = world
        .afflux
        .spawn(&["tail", "s", "--from", "trim-horizon", "--output", "json"]);
    for line in ["first", "second", "third"] {
        put(&world, &format!("{line}\n"));
        let record: Value = serde_json::from_str(&tail.line().unwrap()).unwrap();
        assert_eq!(record["data"], line);
    }
    tail.terminate();
    let ended = tail.wait();
    assert_eq!(ended.code, None, "{ended:?}");
}

#[test]
fn tail_reads_parents_before_children() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    put(&world, "1\n2\n");
    world.ok(&["stream", "split", "s", "--shard", "0"]);
    put(&world, "3\n4\n");
    world.ok(&["stream", "merge", "s", "--shard", "1", "--adjacent", "2"]);
    put(&world, "5\n");
    assert_eq!(
        data(&tail(&world, &["--from", "trim-horizon"])),
        ["1", "2", "3", "4", "5"]
    );
    assert!(tail(&world, &["--from", "latest"]).is_empty());
}

#[test]
fn a_record_over_the_limit_is_refused_and_the_rest_is_not_lost_in_silence() {
    let world = World::start();
    world.ok(&["stream", "create", "s", "--record-bytes-max", "100"]);
    let input = format!("short\n{}\n", "x".repeat(101));
    let refused = world
        .afflux
        .run_with(&["put", "s", "--key", "k"], input.as_bytes());
    assert!(refused.fails(1).contains("100"), "{}", refused.stderr);
    world
        .afflux
        .run_with(&["put", "nowhere"], b"line\n")
        .fails(1);
    world
        .afflux
        .run_with(&["put", "s", "--key", ""], b"line\n")
        .fails(2);
    world
        .afflux
        .run_with(&["put", "s", "--key", &"k".repeat(257)], b"line\n")
        .fails(2);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    put(&world, &"line\n".repeat(50_000));
    let args = ["tail", "s", "--from", "trim-horizon", "--no-follow"];
    let mut tail = world.afflux.spawn(&args);
    assert!(tail.line().is_some());
    drop(tail.take_stdout());
    let ended = tail.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
    // Nor is a reader that was never there.
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let failed = world
        .afflux
        .spawn_with(&args, Stdio::null(), full.into())
        .wait();
    failed.fails(1);
}

#[test]
fn a_server_that_is_not_there_is_named_with_a_hint() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = socket.local_addr().unwrap();
    drop(socket);
    let afflux = afflux_testkit::command::Afflux::new(crate::support::BINARY).at(nobody);
    let refused = afflux.run(&["stream", "list"]);
    let words = refused.fails(1);
    assert!(
        words.contains(&nobody.to_string()) && words.contains("hint:"),
        "{words}"
    );
    afflux
        .run(&["stream", "list", "--fingerprint", "abc"])
        .fails(2);
}

#[test]
fn the_servers_certificate_is_pinned_by_its_fingerprint() {
    let world = World::start();
    let fingerprint = world.server.ready().fingerprint.clone();
    world.ok(&["stream", "list", "--fingerprint", &fingerprint]);
    let other = "00".repeat(32);
    world
        .afflux
        .run(&["stream", "list", "--fingerprint", &other])
        .fails(1);
}
