//! Disks that fail: nothing is acknowledged that is not safe, and nothing hangs.

use std::path::Path;
use std::sync::Arc;

use afflux_log::{AppendError, LogKey, Repair, Volume, check};
use afflux_types::{ErrorKind, Position};

use crate::disk::{Call, EIO, ENOSPC, Fault, SimDisk};
use crate::support::{KEY, append, clock, entry, open, read_all, shard, small, try_append};

fn open_on(disk: &SimDisk, dir: &Path) -> Volume {
    Volume::open_on(Arc::new(disk.clone()), dir, small(), clock()).unwrap()
}

fn fault(call: Call, path: &'static str, errno: i32) -> Fault {
    Fault {
        call,
        path,
        after: 0,
        times: u64::MAX,
        errno,
    }
}

fn key(shard: u32) -> LogKey {
    LogKey { stream: 1, shard }
}

#[test]
fn a_failed_sync_stops_the_shard_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    let volume = open_on(&disk, dir.path());
    let (log, ear) = shard(&volume, key(0));
    let (other, other_ear) = shard(&volume, key(1));
    let (header, body) = entry(1, 100, 0);
    append(&log, &ear, header, body);
    ear.wait_durable(1);
    disk.fail(Fault {
        times: 1,
        ..fault(Call::Sync, "00000000/0000000000000000.segment", EIO)
    });
    let (header, body) = entry(1, 100, 1);
    append(&log, &ear, header, body);
    let error = ear.wait_stopped();
    assert!(
        error.contains("sync") && error.contains(".segment"),
        "{error}"
    );
    let (header, body) = entry(1, 100, 2);
    assert!(matches!(
        log.append(header, body),
        Err(AppendError::Stopped(_))
    ));
    assert_eq!(log.watermarks().durable, Position::new(1));
    assert_eq!(read_all(&log, Position::ZERO, 1 << 20).len(), 1);
    let (header, body) = entry(1, 100, 3);
    append(&other, &other_ear, header, body);
    other_ear.wait_durable(1);
    assert_eq!(volume.stats().stopped_shards, 1);
}

#[test]
fn a_failed_write_stops_the_shard() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    let volume = open_on(&disk, dir.path());
    let (log, ear) = shard(&volume, KEY);
    disk.fail(fault(Call::Write, ".segment", EIO));
    let (header, body) = entry(1, 100, 0);
    append(&log, &ear, header, body);
    assert!(ear.wait_stopped().contains("write"));
    assert_eq!(log.watermarks().durable, Position::ZERO);
}

#[test]
fn a_failed_journal_stops_every_shard() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    let volume = open_on(&disk, dir.path());
    let shards: Vec<_> = (0..32).map(|i| shard(&volume, key(i))).collect();
    let mut sent = 0;
    // The journal is made when it is first wanted; rounds before that do without.
    while volume.stats().journal_rounds == 0 {
        sent += 1;
        for (log, ear) in &shards {
            let (header, body) = entry(1, 100, 0);
            append(log, ear, header, body);
        }
        shards.iter().for_each(|(_, ear)| ear.wait_durable(sent));
    }
    disk.fail(fault(Call::Sync, ".journal", EIO));
    disk.fail(fault(Call::Write, ".journal", EIO));
    'rounds: loop {
        for (log, _) in &shards {
            let (header, body) = entry(1, 100, 0);
            if log.append(header, body).is_err() {
                break 'rounds;
            }
        }
    }
    for (log, ear) in &shards {
        ear.wait_stopped();
        let durable = log.watermarks().durable;
        let read = read_all(log, Position::ZERO, 1 << 20).len() as u64;
        assert_eq!(durable.get(), read);
    }
    let again = volume.shard(key(99), afflux_log::Durability::Fsync, Arc::new(()));
    assert!(again.is_err());
}

#[test]
fn a_full_disk_refuses_appends_and_lets_them_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    let clock = clock();
    let fs = Arc::new(disk.clone());
    let volume = Volume::open_on(fs, dir.path(), small(), clock).unwrap();
    let (log, ear) = shard(&volume, KEY);
    disk.fail(fault(Call::Reserve, ".segment", ENOSPC));
    let mut accepted = 0_u64;
    let refused = loop {
        let (header, body) = entry(1, 5_000, accepted);
        match try_append(&log, &ear, header, body) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    let AppendError::Full(error) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("No space left"), "{error}");
    ear.wait_durable(accepted);
    assert_eq!(log.watermarks().appended, Position::new(accepted));
    assert_eq!(
        read_all(&log, Position::ZERO, 1 << 20).len() as u64,
        accepted
    );

    let ready = ear.wait(|heard| Some(heard.ready));
    disk.heal();
    // The preparer tries again by itself.
    ear.wait(|heard| (heard.ready > ready).then_some(()));
    let (header, body) = entry(1, 5_000, accepted);
    append(&log, &ear, header, body);
    ear.wait_durable(accepted + 1);
}

#[test]
fn an_index_that_a_full_disk_refused_is_stored_when_the_log_closes() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    let volume = open_on(&disk, dir.path());
    let (log, ear) = shard(&volume, KEY);
    disk.fail(Fault {
        times: 1,
        ..fault(Call::Open, ".index", ENOSPC)
    });
    let mut serial = 0;
    while log.segments().len() < 4 {
        let (header, body) = entry(1, 1_000, serial);
        append(&log, &ear, header, body);
        serial += 1;
        ear.wait_durable(serial);
    }
    drop(log);
    volume.close().unwrap();
    let report = check(dir.path(), Repair::No).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.segments >= 4);
}

#[test]
fn a_full_disk_refuses_a_new_shard() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    let volume = open_on(&disk, dir.path());
    disk.fail(fault(Call::Reserve, ".segment", ENOSPC));
    let refused = volume.shard(KEY, afflux_log::Durability::Fsync, Arc::new(()));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    disk.heal();
    let (log, ear) = shard(&volume, KEY);
    let (header, body) = entry(1, 10, 0);
    append(&log, &ear, header, body);
    ear.wait_durable(1);
}

#[test]
fn a_journal_that_finds_no_room_is_done_without() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    disk.fail(fault(Call::Reserve, ".journal", ENOSPC));
    let volume = open_on(&disk, dir.path());
    let shards: Vec<_> = (0..32).map(|i| shard(&volume, key(i))).collect();
    for sent in 1..20 {
        for (log, ear) in &shards {
            let (header, body) = entry(1, 100, 0);
            append(log, ear, header, body);
        }
        shards.iter().for_each(|(_, ear)| ear.wait_durable(sent));
    }
    assert_eq!(volume.stats().journal_rounds, 0);
}

#[test]
fn short_writes_are_continued() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    disk.write_short(7);
    {
        let volume = open_on(&disk, dir.path());
        let (log, ear) = shard(&volume, KEY);
        for i in 0..50 {
            let (header, body) = entry(1, 3_000, i);
            append(&log, &ear, header, body);
        }
        ear.wait_durable(50);
    }
    let volume = open(dir.path());
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(read_all(&log, Position::ZERO, 1 << 20).len(), 50);
}

#[test]
fn a_read_error_at_recovery_is_reported_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    {
        let volume = open(dir.path());
        let (log, ear) = shard(&volume, KEY);
        let (header, body) = entry(1, 100, 0);
        append(&log, &ear, header, body);
        ear.wait_durable(1);
    }
    let disk = SimDisk::new();
    disk.adopt(dir.path());
    let volume = open_on(&disk, dir.path());
    disk.fail(Fault {
        times: 1,
        ..fault(Call::Read, ".segment", EIO)
    });
    let refused = volume.shard(KEY, afflux_log::Durability::Fsync, Arc::new(()));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Internal);
    let (log, _ear) = shard(&volume, KEY);
    assert_eq!(read_all(&log, Position::ZERO, 1 << 20).len(), 1);
}
