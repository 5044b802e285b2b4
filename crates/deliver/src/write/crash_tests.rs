//! Ends the archive at every operation on the disk, and goes on: each record must be there once.

use std::path::Path;
use std::sync::Arc;

use afflux_entry::aggregate;
use afflux_types::{HashKey, PartitionKey, Position, Record};
use bytes::Bytes;
use proptest::prelude::*;

use super::script::{ROOT, Script, lane, lane_of_files, run};
use crate::fault::Fault;
use crate::fs::sim::{Failure, SimFs};
use crate::settings::Compression;
use crate::verify::{ArchivedRecord, Records, Summary, verify_in};

const HOUR: i64 = 3_600_000;
const START: i64 = 1_795_255_200_000;

/// Two shards whose files end by size, within a batch, by age, and with the hour.
fn scripts() -> Vec<Script> {
    let big = "x".repeat(300);
    let three = aggregated(3, 20);
    let longer_than_a_file = aggregated(5, 200);
    let shard = |index, shift: i64| {
        Script::new(index)
            .batch(START + shift, &[b"one", b"", b"three \xff"])
            .batch(
                START + shift + 1,
                &[big.as_bytes(), b"five", big.as_bytes(), b"seven"],
            )
            .batch(START + shift + 2, &[b"eight", &three, &longer_than_a_file])
            .batch(START + HOUR, &[b"nine", "ten \u{1f600}\n".as_bytes()])
            .batch(START + HOUR + 1, &[b"eleven"])
    };
    vec![shard(0, 0), shard(1, HOUR - 5)]
}

/// A record that holds several.
fn aggregated(parts: u32, bytes: usize) -> Bytes {
    let part = |index: u32| Record {
        partition_key: PartitionKey::new(&format!("part {index}")).unwrap(),
        explicit_hash_key: (index == 1).then(|| HashKey::new(42)),
        data: vec![b'p'; bytes].into(),
    };
    aggregate::join(&(0..parts).map(part).collect::<Vec<_>>())
}

fn summary(fs: &SimFs) -> Summary {
    verify_in(fs, Path::new(ROOT)).unwrap()
}

fn archived(fs: &SimFs) -> Vec<ArchivedRecord> {
    let records = Records::open(Arc::new(fs.clone()), Path::new(ROOT)).unwrap();
    records.map(Result::unwrap).collect()
}

/// What `scripts` hold up to where each shard's archive ends.
fn expected(scripts: &[Script], summary: &Summary) -> Vec<ArchivedRecord> {
    let mut records = Vec::new();
    for shard in &summary.shards {
        let script = scripts
            .iter()
            .find(|script| script.shard == shard.shard)
            .unwrap();
        let archived = |record: &ArchivedRecord| record.sequence_number.position() < shard.end;
        records.extend(script.records().into_iter().filter(archived));
    }
    records
}

/// Small and fast; what is compressed crashes no other way, as one of the tests sees.
const PLAIN: Compression = Compression::None;

/// Recovers, checks, completes, and checks again.
fn recover(fs: &SimFs, scripts: &[Script], what: &str) {
    let mut opened = lane(Arc::new(fs.clone()), PLAIN, 1);
    for script in scripts {
        opened
            .open(script.shard, Position::ZERO)
            .unwrap_or_else(|fault| panic!("{what}: {fault}"));
    }
    let state = summary(fs);
    assert!(
        state.shards.iter().all(|shard| shard.unlisted.is_empty()),
        "{what}: {state:?}"
    );
    assert_eq!(archived(fs), expected(scripts, &state), "{what}");
    let hidden = fs
        .dump()
        .into_keys()
        .filter(|path| path.extension().is_some_and(|end| end == "tmp"));
    assert_eq!(hidden.count(), 0, "{what}: temporaries are left");

    run(&mut lane(Arc::new(fs.clone()), PLAIN, 1), scripts).unwrap();
    check_complete(fs, scripts, what);
}

fn check_complete(fs: &SimFs, scripts: &[Script], what: &str) {
    let state = summary(fs);
    for (shard, script) in state.shards.iter().zip(scripts) {
        assert!(
            shard.closed && shard.gaps.is_empty() && shard.unlisted.is_empty(),
            "{what}"
        );
        assert_eq!(shard.end, script.end(), "{what}");
    }
    let records: Vec<_> = scripts.iter().flat_map(Script::records).collect();
    assert_eq!(archived(fs), records, "{what}");
}

/// Runs until the disk fails at operation `at`; false if the run was over before.
fn run_until(fs: &SimFs, at: u64, failure: Failure, scripts: &[Script]) -> bool {
    fs.fail(at, failure);
    run(&mut lane(Arc::new(fs.clone()), PLAIN, 1), scripts).is_err()
}

#[test]
fn an_undisturbed_run_archives_every_record_once_in_every_compression() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        for open_max in [1, 8] {
            let fs = SimFs::new(Path::new(ROOT));
            run(
                &mut lane(Arc::new(fs.clone()), compression, open_max),
                &scripts(),
            )
            .unwrap();
            check_complete(&fs, &scripts(), "undisturbed");
            let files = summary(&fs).totals().files;
            assert!(files >= 8, "{files} files do not exercise rolling");
        }
    }
}

#[test]
fn a_kill_at_any_operation_loses_and_repeats_nothing() {
    let scripts = scripts();
    for at in 1.. {
        let fs = SimFs::new(Path::new(ROOT));
        if !run_until(&fs, at, Failure::Crash, &scripts) {
            assert!(at > 100, "only {at} operations were tried");
            return;
        }
        let killed = fs.kill();
        if killed
            .dump()
            .keys()
            .any(|path| path.ends_with("manifest.jsonl"))
        {
            // Who trusts only the manifest sees each record once even before the recovery.
            let state = summary(&killed);
            let unlisted: usize = state.shards.iter().map(|shard| shard.unlisted.len()).sum();
            assert!(
                unlisted <= 1,
                "killed at {at}: {unlisted} files without a line"
            );
            assert_eq!(
                archived(&killed),
                expected(&scripts, &state),
                "killed at {at}"
            );
        }
        recover(&killed, &scripts, &format!("killed at {at}"));
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_and_repeats_nothing() {
    let scripts = scripts();
    for at in 1.. {
        let fs = SimFs::new(Path::new(ROOT));
        if !run_until(&fs, at, Failure::Crash, &scripts) {
            return;
        }
        for seed in [1, 77, 4_242] {
            recover(
                &fs.power_cut(seed),
                &scripts,
                &format!("power cut {seed} at {at}"),
            );
        }
    }
}

#[test]
fn a_second_crash_during_the_recovery_loses_and_repeats_nothing() {
    let scripts = scripts();
    for at in (1..).step_by(11) {
        let fs = SimFs::new(Path::new(ROOT));
        if !run_until(&fs, at, Failure::Crash, &scripts) {
            return;
        }
        for second in (1..60).step_by(5) {
            let again = if second % 2 == 0 {
                fs.power_cut(second + at)
            } else {
                fs.kill()
            };
            if run_until(&again, second, Failure::Crash, &scripts) {
                let what = format!("crash at {at}, then at {second}");
                recover(&again.kill(), &scripts, &what);
                recover(&again.power_cut(at), &scripts, &what);
            }
        }
    }
}

#[test]
fn a_full_disk_at_any_operation_is_an_error_and_then_goes_on_without_a_loss() {
    let scripts = scripts();
    for at in 1.. {
        let fs = SimFs::new(Path::new(ROOT));
        fs.fail(at, Failure::Full);
        let mut same = lane(Arc::new(fs.clone()), PLAIN, 1);
        match run(&mut same, &scripts) {
            Ok(()) => {
                if fs.operations() < at {
                    return;
                }
            }
            Err(fault) => {
                assert!(matches!(fault, Fault::Io { .. }), "full at {at}: {fault}");
                // The same process tries again: shards that are open are opened anew.
                run(&mut same, &scripts).unwrap();
            }
        }
        check_complete(&fs, &scripts, &format!("full at {at}"));
    }
}

/// Batches as (milliseconds since the one before, bytes of each payload).
fn batches() -> impl Strategy<Value = Vec<(i64, Vec<usize>)>> {
    let wait = prop_oneof![4 => 0..1_000_i64, 1 => 0..3 * HOUR];
    let batch = (wait, proptest::collection::vec(0..400_usize, 1..6));
    proptest::collection::vec(batch, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_stream_survives_a_crash_anywhere(
        batches in batches(), file_bytes in 1_u64..3_000, at in 1_u64..400, seed: u64, cut: bool,
    ) {
        let (mut script, mut millis) = (Script::new(0), START);
        for (wait, payloads) in batches {
            millis += wait;
            let payloads: Vec<Vec<u8>> = payloads.into_iter().map(|len| vec![b'x'; len]).collect();
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            script = script.batch(millis, &payloads);
        }
        let scripts = [script];
        let files = |fs: &SimFs| lane_of_files(Arc::new(fs.clone()), PLAIN, 1, file_bytes);
        let fs = SimFs::new(Path::new(ROOT));
        fs.fail(at, Failure::Crash);
        let _ = run(&mut files(&fs), &scripts);
        let again = if cut { fs.power_cut(seed) } else { fs.kill() };
        run(&mut files(&again), &scripts).unwrap();
        check_complete(&again, &scripts, "random");
    }
}
