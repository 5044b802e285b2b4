//! Registered consumers and their checkpoints.

use std::sync::Arc;

use afflux_types::limits::STREAM_CONSUMERS_MAX;
use afflux_types::{
    ConsumerName, Error, ErrorKind, Position, Result, ServerTime, ShardId, StreamName,
};
use prost::Message;

use crate::catalog::row::{CheckpointRow, ConsumerRow};
use crate::catalog::{Outcome, Table, Write, damaged, key};
use crate::engine::Engine;
use crate::registry::Stream;
use crate::stream::{Checkpoint, ConsumerDescription};

/// Checkpoints that one consumer may have: shards of a stream, closed ones included.
const CHECKPOINTS_MAX: usize = 1 << 20;

impl Engine {
    /// Gives a reader a name, under which it saves checkpoints.
    ///
    /// # Errors
    /// `InUse` if the name is taken, `LimitExceeded` above the number of consumers of a stream,
    /// `NotFound` if the stream does not exist.
    pub async fn register_consumer(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
    ) -> Result<ConsumerDescription> {
        self.inner.check_running()?;
        let stream = self.stream(stream)?;
        let changes = Arc::clone(&stream.changes).lock_owned().await;
        if stream.is_deleted() {
            return Err(stream.deleted_error());
        }
        check_new(&stream, consumer)?;
        let description = ConsumerDescription {
            name: consumer.clone(),
            created: self.inner.clock.wall(),
        };
        let write = Write::Put {
            table: Table::Consumers,
            key: key::consumer(stream.facts.id, consumer),
            value: ConsumerRow {
                created_ms: description.created.as_millis(),
            }
            .encode_to_vec(),
        };
        let registered = description.clone();
        self.inner
            .catalog
            .commit(vec![write], move |outcome| {
                if outcome == Outcome::Committed {
                    let mut consumers = stream.consumers.write();
                    consumers.insert(registered.name, registered.created);
                }
                drop(changes);
            })
            .await?;
        Ok(description)
    }

    /// Forgets a consumer and its checkpoints.
    ///
    /// # Errors
    /// `NotFound` if the stream or the consumer does not exist.
    pub async fn deregister_consumer(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
    ) -> Result<()> {
        self.inner.check_running()?;
        let stream = self.stream(stream)?;
        let changes = Arc::clone(&stream.changes).lock_owned().await;
        check_registered(&stream, consumer)?;
        let id = stream.facts.id;
        let writes = vec![
            Write::Delete {
                table: Table::Consumers,
                key: key::consumer(id, consumer),
            },
            Write::DeletePrefix {
                table: Table::Checkpoints,
                prefix: key::checkpoints(id, consumer),
            },
        ];
        let consumer = consumer.clone();
        self.inner
            .catalog
            .commit(writes, move |outcome| {
                if outcome == Outcome::Committed {
                    stream.consumers.write().remove(&consumer);
                }
                drop(changes);
            })
            .await
    }

    /// The consumers of a stream, in the order of their names.
    ///
    /// # Errors
    /// `NotFound` if the stream does not exist.
    pub fn list_consumers(&self, stream: &StreamName) -> Result<Vec<ConsumerDescription>> {
        let stream = self.stream(stream)?;
        let consumers = stream.consumers.read();
        Ok(consumers
            .iter()
            .map(|(name, created)| ConsumerDescription {
                name: name.clone(),
                created: *created,
            })
            .collect())
    }

    /// Saves how far a consumer has come in a shard, durably.
    ///
    /// # Errors
    /// `NotFound` if the stream, the consumer or the shard does not exist; `Invalid` for a position
    /// beyond the shard's end.
    pub async fn set_checkpoint(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
        shard: ShardId,
        position: Position,
    ) -> Result<()> {
        self.inner.check_running()?;
        let stream = self.stream(stream)?;
        check_registered(&stream, consumer)?;
        let cell = stream.cell(shard)?;
        if let Some(live) = cell.live()
            && position > live.watermarks().appended
        {
            return Err(Error::invalid(format!(
                "checkpoint {position} is beyond the end {} of {shard} of stream {}",
                live.watermarks().appended,
                stream.name()
            )));
        }
        let row = CheckpointRow {
            position: position.get(),
            saved_ms: self.inner.clock.wall().as_millis(),
        };
        let write = Write::Put {
            table: Table::Checkpoints,
            key: key::checkpoint(stream.facts.id, consumer, shard),
            value: row.encode_to_vec(),
        };
        self.inner.catalog.commit(vec![write], |_| ()).await
    }

    /// Where a consumer has come to in a shard; `None` if it has saved nothing.
    ///
    /// # Errors
    /// `NotFound` if the stream or the consumer does not exist.
    pub fn checkpoint(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
        shard: ShardId,
    ) -> Result<Option<Position>> {
        let stream = self.stream(stream)?;
        check_registered(&stream, consumer)?;
        let key = key::checkpoint(stream.facts.id, consumer, shard);
        let row = self.inner.catalog.get(Table::Checkpoints, &key)?;
        row.map(|row| Ok(decode(shard, &row)?.position)).transpose()
    }

    /// Every checkpoint of a consumer, in the order of the shards.
    ///
    /// # Errors
    /// `NotFound` if the stream or the consumer does not exist.
    pub fn checkpoints(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
    ) -> Result<Vec<Checkpoint>> {
        let stream = self.stream(stream)?;
        check_registered(&stream, consumer)?;
        let prefix = key::checkpoints(stream.facts.id, consumer);
        let rows = self
            .inner
            .catalog
            .scan(Table::Checkpoints, &prefix, None, CHECKPOINTS_MAX)?;
        rows.iter()
            .map(|(key, row)| {
                let shard =
                    key::checkpoint_shard(key).ok_or_else(|| damaged("a checkpoint's key"))?;
                decode(shard, row)
            })
            .collect()
    }
}

fn check_new(stream: &Stream, consumer: &ConsumerName) -> Result<()> {
    let consumers = stream.consumers.read();
    if consumers.contains_key(consumer) {
        return Err(Error::new(
            ErrorKind::InUse,
            format!(
                "consumer {consumer} of stream {} exists already",
                stream.name()
            ),
        ));
    }
    if consumers.len() >= STREAM_CONSUMERS_MAX {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "stream {} has {STREAM_CONSUMERS_MAX} consumers, which is the limit",
                stream.name()
            ),
        ));
    }
    Ok(())
}

fn check_registered(stream: &Stream, consumer: &ConsumerName) -> Result<()> {
    if stream.consumers.read().contains_key(consumer) {
        return Ok(());
    }
    Err(Error::not_found(format!(
        "consumer {consumer} of stream {} does not exist",
        stream.name()
    )))
}

fn decode(shard: ShardId, row: &[u8]) -> Result<Checkpoint> {
    let row = CheckpointRow::decode(row).map_err(|_| damaged("a checkpoint"))?;
    Ok(Checkpoint {
        shard,
        position: Position::new(row.position),
        saved: ServerTime::from_millis(row.saved_ms),
    })
}
