//! Power cuts at random moments: everything that was published as durable is there afterwards, whole,
//! and nothing else pretends to be.

use std::path::Path;
use std::sync::Arc;

use afflux_log::{Durability, LogKey, Observer, Repair, ShardLog, Volume, check};
use afflux_types::Position;
use bytes::Bytes;

use crate::disk::{Rng, SimDisk};
use crate::support::{Ear, append, clock, entry, read_all, small};

struct Written {
    log: ShardLog,
    ear: Arc<Ear>,
    /// Every entry ever appended: its end and its body.
    entries: Vec<(Position, Bytes)>,
}

fn keys(shards: u32) -> Vec<LogKey> {
    (0..shards)
        .map(|shard| LogKey { stream: 3, shard })
        .collect()
}

/// Opens every shard; what is found must be a prefix of what was written that reaches at least to
/// `durable`.
fn reopen(
    volume: &Volume,
    shards: u32,
    before: &[(Vec<(Position, Bytes)>, u64)],
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
        if let Some((written, durable)) = before.get(i) {
            let end = log.watermarks().durable.get();
            let promised = durability == Durability::Fsync;
            assert!(
                !promised || end >= *durable,
                "{key}: found {end}, durable was {durable}"
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
            let (header, body) = entry(1 + (i % 2) as u32, len, rng.next());
            let appended = append(&written.log, &written.ear, header, body.clone());
            written.entries.push((appended.end, body.concat().into()));
            match rng.below(40) {
                0 => written.ear.wait_durable(appended.serial),
                1 => {
                    written.log.retain(None, Some(300_000)).unwrap();
                }
                _ => {}
            }
        }
        // What was published before the cut must survive it.
        let durable: Vec<u64> = opened
            .iter()
            .map(|written| written.log.watermarks().durable.get())
            .collect();
        let image = tempfile::tempdir().unwrap();
        disk.crash(dir.path(), image.path(), &mut rng);
        before = opened
            .into_iter()
            .zip(durable)
            .map(|(written, durable)| (written.entries, durable))
            .collect();
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
