//! Test help: a stream's entries in memory, and what a delivery of them must hold.

use afflux_entry::{BatchBuilder, Header, Kind, Stamp, aggregate};
use afflux_types::{HashKey, Position, SequenceNumber, ServerTime, ShardId};
use bytes::{Bytes, BytesMut};

use crate::delivery::DeliveredRecord;

/// The name of the stream.
pub(crate) const STREAM: &str = "clicks";

/// The entries of one shard, as a log would hold them.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) shard: ShardId,
    pub(crate) entries: Vec<ScriptEntry>,
    end: Position,
}

#[derive(Clone, Debug)]
pub(crate) struct ScriptEntry {
    pub(crate) bytes: Bytes,
    pub(crate) end: Position,
    pub(crate) records: Vec<DeliveredRecord>,
}

impl ScriptEntry {
    pub(crate) fn is_init(&self) -> bool {
        Header::decode(&self.bytes).unwrap().kind == Kind::Init
    }
}

impl Script {
    pub(crate) fn new(shard: u32) -> Self {
        Self {
            shard: ShardId::new(shard),
            entries: Vec::new(),
            end: Position::ZERO,
        }
    }

    /// Appends a batch that arrives at `millis`.
    pub(crate) fn batch(mut self, millis: i64, payloads: &[&[u8]]) -> Self {
        let arrival = ServerTime::from_millis(millis);
        let mut builder = BatchBuilder::default();
        let mut records = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            let position = self.end.advance(index as u64);
            let key = format!("key \"{position}\"");
            let hash_key =
                (position.get().is_multiple_of(3)).then(|| HashKey::new(position.get().into()));
            builder.push(key.as_bytes(), hash_key, payload);
            let record = DeliveredRecord {
                stream: STREAM.to_owned(),
                sequence_number: SequenceNumber::new(self.shard, position),
                sub_sequence: None,
                partition_key: Some(key),
                explicit_hash_key: hash_key,
                arrival_time: arrival,
                data: Bytes::copy_from_slice(payload),
            };
            let Some(parts) = aggregate::split(&record.data) else {
                records.push(record);
                continue;
            };
            records.extend((0..).zip(parts).map(|(index, part)| DeliveredRecord {
                sub_sequence: Some(index),
                partition_key: Some(part.partition_key.to_string()),
                explicit_hash_key: part.explicit_hash_key,
                data: part.data,
                ..record.clone()
            }));
        }
        let (body, count) = builder.take();
        self.push(Kind::Batch, count, arrival, &[body], records);
        self
    }

    /// Appends an entry of any kind.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        count: u32,
        arrival: ServerTime,
        body: &[Bytes],
        records: Vec<DeliveredRecord>,
    ) {
        let mut header = Header::for_body(kind, count, None, None, body);
        header.stamp = Some(Stamp {
            position: self.end,
            arrival,
            unsynced: 0,
        });
        self.end = header.end();
        let mut bytes = BytesMut::from(&header.encode()[..]);
        body.iter().for_each(|piece| bytes.extend_from_slice(piece));
        self.entries.push(ScriptEntry {
            bytes: bytes.freeze(),
            end: self.end,
            records,
        });
    }

    pub(crate) fn records(&self) -> Vec<DeliveredRecord> {
        self.entries
            .iter()
            .flat_map(|entry| entry.records.clone())
            .collect()
    }

    /// What is to be written from `next` on: whole entries, in slices of two.
    pub(crate) fn slices(&self, next: Position) -> Vec<Bytes> {
        let rest: Vec<&ScriptEntry> = self
            .entries
            .iter()
            .skip_while(|entry| entry.end <= next && !entry.records.is_empty())
            .collect();
        let join = |entries: &[&ScriptEntry]| {
            let mut bytes = BytesMut::new();
            entries
                .iter()
                .for_each(|entry| bytes.extend_from_slice(&entry.bytes));
            bytes.freeze()
        };
        rest.chunks(2).map(join).collect()
    }
}
