//! What an archive reads from: the engine's public interface, or a stand-in in tests.

use std::future::Future;

use afflux_engine::{Engine, Event, From, Shard, Subscription};
use afflux_types::{Error, Position, Result, ShardId, StreamName};
use bytes::Bytes;
use tokio::sync::OnceCell;

/// One stream that can be followed; when it is deleted, everything fails with `NotFound` for good.
pub(crate) trait Source: Send + Sync + 'static {
    type Feed: Feed;

    /// What the stream is, and its shards.
    fn describe(&self) -> impl Future<Output = Result<Described>> + Send;

    /// The oldest position of a shard.
    fn horizon(&self, shard: ShardId) -> impl Future<Output = Result<Position>> + Send;

    /// Everything of a shard from a position on.
    fn subscribe(
        &self,
        shard: ShardId,
        from: Position,
    ) -> impl Future<Output = Result<Self::Feed>> + Send;

    /// Whole entries from the one at `from` on, without waiting; empty at the end.
    fn read(&self, shard: ShardId, from: Position) -> impl Future<Output = Result<Bytes>> + Send;
}

/// A live push of one shard.
pub(crate) trait Feed: Send + 'static {
    /// Waits for what comes next. A dropped future has taken nothing.
    fn next(&mut self) -> impl Future<Output = Result<Happening>> + Send;

    /// How far the reader is behind, in milliseconds.
    fn millis_behind(&self) -> u64;
}

/// What a stream is.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) shards: Vec<Lineage>,
}

/// A shard's place in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Lineage {
    pub(crate) id: ShardId,
    pub(crate) parents: Vec<ShardId>,
}

/// What a feed says.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// Whole entries; the first may begin before the feed's position.
    Entries(Bytes),
    /// Retention was faster; the feed goes on here.
    Lagged(Position),
    /// The shard ended at this position.
    End(Position),
}

/// Bytes that one blocking job writes at most, unless one entry is larger.
const SLICE_BYTES: usize = 1 << 20;

/// A stream of an engine: the same one for as long as this value lives, also when the stream is
/// deleted and its name is used again.
#[derive(Debug)]
pub(crate) struct EngineStream {
    engine: Engine,
    name: StreamName,
    /// A shard of the stream that was found first; its calls fail once that stream is deleted.
    anchor: OnceCell<Shard>,
}

impl EngineStream {
    pub(crate) fn new(engine: Engine, name: StreamName) -> Self {
        Self {
            engine,
            name,
            anchor: OnceCell::new(),
        }
    }

    /// Fails if the stream was deleted. What was looked up by name before belongs to it otherwise:
    /// a name has one stream at a time.
    async fn check_exists(&self) -> Result<()> {
        let anchor = self.anchor.get_or_try_init(async || {
            let first = self.engine.list_shards(&self.name, None, 1)?;
            let first = first
                .first()
                .ok_or_else(|| Error::not_found(format!("stream {} has no shard", self.name)))?;
            self.engine.shard(&self.name, first.id).await
        });
        anchor.await?.resolve(From::TrimHorizon).await?;
        Ok(())
    }

    async fn shard(&self, shard: ShardId) -> Result<Shard> {
        let shard = self.engine.shard(&self.name, shard).await?;
        self.check_exists().await?;
        Ok(shard)
    }
}

impl Source for EngineStream {
    type Feed = Subscription;

    async fn describe(&self) -> Result<Described> {
        self.check_exists().await?;
        let description = self.engine.describe_stream(&self.name)?;
        self.check_exists().await?;
        let shards = description.shards.into_iter();
        Ok(Described {
            shards: shards
                .map(|shard| Lineage {
                    id: shard.id,
                    parents: shard.parents,
                })
                .collect(),
        })
    }

    async fn horizon(&self, shard: ShardId) -> Result<Position> {
        self.shard(shard).await?.resolve(From::TrimHorizon).await
    }

    async fn subscribe(&self, shard: ShardId, from: Position) -> Result<Subscription> {
        self.shard(shard)
            .await?
            .subscribe(From::Sequence(from))
            .await
    }

    async fn read(&self, shard: ShardId, from: Position) -> Result<Bytes> {
        Ok(self
            .shard(shard)
            .await?
            .read(from, SLICE_BYTES)
            .await?
            .bytes)
    }
}

impl Feed for Subscription {
    async fn next(&mut self) -> Result<Happening> {
        Ok(match Self::next(self, SLICE_BYTES).await? {
            // Going round without a step would never end and never say why.
            Event::Slice(slice) if slice.is_empty() => {
                return Err(Error::internal(format!(
                    "a subscription handed over nothing at position {}",
                    slice.first
                )));
            }
            Event::Slice(slice) => Happening::Entries(slice.bytes),
            Event::Lagged { to, .. } => Happening::Lagged(to),
            Event::ShardEnd { position, .. } => Happening::End(position),
        })
    }

    fn millis_behind(&self) -> u64 {
        Self::millis_behind(self)
    }
}
