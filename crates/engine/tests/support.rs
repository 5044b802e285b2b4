//! A data directory that can be closed and opened again, and entries to fill it with.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use afflux_engine::{
    Engine, EngineOptions, Event, From, NewStream, Shard, StreamKind, Subscription, VolumeOptions,
};
use afflux_entry::{Batch, BatchBuilder, HEADER_LEN, Header, Kind, Producer};
use afflux_types::{Clock, HashKey, ServerTime, ShardId, StreamName};
use bytes::Bytes;
use tempfile::TempDir;

/// 2026-11-21, noon, in milliseconds since 1970.
const NOON_MS: i64 = 1_795_262_400_000;

pub(crate) fn noon() -> ServerTime {
    ServerTime::from_millis(NOON_MS)
}

pub(crate) struct Fixture {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) dir: TempDir,
    options: EngineOptions,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// Small segments, so that tests see many.
    pub(crate) fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(noon());
        let mut options = EngineOptions {
            volume: VolumeOptions {
                segment_bytes_min: 64 << 10,
                segment_bytes_max: 64 << 10,
                journal_bytes: 1 << 20,
                ..VolumeOptions::default()
            },
            read_threads: 2,
            retention_interval: None,
            ..EngineOptions::new(dir.path())
        };
        change(&mut options);
        let engine = Engine::open(options.clone(), clock.clone()).unwrap();
        Self {
            engine,
            clock,
            dir,
            options,
        }
    }

    /// Shuts the engine down and opens it again.
    pub(crate) async fn reopen(&mut self) {
        self.engine.shutdown().await.unwrap();
        self.engine = Engine::open(self.options.clone(), self.clock.clone()).unwrap();
    }

    /// Goes on with a copy of the directory as a crash at this moment would have left it.
    pub(crate) async fn crash(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(self.dir.path(), copy.path());
        self.engine.shutdown().await.unwrap();
        self.dir = copy;
        self.options.dir = self.dir.path().to_owned();
        self.engine = Engine::open(self.options.clone(), self.clock.clone()).unwrap();
    }

    pub(crate) async fn stream(&self, name: &str, shards: u32) -> StreamName {
        self.stream_with(name, |new| new.shards = shards).await
    }

    pub(crate) async fn stream_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut NewStream),
    ) -> StreamName {
        let name = stream_name(name);
        let mut new = NewStream::new(name.clone(), StreamKind::Records);
        change(&mut new);
        self.engine.create_stream(new).await.unwrap();
        name
    }

    pub(crate) async fn shard(&self, stream: &StreamName, shard: u32) -> Shard {
        self.engine
            .shard(stream, ShardId::new(shard))
            .await
            .unwrap()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

pub(crate) fn stream_name(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

/// A batch of records, as key, explicit hash key and data.
pub(crate) fn batch(
    producer: Option<(u64, u64)>,
    rows: &[(&str, Option<u128>, &[u8])],
) -> (Header, Vec<Bytes>) {
    let mut builder = BatchBuilder::default();
    for (key, hash, data) in rows {
        builder.push(key.as_bytes(), hash.map(HashKey::new), data);
    }
    let (body, count) = builder.take();
    entry(Kind::Batch, count, producer, body)
}

/// A batch of one record.
pub(crate) fn record(producer: Option<(u64, u64)>, data: &[u8]) -> (Header, Vec<Bytes>) {
    batch(producer, &[("k", None, data)])
}

pub(crate) fn entry(
    kind: Kind,
    count: u32,
    producer: Option<(u64, u64)>,
    body: Bytes,
) -> (Header, Vec<Bytes>) {
    let producer = producer.map(|(id, sequence)| Producer { id, sequence });
    let body = vec![body];
    (Header::for_body(kind, count, producer, None, &body), body)
}

/// Appends and waits until the entry is durable.
pub(crate) async fn put(shard: &Shard, entry: (Header, Vec<Bytes>)) -> afflux_engine::Accepted {
    let accepted = shard.append(entry.0, entry.1).await.unwrap();
    shard.wait_accepted(&accepted).await.unwrap();
    accepted
}

/// A record as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) position: u64,
    pub(crate) arrival: ServerTime,
    pub(crate) key: String,
    pub(crate) data: Vec<u8>,
}

/// The entries of a slice, markers skipped, and their producers' checksums verified.
pub(crate) fn entries(slice: &Bytes) -> Vec<(Header, Bytes)> {
    let mut rest = slice.clone();
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let header = Header::decode(&rest).unwrap();
        let entry = rest.split_to(header.entry_len());
        let body = entry.slice(HEADER_LEN..);
        header.verify(&[&body]).unwrap();
        if header.kind != Kind::Marker {
            entries.push((header, body));
        }
    }
    entries
}

pub(crate) fn records(slice: &Bytes) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (header, body) in entries(slice) {
        let stamp = header.stamp.unwrap();
        for (position, record) in
            (stamp.position.get()..).zip(Batch::new(&body, header.record_count))
        {
            let record = record.unwrap();
            seen.push(Seen {
                position,
                arrival: stamp.arrival,
                key: String::from_utf8(record.partition_key.to_vec()).unwrap(),
                data: record.data.to_vec(),
            });
        }
    }
    seen
}

/// Everything in a shard up to its durable end.
pub(crate) async fn read_all(shard: &Shard) -> Vec<Seen> {
    let marks = shard.watermarks();
    let mut subscription = shard.subscribe(From::TrimHorizon).await.unwrap();
    let mut seen = Vec::new();
    while subscription.position() < marks.durable {
        match subscription.next(10_000).await.unwrap() {
            Event::Slice(slice) => seen.extend(records(&slice.bytes)),
            other => panic!("unexpected {other:?}"),
        }
    }
    seen
}

pub(crate) fn data(seen: &[Seen]) -> Vec<&[u8]> {
    seen.iter().map(|seen| seen.data.as_slice()).collect()
}

/// The records of the next event, which must be a slice.
pub(crate) async fn next_records(subscription: &mut Subscription) -> Vec<Seen> {
    match subscription.next(1 << 20).await.unwrap() {
        Event::Slice(slice) => records(&slice.bytes),
        other => panic!("unexpected {other:?}"),
    }
}

/// Polls a future once, without a task.
pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Every record of a stream by partition key, in the order of the shards and their positions.
pub(crate) async fn by_key(
    fixture: &Fixture,
    stream: &StreamName,
) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut found: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for shard in fixture.engine.describe_stream(stream).unwrap().shards {
        let shard = fixture.engine.shard(stream, shard.id).await.unwrap();
        for seen in read_all(&shard).await {
            found.entry(seen.key).or_default().push(seen.data);
        }
    }
    found
}
