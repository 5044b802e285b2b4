//! Opening what a crash, a bad disk or an operator left behind.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afflux_log::{Durability, ReadError, Repair, Severity, Volume, check};
use afflux_types::{Error, ErrorKind, Position, ServerTime};

use crate::support::{KEY, append, clock, entry, open, read_all, shard, small};

const POINTS: &str = "recovery-points";
const HEADER: u64 = 128;
/// Header and body of the entries that these tests append.
const ENTRY: u64 = 1_000;

fn segment(dir: &Path, ordinal: u64) -> PathBuf {
    dir.join(format!(
        "logs/0000000000000001/00000000/{ordinal:016x}.segment"
    ))
}

fn index(dir: &Path, ordinal: u64) -> PathBuf {
    segment(dir, ordinal).with_extension("index")
}

/// Appends `count` entries of [`ENTRY`] bytes, each durable before the next if `one_by_one`.
fn fill(dir: &Path, count: u64, one_by_one: bool) {
    let volume = open(dir);
    let (log, ear) = shard(&volume, KEY);
    for i in 0..count {
        let (header, body) = entry(1, 928, i);
        let appended = append(&log, &ear, header, body);
        if one_by_one {
            ear.wait_durable(appended.serial);
        }
    }
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

/// Takes away what a volume that is killed right after its last commit has not written.
fn kill(dir: &Path) {
    fs::remove_file(dir.join(POINTS)).unwrap();
}

fn refusal(dir: &Path) -> Error {
    let volume = open(dir);
    volume
        .shard(KEY, Durability::Fsync, Arc::new(()))
        .unwrap_err()
}

#[test]
fn positions_and_times_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for restart in 0..5_u64 {
        let volume = open(dir.path());
        let (log, ear) = shard(&volume, KEY);
        assert_eq!(log.watermarks().durable.get(), restart * 60);
        for i in 0..60 {
            let (header, body) = entry(1, 928, i);
            let appended = append(&log, &ear, header, body);
            assert_eq!(appended.position.get(), restart * 60 + i);
            assert!(appended.arrival >= ServerTime::from_millis(1_000_000));
        }
    }
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(read_all(&log, Position::ZERO, 10_000).len(), 300);
    let segments = log.segments();
    assert!(segments.iter().rev().skip(1).all(|segment| segment.sealed));
    assert!(segments.windows(2).all(|pair| pair[0].end == pair[1].first));
    let arrival = log.read(Position::new(299), 1).unwrap();
    drop(arrival);
}

#[test]
fn arrival_goes_on_after_a_restart_with_an_earlier_clock() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 3, true);
    let earlier = afflux_types::Clock::manual(ServerTime::from_millis(5));
    let volume = Volume::open(dir.path(), small(), earlier).unwrap();
    let (log, ear) = shard(&volume, KEY);
    let (header, body) = entry(1, 10, 0);
    let appended = append(&log, &ear, header, body);
    assert_eq!(appended.arrival, ServerTime::from_millis(1_000_000));
}

#[test]
fn a_torn_tail_is_cut_and_overwritten() {
    for (name, offset) in [("header", 10), ("checksum", 68), ("body", 500)] {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 5, true);
        kill(dir.path());
        flip(&segment(dir.path(), 0), HEADER + 4 * ENTRY + offset);
        let report = check(dir.path(), Repair::No).unwrap();
        assert_eq!(report.findings.len(), 1, "{name}: {report:?}");
        assert_eq!(report.findings[0].severity, Severity::Repairable);
        assert_eq!(report.findings[0].offset, Some(HEADER + 4 * ENTRY));
        let volume = open(dir.path());
        let (log, ear) = shard(&volume, KEY);
        assert_eq!(log.watermarks().durable, Position::new(4), "{name}");
        let (header, body) = entry(1, 20, 7);
        let appended = append(&log, &ear, header, body);
        ear.wait_durable(1);
        assert_eq!(appended.position, Position::new(4));
        drop((log, volume));
        let volume = open(dir.path());
        let (log, _ear) = shard(&volume, KEY);
        assert_eq!(read_all(&log, Position::ZERO, 1 << 20).len(), 5, "{name}");
    }
}

#[test]
fn damage_below_the_durable_mark_is_reported_not_cut() {
    for (name, offset) in [("header", 10), ("body", 500)] {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 5, true);
        let path = segment(dir.path(), 0);
        flip(&path, HEADER + 2 * ENTRY + offset);
        let before = fs::read(&path).unwrap();
        let error = refusal(dir.path());
        assert_eq!(error.kind(), ErrorKind::DataLoss, "{name}");
        let message = error.message();
        assert!(
            message.contains("shard 00000000 segment 0000000000000000 offset 2128"),
            "{message}"
        );
        let report = check(dir.path(), Repair::Yes).unwrap();
        assert!(report.has_damage());
        assert_eq!(report.findings[0].offset, Some(2_128));
        assert!(!report.findings[0].repaired);
        assert_eq!(
            fs::read(&path).unwrap(),
            before,
            "{name}: nothing was changed"
        );
    }
}

#[test]
fn damage_to_the_last_entry_is_no_torn_tail() {
    let last = HEADER + 4 * ENTRY;
    type Harm = fn(&Path, u64);
    let harms: [(&str, u64, Harm); 4] = [
        ("header", last, |path, last| flip(path, last + 10)),
        ("body", last, |path, last| flip(path, last + 500)),
        ("zeros", last, |path, last| {
            overwrite(path, last, &[0; ENTRY as usize]);
        }),
        ("activation", 0, |path, _| flip(path, 70)),
    ];
    for (name, offset, harm) in harms {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 5, true);
        let path = segment(dir.path(), 0);
        harm(&path, last);
        let before = fs::read(&path).unwrap();
        let report = check(dir.path(), Repair::Yes).unwrap();
        assert!(report.has_damage(), "{name}");
        assert_eq!(report.findings.len(), 1, "{name}: {report:?}");
        assert_eq!(report.findings[0].offset, Some(offset), "{name}");
        let error = refusal(dir.path());
        assert_eq!(error.kind(), ErrorKind::DataLoss, "{name}");
        let named = format!("segment 0000000000000000 offset {offset}");
        assert!(error.message().contains(&named), "{name}: {error}");
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
    }
}

#[test]
fn a_last_segment_or_log_that_is_gone_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 200, true);
    let is_there = |ordinal: &u64| segment(dir.path(), *ordinal).exists();
    let count = (0..).take_while(is_there).count() as u64;
    assert!(count > 2);
    for ordinal in 1..count {
        fs::remove_file(segment(dir.path(), ordinal)).unwrap();
    }
    let error = refusal(dir.path());
    assert_eq!(error.kind(), ErrorKind::DataLoss);
    assert!(check(dir.path(), Repair::No).unwrap().has_damage());
    fs::remove_dir_all(dir.path().join("logs/0000000000000001")).unwrap();
    let error = refusal(dir.path());
    assert_eq!(error.kind(), ErrorKind::DataLoss);
    assert!(check(dir.path(), Repair::No).unwrap().has_damage());
}

#[test]
fn recovery_points_are_stored_while_entries_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let volume = Volume::open(dir.path(), small(), clock.clone()).unwrap();
    let (log, ear) = shard(&volume, KEY);
    let (header, body) = entry(1, 928, 0);
    append(&log, &ear, header, body);
    ear.wait_durable(1);
    clock.advance(Duration::from_secs(2));
    while !dir.path().join(POINTS).exists() {
        std::thread::yield_now();
    }
    // The process is killed here, and then the disk loses a byte of the entry.
    let copy = tempfile::tempdir().unwrap();
    let to = segment(copy.path(), 0);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(segment(dir.path(), 0), &to).unwrap();
    fs::copy(dir.path().join(POINTS), copy.path().join(POINTS)).unwrap();
    flip(&to, HEADER + 500);
    assert_eq!(refusal(copy.path()).kind(), ErrorKind::DataLoss);
}

#[test]
fn damaged_recovery_points_are_reported_and_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 5, true);
    flip(&dir.path().join(POINTS), 70);
    let report = check(dir.path(), Repair::No).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(report.findings[0].severity, Severity::Repairable);
    fill(dir.path(), 1, true);
    let report = check(dir.path(), Repair::No).unwrap();
    assert_eq!((report.findings.len(), report.entries), (0, 6));
}

#[test]
fn a_removed_log_leaves_no_recovery_point() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 200, true);
    let volume = open(dir.path());
    volume.remove(KEY).unwrap();
    // As if the process were killed.
    let left = fs::read(dir.path().join(POINTS)).unwrap();
    volume.close().unwrap();
    fs::write(dir.path().join(POINTS), left).unwrap();
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(log.watermarks().durable, Position::ZERO);
}

#[test]
fn a_hole_below_the_durable_mark_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 5, true);
    let zeros = vec![0; ENTRY as usize];
    overwrite(&segment(dir.path(), 0), HEADER + ENTRY, &zeros);
    let error = refusal(dir.path());
    assert_eq!(error.kind(), ErrorKind::DataLoss);
    assert!(error.message().contains("found zeros"), "{error}");
}

#[test]
fn stale_bytes_beyond_a_cut_never_come_back() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1, true);
    // An entry with a position from before the cut proves nothing about the bytes there.
    let path = segment(dir.path(), 0);
    let image = fs::read(&path).unwrap();
    let first = image[HEADER as usize..(HEADER + ENTRY) as usize].to_vec();
    overwrite(&path, HEADER + 3 * ENTRY, &first);
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(log.watermarks().durable, Position::new(1));
    let after = fs::read(&path).unwrap();
    assert!(
        after[(HEADER + ENTRY) as usize..]
            .iter()
            .all(|&byte| byte == 0)
    );
}

#[test]
fn other_shards_open_beside_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 5, true);
    flip(&segment(dir.path(), 0), HEADER + 10);
    let volume = open(dir.path());
    assert!(volume.shard(KEY, Durability::Fsync, Arc::new(())).is_err());
    let other = afflux_log::LogKey {
        stream: 1,
        shard: 1,
    };
    let (log, ear) = shard(&volume, other);
    let (header, body) = entry(1, 10, 0);
    append(&log, &ear, header, body);
    ear.wait_durable(1);
}

/// Reads entries from `from` on, as many bytes at a time as there may be; how many end by `to`.
fn read_up_to(log: &afflux_log::ShardLog, from: Position, to: Position) -> usize {
    let (mut at, mut count) = (from, 0);
    while at < to {
        let slice = log.read(at, 1 << 20).unwrap();
        count += crate::support::split(&slice).len();
        at = slice.end;
    }
    assert_eq!(at, to);
    count
}

#[test]
fn corruption_in_a_sealed_segment_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 400, false);
    let place = HEADER + 20 * ENTRY + 600;
    flip(&segment(dir.path(), 1), place);
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    let first = log.segments()[1].first;
    let last = log.segments()[0].end.get() - 1;
    assert!(log.read(Position::new(last), 1).is_ok());
    let before = read_up_to(&log, first, Position::new(first.get() + 20));
    assert_eq!(before, 20, "entries before the damaged one are whole");
    for from in [20, 21].map(|i| Position::new(first.get() + i)) {
        let Err(ReadError::Corrupt(error)) = log.read(from, 100_000) else {
            panic!("damaged bytes were served from {from}");
        };
        assert_eq!(error.kind(), ErrorKind::DataLoss);
        let named = format!("segment 0000000000000001 offset {}", HEADER + 20 * ENTRY);
        assert!(error.message().contains(&named), "{error}");
    }
    // Another block of the same segment, and other segments, are whole.
    let third = log.segments()[2].first;
    assert!(
        !log.read(Position::new(third.get() - 1), 1)
            .unwrap()
            .is_empty()
    );
    assert!(!log.read(third, 1_000).unwrap().is_empty());
}

#[test]
fn an_index_that_is_gone_or_damaged_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 400, false);
    fs::remove_file(index(dir.path(), 0)).unwrap();
    flip(&index(dir.path(), 1), 140);
    overwrite(&index(dir.path(), 2), 0, &[0; 64]);
    let report = check(dir.path(), Repair::No).unwrap();
    assert_eq!(report.findings.len(), 3, "{:#?}", report.findings);
    assert!(!report.has_damage());
    {
        let volume = open(dir.path());
        let (log, _ear) = shard(&volume, KEY);
        assert_eq!(read_all(&log, Position::ZERO, 10_000).len(), 400);
    }
    assert!(check(dir.path(), Repair::No).unwrap().findings.is_empty());
}

#[test]
fn a_check_repairs_indexes_and_tails() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 400, false);
    fs::remove_file(index(dir.path(), 0)).unwrap();
    let is_active =
        |i: &u64| fs::read(segment(dir.path(), *i)).is_ok_and(|bytes| bytes[64..68] == *b"AFXA");
    let last = (0..).take_while(is_active).count() as u64 - 1;
    let report = check(dir.path(), Repair::No).unwrap();
    assert_eq!((report.shards, report.entries), (1, 400));
    let path = segment(dir.path(), last);
    let bytes = fs::read(&path).unwrap();
    let end = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(HEADER, |at| at as u64 + 1);
    overwrite(&path, end + 30, b"torn");
    let report = check(dir.path(), Repair::Yes).unwrap();
    assert_eq!(report.findings.len(), 2, "{:#?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.repaired));
    let report = check(dir.path(), Repair::No).unwrap();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!(report.entries, 400);
}

#[test]
fn a_missing_segment_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 400, false);
    fs::remove_file(segment(dir.path(), 1)).unwrap();
    let error = refusal(dir.path());
    assert_eq!(error.kind(), ErrorKind::DataLoss);
    assert!(error.message().contains("0000000000000001"), "{error}");
}

#[test]
fn a_segment_of_another_shard_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 5, true);
    let other = dir.path().join("logs/0000000000000001/00000007");
    fs::create_dir_all(&other).unwrap();
    fs::copy(
        segment(dir.path(), 0),
        other.join("0000000000000000.segment"),
    )
    .unwrap();
    let volume = open(dir.path());
    let key = afflux_log::LogKey {
        stream: 1,
        shard: 7,
    };
    let error = volume
        .shard(key, Durability::Fsync, Arc::new(()))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss);
}

#[test]
fn retention_by_bytes_keeps_the_newest_segments() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1_000, false);
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    let segments = log.segments();
    let slice = log.read(Position::ZERO, 1 << 20).unwrap();
    let horizon = log.retain(None, Some(400_000)).unwrap();
    let left = log.segments();
    assert!(left.len() < segments.len() && left.len() > 2);
    assert_eq!(horizon, left[0].first);
    assert_eq!(log.watermarks().trim_horizon, horizon);
    assert!(left.iter().map(|segment| segment.reserved).sum::<u64>() <= 400_000);
    assert!(!segment(dir.path(), 0).exists() && !index(dir.path(), 0).exists());
    assert!(matches!(
        log.read(Position::ZERO, 1),
        Err(ReadError::Trimmed { horizon: h }) if h == horizon
    ));
    assert_eq!(
        read_all(&log, horizon, 1).len() as u64,
        1_000 - horizon.get()
    );
    let (_, body) = entry(1, 928, 0);
    assert_eq!(
        crate::support::split(&slice)[0].1,
        body.concat(),
        "held slices stay"
    );
    assert!(volume.stats().pinned_bytes > 0);
    drop(slice);
    assert_eq!(volume.stats().pinned_bytes, 0);
    drop((log, volume));
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(log.watermarks().trim_horizon, horizon);
    assert_eq!(log.watermarks().durable, Position::new(1_000));
}

#[test]
fn trimming_deletes_the_segments_below_a_position_and_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1_000, false);
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let segments = log.segments();
    let (second, third) = (segments[1].first, segments[2].first);
    let one_before = |position: Position| Position::new(position.get() - 1);
    assert_eq!(log.trim(one_before(second)).unwrap(), Position::ZERO);
    assert_eq!(log.trim(second).unwrap(), second);
    assert_eq!(log.trim(one_before(third)).unwrap(), second);
    assert!(!segment(dir.path(), 0).exists() && !index(dir.path(), 0).exists());
    assert!(matches!(
        log.read(one_before(second), 1),
        Err(ReadError::Trimmed { horizon }) if horizon == second
    ));
    for earlier in [Position::ZERO, second] {
        assert_eq!(log.trim(earlier).unwrap(), second);
    }
    assert_eq!(log.segments(), segments[1..]);
    // Beyond the end: the active segment stays all the same.
    let last = segments[segments.len() - 1];
    assert_eq!(log.trim(Position::new(u64::MAX)).unwrap(), last.first);
    assert_eq!(log.segments(), [last]);
    let (header, body) = entry(1, 928, 0);
    let appended = append(&log, &ear, header, body);
    assert_eq!(appended.position, Position::new(1_000));
    ear.wait_durable(appended.serial);
    let kept = read_all(&log, last.first, 1 << 20).len();
    assert_eq!(kept as u64, 1_001 - last.first.get());
    drop((log, volume));
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(log.watermarks().trim_horizon, last.first);
}

#[test]
fn retention_by_age_deletes_whole_segments_that_are_older() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let volume = Volume::open(dir.path(), small(), clock.clone()).unwrap();
    let (log, ear) = shard(&volume, KEY);
    for i in 0..500 {
        clock.advance(Duration::from_millis(10));
        let (header, body) = entry(1, 928, i);
        append(&log, &ear, header, body);
    }
    volume.close().unwrap();
    drop((log, volume));
    let volume = Volume::open(dir.path(), small(), clock).unwrap();
    let (log, _ear) = shard(&volume, KEY);
    let cut = ServerTime::from_millis(1_000_000 + 2_000);
    let horizon = log.retain(Some(cut), None).unwrap();
    assert!(horizon > Position::ZERO);
    let wanted = log.position_at(cut).unwrap();
    assert!(
        horizon <= wanted,
        "{horizon} {wanted}: nothing younger went"
    );
    let first = log.segments()[0];
    assert!(
        first.arrival.unwrap().1 >= cut,
        "nothing older stays: {first:?}"
    );
    let all = log
        .retain(Some(ServerTime::from_millis(i64::MAX)), None)
        .unwrap();
    assert_eq!(log.segments().len(), 1, "the active segment stays");
    assert_eq!(all, log.segments()[0].first);
}

#[test]
fn retention_by_age_empties_an_idle_shard() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    for i in 0..10 {
        let (header, body) = entry(1, 928, i);
        append(&log, &ear, header, body);
    }
    ear.wait_durable(10);
    let later = ServerTime::from_millis(2_000_000);
    // The segment is replaced, sealed and deleted by threads of the volume, one call after the other.
    while log.retain(Some(later), None).unwrap() < Position::new(10) {
        std::thread::yield_now();
    }
    assert_eq!(log.segments().len(), 1);
    assert_eq!(log.position_at(later).unwrap(), Position::new(10));
    drop((log, volume));
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let marks = log.watermarks();
    assert_eq!(marks.trim_horizon, Position::new(10));
    assert_eq!(marks.durable, Position::new(10));
    let (header, body) = entry(1, 928, 0);
    assert_eq!(append(&log, &ear, header, body).position, Position::new(10));
    ear.wait_durable(1);
    assert_eq!(read_all(&log, Position::new(10), 1).len(), 1);
}
