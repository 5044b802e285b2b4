//! Test help: a stream's entries in memory, and what an archive of them must hold.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afflux_entry::{BatchBuilder, Header, Kind, Stamp, aggregate};
use afflux_types::{HashKey, Position, SequenceNumber, ServerTime, ShardId, StreamName};
use bytes::{Bytes, BytesMut};

use super::{Lane, LaneOptions, Moment, Policy, WriterOptions, Written};
use crate::fault::Result;
use crate::fs::FileSystem;
use crate::settings::Compression;
use crate::verify::ArchivedRecord;

pub(crate) const ROOT: &str = "/archive";

pub(crate) fn stream() -> StreamName {
    StreamName::new("clicks").unwrap()
}

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
    pub(crate) records: Vec<ArchivedRecord>,
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
            let record = ArchivedRecord {
                stream: stream(),
                sequence_number: SequenceNumber::new(self.shard, position),
                sub_sequence: None,
                partition_key: key,
                explicit_hash_key: hash_key,
                arrival_time: arrival,
                data: Bytes::copy_from_slice(payload),
            };
            let Some(parts) = aggregate::split(&record.data) else {
                records.push(record);
                continue;
            };
            records.extend((0..).zip(parts).map(|(index, part)| ArchivedRecord {
                sub_sequence: Some(index),
                partition_key: part.partition_key.to_string(),
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
        records: Vec<ArchivedRecord>,
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

    pub(crate) fn end(&self) -> Position {
        self.end
    }

    /// Keeps the first `entries` only.
    pub(crate) fn cut(&mut self, entries: usize) {
        self.entries.truncate(entries);
        self.end = self
            .entries
            .last()
            .map_or(Position::ZERO, |entry| entry.end);
    }

    pub(crate) fn records(&self) -> Vec<ArchivedRecord> {
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

/// A lane over `fs` with small files.
pub(crate) fn lane(fs: Arc<dyn FileSystem>, compression: Compression, open_max: usize) -> Lane {
    lane_of_files(fs, compression, open_max, 700)
}

/// A lane over `fs` whose files end at `bytes`.
pub(crate) fn lane_of_files(
    fs: Arc<dyn FileSystem>,
    compression: Compression,
    open_max: usize,
    bytes: u64,
) -> Lane {
    Lane::new(
        fs,
        LaneOptions {
            directory: Path::new(ROOT).to_owned(),
            stream: stream(),
            stream_identity: "2026-11-21T10:00:00.000Z".into(),
            writer: WriterOptions {
                policy: Policy {
                    bytes,
                    age: Duration::from_secs(60),
                },
                compression,
            },
            open_max,
        },
    )
}

/// Archives all scripts from where they stand, a slice of each in turn, then closes the shards.
pub(crate) fn run(lane: &mut Lane, scripts: &[Script]) -> Result<()> {
    let wall = ServerTime::from_millis(0);
    let mut rest = Vec::new();
    for script in scripts {
        let opened = lane.open(script.shard, Position::ZERO)?;
        if !opened.closed {
            rest.push((script.shard, script.slices(opened.next).into_iter()));
        }
    }
    let mut now = Duration::ZERO;
    while !rest.is_empty() {
        let mut going = Vec::new();
        for (shard, mut slices) in rest {
            now += Duration::from_secs(7);
            match slices.next() {
                Some(slice) => {
                    let (written, _) = lane.write(shard, &slice, Moment { elapsed: now, wall })?;
                    assert_eq!(written, Written::All);
                    going.push((shard, slices));
                }
                None => drop(lane.close(shard, &[])?),
            }
        }
        rest = going;
    }
    Ok(())
}
