//! A delivery stream as a whole over a stream in memory and disks in memory, through long failures; time is
//! virtual.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afflux_engine::{Engine, EngineOptions};
use afflux_transform::Processor;
use afflux_types::{Clock, ServerTime};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::batch::Memory;
use super::context::Context;
use super::crash_tests::{DATA, OBJECTS, to_directory};
use super::endpoint::{Endpoints, KafkaClusters, Producer};
use super::follow::run;
use super::functions::Functions;
use super::helpers::Helpers;
use super::room::Room;
use super::settings::DeliverySettings;
use super::status::{DeliveryStatus, Status};
use super::stores::Stores;
use super::tables::Catalogs;
use super::transformer::Owner;
use super::work::Plan;
use crate::fs::sim::{Failure, SimFs};
use crate::testing::script::Script;
use crate::testing::stream::Memory as Stream;

/// 2026-11-21, a quarter past ten.
const START: i64 = 1_795_256_100_000;
const SECOND: Duration = Duration::from_secs(1);
const DAY_MS: i64 = 86_400_000;
const MEMORY: usize = 4_096;
const INTERVAL: u64 = 60;

fn settings() -> DeliverySettings {
    let mut settings = to_directory();
    settings.objects.buffer_seconds = INTERVAL;
    settings
}

/// Into objects of their own for each value of the member `p`.
fn partitioned() -> DeliverySettings {
    let mut settings = settings();
    settings.partitioned = true;
    settings.processors.push(Processor::MetadataExtraction {
        query: "{p: .p}".into(),
    });
    settings.objects.prefix = "!{partitionKeyFromQuery:p}/".into();
    settings.objects.error_prefix = "failed/".into();
    settings
}

/// A delivery stream that runs, and what it reads from and writes to.
pub(super) struct Running {
    pub(super) fs: SimFs,
    pub(super) stream: Stream,
    pub(super) clock: Clock,
    memory: Memory,
    status: Arc<Status>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    engine: Engine,
    sent: Vec<String>,
    _dir: TempDir,
}

impl Running {
    /// One over a disk that may have no directory for objects.
    pub(super) fn start(fs: SimFs, settings: DeliverySettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(ServerTime::from_millis(START));
        let engine = Engine::open(EngineOptions::new(dir.path()), clock.clone()).unwrap();
        let stream = Stream::new([Script::new(0)]);
        let memory = Memory::new(MEMORY);
        let status = Arc::new(Status::default());
        let (stop, stopped) = watch::channel(false);
        let context = Context {
            source: stream.clone(),
            buffer: None,
            settings: engine.settings(),
            fs: Arc::new(fs.clone()),
            root: DATA.into(),
            stores: Stores::default(),
            functions: Functions::default(),
            endpoints: Endpoints::default(),
            kafka: Producer::new(7, KafkaClusters::default(), clock.clone()),
            catalogs: Catalogs::default(),
            owner: Owner::default(),
            memory: memory.clone(),
            room: Room::new(MEMORY),
            helpers: Helpers::none(),
            clock: clock.clone(),
            plan: Plan {
                name: "lake".into(),
                id: 7,
                version: 1,
                settings,
            },
            status: Arc::clone(&status),
            stop: stopped,
        };
        Self {
            fs,
            stream,
            clock,
            memory,
            status,
            stop,
            task: tokio::spawn(run(Arc::new(context))),
            engine,
            sent: Vec::new(),
            _dir: dir,
        }
    }

    /// Puts a record that arrives now, by the time of day.
    fn put(&mut self, text: String) {
        let (arrival, data) = (self.clock.wall().as_millis(), text.clone());
        self.stream.change(0, |script| {
            let before = std::mem::replace(script, Script::new(0));
            *script = before.batch(arrival, &[data.as_bytes()]);
        });
        self.sent.push(text);
    }

    /// Lets a second go by.
    pub(super) async fn tick(&self) {
        self.clock.advance(SECOND);
        tokio::time::sleep(SECOND).await;
    }

    pub(super) fn report(&self) -> DeliveryStatus {
        self.status.report(self.clock.elapsed())
    }

    /// Lets time go by until something is as wanted; gives how many seconds that were.
    pub(super) async fn until(&self, wanted: impl Fn(&Self) -> bool) -> u64 {
        for seconds in 0..1_000_000 {
            if wanted(self) {
                return seconds;
            }
            self.tick().await;
        }
        panic!("still {:?}", self.report());
    }

    /// Lets time go by until everything that was put is delivered, and that is noted. Any time may go by:
    /// while the engine's thread notes it, time is not held.
    async fn until_delivered(&self) {
        let sent = self.sent.len() as u64;
        self.until(|running| running.report().totals.records >= sent)
            .await;
    }

    /// Lets time go by until everything that was put is in objects; gives how many seconds that were.
    async fn until_written(&self) -> u64 {
        self.until(|running| lines(&running.objects()).len() >= running.sent.len())
            .await
    }

    /// The objects by their names.
    fn objects(&self) -> BTreeMap<String, String> {
        let mut objects = BTreeMap::new();
        for (path, bytes) in self.fs.dump() {
            if let Ok(name) = path.strip_prefix(OBJECTS) {
                let text = String::from_utf8(bytes).unwrap();
                objects.insert(name.display().to_string(), text);
            }
        }
        objects
    }

    /// Ends it; gives its objects by their names.
    async fn end(self) -> BTreeMap<String, String> {
        let objects = self.objects();
        self.stop().await;
        objects
    }

    /// Ends it, with nothing left.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.engine.shutdown().await.unwrap();
        assert_eq!(self.memory.used(), 0);
        assert_eq!(waiting(&self.fs), 0);
    }
}

/// Every line of every object, in the order of the objects' names.
fn lines(objects: &BTreeMap<String, String>) -> Vec<String> {
    objects
        .values()
        .flat_map(|text| text.lines().map(str::to_owned))
        .collect()
}

/// Files of the spool, without those that stay for the video that follows.
pub(super) fn waiting(fs: &SimFs) -> usize {
    let files = fs.dump().into_keys();
    let stays = |path: &Path| path.ends_with("init") || path.extension() == Some("reel".as_ref());
    let files = files.filter(|path| path.starts_with(DATA) && !stays(path));
    files.count()
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_down_for_an_hour_gets_everything_once_and_in_order() {
    let mut running = Running::start(SimFs::new(Path::new(DATA)), partitioned());
    let (mut files_max, mut behind) = (0, 0);
    for second in 0..3_600 {
        let (partition, noise) = (second / 2, "x".repeat(300));
        running.put(format!(
            r#"{{"p":"{partition:04}","second":{second},"noise":"{noise}"}}"#
        ));
        running.tick().await;
        assert!(running.memory.used() <= 2 * MEMORY, "{second}");
        files_max = files_max.max(waiting(&running.fs));
        behind = behind.max(running.report().millis_behind);
    }
    let report = running.report();
    assert_eq!(report.totals.records, 0);
    let error = report.last_error.unwrap();
    assert!(error.contains(OBJECTS), "{error}");
    assert!(behind > 2_000_000, "{behind} ms");
    // The batch that is complete, and the one that fills until it has too many; the rest waits in the log.
    let complete = usize::try_from(INTERVAL).unwrap() / 2 + 2;
    assert!((501..501 + complete).contains(&files_max), "{files_max}");
    running.fs.mount(Path::new(OBJECTS));
    running.until_delivered().await;
    assert_eq!(running.report().last_error, None);
    let sent = running.sent.clone();
    let objects = running.end().await;
    assert_eq!(lines(&objects), sent);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_holds_a_delivery_up_and_what_comes_meanwhile_is_delivered_once_there_is_room()
{
    for operation in [1, 5, 10, 17, 25, 40] {
        let fs = SimFs::new(Path::new(DATA));
        fs.mount(Path::new(OBJECTS));
        let mut running = Running::start(fs.clone(), settings());
        fs.fail(operation, Failure::FullUntilFreed);
        for second in 0..200 {
            running.put(format!("{second} {}", "x".repeat(300)));
            running.tick().await;
        }
        let report = running.report();
        assert!(report.last_error.is_some(), "operation {operation}");
        assert!(report.totals.records < 100, "operation {operation}");
        fs.free();
        running.until_delivered().await;
        let sent = running.sent.clone();
        let objects = running.end().await;
        assert_eq!(lines(&objects), sent, "operation {operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_by_a_day_holds_no_batch_back_and_repeats_no_name() {
    let fs = SimFs::new(Path::new(DATA));
    fs.mount(Path::new(OBJECTS));
    let mut running = Running::start(fs, settings());
    for (round, jump) in [0, DAY_MS, -DAY_MS, -DAY_MS, DAY_MS]
        .into_iter()
        .enumerate()
    {
        running.put(format!("{round} before"));
        running.tick().await;
        let wall = running.clock.wall().as_millis();
        running.clock.set_wall(ServerTime::from_millis(wall + jump));
        running.put(format!("{round} after"));
        let seconds = running.until_written().await;
        assert!(seconds <= INTERVAL + 5, "round {round} took {seconds} s");
        running.until_delivered().await;
    }
    let mut sent = running.sent.clone();
    sent.sort();
    let objects = running.end().await;
    assert_eq!(objects.len(), 5);
    let mut found = lines(&objects);
    found.sort();
    assert_eq!(found, sent);
    // The name has the time of the oldest record.
    let days: Vec<&str> = objects.keys().map(|name| &name[..10]).collect();
    assert_eq!(
        days,
        [
            "2026/11/20",
            "2026/11/20",
            "2026/11/21",
            "2026/11/21",
            "2026/11/21"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn more_partitions_than_may_be_active_are_delivered_each_for_itself() {
    let fs = SimFs::new(Path::new(DATA));
    fs.mount(Path::new(OBJECTS));
    let mut running = Running::start(fs, partitioned());
    for partition in 0..1_300 {
        running.put(format!(r#"{{"p":{partition}}}"#));
    }
    running.until_delivered().await;
    let objects = running.end().await;
    assert_eq!(objects.len(), 1_300);
    for (name, text) in objects {
        let (partition, _) = name.split_once('/').unwrap();
        assert_eq!(text, format!("{{\"p\":{partition}}}\n"));
    }
}
