//! Files of every released format version open.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_entry::{BatchBuilder, Header, Kind, Producer};
use afflux_log::{Durability, Repair, Volume, VolumeOptions, check};
use afflux_types::{Clock, Position, ProducerTime, ServerTime};

use crate::support::{Ear, KEY, append, read_all, shard, small};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/segments/v1")
}

/// The body, the producer and the time of entry `i`: one init and then batches.
fn golden_entry(i: u64) -> (Header, Vec<bytes::Bytes>) {
    let mut builder = BatchBuilder::default();
    let records = u32::try_from(i % 3 + 1).unwrap();
    for record in 0..records {
        let key = format!("key-{i}-{record}");
        let data = format!("entry {i} record {record} ").repeat(60);
        builder.push(key.as_bytes(), None, data.as_bytes());
    }
    let (body, count) = builder.take();
    let body = vec![body];
    let producer = i.is_multiple_of(2).then_some(Producer {
        id: 77,
        sequence: i / 2 + 1,
    });
    let time = (!i.is_multiple_of(5))
        .then(|| ProducerTime::from_millis(1_000 + i64::try_from(i).unwrap()));
    let (kind, count) = if i == 0 {
        (Kind::Init, 0)
    } else {
        (Kind::Batch, count)
    };
    (Header::for_body(kind, count, producer, time, &body), body)
}

const ENTRIES: u64 = 30;
const POINTS: &str = "recovery-points";

/// Copies the fixture, which a test may not change, padded to the segments' full length.
fn copy(to: &Path) {
    let shard = to.join("logs/0000000000000001/00000000");
    fs::create_dir_all(&shard).unwrap();
    for entry in fs::read_dir(fixture()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut bytes = fs::read(&path).unwrap();
        if name.ends_with(".segment") {
            let capacity = u64::from_le_bytes(bytes[40..48].try_into().unwrap());
            bytes.resize(usize::try_from(capacity).unwrap(), 0);
        }
        match name.as_str() {
            "README.md" => continue,
            POINTS => fs::write(to.join(name), bytes).unwrap(),
            _ => fs::write(shard.join(name), bytes).unwrap(),
        }
    }
}

#[test]
fn version_one_opens_and_reads() {
    if std::env::var_os("AFFLUX_WRITE_FIXTURES").is_some() {
        write_fixture();
    }
    let dir = tempfile::tempdir().unwrap();
    copy(dir.path());
    let report = check(dir.path(), Repair::No).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.segments, report.entries), (2, ENTRIES));
    let volume = Volume::open(dir.path(), small(), Clock::system()).unwrap();
    let (log, _ear) = shard(&volume, KEY);
    let read = read_all(&log, Position::ZERO, 10_000);
    assert_eq!(read.len() as u64, ENTRIES);
    for (i, (header, body)) in read.iter().enumerate() {
        let (expected, expected_body) = golden_entry(i as u64);
        let stamp = header.stamp.unwrap();
        let mut unstamped = header.clone();
        unstamped.stamp = None;
        assert_eq!(unstamped, expected);
        assert_eq!(*body, expected_body.concat());
        assert_eq!(
            stamp.arrival,
            ServerTime::from_millis(1_700_000_000_000 + i as i64)
        );
    }
    let segments = log.segments();
    assert_eq!(segments.len(), 2);
    assert!(segments[0].sealed && !segments[1].sealed);
}

/// Writes the fixture anew: only when the format changes, into a folder of its own version.
fn write_fixture() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(ServerTime::from_millis(1_700_000_000_000));
    let options = VolumeOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 64 << 10,
        ..VolumeOptions::default()
    };
    let volume = Volume::open(dir.path(), options, clock.clone()).unwrap();
    let ear = Arc::new(Ear::default());
    let observer = Arc::clone(&ear) as Arc<dyn afflux_log::Observer>;
    let log = volume.shard(KEY, Durability::Fsync, observer).unwrap();
    for i in 0..ENTRIES {
        let (header, body) = golden_entry(i);
        let appended = append(&log, &ear, header, body);
        ear.wait_durable(appended.serial);
        clock.advance(std::time::Duration::from_millis(1));
    }
    volume.close().unwrap();
    fs::create_dir_all(fixture()).unwrap();
    fs::copy(dir.path().join(POINTS), fixture().join(POINTS)).unwrap();
    for segment in log.segments() {
        let name = format!("{:016x}", segment.ordinal);
        let from = dir
            .path()
            .join("logs/0000000000000001/00000000")
            .join(&name);
        let bytes = fs::read(from.with_extension("segment")).unwrap();
        let len = usize::try_from(segment.bytes).unwrap();
        fs::write(
            fixture().join(&name).with_extension("segment"),
            &bytes[..len],
        )
        .unwrap();
        if segment.sealed {
            let index = fs::read(from.with_extension("index")).unwrap();
            fs::write(fixture().join(&name).with_extension("index"), index).unwrap();
        }
    }
}
