//! An engine with a stream, and records in it that say who they are.

use std::path::Path;

use afflux_engine::{Engine, EngineOptions, NewStream, Shard, StreamKind};
use afflux_entry::{BatchBuilder, Header, Kind};
use afflux_types::{Clock, HashKey, ShardId, StreamName};

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
