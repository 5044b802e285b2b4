//! Appending and reading in one process.

use std::sync::Arc;
use std::time::Duration;

use afflux_log::{AppendError, Durability, LogKey, Observer, ReadError, Volume, VolumeOptions};
use afflux_types::{ErrorKind, Position, ServerTime};

use crate::support::{
    Ear, KEY, append, clock, entry, open, read_all, shard, small, split, try_append,
};

#[test]
fn entries_are_read_back_as_they_were_appended() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let mut expected = Vec::new();
    for i in 0..500_u64 {
        let (header, body) = entry(1 + (i % 3) as u32, (i * 37 % 5_000) as usize, i);
        let appended = append(&log, &ear, header, body.clone());
        expected.push((appended, body.concat()));
    }
    ear.wait_durable(500);
    for bytes_max in [1, 1_000, 20_000, usize::MAX] {
        let read = read_all(&log, Position::ZERO, bytes_max);
        assert_eq!(read.len(), expected.len());
        for ((header, body), (appended, expected)) in read.iter().zip(&expected) {
            let stamp = header.stamp.unwrap();
            assert_eq!(stamp.position, appended.position);
            assert_eq!(stamp.arrival, appended.arrival);
            assert_eq!(header.end(), appended.end);
            assert_eq!(body, expected);
        }
    }
    assert!(log.segments().len() > 3, "{:?}", log.segments());
}

#[test]
fn a_slice_starts_with_the_entry_that_contains_the_position() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let mut starts = Vec::new();
    for i in 0..300_u64 {
        let (header, body) = entry(5, 700, i);
        starts.push(append(&log, &ear, header, body).position.get());
    }
    ear.wait_durable(300);
    for position in 0..1_500 {
        let slice = log.read(Position::new(position), 1).unwrap();
        assert_eq!(slice.first.get(), position / 5 * 5);
        assert_eq!(slice.end.get(), position / 5 * 5 + 5);
        assert_eq!(split(&slice).len(), 1);
    }
    assert!(log.read(Position::new(1_500), 1).unwrap().is_empty());
    assert!(matches!(
        log.read(Position::new(1_501), 1),
        Err(ReadError::Beyond { durable }) if durable.get() == 1_500
    ));
}

#[test]
fn slices_fill_the_asked_size_up_to_an_entry() {
    let dir = tempfile::tempdir().unwrap();
    let volume = Volume::open(dir.path(), VolumeOptions::default(), clock()).unwrap();
    let (log, ear) = shard(&volume, KEY);
    for i in 0..100_u64 {
        let (header, body) = entry(1, 928, i);
        append(&log, &ear, header, body);
    }
    ear.wait_durable(100);
    for (bytes_max, entries) in [
        (0, 1),
        (999, 1),
        (1_000, 1),
        (1_999, 1),
        (2_000, 2),
        (65_000, 65),
    ] {
        let slice = log.read(Position::new(7), bytes_max).unwrap();
        assert_eq!(slice.bytes.len(), entries * 1_000, "{bytes_max}");
    }
}

#[test]
fn entries_without_a_position_come_once_with_the_entry_after_them() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let mut serial = 0;
    let mut kinds = Vec::new();
    for i in 0..200_u64 {
        let count = u32::from(i % 3 == 2);
        let (header, body) = entry(count, 3_000, i);
        kinds.push(header.kind);
        serial = append(&log, &ear, header, body).serial;
    }
    ear.wait_durable(serial);
    assert!(log.segments().len() > 3);
    for bytes_max in [1, 10_000, 50_000] {
        let read: Vec<_> = read_all(&log, Position::ZERO, bytes_max)
            .into_iter()
            .map(|(header, _)| header.kind)
            .collect();
        // The last two wait for the entry that they belong to.
        assert_eq!(read, kinds[..198], "{bytes_max}");
    }
    assert!(log.read(log.watermarks().durable, 1).unwrap().is_empty());
    let (header, body) = entry(1, 10, 0);
    let last = append(&log, &ear, header, body);
    ear.wait_durable(last.serial);
    assert_eq!(split(&log.read(last.position, 1).unwrap()).len(), 3);
}

#[test]
fn durable_advances_without_positions() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let (header, body) = entry(0, 10, 0);
    let appended = append(&log, &ear, header, body);
    assert_eq!((appended.serial, appended.end), (1, Position::ZERO));
    ear.wait_durable(1);
    assert_eq!(log.watermarks().durable, Position::ZERO);
}

#[test]
fn arrival_never_decreases_when_the_clock_jumps_back() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let volume = Volume::open(dir.path(), small(), clock.clone()).unwrap();
    let (log, ear) = shard(&volume, KEY);
    let mut last = None;
    for millis in [5_000, 4_000, 6_000, 1] {
        clock.set_wall(ServerTime::from_millis(millis));
        let (header, body) = entry(1, 10, 0);
        let arrival = append(&log, &ear, header, body).arrival;
        assert!(Some(arrival) >= last);
        last = Some(arrival);
    }
    assert_eq!(last, Some(ServerTime::from_millis(6_000)));
}

#[test]
fn times_lead_to_positions_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let volume = Volume::open(dir.path(), small(), clock.clone()).unwrap();
    let (log, ear) = shard(&volume, KEY);
    for i in 0..300_u64 {
        if i % 10 == 0 {
            clock.advance(Duration::from_millis(100));
        }
        let (header, body) = entry(2, 1_500, i);
        append(&log, &ear, header, body);
    }
    ear.wait_durable(300);
    assert!(log.segments().len() > 3);
    let at = |millis| {
        let time = ServerTime::from_millis(1_000_000 + millis);
        log.position_at(time).unwrap().get()
    };
    for tenth in 0..30_i64 {
        let expected = tenth.unsigned_abs() * 20;
        assert_eq!(at(tenth * 100 + 100), expected);
        assert_eq!(at(tenth * 100 + 1), expected);
    }
    assert_eq!(at(-5_000), 0);
    assert_eq!(at(5_000), 600, "the end, if all arrived before");
}

#[test]
fn an_entry_larger_than_a_segment_gets_one_that_fits() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    let lens = [1_000_000, 10, 3_000_000, 200_000, 10];
    for (i, len) in lens.into_iter().enumerate() {
        let (header, body) = entry(1, len, i as u64);
        append(&log, &ear, header, body);
    }
    ear.wait_durable(5);
    let read: Vec<usize> = read_all(&log, Position::ZERO, 1)
        .iter()
        .map(|(_, body)| body.len())
        .collect();
    assert_eq!(read, lens);
}

#[test]
fn many_shards_commit_together_through_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let shards: Vec<_> = (0..64)
        .map(|shard_number| {
            let key = LogKey {
                stream: 9,
                shard: shard_number,
            };
            shard(&volume, key)
        })
        .collect();
    for round in 0..150_u64 {
        for (log, ear) in &shards {
            let (header, body) = entry(1, 900, round);
            append(log, ear, header, body);
        }
        if round % 10 == 0 {
            for (_, ear) in &shards {
                ear.wait_durable(round + 1);
            }
        }
    }
    for (log, ear) in &shards {
        ear.wait_durable(150);
        assert_eq!(read_all(log, Position::ZERO, 1 << 20).len(), 150);
    }
    let stats = volume.stats();
    assert!(stats.journal_rounds > 0, "{stats:?}");
    assert!(stats.checkpoints > 0, "{stats:?}");
    assert_eq!(stats.queued_bytes, 0, "{stats:?}");
    assert_eq!(stats.entries, 64 * 150);
}

#[test]
fn os_durability_publishes_without_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let ear = Arc::new(Ear::default());
    let observer = Arc::clone(&ear) as Arc<dyn Observer>;
    let log = volume.shard(KEY, Durability::Os, observer).unwrap();
    for i in 0..400_u64 {
        let (header, body) = entry(1, 1_000, i);
        append(&log, &ear, header, body);
    }
    ear.wait_durable(400);
    assert_eq!(read_all(&log, Position::ZERO, 1 << 20).len(), 400);
}

#[test]
fn a_log_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    let again = volume.shard(KEY, Durability::Fsync, Arc::new(()));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::InUse);
    drop(log);
    assert!(volume.shard(KEY, Durability::Fsync, Arc::new(())).is_ok());
    let second = Volume::open(dir.path(), small(), clock());
    assert_eq!(second.unwrap_err().kind(), ErrorKind::InUse);
}

#[test]
fn a_closed_volume_refuses_appends_and_keeps_what_was_queued() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    for i in 0..100 {
        let (header, body) = entry(1, 3_000, i);
        append(&log, &ear, header, body);
    }
    volume.close().unwrap();
    assert_eq!(log.watermarks().durable, Position::new(100));
    let (header, body) = entry(1, 10, 0);
    assert!(matches!(
        try_append(&log, &ear, header, body),
        Err(AppendError::Stopped(_))
    ));
    drop(volume);
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(read_all(&log, Position::ZERO, 1 << 20).len(), 100);
}

#[test]
fn a_header_that_does_not_fit_its_body_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    let (header, mut body) = entry(1, 100, 0);
    body.pop();
    assert!(matches!(
        log.append(header, body),
        Err(AppendError::Invalid(error)) if error.kind() == ErrorKind::Invalid
    ));
    assert_eq!(log.watermarks().appended, Position::ZERO);
}

#[test]
fn a_removed_log_starts_again_from_zero() {
    let dir = tempfile::tempdir().unwrap();
    let volume = open(dir.path());
    let (log, ear) = shard(&volume, KEY);
    for i in 0..100 {
        let (header, body) = entry(1, 3_000, i);
        append(&log, &ear, header, body);
    }
    ear.wait_durable(100);
    let kept = log.read(Position::new(3), 1).unwrap();
    volume.remove(KEY).unwrap();
    assert!(volume.stats().pinned_bytes > 0);
    split(&kept);
    drop(kept);
    drop(log);
    assert_eq!(volume.stats().pinned_bytes, 0);
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(log.watermarks().appended, Position::ZERO);
    volume.remove(KEY).unwrap();
    volume.remove(KEY).unwrap();
}
