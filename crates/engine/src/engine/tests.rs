//! What happens when the catalog or the disk fails: nothing changes that was not asked for, nothing is
//! lost, and what can go on goes on.

mod disk;

use std::sync::atomic::AtomicU8;

use afflux_entry::{BatchBuilder, Header, Kind};
use afflux_types::{ConsumerName, ErrorKind, HashKey, ServerTime};

use super::*;
use crate::catalog::Row;
use crate::stream::{NewStream, ShardState, StreamKind};
use disk::{Faults, FaultyDisk};

const WORKS: u8 = 0;
/// The transaction fails and is not on the disk.
const REFUSES: u8 = 1;
/// The transaction is on the disk, but its success is not known.
const LOSES_ANSWER: u8 = 2;

/// A store that fails when it is told to.
struct Moody {
    store: FileStore,
    mood: AtomicU8,
}

impl Store for Moody {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>> {
        self.store.scan(table, prefix, after, limit)
    }

    fn commit(&self, writes: &[Write]) -> Result<()> {
        let mood = self.mood.load(Ordering::Relaxed);
        if mood != REFUSES {
            self.store.commit(writes)?;
        }
        match mood {
            WORKS => Ok(()),
            _ => Err(Error::unavailable("the disk of the catalog has failed")),
        }
    }
}

struct Fixture {
    engine: Engine,
    clock: Clock,
    store: Arc<Moody>,
    disk: Arc<Faults>,
    dir: tempfile::TempDir,
}

fn open(dir: tempfile::TempDir) -> Fixture {
    let clock = Clock::manual(ServerTime::from_millis(1_000));
    let options = EngineOptions {
        retention_interval: None,
        volume: VolumeOptions {
            segment_bytes_min: 64 << 10,
            segment_bytes_max: 64 << 10,
            ..VolumeOptions::default()
        },
        ..EngineOptions::new(dir.path())
    };
    let disk = Arc::new(Faults::default());
    let fs = Arc::new(FaultyDisk(Arc::clone(&disk)));
    let volume = Volume::open_on(fs, dir.path(), options.volume.clone(), clock.clone()).unwrap();
    let store = Arc::new(Moody {
        store: FileStore::open(&dir.path().join(CATALOG_FILE)).unwrap(),
        mood: AtomicU8::new(WORKS),
    });
    let engine = Engine::assemble(options, clock.clone(), volume, Arc::clone(&store) as _).unwrap();
    Fixture {
        engine,
        clock,
        store,
        disk,
        dir,
    }
}

impl Fixture {
    fn mood(&self, mood: u8) {
        self.store.mood.store(mood, Ordering::Relaxed);
    }

    async fn reopen(self) -> Self {
        let Self {
            engine, store, dir, ..
        } = self;
        engine.shutdown().await.unwrap();
        drop((engine, store));
        open(dir)
    }

    async fn create(&self) -> Result<crate::StreamDescription> {
        let new = NewStream::new(name(), StreamKind::Records);
        self.engine.create_stream(new).await
    }

    async fn put(&self, shard: u32, key: u128) -> Result<()> {
        self.put_bytes(shard, key, 4).await
    }

    async fn put_bytes(&self, shard: u32, key: u128, len: usize) -> Result<()> {
        let shard = self.engine.shard(&name(), ShardId::new(shard)).await?;
        let mut builder = BatchBuilder::default();
        builder.push(b"k", Some(HashKey::new(key)), &vec![7; len]);
        let (body, count) = builder.take();
        let body = vec![body];
        let header = Header::for_body(Kind::Batch, count, None, None, &body);
        let accepted = shard.append(header, body).await?;
        shard.wait_accepted(&accepted).await
    }

    async fn split(&self) -> Result<Vec<crate::Child>> {
        self.engine
            .split_shard(&name(), ShardId::new(0), None)
            .await
    }

    fn states(&self) -> Vec<ShardState> {
        let shards = self.engine.describe_stream(&name()).unwrap().shards;
        shards.iter().map(|shard| shard.state).collect()
    }
}

fn name() -> StreamName {
    StreamName::new("s").unwrap()
}

#[tokio::test]
async fn a_stream_whose_creation_failed_does_not_exist_and_its_name_is_free() {
    let fixture = open(tempfile::tempdir().unwrap());
    fixture.mood(REFUSES);
    let error = fixture.create().await.unwrap_err();
    assert_eq!(error.message(), "the disk of the catalog has failed");
    assert!(fixture.engine.list_streams(None, 1).is_empty());
    fixture.mood(WORKS);
    fixture.create().await.unwrap();
}

#[tokio::test]
async fn a_split_that_was_not_written_leaves_the_parent_open() {
    let fixture = open(tempfile::tempdir().unwrap());
    fixture.create().await.unwrap();
    fixture.put(0, 1).await.unwrap();
    fixture.mood(REFUSES);
    fixture.split().await.unwrap_err();
    fixture.put(0, 1).await.unwrap();
    assert_eq!(fixture.states(), [ShardState::Open]);
    fixture.mood(WORKS);
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.states(), [ShardState::Open]);
    fixture.put(0, 1).await.unwrap();
    assert_eq!(fixture.split().await.unwrap()[0].id.get(), 1);
}

#[tokio::test]
async fn a_split_that_was_written_is_found_after_a_restart_and_loses_nothing() {
    let fixture = open(tempfile::tempdir().unwrap());
    fixture.create().await.unwrap();
    fixture.put(0, 1).await.unwrap();
    fixture.mood(LOSES_ANSWER);
    fixture.split().await.unwrap_err();
    fixture.put(0, 1).await.unwrap();
    fixture.mood(WORKS);
    let fixture = fixture.reopen().await;
    let closed = [ShardState::Closed, ShardState::Open, ShardState::Open];
    assert_eq!(fixture.states(), closed);
    let error = fixture.put(0, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShardMoved);
    fixture.put(1, 1).await.unwrap();
    // What came between the failure and the restart is read before the children.
    let shard = fixture.engine.shard(&name(), ShardId::new(0)).await;
    let mut subscription = shard
        .unwrap()
        .subscribe(crate::From::TrimHorizon)
        .await
        .unwrap();
    let slice = subscription.next(1 << 20).await.unwrap();
    assert!(matches!(slice, crate::Event::Slice(slice) if slice.end.get() == 2));
    let end = subscription.next(1).await.unwrap();
    assert!(matches!(end, crate::Event::ShardEnd { position, .. } if position.get() == 2));
}

#[tokio::test]
async fn a_deletion_that_failed_leaves_the_stream() {
    let fixture = open(tempfile::tempdir().unwrap());
    fixture.create().await.unwrap();
    fixture.put(0, 1).await.unwrap();
    fixture.mood(REFUSES);
    fixture.engine.delete_stream(&name()).await.unwrap_err();
    fixture.put(0, 1).await.unwrap();
    let consumer = ConsumerName::new("c").unwrap();
    let registered = fixture.engine.register_consumer(&name(), &consumer).await;
    registered.unwrap_err();
    assert!(fixture.engine.list_consumers(&name()).unwrap().is_empty());
    fixture.mood(WORKS);
    fixture.engine.delete_stream(&name()).await.unwrap();
}

#[tokio::test]
async fn logs_that_a_deletion_left_behind_are_removed_by_the_next_tick() {
    let fixture = open(tempfile::tempdir().unwrap());
    fixture.create().await.unwrap();
    fixture.put(0, 1).await.unwrap();
    let logs = || std::fs::read_dir(fixture.dir.path().join("logs/0000000000000001"));
    assert_eq!(logs().unwrap().count(), 1);
    // As if the caller had gone between the transaction and the removal.
    let stream = fixture.engine.stream(&name()).unwrap();
    let prefix = key::stream(1);
    let writes = [
        Write::DeletePrefix {
            table: Table::Streams,
            prefix: prefix.clone(),
        },
        Write::DeletePrefix {
            table: Table::Shards,
            prefix,
        },
        Write::Put {
            table: Table::Removals,
            key: key::shard(1, ShardId::new(0)),
            value: Vec::new(),
        },
    ];
    fixture.engine.inner.catalog.commit_now(&writes).unwrap();
    fixture.engine.enforce_retention();
    assert_eq!(
        logs().unwrap().count(),
        1,
        "removed before the deletion was published"
    );
    fixture
        .engine
        .inner
        .registry
        .write()
        .streams
        .remove(&name());
    stream.delete();
    fixture.engine.enforce_retention();
    assert!(logs().map_or(0, Iterator::count) == 0);
    assert!(fixture.engine.inner.catalog.removals().unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_and_names_the_directory_until_there_is_room() {
    let fixture = open(tempfile::tempdir().unwrap());
    fixture.create().await.unwrap();
    fixture.put(0, 1).await.unwrap();
    fixture.disk.set_full(true);
    let mut taken = 1;
    let error = loop {
        match fixture.put_bytes(0, 1, 20_000).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100, "the disk was never full");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let expected = format!(
        "shardId-000000000000 of stream s: disk full: nothing more is taken in until {} has room",
        fixture.dir.path().display()
    );
    assert!(error.message().starts_with(&expected), "{error:?}");
    fixture.disk.set_full(false);
    let mut tries = 0;
    while let Err(error) = fixture.put_bytes(0, 1, 20_000).await {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        fixture.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
        tries += 1;
        assert!(tries < 100_000, "{error:?}");
    }
    let shard = fixture
        .engine
        .shard(&name(), ShardId::new(0))
        .await
        .unwrap();
    assert_eq!(shard.watermarks().durable.get(), taken + 1);
}

#[tokio::test]
async fn a_failed_sync_stops_the_shard_and_nothing_more_is_acknowledged() {
    let fixture = open(tempfile::tempdir().unwrap());
    fixture.create().await.unwrap();
    fixture.put(0, 1).await.unwrap();
    let shard = fixture
        .engine
        .shard(&name(), ShardId::new(0))
        .await
        .unwrap();
    let mut subscription = shard.subscribe(crate::From::TrimHorizon).await.unwrap();
    fixture.disk.break_syncs();
    let lost = fixture.put(0, 1).await.unwrap_err();
    assert!(lost.message().contains("sync"), "{lost:?}");
    let refused = fixture.put(0, 1).await.unwrap_err();
    assert!(
        refused
            .message()
            .starts_with("shardId-000000000000 of stream s: "),
        "{refused:?}"
    );
    fixture.split().await.unwrap_err();
    // What was durable before can be read; then the reader hears of the failure.
    let slice = subscription.next(1 << 20).await.unwrap();
    assert!(matches!(slice, crate::Event::Slice(slice) if slice.end.get() == 1));
    subscription.next(1).await.unwrap_err();
    fixture.engine.shutdown().await.ok();
}

/// Names that begin like those of delivery streams were free to users before there were any.
#[tokio::test]
async fn a_directory_of_earlier_programs_opens_and_keeps_its_names() {
    let fixture = open(tempfile::tempdir().unwrap());
    let created = fixture.create().await.unwrap();
    let format = |fixture: &Fixture| fixture.store.get(Table::Meta, key::FORMAT).unwrap();
    assert_eq!(format(&fixture).unwrap(), 1_u32.to_be_bytes());
    let named = crate::delivery_stream("s").unwrap();
    let facts = crate::catalog::StreamFacts {
        name: named.clone(),
        ..fixture
            .engine
            .stream(&name())
            .unwrap()
            .facts(1, created.retention)
    };
    fixture
        .engine
        .inner
        .catalog
        .commit_now(&[facts.put()])
        .unwrap();
    let fixture = fixture.reopen().await;
    let found = fixture.engine.describe_stream(&named).unwrap();
    assert_eq!((found.id, found.kind), (created.id, StreamKind::Records));
    let deliveries = fixture.engine.deliveries();
    let new = NewStream::new(named, StreamKind::Delivery);
    let error = deliveries.create_stream(new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(format(&fixture).unwrap(), 1_u32.to_be_bytes());
    let other = crate::delivery_stream("t").unwrap();
    let new = NewStream::new(other, StreamKind::Delivery);
    deliveries.create_stream(new).await.unwrap();
    assert_eq!(format(&fixture).unwrap(), 3_u32.to_be_bytes());
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.engine.deliveries().list_streams(None, 9).len(), 1);
}
