use std::path::PathBuf;
use std::time::Duration;

use afflux_types::ServerTime;

use super::*;
use crate::fs::sim::SimFs;
use crate::settings::Compression;
use crate::verify::verify_in;
use crate::write::Moment;
use crate::write::script::{ROOT, Script, lane, run, stream};

fn scripts() -> Vec<Script> {
    let start = 1_795_255_200_000;
    let mut script = Script::new(0);
    for hour in 0..4 {
        script = script.batch(start + hour * 3_600_000, &[b"one", b"two"]);
    }
    vec![script]
}

/// A complete archive of four files.
fn archive() -> SimFs {
    let fs = SimFs::new(Path::new(ROOT));
    let mut lane = lane(Arc::new(fs.clone()), Compression::None, 1);
    let script = &scripts()[0];
    lane.open(script.shard, Position::ZERO).unwrap();
    for slice in script.slices(Position::ZERO) {
        let now = Moment {
            elapsed: Duration::ZERO,
            wall: ServerTime::from_millis(0),
        };
        lane.write(script.shard, &slice, now).unwrap();
    }
    lane.seal(script.shard).unwrap();
    fs
}

fn paths() -> ShardPaths {
    ShardPaths::new(Path::new(ROOT), &stream(), ShardId::new(0))
}

fn manifest(fs: &SimFs) -> Vec<u8> {
    fs.dump()[&paths().manifest()].clone()
}

fn open(fs: &SimFs) -> Result<()> {
    let mut lane = lane(Arc::new(fs.clone()), Compression::None, 1);
    lane.open(ShardId::new(0), Position::ZERO).map(drop)
}

#[test]
fn a_torn_tail_is_cut_and_the_archive_goes_on() {
    for intent in [true, false] {
        let fs = archive();
        let mut bytes = manifest(&fs);
        bytes.extend_from_slice(b"{\"file\":{\"path\":\"20");
        fs.put(&paths().manifest(), &bytes);
        if !intent {
            fs.put(&paths().intent(), b"");
        }
        run(
            &mut lane(Arc::new(fs.clone()), Compression::None, 1),
            &scripts(),
        )
        .unwrap();
        let summary = verify_in(&fs, Path::new(ROOT)).unwrap();
        assert_eq!((summary.totals().files, summary.totals().records), (4, 8));
        assert!(summary.shards[0].closed);
    }
}

#[test]
fn a_damaged_line_is_named_with_its_place() {
    let fs = archive();
    let bytes = manifest(&fs);
    let ends: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    assert_eq!(ends.len(), 5, "a start and four files");
    for (line, start) in [0].iter().chain(&ends[..4]).enumerate() {
        let mut damaged = bytes.clone();
        damaged[start + 20] ^= 0x01;
        let fs = archive();
        fs.put(&paths().manifest(), &damaged);
        let error = verify_in(&fs, Path::new(ROOT)).unwrap_err().to_string();
        let place = format!(
            "{}/manifest.jsonl is damaged at byte {start}: ",
            paths().shard().display()
        );
        assert!(error.contains(&place), "line {line}: {error}");
    }
}

#[test]
fn a_missing_line_is_noticed() {
    let fs = archive();
    let bytes = manifest(&fs);
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    lines.remove(2);
    fs.put(&paths().manifest(), &lines.concat());
    let error = verify_in(&fs, Path::new(ROOT)).unwrap_err().to_string();
    assert!(
        error.contains("begins at position 4, the one before ends at 2"),
        "{error}"
    );
}

#[test]
fn a_damaged_last_line_is_written_again_from_the_intent_and_refused_without_it() {
    let fs = archive();
    let whole = manifest(&fs);
    let mut damaged = whole.clone();
    let last = whole.len() - 30;
    damaged[last] ^= 0x01;
    fs.put(&paths().manifest(), &damaged);
    open(&fs).unwrap();
    assert_eq!(manifest(&fs), whole);

    fs.put(&paths().manifest(), &damaged);
    fs.put(&paths().intent(), b"");
    let error = open(&fs).unwrap_err();
    assert!(matches!(error, Fault::Manifest { .. }), "{error}");
}

#[test]
fn the_archive_of_another_stream_is_refused() {
    let fs = archive();
    let identity = Identity {
        stream: stream(),
        stream_identity: "8 of 2027-01-01T00:00:00.000Z".into(),
        shard: ShardId::new(0),
    };
    let error = Journal::open(Arc::new(fs), paths(), &identity, Position::ZERO).unwrap_err();
    assert!(matches!(error, Fault::OtherStream { .. }), "{error}");
}

#[test]
fn a_file_in_the_way_is_never_overwritten() {
    let fs = archive();
    let first: PathBuf = fs
        .dump()
        .into_keys()
        .find(|path| path.extension() == Some("jsonl".as_ref()) && path != &paths().manifest())
        .unwrap();
    // As if the manifest had been deleted and the files left.
    fs.put(&paths().manifest(), b"");
    fs.put(&paths().intent(), b"");
    let before = fs.dump()[&first].clone();
    let mut lane = lane(Arc::new(fs.clone()), Compression::None, 1);
    let error = run(&mut lane, &scripts()).unwrap_err();
    assert!(matches!(error, Fault::InTheWay { .. }), "{error}");
    assert_eq!(fs.dump()[&first], before);
}

#[test]
fn damage_to_a_file_is_noticed() {
    let fs = archive();
    let files: Vec<PathBuf> = fs
        .dump()
        .into_keys()
        .filter(|path| path.to_str().unwrap().contains("/2026/"))
        .collect();
    assert_eq!(files.len(), 4);
    for path in &files {
        let mut bytes = fs.dump()[path].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x01;
        let fs = archive();
        fs.put(path, &bytes);
        let error = verify_in(&fs, Path::new(ROOT)).unwrap_err();
        assert!(matches!(error, Fault::File { .. }), "{error}");
    }
    fs.remove(&files[1]).unwrap();
    assert!(matches!(
        verify_in(&fs, Path::new(ROOT)),
        Err(Fault::Io { .. })
    ));
}

#[test]
fn a_file_that_no_line_lists_is_reported() {
    let fs = archive();
    let stray = paths().shard().join("2026/11/21/10/stray.jsonl");
    fs.put(&stray, b"{}\n");
    let summary = verify_in(&fs, Path::new(ROOT)).unwrap();
    assert_eq!(summary.shards[0].unlisted, [stray]);
}
