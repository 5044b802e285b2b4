//! A byte that changed on the disk: it is reported, and never served.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use afflux_testkit::command::Afflux;
use afflux_testkit::peer::{self, Answer};
use afflux_types::ErrorKind;
use afflux_wire::message::From;
use afflux_wire::{Frame, Item};

use crate::support::{
    BINARY, World, acks, assert_serves, produce, produce_opened, records, segments, subscribe,
};

/// Each entry's data starts with this and its number.
const MARK: &str = "needle-";

/// Replaces the first occurrence of `needle` in any segment.
fn damage(data_dir: &Path, needle: &str) {
    for path in segments(data_dir) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(needle.len()).position(|window| window == needle.as_bytes());
        if let Some(at) = found {
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(b"N").unwrap();
            return;
        }
    }
    panic!("{needle} is in no segment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_in_a_sealed_segment_is_reported_and_never_served() {
    let mut world = World::with_config("[storage]\nsegment_bytes_min = 65536\nsegment_bytes_max = 1048576\n");
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    for n in 0..100 {
        let data = format!("{MARK}{n:03}-{}", "x".repeat(20_000));
        exchange.bytes(peer::batch(&[("key", data.as_bytes())], None)).await;
        assert_eq!(acks(&mut exchange).await.acks.len(), 1);
    }
    world.expect_damage();
    assert!(world.server.terminate().success());
    assert!(segments(world.data_dir()).len() > 2);
    damage(world.data_dir(), "needle-007");

    let directory = world.data_dir().to_str().unwrap().to_owned();
    let checked = Afflux::new(BINARY).run(&["check", &directory, "--output", "json"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stderr);
    let report: serde_json::Value = serde_json::from_str(checked.text()).unwrap();
    assert_eq!(report["damaged"], true);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report:#}");
    for field in ["shard", "segment", "offset"] {
        assert!(!findings[0][field].is_null(), "{report:#}");
    }

    // What stands before and after the damage is served, the damaged entry is not.
    world.server.restart();
    let peer = world.peer().await;
    let mut reader = peer.open(subscribe("s", 0, Some(From::TrimHorizon(true)))).await;
    let mut next = 0;
    loop {
        match reader.next().await {
            Answer::Item(Item::Entry(entry)) => {
                let stamp = entry.header.stamp.unwrap();
                assert_eq!(stamp.position.get(), next);
                assert!(next < 7, "an entry after the damage came without a word on the damage");
                next += 1;
            }
            Answer::Item(Item::Frame(Frame::Failure(failure))) => {
                assert_eq!(failure.kind, u32::from(ErrorKind::DataLoss.code()), "{failure:?}");
                break;
            }
            Answer::Item(Item::Frame(_)) => {}
            other => panic!("expected entries and a failure, got {other:?}"),
        }
    }
    assert_eq!(next, 7);
    let mut reader = peer.open(subscribe("s", 0, Some(From::Position(8)))).await;
    let after = loop {
        match reader.next().await {
            Answer::Item(Item::Entry(entry)) => break entry.header.stamp.unwrap().position.get(),
            Answer::Item(Item::Frame(Frame::Failure(failure))) => panic!("{failure:?}"),
            Answer::Item(Item::Frame(_)) => {}
            other => panic!("expected an entry, got {other:?}"),
        }
    };
    assert_eq!(after, 8);
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    exchange.bytes(peer::batch(&[("key", b"goes on")], None)).await;
    assert_eq!(acks(&mut exchange).await.acks[0].position, 100);
    assert_serves(&world).await;
}
