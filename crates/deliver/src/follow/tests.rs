//! The archive as a whole over a stream in memory and a disk in memory; time is virtual.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afflux_media::Continuity;
use afflux_types::{Clock, Error, ErrorKind, Position, Result, ServerTime, ShardId};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::{Context, Limits, run};
use crate::fs::sim::{Failure, SimFs};
use crate::manifest::GapReason;
use crate::settings::{ArchiveSettings, Compression};
use crate::source::{Described, Feed, Happening, Lineage, Source};
use crate::status::{ArchiveStatus, Status};
use crate::verify::{ArchivedRecord, Records, Summary, verify_in};
use crate::write::script::{ROOT, Script, stream};
use crate::write::video_tests::{CAMERA, film};

const START: i64 = 1_795_255_200_000;

/// A stream in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    state: Arc<Mutex<State>>,
    bell: Arc<Notify>,
    disk: SimFs,
}

#[derive(Debug, Default)]
struct State {
    shards: BTreeMap<ShardId, Shard>,
    deleted: bool,
}

#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) script: Script,
    parents: Vec<ShardId>,
    horizon: Position,
    children: Option<Vec<ShardId>>,
}

impl Memory {
    pub(crate) fn new(disk: &SimFs) -> Self {
        Self {
            state: Arc::default(),
            bell: Arc::default(),
            disk: disk.clone(),
        }
    }

    pub(crate) fn add(&self, script: Script, parents: &[u32]) {
        let parents = parents.iter().copied().map(ShardId::new).collect();
        let shard = Shard {
            parents,
            horizon: Position::ZERO,
            children: None,
            script,
        };
        self.state.lock().shards.insert(shard.script.shard, shard);
        self.bell.notify_waiters();
    }

    pub(crate) fn change(&self, shard: u32, change: impl FnOnce(&mut Shard)) {
        change(
            self.state
                .lock()
                .shards
                .get_mut(&ShardId::new(shard))
                .unwrap(),
        );
        self.bell.notify_waiters();
    }

    fn close(&self, shard: u32, children: &[u32]) {
        let children = children.iter().copied().map(ShardId::new).collect();
        self.change(shard, |shard| shard.children = Some(children));
    }

    fn delete(&self) {
        self.state.lock().deleted = true;
        self.bell.notify_waiters();
    }

    fn check(&self) -> Result<()> {
        match self.state.lock().deleted {
            true => Err(Error::not_found("stream clicks does not exist")),
            false => Ok(()),
        }
    }

    fn happening(&self, shard: ShardId, position: Position) -> Option<Happening> {
        let state = self.state.lock();
        let shard = &state.shards[&shard];
        if position < shard.horizon {
            return Some(Happening::Lagged(shard.horizon));
        }
        let entries = take(&shard.script, position, 2);
        if !entries.is_empty() {
            return Some(Happening::Entries(entries));
        }
        let children = shard.children.clone()?;
        Some(Happening::End(position, children))
    }
}

/// At most `count` entries from the one at `position` on, without inits right before it: the worst
/// that a log may do to a reader who starts there.
fn take(script: &Script, position: Position, count: usize) -> Bytes {
    let rest = script
        .entries
        .iter()
        .filter(|entry| entry.end > position)
        .take(count);
    let mut bytes = BytesMut::new();
    rest.for_each(|entry| bytes.extend_from_slice(&entry.bytes));
    bytes.freeze()
}

impl Source for Memory {
    type Feed = MemoryFeed;

    async fn describe(&self) -> Result<Described> {
        self.check()?;
        let state = self.state.lock();
        let lineage = |(id, shard): (&ShardId, &Shard)| Lineage {
            id: *id,
            parents: shard.parents.clone(),
        };
        Ok(Described {
            identity: "1 of 2026-11-21T10:00:00.000Z".into(),
            shards: state.shards.iter().map(lineage).collect(),
        })
    }

    async fn horizon(&self, shard: ShardId) -> Result<Position> {
        self.check()?;
        Ok(self.state.lock().shards[&shard].horizon)
    }

    async fn subscribe(&self, shard: ShardId, from: Position) -> Result<MemoryFeed> {
        self.check()?;
        // Children only after everything of their parents is in the archive, durably.
        for parent in &self.state.lock().shards[&shard].parents {
            let manifest = Path::new(ROOT).join(format!("clicks/{parent}/manifest.jsonl"));
            let lines = String::from_utf8(self.disk.dump()[&manifest].clone()).unwrap();
            assert!(
                lines.contains("{\"closed\":"),
                "{shard} is read before {parent} is archived"
            );
        }
        Ok(MemoryFeed {
            memory: self.clone(),
            shard,
            position: from,
        })
    }

    async fn read(&self, shard: ShardId, from: Position) -> Result<Bytes> {
        self.check()?;
        let state = self.state.lock();
        let shard = &state.shards[&shard];
        if from < shard.horizon {
            return Err(Error::new(ErrorKind::Expired, "trimmed"));
        }
        let before = shard
            .script
            .entries
            .iter()
            .filter(|entry| entry.end <= from)
            .count();
        // As the log does: inits belong to the fragment that follows them.
        let entries = shard.script.entries.get(..before).unwrap_or_default();
        let inits = entries
            .iter()
            .rev()
            .take_while(|entry| entry.is_init())
            .count();
        let rest = shard
            .script
            .entries
            .iter()
            .skip(before - inits)
            .take(3 + inits);
        let mut bytes = BytesMut::new();
        rest.for_each(|entry| bytes.extend_from_slice(&entry.bytes));
        Ok(bytes.freeze())
    }
}

pub(crate) struct MemoryFeed {
    memory: Memory,
    shard: ShardId,
    position: Position,
}

impl Feed for MemoryFeed {
    async fn next(&mut self) -> Result<Happening> {
        loop {
            let bell = self.memory.bell.notified();
            self.memory.check()?;
            let Some(happening) = self.memory.happening(self.shard, self.position) else {
                bell.await;
                continue;
            };
            self.position = match &happening {
                Happening::Lagged(to) => *to,
                Happening::End(..) => self.position,
                Happening::Entries(_) => {
                    let state = self.memory.state.lock();
                    let entries = &state.shards[&self.shard].script.entries;
                    let rest = entries
                        .iter()
                        .filter(|entry| entry.end > self.position)
                        .take(2);
                    rest.last().unwrap().end
                }
            };
            return Ok(happening);
        }
    }

    fn millis_behind(&self) -> u64 {
        0
    }
}

/// An archive that runs.
struct Running {
    disk: SimFs,
    clock: Clock,
    status: Arc<Status>,
    settings: ArchiveSettings,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(memory: &Memory, limits: Limits) -> Self {
        let settings = ArchiveSettings {
            compression: Compression::None,
            file_bytes: 1_024,
            file_seconds: 5,
            ..ArchiveSettings::new(ROOT)
        };
        let (stop, stopped) = watch::channel(false);
        let clock = Clock::manual(ServerTime::from_millis(START));
        let status = Arc::new(Status::default());
        let context = Context {
            source: memory.clone(),
            fs: Arc::new(memory.disk.clone()),
            clock: clock.clone(),
            stream: stream(),
            settings: settings.clone(),
            limits,
            status: Arc::clone(&status),
            stop: stopped,
        };
        let task = tokio::spawn(run(Arc::new(context)));
        let disk = memory.disk.clone();
        Self {
            disk,
            clock,
            status,
            settings,
            stop,
            task,
        }
    }

    fn report(&self) -> ArchiveStatus {
        self.status
            .report(&stream(), &self.settings, self.clock.elapsed())
    }

    /// Waits, in virtual time, until the archive's status is as wanted.
    async fn until(&self, wanted: impl Fn(&ArchiveStatus) -> bool) -> ArchiveStatus {
        for _ in 0..100_000 {
            let report = self.report();
            if wanted(&report) {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("still {:?}", self.report());
    }

    async fn stop(self) -> SimFs {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.disk
    }
}

fn disk() -> SimFs {
    SimFs::new(Path::new(ROOT))
}

fn summary(disk: &SimFs) -> Summary {
    verify_in(disk, Path::new(ROOT)).unwrap()
}

fn archived(disk: &SimFs) -> Vec<ArchivedRecord> {
    let records = Records::open(Arc::new(disk.clone()), Path::new(ROOT)).unwrap();
    records.map(|record| record.unwrap()).collect()
}

fn script(shard: u32, batches: usize) -> Script {
    let payload = "x".repeat(150);
    (0..batches).fold(Script::new(shard), |script, batch| {
        let millis = START + i64::try_from(batch).unwrap();
        script.batch(millis, &[payload.as_bytes(), b"\xff", b"three"])
    })
}

fn records(scripts: &[Script]) -> Vec<ArchivedRecord> {
    scripts.iter().flat_map(Script::records).collect()
}

#[tokio::test(start_paused = true)]
async fn parents_are_archived_before_their_children_through_a_split_and_a_merge() {
    let memory = Memory::new(&disk());
    let scripts = [script(0, 5), script(1, 3), script(2, 4), script(3, 2)];
    let [root, left, right, merged] = scripts.clone();
    memory.add(root, &[]);
    let archive = Running::start(&memory, Limits::default());
    archive.until(|status| status.totals.records > 0).await;
    memory.add(left, &[0]);
    memory.add(right, &[0]);
    memory.add(merged, &[1, 2]);
    memory.close(0, &[1, 2]);
    memory.close(1, &[3]);
    memory.close(2, &[3]);
    let count = records(&scripts).len() as u64;
    archive
        .until(|status| status.totals.records + status.unfinished_records == count)
        .await;
    let disk = archive.stop().await;
    assert_eq!(archived(&disk), records(&scripts));
    let closed: Vec<bool> = summary(&disk)
        .shards
        .iter()
        .map(|shard| shard.closed)
        .collect();
    assert_eq!(closed, [true, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_the_files_and_starting_again_repeats_nothing() {
    let memory = Memory::new(&disk());
    memory.add(script(0, 2), &[]);
    let archive = Running::start(&memory, Limits::default());
    archive
        .until(|status| status.totals.records + status.unfinished_records == 6)
        .await;
    let disk = archive.stop().await;
    assert_eq!(summary(&disk).totals().records, 6);
    memory.change(0, |shard| shard.script = script(0, 4));
    let archive = Running::start(&memory, Limits::default());
    archive
        .until(|status| status.totals.records + status.unfinished_records == 12)
        .await;
    let disk = archive.stop().await;
    assert_eq!(archived(&disk), script(0, 4).records());
}

#[tokio::test(start_paused = true)]
async fn an_idle_file_is_finished_at_its_age() {
    let memory = Memory::new(&disk());
    memory.add(script(0, 1), &[]);
    let archive = Running::start(&memory, Limits::default());
    archive.until(|status| status.unfinished_records == 3).await;
    assert_eq!(archive.report().totals.files, 0);
    archive.clock.advance(Duration::from_secs(5));
    let status = archive.until(|status| status.totals.files == 1).await;
    assert_eq!((status.totals.records, status.unfinished_records), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_out_and_reported() {
    let memory = Memory::new(&disk());
    memory.add(script(0, 6), &[]);
    memory.disk.fail(30, Failure::FullUntilFreed);
    let archive = Running::start(&memory, Limits::default());
    let status = archive.until(|status| status.last_error.is_some()).await;
    let error = status.last_error.unwrap();
    assert!(error.contains("no storage space"), "{error}");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(archive.report().last_error.is_some());
    archive.disk.free();
    archive
        .until(|status| status.totals.records + status.unfinished_records == 18)
        .await;
    archive.clock.advance(Duration::from_secs(5));
    archive
        .until(|status| status.totals.records == 18 && status.last_error.is_none())
        .await;
    assert_eq!(archived(&archive.stop().await), script(0, 6).records());
}

#[tokio::test(start_paused = true)]
async fn a_missing_directory_is_waited_for_and_reported() {
    let memory = Memory::new(&SimFs::new(Path::new("/elsewhere")));
    memory.add(script(0, 1), &[]);
    let archive = Running::start(&memory, Limits::default());
    let status = archive.until(|status| status.last_error.is_some()).await;
    assert!(status.last_error.unwrap().contains("/archive"));
    archive.disk.mount(Path::new(ROOT));
    archive
        .until(|status| status.last_error.is_none() && status.unfinished_records == 3)
        .await;
    assert_eq!(archived(&archive.stop().await), script(0, 1).records());
}

#[tokio::test(start_paused = true)]
async fn what_retention_took_is_a_gap_in_the_manifest_and_in_the_status() {
    let memory = Memory::new(&disk());
    memory.add(script(0, 2), &[]);
    let archive = Running::start(&memory, Limits::default());
    archive
        .until(|status| status.totals.records + status.unfinished_records == 6)
        .await;
    let disk = archive.stop().await;
    memory.change(0, |shard| {
        shard.script = script(0, 5);
        shard.horizon = Position::new(9);
    });
    let archive = Running::start(&memory, Limits::default());
    let status = archive
        .until(|status| status.totals.records + status.unfinished_records == 12)
        .await;
    assert_eq!((status.totals.gaps, status.totals.missing), (1, 3));
    archive.stop().await;
    let summary = summary(&disk);
    let [gap] = summary.shards[0].gaps[..] else {
        panic!("{:?}", summary.shards[0].gaps);
    };
    assert_eq!((gap.from, gap.to), (Position::new(6), Position::new(9)));
    assert_eq!(gap.reason, GapReason::Retention);
    let mut expected = script(0, 5).records();
    expected.drain(6..9);
    assert_eq!(archived(&disk), expected);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_was_trimmed_before_its_turn_is_not_silently_cut() {
    let memory = Memory::new(&disk());
    memory.add(script(0, 1), &[]);
    memory.add(script(1, 3), &[0]);
    memory.close(0, &[1]);
    memory.change(1, |shard| shard.horizon = Position::new(3));
    let archive = Running::start(&memory, Limits::default());
    archive
        .until(|status| status.totals.records + status.unfinished_records == 9)
        .await;
    let summary = summary(&archive.stop().await);
    assert_eq!(summary.shards[1].start, Position::ZERO);
    assert_eq!(summary.totals().missing, 3);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_deleted_stream_is_archived_and_reported() {
    let memory = Memory::new(&disk());
    memory.add(script(0, 1), &[]);
    let archive = Running::start(&memory, Limits::default());
    archive.until(|status| status.unfinished_records == 3).await;
    memory.delete();
    let status = archive.until(|status| status.last_error.is_some()).await;
    assert!(status.last_error.unwrap().contains("does not exist"));
    archive.until(|status| status.totals.records == 3).await;
    assert_eq!(archived(&archive.stop().await), script(0, 1).records());
}

#[tokio::test(start_paused = true)]
async fn many_shards_share_few_open_files() {
    let memory = Memory::new(&disk());
    let scripts: Vec<Script> = (0..100).map(|shard| script(shard, 2)).collect();
    scripts
        .iter()
        .for_each(|script| memory.add(script.clone(), &[]));
    let archive = Running::start(
        &memory,
        Limits {
            threads: 3,
            open_files: 6,
        },
    );
    archive
        .until(|status| status.totals.records + status.unfinished_records == 600)
        .await;
    assert!(
        archive.disk.open_files_max() <= 6 + 3,
        "{}",
        archive.disk.open_files_max()
    );
    let disk = archive.stop().await;
    assert_eq!(archived(&disk), records(&scripts));
    let names: BTreeSet<_> = summary(&disk)
        .shards
        .iter()
        .map(|shard| shard.shard)
        .collect();
    assert_eq!(names.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn two_archives_of_one_directory_exclude_each_other() {
    let memory = Memory::new(&disk());
    memory.add(script(0, 1), &[]);
    let first = Running::start(&memory, Limits::default());
    first.until(|status| status.unfinished_records == 3).await;
    let second = Running::start(&memory, Limits::default());
    let status = second.until(|status| status.last_error.is_some()).await;
    assert!(
        status
            .last_error
            .unwrap()
            .contains("another process writes to")
    );
    first.stop().await;
    second
        .until(|status| status.last_error.is_none() && status.totals.records == 3)
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_goes_on_within_a_session_finds_its_init() {
    let memory = Memory::new(&disk());
    let mut film_script = Script::new(0);
    film(&mut film_script, CAMERA, Continuity::Continuous);
    let count = film_script.end().get();
    let mut early = film_script.clone();
    early.cut(2);
    memory.add(early, &[]);
    let archive = Running::start(&memory, Limits::default());
    archive
        .until(|status| status.totals.records + status.unfinished_records == 1)
        .await;
    archive.stop().await;
    memory.change(0, |shard| shard.script = film_script);
    let archive = Running::start(&memory, Limits::default());
    archive
        .until(|status| status.totals.records + status.unfinished_records == count)
        .await;
    let totals = summary(&archive.stop().await).totals();
    assert_eq!((totals.records, totals.gaps), (count, 0));
}

#[tokio::test(start_paused = true)]
async fn fragments_whose_init_is_gone_are_a_gap_of_their_own_kind() {
    let memory = Memory::new(&disk());
    let mut film_script = Script::new(0);
    film(&mut film_script, CAMERA, Continuity::Continuous);
    memory.add(film_script.clone(), &[]);
    memory.change(0, |shard| shard.horizon = Position::new(1));
    let archive = Running::start(&memory, Limits::default());
    let missing = film_script.end().get() - 1;
    let clock = archive.clock.clone();
    let due = |status: &ArchiveStatus| {
        clock.advance(Duration::from_secs(1));
        status.totals.missing == missing
    };
    let status = archive.until(due).await;
    assert_eq!(status.totals.gaps, 1, "fragments in a row share a gap");
    let summary = summary(&archive.stop().await);
    assert_eq!(summary.shards[0].start, Position::new(1));
    assert_eq!(summary.shards[0].gaps[0].reason, GapReason::MissingInit);
}

#[tokio::test(start_paused = true)]
async fn an_init_that_retention_took_during_a_session_is_still_known_after_a_restart() {
    let memory = Memory::new(&disk());
    let mut film_script = Script::new(0);
    film(&mut film_script, CAMERA, Continuity::Continuous);
    let count = film_script.end().get();
    let mut early = film_script.clone();
    early.cut(2);
    memory.add(early, &[]);
    let archive = Running::start(&memory, Limits::default());
    archive.until(|status| status.unfinished_records == 1).await;
    archive.stop().await;
    memory.change(0, |shard| {
        shard.script = film_script;
        shard.horizon = Position::new(1);
        shard.script.entries.remove(0);
    });
    let archive = Running::start(&memory, Limits::default());
    archive
        .until(|status| status.totals.records + status.unfinished_records == count)
        .await;
    assert_eq!(summary(&archive.stop().await).totals().gaps, 0);
}
