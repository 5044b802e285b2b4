//! Streams in memory, with the rules of the real engine as far as a client can see them.

use std::collections::BTreeMap;

use afflux_entry::{Batch, Header, Kind, Stamp};
use afflux_types::{Error, ErrorKind, HashKeyRange, Position, ServerTime};
use afflux_wire::message::{
    Ack, Child, CreateStream, Failure, Range, ShardDescription, StreamDescription,
};
use bytes::Bytes;

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) streams: BTreeMap<String, Stream>,
}

pub(crate) struct Stream {
    name: String,
    kind: i32,
    record_bytes_max: u64,
    pub(crate) shards: Vec<Shard>,
    /// Persisted fragments of each upload session.
    pub(crate) uploads: BTreeMap<Bytes, u64>,
}

pub(crate) struct Shard {
    id: u32,
    range: HashKeyRange,
    parents: Vec<u32>,
    children: Vec<u32>,
    closed: bool,
    pub(crate) trim_horizon: Position,
    pub(crate) end: Position,
    pub(crate) entries: Vec<(Header, Bytes)>,
    producers: BTreeMap<u64, BTreeMap<u64, Ack>>,
}

impl Store {
    pub(crate) fn create(&mut self, request: &CreateStream) -> StreamDescription {
        let shards = HashKeyRange::even(request.shards.max(1));
        let shards = (0..)
            .zip(shards)
            .map(|(id, range)| Shard::new(id, range, &[]));
        let stream = Stream {
            name: request.stream.clone(),
            kind: request.kind,
            record_bytes_max: match request.record_bytes_max {
                0 => 1 << 20,
                max => max,
            },
            shards: shards.collect(),
            uploads: BTreeMap::new(),
        };
        let description = stream.describe();
        self.streams.insert(request.stream.clone(), stream);
        description
    }

    pub(crate) fn stream(&mut self, name: &str) -> Result<&mut Stream, Failure> {
        self.streams
            .get_mut(name)
            .ok_or_else(|| Failure::of(&Error::not_found(format!("stream {name:?}"))))
    }
}

impl Stream {
    pub(crate) fn describe(&self) -> StreamDescription {
        let shards = self.shards.iter().map(|shard| ShardDescription {
            shard: shard.id,
            range: Some(shard.range.into()),
            parents: shard.parents.clone(),
            children: shard.children.clone(),
            closed: shard.closed,
            trim_horizon: shard.trim_horizon.get(),
            durable: shard.end.get(),
        });
        StreamDescription {
            stream: self.name.clone(),
            kind: self.kind,
            record_bytes_max: self.record_bytes_max,
            shards: shards.collect(),
            ..StreamDescription::default()
        }
    }

    pub(crate) fn shard(&mut self, id: u32) -> Result<&mut Shard, Failure> {
        self.shards
            .get_mut(id as usize)
            .ok_or_else(|| Failure::of(&Error::not_found(format!("shard {id}"))))
    }

    pub(crate) fn split(&mut self, id: u32) {
        let next = u32::try_from(self.shards.len()).unwrap();
        let parent = &mut self.shards[id as usize];
        let (low, high) = parent.range.split(parent.range.middle().unwrap()).unwrap();
        parent.closed = true;
        parent.children = vec![next, next + 1];
        self.shards.push(Shard::new(next, low, &[id]));
        self.shards.push(Shard::new(next + 1, high, &[id]));
    }

    pub(crate) fn merge(&mut self, a: u32, b: u32) {
        let next = u32::try_from(self.shards.len()).unwrap();
        let range = self.shards[a as usize]
            .range
            .merge(self.shards[b as usize].range);
        for id in [a, b] {
            self.shards[id as usize].closed = true;
            self.shards[id as usize].children = vec![next];
        }
        self.shards.push(Shard::new(next, range.unwrap(), &[a, b]));
    }

    pub(crate) fn children(&self, id: u32) -> Vec<Child> {
        let shard = &self.shards[id as usize];
        let child = |id: &u32| {
            let child = &self.shards[*id as usize];
            Child {
                shard: *id,
                parents: child.parents.clone(),
                range: Some(Range::from(child.range)),
            }
        };
        shard.children.iter().map(child).collect()
    }

    /// Takes an entry in, or says why not.
    pub(crate) fn append(
        &mut self,
        id: u32,
        mut header: Header,
        body: Bytes,
    ) -> Result<Ack, Failure> {
        let children = self.children(id);
        let record_bytes_max = usize::try_from(self.record_bytes_max).unwrap();
        let shard = self.shard(id)?;
        let producer = header.producer;
        if let Some(producer) = producer
            && let Some(taken) = shard.producers.get(&producer.id)
            && let Some(ack) = taken.get(&producer.sequence)
        {
            return Ok(Ack {
                duplicate: true,
                ..*ack
            });
        }
        if shard.closed {
            let taken = producer.and_then(|producer| shard.producers.get(&producer.id));
            let last = taken.and_then(|taken| taken.last_key_value());
            return Err(Failure {
                children,
                last_sequence: last.map_or(0, |(sequence, _)| *sequence),
                ..Failure::of(&Error::new(ErrorKind::ShardMoved, "shard is closed"))
            });
        }
        if header.kind == Kind::Batch {
            let batch = Batch::new(&body, header.record_count);
            batch.clone().check(record_bytes_max).unwrap();
            for record in batch {
                assert!(shard.range.contains(record.unwrap().hash_key()));
            }
        }
        if let Some(producer) = producer {
            let taken = shard.producers.entry(producer.id).or_default();
            let last = taken.last_key_value().map_or(0, |(sequence, _)| *sequence);
            assert_eq!(producer.sequence, last + 1, "sequences have no gaps");
        }
        let arrival_ms = 1_000;
        header.stamp = Some(Stamp {
            position: shard.end,
            arrival: ServerTime::from_millis(arrival_ms),
            unsynced: 0,
        });
        let ack = Ack {
            position: shard.end.get(),
            record_count: header.record_count,
            arrival_ms,
            duplicate: false,
        };
        if let Some(producer) = producer {
            let taken = shard.producers.entry(producer.id).or_default();
            taken.insert(producer.sequence, ack);
        }
        shard.end = header.end();
        shard.entries.push((header, body));
        Ok(ack)
    }
}

impl Shard {
    fn new(id: u32, range: HashKeyRange, parents: &[u32]) -> Self {
        Self {
            id,
            range,
            parents: parents.to_vec(),
            children: Vec::new(),
            closed: false,
            trim_horizon: Position::ZERO,
            end: Position::ZERO,
            entries: Vec::new(),
            producers: BTreeMap::new(),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The data of every record, in order.
    pub(crate) fn data(&self) -> Vec<Bytes> {
        let batches = self.entries.iter().filter(|(h, _)| h.kind == Kind::Batch);
        batches
            .flat_map(|(header, body)| Batch::records(body, header.record_count))
            .map(|record| record.unwrap().data)
            .collect()
    }

    /// The entry that contains `position`, or is the next one, and its index.
    pub(crate) fn entry_at(&self, position: Position) -> Option<(Header, Bytes, usize)> {
        let found = self.entries.iter().position(|(header, _)| {
            let start = header.stamp.unwrap().position;
            header.end() > position || (header.record_count == 0 && start >= position)
        })?;
        self.entry(found)
    }

    pub(crate) fn entry(&self, index: usize) -> Option<(Header, Bytes, usize)> {
        let (header, body) = self.entries.get(index)?;
        Some((header.clone(), body.clone(), index))
    }
}
