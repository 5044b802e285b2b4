//! An engine with a stream, records in it that say who they are, and a process that is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use afflux_engine::{Engine, EngineOptions, NewStream, Shard, StreamKind};
use afflux_entry::{BatchBuilder, Header, Kind};
use afflux_types::{Clock, HashKey, Record, ShardId, StreamName};

pub(crate) fn clicks() -> StreamName {
    StreamName::new("clicks").unwrap()
}

pub(crate) fn engine(dir: &Path) -> Engine {
    Engine::open(EngineOptions::new(dir.join("data")), Clock::system()).unwrap()
}

pub(crate) async fn create_clicks(engine: &Engine, shards: u32) {
    let new = NewStream {
        shards,
        ..NewStream::new(clicks(), StreamKind::Records)
    };
    engine.create_stream(new).await.unwrap();
}

/// Appends a batch.
pub(crate) async fn append(shard: &Shard, payloads: &[String]) {
    let mut builder = BatchBuilder::default();
    for payload in payloads {
        let hash_key = HashKey::new(shard.range().start().get());
        builder.push(b"key", Some(hash_key), payload.as_bytes());
    }
    let (body, count) = builder.take();
    let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
    let accepted = shard.append(header, vec![body]).await.unwrap();
    shard.wait_accepted(&accepted).await.unwrap();
}

/// Appends a batch of three records that say who they are.
async fn put(shard: &Shard, number: usize) -> Vec<String> {
    let payloads: Vec<String> = (0..3)
        .map(|index| format!("{} {number} {index}", shard.id()))
        .collect();
    append(shard, &payloads).await;
    payloads
}

pub(crate) async fn fill(
    engine: &Engine,
    shards: impl IntoIterator<Item = u32>,
    batches: usize,
) -> Vec<String> {
    let mut sent = Vec::new();
    for id in shards {
        let shard = engine.shard(&clicks(), ShardId::new(id)).await.unwrap();
        for number in 0..batches {
            sent.extend(put(&shard, number).await);
        }
    }
    sent
}

/// In the environment of the process that is to be killed: where it works.
pub(crate) const VICTIM: &str = "AFFLUX_DELIVER_VICTIM";

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

/// Appends a record as its producer said it.
pub(crate) async fn append_record(shard: &Shard, record: &Record) {
    let mut builder = BatchBuilder::default();
    let key = record.partition_key.as_str().as_bytes();
    builder.push(key, record.explicit_hash_key, &record.data);
    let (body, count) = builder.take();
    let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
    let accepted = shard.append(header, vec![body]).await.unwrap();
    shard.wait_accepted(&accepted).await.unwrap();
}
