//! Power cuts at random moments: everything that was published as durable is there afterwards, whole,
//! and nothing else pretends to be.

use std::path::Path;
use std::sync::Arc;

use afflux_log::{
    Appended, Durability, LogKey, Observer, Repair, ShardLog, Volume, Watermarks, check,
};
use afflux_types::Position;
use bytes::Bytes;

use crate::disk::{Call, EIO, Fault, Rng, SimDisk};
use crate::support::{Ear, append, clock, entry, read_all, small};

struct Written {
    log: ShardLog,
    ear: Arc<Ear>,
    /// Every entry ever appended: its end and its body.
    entries: Vec<(Position, Bytes)>,
}

impl Written {
    fn append(&mut self, count: u32, len: usize, seed: u64) -> Appended {
        let (header, body) = entry(count, len, seed);
        let appended = append(&self.log, &self.ear, header, body.clone());
        self.entries.push((appended.end, body.concat().into()));
        appended
    }

    /// Trims to some position that was appended.
    fn trim(&self, rng: &mut Rng) {
        let marks = self.log.watermarks();
        let before = Position::new(rng.below(marks.appended.get() + 1));
        let horizon = self.log.trim(before).unwrap();
        assert!(horizon >= marks.trim_horizon && horizon <= before.max(marks.trim_horizon));
    }

    /// What a power cut now must leave.
    fn promised(self) -> Promised {
        Promised {
            marks: self.log.watermarks(),
            entries: self.entries,
        }
    }
}

/// What was written to a shard before a power cut.
struct Promised {
    entries: Vec<(Position, Bytes)>,
    marks: Watermarks,
}

fn keys(shards: u32) -> Vec<LogKey> {
    (0..shards)
        .map(|shard| LogKey { stream: 3, shard })
        .collect()
}

/// Opens every shard; what is found must be a prefix of what was written that reaches at least to
/// what was durable, and begins no later than it did.
fn reopen(
    volume: &Volume,
    shards: u32,
    before: &[Promised],
    durability: Durability,
) -> Vec<Written> {
    let mut opened = Vec::new();
    for (i, key) in keys(shards).into_iter().enumerate() {
        let ear = Arc::new(Ear::default());
        let observer = Arc::clone(&ear) as Arc<dyn Observer>;
        let log = volume.shard(key, durability, observer).unwrap();
        let horizon = log.watermarks().trim_horizon;
        let found = read_all(&log, horizon, 1 << 20);
        let mut entries = Vec::new();
        if let Some(Promised {
            entries: written,
            marks,
        }) = before.get(i)
        {
            let end = log.watermarks().durable;
            let promised = durability == Durability::Fsync;
            assert!(
                !promised || (horizon <= marks.trim_horizon && end >= marks.durable),
                "{key}: found {horizon} to {end}, promised was {marks:?}"
            );
            let skip = written.partition_point(|(end, _)| *end <= horizon);
            for ((header, body), (end, expected)) in found.iter().zip(&written[skip..]) {
                assert_eq!(header.end(), *end, "{key}");
                assert_eq!(body, expected, "{key}");
            }
            assert!(found.len() <= written.len() - skip, "{key}");
            entries = written[..skip + found.len()].to_vec();
        }
        opened.push(Written { log, ear, entries });
    }
    opened
}

/// Writes, crashes, reopens, again and again, on one seed.
fn run(seed: u64, shards: u32, durability: Durability) {
    let mut rng = Rng(seed);
    let mut dir = tempfile::tempdir().unwrap();
    let mut before = Vec::new();
    for _ in 0..4 {
        let disk = SimDisk::new();
        disk.adopt(dir.path());
        let fs = Arc::new(disk.clone());
        let volume = Volume::open_on(fs, dir.path(), small(), clock()).unwrap();
        let mut opened = reopen(&volume, shards, &before, durability);
        let appends = rng.below(400);
        for i in 0..appends {
            let which = rng.below(opened.len() as u64);
            let written = &mut opened[usize::try_from(which).unwrap()];
            let len = usize::try_from(rng.below(12_000)).unwrap();
            let appended = written.append(1 + (i % 2) as u32, len, rng.next());
            match rng.below(40) {
                0 => written.ear.wait_durable(appended.serial),
                1 => {
                    written.log.retain(None, Some(300_000)).unwrap();
                }
                2 => written.trim(&mut rng),
                _ => {}
            }
        }
        // What was published before the cut must survive it.
        before = opened.into_iter().map(Written::promised).collect();
        let image = tempfile::tempdir().unwrap();
        disk.crash(dir.path(), image.path(), &mut rng);
        drop(volume);
        if durability == Durability::Fsync {
            inspect(image.path());
        }
        dir = image;
    }
}

/// A check finds no damage after a mere power cut.
fn inspect(dir: &Path) {
    let report = check(dir, Repair::No).unwrap();
    assert!(!report.has_damage(), "{:#?}", report.findings);
}

/// Runs `count` seeds, or as many as `AFFLUX_SEEDS` says, or the one that `AFFLUX_SEED` names.
fn seeds(shards: u32, count: u64, durability: Durability) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let seeds = match number("AFFLUX_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("AFFLUX_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed, shards, durability));
        if let Err(panic) = result {
            eprintln!("AFFLUX_SEED={seed} shards={shards}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Trims a shard of many segments on a disk on which only the first `calls` removals and syncs of folders
/// succeed, appends beside it, trims again once the disk works, and cuts the power; whether the first
/// trim succeeded.
fn trim_and_crash(calls: u64) -> bool {
    let mut rng = Rng(calls);
    let filled = tempfile::tempdir().unwrap();
    let fs = Arc::new(SimDisk::new());
    let volume = Volume::open_on(fs, filled.path(), small(), clock()).unwrap();
    let mut written = reopen(&volume, 1, &[], Durability::Fsync).remove(0);
    for i in 0..80 {
        written.append(1, 12_000, i);
    }
    written.ear.wait_durable(80);
    let before = [written.promised()];
    volume.close().unwrap();
    drop(volume);
    let disk = SimDisk::new();
    disk.adopt(filled.path());
    let fs = Arc::new(disk.clone());
    let volume = Volume::open_on(fs, filled.path(), small(), clock()).unwrap();
    let mut written = reopen(&volume, 1, &before, Durability::Fsync).remove(0);
    for call in [Call::Remove, Call::SyncDir] {
        disk.fail(Fault {
            call,
            path: "logs",
            after: calls,
            times: u64::MAX,
            errno: EIO,
        });
    }
    let segments = written.log.segments();
    let (half, most) = (segments[4].first, segments[6].first);
    let trimmed = written.log.trim(half);
    disk.heal();
    for i in 0..3 {
        written.append(1, 100, i);
    }
    written.ear.wait_durable(3);
    if rng.below(2) == 0 {
        assert_eq!(written.log.trim(most).unwrap(), most);
        assert_eq!(
            read_all(&written.log, most, 1).len() as u64,
            83 - most.get()
        );
    }
    let before = [written.promised()];
    let image = tempfile::tempdir().unwrap();
    disk.crash(filled.path(), image.path(), &mut rng);
    drop(volume);
    inspect(image.path());
    let volume = Volume::open(image.path(), small(), clock()).unwrap();
    let mut written = reopen(&volume, 1, &before, Durability::Fsync).remove(0);
    assert_eq!(written.log.trim(most).unwrap(), most);
    let appended = written.append(1, 100, 0);
    assert_eq!(appended.position.get(), 83);
    trimmed.is_ok()
}

#[test]
fn a_trim_that_a_power_cut_or_the_disk_ends_anywhere_loses_nothing_above_it() {
    assert!((0..100).any(trim_and_crash), "no trim came to its end");
}

#[test]
fn one_shard_survives_power_cuts() {
    seeds(1, 8, Durability::Fsync);
}

#[test]
fn few_shards_survive_power_cuts() {
    seeds(3, 8, Durability::Fsync);
}

#[test]
fn many_shards_survive_power_cuts_through_the_journal() {
    seeds(24, 4, Durability::Fsync);
}

#[test]
fn under_os_durability_a_power_cut_leaves_a_prefix_that_opens() {
    seeds(3, 8, Durability::Os);
}
