//! Kills a process that writes and archives, again and again, with the one signal that it cannot
//! notice: every acknowledged record must be archived exactly once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use afflux_deliver::{ArchiveSettings, Archives, Limits, records, verify};
use afflux_engine::{Engine, EngineOptions, NewStream, StreamKind};
use afflux_entry::{BatchBuilder, Header, Kind, aggregate};
use afflux_types::{Clock, HashKey, PartitionKey, Record, ShardId, StreamName};
use bytes::Bytes;

/// In the environment of the process that is to be killed: where it works.
pub(crate) const VICTIM: &str = "AFFLUX_DELIVER_VICTIM";
const ROUNDS: usize = 6;
const SHARDS: u32 = 3;

fn name() -> StreamName {
    StreamName::new("clicks").unwrap()
}

fn open(dir: &Path) -> (Engine, Archives) {
    let clock = Clock::system();
    let engine = Engine::open(EngineOptions::new(dir.join("data")), clock.clone()).unwrap();
    let archives = Archives::open(engine.clone(), clock, Limits::default()).unwrap();
    (engine, archives)
}

/// The payloads that a payload stands for: every third record is an aggregated one.
fn parts(payload: &str, number: u64) -> Vec<String> {
    match number % 3 {
        0 => (0..4).map(|part| format!("{payload}/{part}")).collect(),
        _ => vec![payload.to_owned()],
    }
}

fn data(parts: &[String]) -> Bytes {
    if let [only] = parts {
        return only.clone().into();
    }
    let record = |part: &String| {
        let key = PartitionKey::new("inside").unwrap();
        Record::new(key, part.clone().into())
    };
    aggregate::join(&parts.iter().map(record).collect::<Vec<_>>())
}

/// Writes to every shard for ever, and prints what was acknowledged.
#[expect(
    clippy::print_stdout,
    reason = "the parent reads what was acknowledged"
)]
async fn be_killed(dir: &Path) {
    let (engine, archives) = open(dir);
    if archives.list().is_empty() {
        let new = NewStream {
            shards: SHARDS,
            ..NewStream::new(name(), StreamKind::Records)
        };
        engine.create_stream(new).await.unwrap();
        let settings = ArchiveSettings {
            file_bytes: 2_048,
            file_seconds: 1,
            ..ArchiveSettings::new(dir.join("archive"))
        };
        archives.add(&name(), settings).await.unwrap();
    }
    for number in 0_u64.. {
        for shard in 0..SHARDS {
            let shard = engine.shard(&name(), ShardId::new(shard)).await.unwrap();
            let mut builder = BatchBuilder::default();
            let payload = format!("{} {} {number}", std::process::id(), shard.id());
            let hash_key = HashKey::new(shard.range().start().get());
            let parts = parts(&payload, number);
            builder.push(b"key", Some(hash_key), &data(&parts));
            let (body, count) = builder.take();
            let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
            let accepted = shard.append(header, vec![body]).await.unwrap();
            shard.wait_accepted(&accepted).await.unwrap();
            for part in parts {
                println!("\nacknowledged {part}");
            }
        }
    }
}

/// Starts a test again as a victim and kills it after some acknowledgements, which it returns.
pub(crate) fn kill_after(test: &str, dir: &Path, acknowledgements: usize) -> Vec<String> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(VICTIM, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let acknowledged = |line: std::io::Result<String>| {
        line.unwrap()
            .strip_prefix("acknowledged ")
            .map(str::to_owned)
    };
    let mut lines = lines.filter_map(acknowledged);
    let mut seen: Vec<String> = lines.by_ref().take(acknowledgements).collect();
    assert_eq!(seen.len(), acknowledgements, "the victim ended by itself");
    victim.kill().unwrap();
    // What it had printed before it noticed nothing more. The last line may be torn.
    let mut rest: Vec<String> = lines.collect();
    rest.pop();
    seen.extend(rest);
    victim.wait().unwrap();
    seen
}

/// Opens everything once more and waits until the archive holds all that the stream holds.
async fn complete(dir: &Path) -> u64 {
    let (engine, archives) = open(dir);
    let mut durable = 0;
    for shard in 0..SHARDS {
        let shard = engine.shard(&name(), ShardId::new(shard)).await.unwrap();
        durable += shard.watermarks().durable.get();
    }
    loop {
        let status = &archives.list()[0];
        if status.totals.records + status.unfinished_records == durable {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    archives.shutdown().await;
    engine.shutdown().await.unwrap();
    durable
}

const TEST: &str = "kill::records_survive_kill_9_at_any_moment_exactly_once";

#[test]
fn records_survive_kill_9_at_any_moment_exactly_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Some(dir) = std::env::var_os(VICTIM) {
        runtime.block_on(be_killed(&PathBuf::from(dir)));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("archive")).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(kill_after(TEST, dir.path(), 40 + round * 37));
    }
    let durable = runtime.block_on(complete(dir.path()));

    let archive = dir.path().join("archive");
    let summary = verify(&archive).unwrap();
    assert_eq!(
        (summary.totals().records, summary.totals().gaps),
        (durable, 0)
    );
    assert!(summary.totals().files > 10, "{:?}", summary.totals());
    assert!(summary.shards.iter().all(|shard| shard.unlisted.is_empty()));
    let mut times = BTreeMap::<String, usize>::new();
    for record in records(&archive).unwrap() {
        let payload = String::from_utf8(record.unwrap().data.to_vec()).unwrap();
        *times.entry(payload).or_default() += 1;
    }
    for payload in &acknowledged {
        assert_eq!(times.get(payload), Some(&1), "{payload}");
    }
    assert!(times.values().all(|&count| count == 1));
}
