//! Between the rows of the catalog and the types of the engine.

use std::time::Duration;

use afflux_log::Durability;
use afflux_types::{HashKey, HashKeyRange, Position, Result, ServerTime, ShardId, StreamName};
use prost::Message;

use super::row::{ChildRow, ClosedRow, DataKeyRow, Durable, Kind, QuotaRow, ShardRow, StreamRow};
use super::{Table, Write, damaged, key};
use crate::seal::{SealFacts, Wrapped};
use crate::stream::{Child, Quota, Retention, StreamKind};

/// A stream's row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamFacts {
    pub(crate) id: u64,
    pub(crate) name: StreamName,
    pub(crate) kind: StreamKind,
    pub(crate) created: ServerTime,
    pub(crate) retention: Retention,
    pub(crate) durability: Durability,
    pub(crate) record_bytes_max: usize,
    pub(crate) quota: Option<Quota>,
    pub(crate) shard_next: u32,
    pub(crate) sealing: SealFacts,
}

/// A shard's range and lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardFacts {
    pub(crate) id: ShardId,
    pub(crate) range: HashKeyRange,
    pub(crate) parents: Vec<ShardId>,
    pub(crate) created: ServerTime,
    pub(crate) closed: Option<Closed>,
}

/// Where a shard ended, and who took over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) at: Position,
    pub(crate) children: Vec<Child>,
    pub(crate) time: ServerTime,
}

impl StreamFacts {
    /// The row's write.
    pub(crate) fn put(&self) -> Write {
        let row = StreamRow {
            name: self.name.as_str().to_owned(),
            kind: match self.kind {
                StreamKind::Records => Kind::Records,
                StreamKind::Video => Kind::Video,
                StreamKind::Delivery => Kind::Delivery,
            }
            .into(),
            created_ms: self.created.as_millis(),
            retention_ms: u64::try_from(self.retention.age.as_millis()).unwrap_or(u64::MAX),
            retention_bytes: self.retention.bytes,
            durability: match self.durability {
                Durability::Fsync => Durable::Fsync,
                Durability::Os => Durable::Os,
            }
            .into(),
            record_bytes_max: u64::try_from(self.record_bytes_max).unwrap_or(u64::MAX),
            quota: self.quota.map(|quota| QuotaRow {
                bytes_per_second: quota.bytes_per_second,
                records_per_second: quota.records_per_second,
            }),
            shard_next: self.shard_next,
            data_keys: self.sealing.keys.iter().map(data_key_row).collect(),
            encryption: self.sealing.on.clone(),
        };
        Write::Put {
            table: Table::Streams,
            key: key::stream(self.id),
            value: row.encode_to_vec(),
        }
    }

    pub(crate) fn decode(id: u64, value: &[u8]) -> Result<Self> {
        let row = StreamRow::decode(value).map_err(|_| damaged("a stream"))?;
        let kind = match row.kind() {
            Kind::Records => StreamKind::Records,
            Kind::Video => StreamKind::Video,
            Kind::Delivery => StreamKind::Delivery,
            Kind::Unspecified => return Err(damaged("the kind of a stream")),
        };
        let durability = match row.durability() {
            Durable::Fsync => Durability::Fsync,
            Durable::Os => Durability::Os,
            Durable::Unspecified => return Err(damaged("the durability of a stream")),
        };
        Ok(Self {
            id,
            name: StreamName::new(&row.name)?,
            kind,
            created: ServerTime::from_millis(row.created_ms),
            retention: Retention {
                age: Duration::from_millis(row.retention_ms),
                bytes: row.retention_bytes,
            },
            durability,
            record_bytes_max: usize::try_from(row.record_bytes_max).unwrap_or(usize::MAX),
            quota: row.quota.map(|quota| Quota {
                bytes_per_second: quota.bytes_per_second,
                records_per_second: quota.records_per_second,
            }),
            shard_next: row.shard_next,
            sealing: sealing(row.data_keys, row.encryption)?,
        })
    }
}

impl ShardFacts {
    /// The row's write.
    pub(crate) fn put(&self, stream: u64) -> Write {
        let (start_high, start_low) = halves(self.range.start());
        let (end_high, end_low) = halves(self.range.end());
        let row = ShardRow {
            start_high,
            start_low,
            end_high,
            end_low,
            parents: numbers(&self.parents),
            created_ms: self.created.as_millis(),
            closed: self.closed.as_ref().map(|closed| ClosedRow {
                position: closed.at.get(),
                children: closed.children.iter().map(child_row).collect(),
                closed_ms: closed.time.as_millis(),
            }),
        };
        Write::Put {
            table: Table::Shards,
            key: key::shard(stream, self.id),
            value: row.encode_to_vec(),
        }
    }

    pub(crate) fn decode(id: ShardId, value: &[u8]) -> Result<Self> {
        let row = ShardRow::decode(value).map_err(|_| damaged("a shard"))?;
        let closed = row
            .closed
            .map(|closed| -> Result<Closed> {
                Ok(Closed {
                    at: Position::new(closed.position),
                    children: closed
                        .children
                        .iter()
                        .map(child)
                        .collect::<Result<Vec<_>>>()?,
                    time: ServerTime::from_millis(closed.closed_ms),
                })
            })
            .transpose()?;
        Ok(Self {
            id,
            range: range((row.start_high, row.start_low), (row.end_high, row.end_low))?,
            parents: ids(&row.parents),
            created: ServerTime::from_millis(row.created_ms),
            closed,
        })
    }

    /// The shard as its parents' readers and producers are told of it.
    pub(crate) fn as_child(&self) -> Child {
        Child {
            id: self.id,
            parents: self.parents.clone(),
            range: self.range,
        }
    }
}

fn data_key_row(key: &Wrapped) -> DataKeyRow {
    DataKeyRow {
        number: key.number,
        master: key.master.clone(),
        wrapped: key.bytes.clone(),
    }
}

fn sealing(rows: Vec<DataKeyRow>, on: Option<String>) -> Result<SealFacts> {
    let keys: Vec<Wrapped> = rows
        .into_iter()
        .map(|row| Wrapped {
            number: row.number,
            master: row.master,
            bytes: row.wrapped,
        })
        .collect();
    // Zero stands for a plain entry, and the newest key is the last.
    let ascending = keys.is_sorted_by(|a, b| a.number < b.number);
    let counted = keys.first().is_none_or(|key| key.number > 0);
    if !ascending || !counted || (on.is_some() && keys.is_empty()) {
        return Err(damaged("the data keys of a stream"));
    }
    Ok(SealFacts { keys, on })
}

fn child_row(child: &Child) -> ChildRow {
    let (start_high, start_low) = halves(child.range.start());
    let (end_high, end_low) = halves(child.range.end());
    ChildRow {
        shard: child.id.get(),
        parents: numbers(&child.parents),
        start_high,
        start_low,
        end_high,
        end_low,
    }
}

fn child(row: &ChildRow) -> Result<Child> {
    Ok(Child {
        id: ShardId::new(row.shard),
        parents: ids(&row.parents),
        range: range((row.start_high, row.start_low), (row.end_high, row.end_low))?,
    })
}

fn numbers(ids: &[ShardId]) -> Vec<u32> {
    ids.iter().map(|id| id.get()).collect()
}

fn ids(numbers: &[u32]) -> Vec<ShardId> {
    numbers.iter().copied().map(ShardId::new).collect()
}

fn range(start: (u64, u64), end: (u64, u64)) -> Result<HashKeyRange> {
    HashKeyRange::new(whole(start), whole(end)).map_err(|_| damaged("the range of a shard"))
}

fn whole((high, low): (u64, u64)) -> HashKey {
    HashKey::new(u128::from(high) << 64 | u128::from(low))
}

fn halves(key: HashKey) -> (u64, u64) {
    let low = u64::try_from(key.get() & u128::from(u64::MAX)).expect("masked to 64 bits");
    let high = u64::try_from(key.get() >> 64).expect("shifted to 64 bits");
    (high, low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(write: Write) -> Vec<u8> {
        match write {
            Write::Put { value, .. } => value,
            other => panic!("not a put: {other:?}"),
        }
    }

    fn facts() -> StreamFacts {
        StreamFacts {
            id: 7,
            name: StreamName::new("cameras").unwrap(),
            kind: StreamKind::Video,
            created: ServerTime::from_millis(-5),
            retention: Retention {
                age: Duration::from_secs(3_600),
                bytes: Some(9),
            },
            durability: Durability::Os,
            record_bytes_max: 1 << 20,
            quota: Some(Quota {
                bytes_per_second: 1,
                records_per_second: 0,
            }),
            shard_next: 3,
            sealing: SealFacts {
                keys: vec![Wrapped {
                    number: 2,
                    master: "m".to_owned(),
                    bytes: vec![1, 2, 3],
                }],
                on: Some("alias/m".to_owned()),
            },
        }
    }

    proptest! {
        #[test]
        fn shard_reads_what_it_writes(a: u128, b: u128, parents: Vec<u32>, created: i64, closed: Option<u64>) {
            let range = HashKeyRange::new(HashKey::new(a.min(b)), HashKey::new(a.max(b))).unwrap();
            let child = Child { id: ShardId::new(9), parents: ids(&parents), range };
            let facts = ShardFacts {
                id: ShardId::new(4),
                range,
                parents: ids(&parents),
                created: ServerTime::from_millis(created),
                closed: closed.map(|at| Closed { at: Position::new(at), children: vec![child], time: ServerTime::from_millis(created) }),
            };
            prop_assert_eq!(ShardFacts::decode(facts.id, &value(facts.put(1))).unwrap(), facts);
        }

        #[test]
        fn random_rows_never_panic(bytes: Vec<u8>) {
            let _ = ShardFacts::decode(ShardId::new(0), &bytes);
            let _ = StreamFacts::decode(0, &bytes);
        }
    }

    #[test]
    fn stream_reads_what_it_writes_and_skips_fields_of_the_future() {
        let facts = facts();
        let mut bytes = value(facts.put());
        assert_eq!(StreamFacts::decode(7, &bytes).unwrap(), facts);
        // Field 99, a string.
        bytes.extend([0x9a, 0x06, 0x02, b'h', b'i']);
        assert_eq!(StreamFacts::decode(7, &bytes).unwrap(), facts);
    }

    #[test]
    fn data_keys_that_do_not_count_up_are_refused() {
        let refused = |change: fn(&mut SealFacts)| {
            let mut facts = facts();
            change(&mut facts.sealing);
            StreamFacts::decode(7, &value(facts.put())).unwrap_err()
        };
        for error in [
            refused(|sealing| sealing.keys[0].number = 0),
            refused(|sealing| sealing.keys.push(sealing.keys[0].clone())),
            refused(|sealing| sealing.keys.clear()),
        ] {
            assert_eq!(
                error.message(),
                "the catalog is damaged: the data keys of a stream cannot be read"
            );
        }
    }

    #[test]
    fn a_stream_of_an_unknown_kind_is_refused() {
        let mut row = StreamRow::decode(value(facts().put()).as_slice()).unwrap();
        row.kind = 9;
        let error = StreamFacts::decode(7, &row.encode_to_vec()).unwrap_err();
        assert_eq!(
            error.message(),
            "the catalog is damaged: the kind of a stream cannot be read"
        );
    }
}
