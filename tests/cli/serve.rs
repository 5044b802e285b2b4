//! `afflux serve`: starting, refusing to start, and stopping.

use std::io::{Read, Write};
use std::net::TcpStream;

use afflux_testkit::command::Afflux;
use afflux_testkit::process::Plan;

use crate::support::{BINARY, World};

#[test]
fn the_printed_configuration_is_one_that_a_server_takes() {
    let printed = Afflux::new(BINARY).run(&["serve", "--print-config"]);
    let table: toml::Table = printed.ok().parse().unwrap();
    for section in ["quic", "http", "tls", "limits", "storage", "log"] {
        assert!(table.contains_key(section), "no section {section}");
    }
    let world = World::with_config(printed.ok());
    world.ok(&["stream", "list"]);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    for (config, words) in [
        ("[quic]\nlissten = \"127.0.0.1:1\"\n", "lissten"),
        ("[quic]\nmtu_max = 40000\n", "mtu_max"),
        ("[limits]\nconnections = 0\n", "connections"),
        ("not toml at all", "config.toml"),
        ("[log]\nfilter = \"no=such=filter\"\n", "log.filter"),
        (
            "[[tokens]]\nname = \"a\"\nrights = [\"produce\"]\n",
            "\"a\"",
        ),
    ] {
        std::fs::write(&file, config).unwrap();
        let plan =
            Plan::new(BINARY, dir.path().join("data")).args(&["--config", file.to_str().unwrap()]);
        let refused = plan.try_start().unwrap_err();
        assert!(
            matches!(refused.status.code(), Some(1 | 2)),
            "{config:?}: {}",
            refused.status
        );
        assert!(
            refused.stderr.contains(words),
            "{config:?}: {}",
            refused.stderr
        );
        assert!(
            !refused.stderr.contains("panicked"),
            "{config:?}: {}",
            refused.stderr
        );
    }
    let missing = Plan::new(BINARY, dir.path().join("data")).args(&["--config", "/nowhere.toml"]);
    assert!(
        missing
            .try_start()
            .unwrap_err()
            .stderr
            .contains("/nowhere.toml")
    );
}

#[test]
fn a_directory_that_cannot_be_used_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let plan = Plan::new(BINARY, &file).stderr(dir.path().join("stderr"));
    let refused = plan.try_start().unwrap_err();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains(file.to_str().unwrap()),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_address_that_is_taken_is_refused_by_name() {
    let world = World::start();
    let plan = Plan::new(BINARY, world.file("other"))
        .listen(world.server.quic(), "127.0.0.1:0".parse().unwrap());
    let refused = plan.try_start().unwrap_err();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains(&world.server.quic().to_string()),
        "{}",
        refused.stderr
    );
}

#[test]
fn streams_and_records_outlive_a_restart_and_a_kill() {
    let mut world = World::start();
    world.ok(&["stream", "create", "s", "--shards", "2"]);
    let mut expected = Vec::new();
    for round in 0..4 {
        let line = format!("round {round}");
        world
            .afflux
            .run_with(&["put", "s", "--key", "k"], line.as_bytes())
            .ok();
        expected.push(line);
        if round % 2 == 0 {
            assert!(world.server.terminate().success());
        } else {
            world.server.kill();
        }
        world.server.restart();
        let tail = [
            "tail",
            "s",
            "--from",
            "trim-horizon",
            "--no-follow",
            "--output",
            "json",
        ];
        let records = world.afflux.run(&tail).json_lines();
        let data: Vec<&str> = records
            .iter()
            .map(|record| record["data"].as_str().unwrap())
            .collect();
        assert_eq!(data, expected);
    }
}

/// Until a shard is used its log is not open; describing it said that it was empty.
#[test]
fn a_stream_is_described_in_full_right_after_a_start() {
    let mut world = World::start();
    world.ok(&["stream", "create", "s"]);
    world
        .afflux
        .run_with(&["put", "s", "--key", "k"], b"a\nb\nc\n")
        .ok();
    assert!(world.server.terminate().success());
    world.server.restart();
    let described = world
        .afflux
        .run(&["stream", "describe", "s", "--output", "json"])
        .json();
    assert_eq!(described["shards"][0]["end"], 3);
}

/// What the server answers to a request of these lines.
fn ask(world: &World, lines: &str) -> String {
    let mut stream = TcpStream::connect(world.server.http()).unwrap();
    let (head, body) = lines.split_once("\r\n\r\n").unwrap_or((lines, ""));
    let length = body.len();
    write!(
        stream,
        "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What the server answers to a GET.
pub(crate) fn get(world: &World, path: &str) -> String {
    ask(world, &format!("GET {path} HTTP/1.1"))
}

#[test]
fn the_dashboard_asks_for_nothing_that_the_server_does_not_measure() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    let directory = world.file("objects");
    std::fs::create_dir(&directory).unwrap();
    let to = directory.to_str().unwrap();
    world.ok(&["delivery", "create", "d", "--stream", "s", "--to", to]);
    let list = "POST / HTTP/1.1\r\nX-Amz-Target: Kinesis_20131202.ListStreams\r\n\
                Content-Type: application/x-amz-json-1.1\r\n\r\n{}";
    let listed = ask(&world, list);
    assert!(listed.starts_with("HTTP/1.1 200"), "{listed}");
    let metrics = get(&world, "/metrics");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/afflux.json");
    let dashboard = std::fs::read_to_string(path).unwrap();
    let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("afflux_"));
    let mut seen = 0;
    for name in names {
        seen += 1;
        // A family without a member yet has its help only, without the ending of counters.
        let described = format!("# HELP {} ", name.strip_suffix("_total").unwrap_or(name));
        assert!(metrics.contains(&described), "{name} is not in:\n{metrics}");
    }
    assert!(seen > 15, "{seen} names");
}

#[test]
fn health_and_metrics_answer_over_http() {
    let world = World::start();
    world.ok(&["stream", "create", "s"]);
    world.afflux.run_with(&["put", "s"], b"a\nb\n").ok();
    let get = |path: &str| get(&world, path);
    assert!(
        get("/health/live").starts_with("HTTP/1.1 200"),
        "{}",
        get("/health/live")
    );
    let metrics = get("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(
        metrics.contains("afflux_") && metrics.contains("# EOF"),
        "{metrics}"
    );
    assert!(get("/nothing").starts_with("HTTP/1.1 404"));
    // Bytes that are no HTTP harm nobody.
    let mut stream = TcpStream::connect(world.server.http()).unwrap();
    let _ = stream.write_all(&[0xff; 1_000]);
    drop(stream);
    assert!(get("/health/live").starts_with("HTTP/1.1 200"));
}
