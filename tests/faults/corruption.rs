//! A byte that changed on the disk: it is reported, and never served.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use afflux_testkit::command::Afflux;
use afflux_testkit::peer::{self, Answer, Peer};
use afflux_types::ErrorKind;
use afflux_wire::message::{From, Grant};
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
        let found = bytes
            .windows(needle.len())
            .position(|window| window == needle.as_bytes());
        if let Some(at) = found {
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(b"N").unwrap();
            return;
        }
    }
    panic!("{needle} is in no segment");
}

/// Reads to the end or to a failure; returns the next position and the failure.
async fn read(peer: &Peer, from: From) -> (u64, Option<ErrorKind>) {
    let mut reader = peer.open(subscribe("s", 0, Some(from))).await;
    let mut next = None;
    loop {
        match reader.next().await {
            Answer::Item(Item::Entry(entry)) if entry.header.record_count > 0 => {
                let position = entry.header.stamp.unwrap().position.get();
                assert_eq!(*next.get_or_insert(position), position);
                next = Some(position + u64::from(entry.header.record_count));
                let bytes = entry.entry_len() as u64;
                reader.say(&Frame::Grant(Grant { bytes })).await;
            }
            Answer::Item(Item::Frame(Frame::Failure(failure))) => {
                let kind = ErrorKind::from_code(failure.kind.try_into().unwrap());
                return (next.unwrap_or(0), Some(kind));
            }
            // Everything was read.
            Answer::Item(Item::Frame(Frame::Progress(_))) => return (next.unwrap_or(0), None),
            Answer::Item(_) => {}
            other => panic!("expected entries, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_in_a_sealed_segment_is_reported_and_never_served() {
    let mut world =
        World::with_config("[storage]\nsegment_bytes_min = 65536\nsegment_bytes_max = 1048576\n");
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    for n in 0..100 {
        let data = format!("{MARK}{n:03}-{}", "x".repeat(20_000));
        exchange
            .bytes(peer::batch(&[("key", data.as_bytes())], None))
            .await;
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

    // Entries before the damage are served, and after it not a byte without a word about it.
    world.server.restart();
    let peer = world.peer().await;
    let (next, end) = read(&peer, From::TrimHorizon(true)).await;
    assert!((1..=7).contains(&next), "reading went on to {next}");
    assert_eq!(end, Some(ErrorKind::DataLoss));
    let (_, end) = read(&peer, From::Position(7)).await;
    assert_eq!(end, Some(ErrorKind::DataLoss));
    // Other segments are whole.
    assert_eq!(read(&peer, From::Position(60)).await, (100, None));
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    exchange
        .bytes(peer::batch(&[("key", b"goes on")], None))
        .await;
    assert_eq!(acks(&mut exchange).await.acks[0].position, 100);
    assert_serves(&world).await;
}
