//! Random operations on the engine and on a model of maps, which must agree at every restart.

use std::collections::BTreeMap;

use afflux_engine::{Moved, ShardState};
use afflux_types::{HashKey, HashKeyRange, ShardId, StreamName};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::*;

#[derive(Clone, Debug)]
enum Operation {
    Create {
        name: u8,
        shards: u32,
    },
    Delete {
        name: u8,
    },
    Append {
        name: u8,
        key: u8,
        records: u8,
        producer: Option<u8>,
    },
    Retry {
        name: u8,
        which: Index,
    },
    Split {
        name: u8,
        which: Index,
    },
    Merge {
        name: u8,
        which: Index,
    },
    Advance {
        ms: i64,
    },
    Reopen,
    Crash,
}

fn operation() -> impl Strategy<Value = Operation> {
    let name = 0_u8..3;
    prop_oneof![
        2 => (name.clone(), 1_u32..4).prop_map(|(name, shards)| Operation::Create { name, shards }),
        1 => name.clone().prop_map(|name| Operation::Delete { name }),
        12 => (name.clone(), any::<u8>(), 1_u8..5, proptest::option::of(1_u8..4))
            .prop_map(|(name, key, records, producer)| Operation::Append { name, key, records, producer }),
        4 => (name.clone(), any::<Index>()).prop_map(|(name, which)| Operation::Retry { name, which }),
        2 => (name.clone(), any::<Index>()).prop_map(|(name, which)| Operation::Split { name, which }),
        1 => (name, any::<Index>()).prop_map(|(name, which)| Operation::Merge { name, which }),
        1 => (-5_000_i64..5_000).prop_map(|ms| Operation::Advance { ms }),
        2 => Just(Operation::Reopen),
        1 => Just(Operation::Crash),
    ]
}

#[derive(Debug, Default)]
struct ModelStream {
    shards: BTreeMap<u32, ModelShard>,
    shard_next: u32,
    /// Entries with a producer: shard, producer, sequence, rows, place.
    sent: Vec<Sent>,
}

#[derive(Debug)]
struct ModelShard {
    range: HashKeyRange,
    parents: Vec<u32>,
    children: Vec<u32>,
    records: Vec<(String, Vec<u8>)>,
    sequences: BTreeMap<u64, u64>,
}

#[derive(Clone, Debug)]
struct Sent {
    shard: u32,
    producer: (u64, u64),
    rows: Vec<(String, Vec<u8>)>,
    position: u64,
}

impl ModelStream {
    fn add(&mut self, range: HashKeyRange, parents: Vec<u32>) -> u32 {
        let id = self.shard_next;
        self.shard_next += 1;
        let shard = ModelShard {
            range,
            parents,
            children: Vec::new(),
            records: Vec::new(),
            sequences: BTreeMap::new(),
        };
        self.shards.insert(id, shard);
        id
    }

    /// Open shards, in the order of their ranges.
    fn open(&self) -> Vec<u32> {
        let open = self
            .shards
            .iter()
            .filter(|(_, shard)| shard.children.is_empty());
        let mut open: Vec<_> = open.map(|(id, shard)| (shard.range, *id)).collect();
        open.sort_unstable();
        open.into_iter().map(|(_, id)| id).collect()
    }
}

struct Run {
    fixture: Fixture,
    model: BTreeMap<StreamName, ModelStream>,
    counter: u32,
}

fn name(name: u8) -> StreamName {
    stream_name(&format!("stream-{name}"))
}

impl Run {
    async fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Create { name: n, shards } => self.create(&name(n), shards).await,
            Operation::Delete { name: n } => {
                let deleted = self.fixture.engine.delete_stream(&name(n)).await;
                assert_eq!(deleted.is_ok(), self.model.remove(&name(n)).is_some());
            }
            Operation::Append {
                name: n,
                key,
                records,
                producer,
            } => {
                self.append(&name(n), key, records, producer.map(u64::from))
                    .await;
            }
            Operation::Retry { name: n, which } => self.retry(&name(n), which).await,
            Operation::Split { name: n, which } => self.split(&name(n), which).await,
            Operation::Merge { name: n, which } => self.merge(&name(n), which).await,
            Operation::Advance { ms } => {
                let now = self.fixture.clock.wall().as_millis();
                self.fixture
                    .clock
                    .set_wall(afflux_types::ServerTime::from_millis(now + ms));
            }
            Operation::Reopen => {
                self.fixture.reopen().await;
                self.compare().await;
            }
            Operation::Crash => {
                self.fixture.crash().await;
                self.compare().await;
            }
        }
    }

    async fn create(&mut self, name: &StreamName, shards: u32) {
        let mut new =
            afflux_engine::NewStream::new(name.clone(), afflux_engine::StreamKind::Records);
        new.shards = shards;
        let created = self.fixture.engine.create_stream(new).await;
        assert_eq!(created.is_ok(), !self.model.contains_key(name));
        self.model.entry(name.clone()).or_insert_with(|| {
            let mut stream = ModelStream::default();
            for range in HashKeyRange::even(shards) {
                stream.add(range, Vec::new());
            }
            stream
        });
    }

    async fn append(&mut self, name: &StreamName, key: u8, records: u8, producer: Option<u64>) {
        let Some(stream) = self.model.get_mut(name) else {
            return;
        };
        let key = format!("key-{key}");
        let hash = HashKey::of(key.as_bytes());
        let id = stream
            .open()
            .into_iter()
            .find(|id| stream.shards[id].range.contains(hash))
            .unwrap();
        let rows: Vec<(String, Vec<u8>)> = (0..records)
            .map(|_| {
                self.counter += 1;
                (key.clone(), format!("{:0>400}", self.counter).into_bytes())
            })
            .collect();
        let shard = stream.shards.get_mut(&id).unwrap();
        let producer = producer.map(|producer| {
            let sequence = shard.sequences.entry(producer).or_default();
            *sequence += 1;
            (producer, *sequence)
        });
        let position = shard.records.len() as u64;
        shard.records.extend(rows.clone());
        if let Some(producer) = producer {
            stream.sent.push(Sent {
                shard: id,
                producer,
                rows: rows.clone(),
                position,
            });
        }
        let handle = self.fixture.shard(name, id).await;
        let accepted = put(&handle, entry_of(producer, &rows)).await;
        assert_eq!(
            (accepted.position.get(), accepted.duplicate),
            (position, false)
        );
    }

    async fn retry(&self, name: &StreamName, which: Index) {
        let Some(stream) = self
            .model
            .get(name)
            .filter(|stream| !stream.sent.is_empty())
        else {
            return;
        };
        let sent = &stream.sent[which.index(stream.sent.len())];
        let handle = self.fixture.shard(name, sent.shard).await;
        let accepted = put(&handle, entry_of(Some(sent.producer), &sent.rows)).await;
        assert_eq!(
            (accepted.position.get(), accepted.duplicate),
            (sent.position, true)
        );
    }

    async fn split(&mut self, name: &StreamName, which: Index) {
        let Some(stream) = self.model.get_mut(name) else {
            return;
        };
        let open = stream.open();
        let id = open[which.index(open.len())];
        let range = stream.shards[&id].range;
        let (low, high) = range.split(range.middle().unwrap()).unwrap();
        let children = vec![stream.add(low, vec![id]), stream.add(high, vec![id])];
        stream.shards.get_mut(&id).unwrap().children = children.clone();
        let shard = self.fixture.shard(name, id).await;
        let split = self
            .fixture
            .engine
            .split_shard(name, ShardId::new(id), None)
            .await
            .unwrap();
        assert_eq!(
            split.iter().map(|child| child.id.get()).collect::<Vec<_>>(),
            children
        );
        let (header, body) = record(None, b"late");
        let error = shard.append(header, body).await.unwrap_err();
        // The record may not belong to the shard, closed or not.
        if let Some(moved) = Moved::of(&error) {
            assert_eq!(moved.children, split);
        }
    }

    async fn merge(&mut self, name: &StreamName, which: Index) {
        let Some(stream) = self.model.get_mut(name) else {
            return;
        };
        let open = stream.open();
        if open.len() < 2 {
            return;
        }
        let at = which.index(open.len() - 1);
        let (a, b) = (open[at], open[at + 1]);
        let range = stream.shards[&a]
            .range
            .merge(stream.shards[&b].range)
            .unwrap();
        let child = stream.add(range, vec![a.min(b), a.max(b)]);
        for parent in [a, b] {
            stream.shards.get_mut(&parent).unwrap().children = vec![child];
        }
        let (a, b) = (ShardId::new(a), ShardId::new(b));
        let merged = self.fixture.engine.merge_shards(name, a, b).await.unwrap();
        assert_eq!(merged.id.get(), child);
    }

    async fn compare(&self) {
        let engine = &self.fixture.engine;
        let listed = engine.list_streams(None, 100);
        assert!(
            listed
                .iter()
                .map(|stream| &stream.name)
                .eq(self.model.keys())
        );
        for (name, stream) in &self.model {
            let shards = engine.describe_stream(name).unwrap().shards;
            assert!(
                shards
                    .iter()
                    .map(|shard| shard.id.get())
                    .eq(stream.shards.keys().copied())
            );
            for (shard, model) in shards.iter().zip(stream.shards.values()) {
                let numbers =
                    |ids: &[ShardId]| -> Vec<u32> { ids.iter().map(|id| id.get()).collect() };
                assert_eq!(shard.range, model.range);
                assert_eq!(numbers(&shard.parents), model.parents);
                assert_eq!(numbers(&shard.children), model.children);
                assert_eq!(shard.state == ShardState::Open, model.children.is_empty());
                let handle = engine.shard(name, shard.id).await.unwrap();
                let seen = read_all(&handle).await;
                assert!(
                    seen.iter()
                        .map(|seen| seen.position)
                        .eq(0..model.records.len() as u64)
                );
                let records = seen.iter().map(|seen| (&seen.key, &seen.data));
                assert!(records.eq(model.records.iter().map(|(key, data)| (key, data))));
                assert!(seen.is_sorted_by_key(|seen| seen.arrival));
            }
        }
    }
}

fn entry_of(
    producer: Option<(u64, u64)>,
    rows: &[(String, Vec<u8>)],
) -> (afflux_entry::Header, Vec<bytes::Bytes>) {
    let rows: Vec<_> = rows
        .iter()
        .map(|(key, data)| (key.as_str(), None, data.as_slice()))
        .collect();
    batch(producer, &rows)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engine_and_model_agree(operations in proptest::collection::vec(operation(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run { fixture: Fixture::new(), model: BTreeMap::new(), counter: 0 };
            for operation in operations {
                run.step(operation).await;
            }
            run.step(Operation::Reopen).await;
        });
    }
}
