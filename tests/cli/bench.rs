//! `afflux bench`: each bench runs to its end and prints every figure. How large they are is not asked.

use afflux_testkit::command::Afflux;

use crate::support::BINARY;

/// Runs a bench for the shortest time and returns the names of its figures.
fn figures(bench: &str, options: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let common = [
        "bench",
        bench,
        "--seconds",
        "1",
        "--output",
        "json",
        "--data-dir",
        dir.path().to_str().unwrap(),
    ];
    let report = Afflux::new(BINARY)
        .run(&[&common[..], options].concat())
        .json();
    assert_eq!(report["bench"], bench);
    let figures = report["figures"].as_array().unwrap();
    let checked = figures.iter().map(|figure| {
        let name = figure["name"].as_str().unwrap();
        // JSON has no infinity and no NaN: they would be null here.
        let value = figure["value"].as_f64();
        // The kernel counts the time of other processes in hundredths of a second, and memory in pages.
        // That nothing is late is as it should be.
        let may_be_zero = [" CPU", "cores", "memory", "fragments late"]
            .iter()
            .any(|part| name.contains(part));
        assert!(
            value.is_some_and(|value| value > 0.0 || may_be_zero && value == 0.0),
            "{bench}: {figure}"
        );
        if let Some(ratio) = figure.get("ratio") {
            assert!(
                ratio["value"].as_f64().is_some_and(|ratio| ratio > 0.0),
                "{bench}: {figure}"
            );
        }
        name.to_owned()
    });
    checked.collect()
}

fn assert_has(figures: &[String], names: &[&str]) {
    for name in names {
        assert!(
            figures.iter().any(|figure| figure.starts_with(name)),
            "{name} is not among {figures:?}"
        );
    }
}

#[test]
fn delivery_prints_its_figures() {
    let figures = figures("delivery", &["--megabytes", "20", "--partitions", "10"]);
    let names = [
        "memory that is configured",
        "deliver, 10 partitions, peak memory beyond the start",
        "deliver, gzip",
        "deliver, gzip, to a store that keeps nothing",
    ];
    assert_has(&figures, &names);
}

#[test]
fn append_prints_its_figures() {
    let figures = figures("append", &[]);
    assert!(figures.len() > 4, "{figures:?}");
}

#[test]
fn produce_prints_its_figures() {
    let figures = figures("produce", &["--shards", "2", "--record-bytes", "100"]);
    assert_has(
        &figures,
        &[
            "bare QUIC",
            "records",
            "payload",
            "server CPU",
            "server peak memory",
        ],
    );
}

#[test]
fn fanout_prints_its_figures() {
    let figures = figures("fanout", &["--consumers", "2"]);
    assert_has(
        &figures,
        &["bare QUIC to 2", "server CPU", "server peak memory"],
    );
}

#[test]
fn latency_prints_its_figures() {
    let figures = figures("latency", &["--rate", "1000"]);
    assert_has(
        &figures,
        &[
            "bare QUIC echo, p50",
            "put to push, p50",
            "put to push, p99",
            "put to push, max",
        ],
    );
}

#[test]
fn video_prints_its_figures() {
    let both = figures("video", &["--cameras", "2", "--viewers", "4"]);
    assert_has(
        &both,
        &[
            "cameras over QUIC",
            "cameras over PutMedia",
            "frame due to frame sent late by the generator, p99",
            "fragments sent",
            "fragments late",
            "last byte to durable, QUIC, p99",
            "last byte to durable, PutMedia, p99",
            "frame sent to received, GetMedia, p50",
            "last frame of a fragment sent to received, HLS, p50",
            "fragment durable to segment received, HLS, p99",
            "session opened to first segment received, HLS, p50",
            "server CPU",
            "server cores for 100 cameras",
            "anonymous server memory for a camera beyond its unsent fragment",
            "bare HTTP/1.1 to 4",
            "HLS segments to 4",
        ],
    );
}

#[test]
fn video_leaves_out_what_is_not_asked_for() {
    let options = [
        "--viewers",
        "0",
        "--connections",
        "0",
        "--over",
        "quic",
        "--cameras",
        "1",
    ];
    let figures = figures("video", &options);
    assert_has(
        &figures,
        &["cameras over QUIC", "last byte to durable, QUIC, p99"],
    );
    let is_extra = |name: &String| {
        ["PutMedia", "HLS", "viewers"]
            .iter()
            .any(|part| name.contains(part))
    };
    assert!(!figures.iter().any(is_extra), "{figures:?}");
}

#[test]
fn kinesis_prints_its_figures() {
    let figures = figures("kinesis", &["--subscribers", "2", "--connections", "2"]);
    assert_has(
        &figures,
        &[
            "bare HTTP/1.1, bodies of PutRecords",
            "PutRecords, records",
            "PutRecords, p99",
            "PutRecord, records",
            "PutRecord, server CPU",
            "GetRecords, data",
            "bare HTTP/2 to 2",
            "SubscribeToShard to 2, data",
            "SubscribeToShard, acknowledgement to push, p50",
            "server peak memory",
        ],
    );
}
