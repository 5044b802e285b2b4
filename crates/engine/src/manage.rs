//! Creating, deleting, listing and describing streams.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_types::limits::STREAMS_MAX;
use afflux_types::{Error, ErrorKind, HashKeyRange, Result, ShardId, StreamName};

use crate::catalog::{Outcome, ShardFacts, StreamFacts, Table, Write, key, needs_delivery};
use crate::engine::{Engine, remove_logs};
use crate::registry::{Registry, Stream};
use crate::seal::SealFacts;
use crate::stream::{
    NewStream, Retention, ShardDescription, StreamDescription, StreamKind, StreamLoad,
    StreamSummary, check_record_bytes,
};

impl Engine {
    /// Creates a stream, durably.
    ///
    /// # Errors
    /// `Invalid` or `LimitExceeded` for a setting out of its bounds, `Invalid` for a name that is kept for
    /// the streams that this handle does not find, `InUse` if the name is taken, `LimitExceeded` above the
    /// number of streams of one server.
    ///
    /// # Cancel safety
    /// A dropped future has created the stream whole or not at all.
    pub async fn create_stream(&self, new: NewStream) -> Result<StreamDescription> {
        self.inner.check_running()?;
        new.check()?;
        self.view.check_new(&new)?;
        let slot = self.inner.catalog.slot().await?;
        let registry = Arc::clone(&self.inner.registry);
        let (stream, pending) = {
            // Held until the transaction is queued, so that ids reach the disk in their order.
            let mut held = self.inner.registry.write();
            let id = held.reserve(&new.name)?;
            let facts = stream_facts(id, new, self.inner.clock.wall());
            let shards = first_shards(&facts);
            let mut writes = vec![
                Write::Put {
                    table: Table::Meta,
                    key: key::STREAM_NEXT.to_vec(),
                    value: held.stream_next.to_be_bytes().to_vec(),
                },
                facts.put(),
            ];
            writes.extend(shards.iter().map(|shard| shard.put(id)));
            if facts.kind == StreamKind::Delivery {
                writes.push(needs_delivery());
            }
            let stream = Arc::new(Stream::new(facts, shards, BTreeMap::new()));
            let published = Arc::clone(&stream);
            let pending = slot.submit(writes, move |outcome| {
                let mut registry = registry.write();
                registry.reserved.remove(published.name());
                if outcome == Outcome::Committed {
                    registry.streams.insert(published.name().clone(), published);
                }
            });
            (stream, pending)
        };
        pending.done().await?;
        Ok(stream.describe())
    }

    /// Deletes a stream and everything in it. Whoever still uses it gets `NotFound`.
    ///
    /// # Errors
    /// `NotFound` if it does not exist. If its files cannot be deleted now, they are at the next
    /// start.
    ///
    /// # Cancel safety
    /// A dropped future has deleted the stream whole or not at all.
    pub async fn delete_stream(&self, name: &StreamName) -> Result<()> {
        self.inner.check_running()?;
        let stream = self.stream(name)?;
        let changes = Arc::clone(&stream.changes).lock_owned().await;
        if stream.is_deleted() {
            return Err(stream.deleted_error());
        }
        let id = stream.facts.id;
        let shards: Vec<(u64, ShardId)> = stream.shards.read().keys().map(|s| (id, *s)).collect();
        let prefix = key::stream(id);
        let mut writes = vec![Write::Delete {
            table: Table::Streams,
            key: prefix.clone(),
        }];
        for table in [Table::Shards, Table::Consumers, Table::Checkpoints] {
            writes.push(Write::DeletePrefix {
                table,
                prefix: prefix.clone(),
            });
        }
        writes.extend(shards.iter().map(|&(stream, shard)| Write::Put {
            table: Table::Removals,
            key: key::shard(stream, shard),
            value: Vec::new(),
        }));
        let registry = Arc::clone(&self.inner.registry);
        let published = Arc::clone(&stream);
        self.inner
            .catalog
            .commit(writes, move |outcome| {
                if outcome == Outcome::Committed {
                    registry.write().streams.remove(published.name());
                    published.delete();
                }
                drop(changes);
            })
            .await?;
        let (volume, catalog) = (self.inner.volume.clone(), Arc::clone(&self.inner.catalog));
        self.inner
            .pool
            .run(move || remove_logs(&volume, &catalog, &shards))
            .await?
    }

    /// Changes how long a stream keeps its entries.
    ///
    /// # Errors
    /// `Invalid` for an age out of its bounds, `NotFound` if the stream does not exist.
    pub async fn set_retention(&self, name: &StreamName, retention: Retention) -> Result<()> {
        self.inner.check_running()?;
        retention.check()?;
        let stream = self.stream(name)?;
        let changes = Arc::clone(&stream.changes).lock_owned().await;
        if stream.is_deleted() {
            return Err(stream.deleted_error());
        }
        let facts = stream.facts(changes.shard_next, retention);
        self.inner
            .catalog
            .commit(vec![facts.put()], move |outcome| {
                if outcome == Outcome::Committed {
                    stream.set_retention(retention);
                }
                drop(changes);
            })
            .await
    }

    /// Changes how many bytes of key and data one record may have.
    ///
    /// # Errors
    /// `Invalid` or `LimitExceeded` for a number out of its bounds, `NotFound` if the stream does not
    /// exist.
    pub async fn set_record_bytes_max(&self, name: &StreamName, bytes: usize) -> Result<()> {
        self.inner.check_running()?;
        check_record_bytes(bytes)?;
        let stream = self.stream(name)?;
        let changes = Arc::clone(&stream.changes).lock_owned().await;
        if stream.is_deleted() {
            return Err(stream.deleted_error());
        }
        let facts = StreamFacts {
            record_bytes_max: bytes,
            ..stream.facts(changes.shard_next, stream.retention())
        };
        self.inner
            .catalog
            .commit(vec![facts.put()], move |outcome| {
                if outcome == Outcome::Committed {
                    stream.set_record_bytes_max(bytes);
                }
                drop(changes);
            })
            .await
    }

    /// At most `limit` streams whose names come after `after`, in the order of their names.
    #[must_use]
    pub fn list_streams(&self, after: Option<&StreamName>, limit: usize) -> Vec<StreamSummary> {
        let registry = self.inner.registry.read();
        page(&registry.streams, after)
            .filter(|stream| self.view.shows(stream.facts.kind))
            .take(limit)
            .map(|stream| StreamSummary {
                id: stream.facts.id,
                name: stream.name().clone(),
                kind: stream.facts.kind,
                created: stream.facts.created,
                open_shards: u32::try_from(stream.open_shards()).unwrap_or(u32::MAX),
            })
            .collect()
    }

    /// The number that no other stream ever has, without a look at the stream's shards.
    ///
    /// # Errors
    /// `NotFound` if it does not exist.
    pub fn stream_id(&self, name: &StreamName) -> Result<u64> {
        Ok(self.stream(name)?.facts.id)
    }

    /// A stream and all its shards.
    ///
    /// # Errors
    /// `NotFound` if it does not exist.
    pub fn describe_stream(&self, name: &StreamName) -> Result<StreamDescription> {
        Ok(self.stream(name)?.describe())
    }

    /// What a stream and its open shards took in. The first look at a shard begins its sample, and each
    /// takes the sample with it: for one who looks.
    ///
    /// # Errors
    /// `NotFound` if the stream does not exist.
    pub fn take_load(&self, name: &StreamName) -> Result<StreamLoad> {
        let stream = self.stream(name)?;
        let cells = stream.cells();
        let open = cells.iter().filter(|cell| cell.is_open());
        let shards = open.map(|cell| cell.take_load()).collect();
        let counted = stream.counters.snapshot(stream.name().clone());
        Ok(StreamLoad {
            id: stream.facts.id,
            quota: stream.facts.quota,
            bytes: counted.bytes_in,
            records: counted.records_in,
            shards,
        })
    }

    /// At most `limit` shards of a stream whose ids come after `after`, closed ones included.
    ///
    /// # Errors
    /// `NotFound` if the stream does not exist.
    pub fn list_shards(
        &self,
        name: &StreamName,
        after: Option<ShardId>,
        limit: usize,
    ) -> Result<Vec<ShardDescription>> {
        let stream = self.stream(name)?;
        let shards = stream.shards.read();
        Ok(page(&shards, after.as_ref())
            .take(limit)
            .map(|cell| cell.describe())
            .collect())
    }
}

impl Registry {
    /// Takes a name and the next id.
    fn reserve(&mut self, name: &StreamName) -> Result<u64> {
        if self.streams.contains_key(name) || self.reserved.contains(name) {
            return Err(Error::new(
                ErrorKind::InUse,
                format!("stream {name} exists already"),
            ));
        }
        if self.streams.len() + self.reserved.len() >= STREAMS_MAX {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("there are {STREAMS_MAX} streams, which is the limit"),
            ));
        }
        self.reserved.insert(name.clone());
        let id = self.stream_next;
        self.stream_next += 1;
        Ok(id)
    }
}

fn page<'a, K: Ord, V>(map: &'a BTreeMap<K, V>, after: Option<&K>) -> impl Iterator<Item = &'a V> {
    use std::ops::Bound;
    let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
    map.range((lower, Bound::Unbounded)).map(|(_, value)| value)
}

fn stream_facts(id: u64, new: NewStream, now: afflux_types::ServerTime) -> StreamFacts {
    StreamFacts {
        id,
        name: new.name,
        kind: new.kind,
        created: now,
        retention: new.retention,
        durability: new.durability,
        record_bytes_max: new.record_bytes_max,
        quota: new.quota,
        shard_next: new.shards,
        sealing: SealFacts::default(),
    }
}

fn first_shards(stream: &StreamFacts) -> Vec<ShardFacts> {
    (0..)
        .zip(HashKeyRange::even(stream.shard_next))
        .map(|(number, range)| ShardFacts {
            id: ShardId::new(number),
            range,
            parents: Vec::new(),
            created: stream.created,
            closed: None,
        })
        .collect()
}
