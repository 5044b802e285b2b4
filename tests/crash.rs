//! `kill -9` of the server at random moments under load, again and again.
//!
//! Producers, consumers, a delivery and a camera work all the time. Afterwards nothing that was
//! acknowledged may be lost, nothing may have been pushed or delivered twice, no position may have
//! been given to two records, and the directory must pass `afflux check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use afflux_client::{
    AckedBatch, Client, Config, Consumer, ConsumerEvent, ConsumerOptions, From, ProducerOptions,
    Trust,
};
use afflux_testkit::command::Running;
use afflux_testkit::seed::{Seed, count};
use afflux_testkit::verify::{History, Id, Place};
use afflux_testkit::video::{Camera, play, split};
use afflux_testkit::wait;
use afflux_types::{ErrorKind, Position, ShardId, StreamName};
use afflux_wire::message::{Command, MergeShards, SplitShard};
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use crate::support::{World, delivered, durable, records, video};
use crate::video::{assert_each_once, fragments};

/// A consumer that stays, and lets its client find the server again.
const STEADY: &str = "steady consumer";
/// A consumer that is dropped now and then, and goes on from the positions that it kept.
const RESUMED: &str = "resumed consumer";
const LAKE: &str = "lake";

const PRODUCERS: u32 = 3;
const FRAGMENTS_PER_ROUND: usize = 3;

/// A client that soon notices a dead server.
async fn client(world: &World) -> Client {
    let mut config = Config::new(world.server.quic().to_string(), Trust::LoopbackAny);
    config.transport.idle_timeout = Duration::from_secs(1);
    config.transport.keep_alive = Duration::from_millis(200);
    config.retry.pause_min = Duration::from_millis(5);
    config.retry.pause_max = Duration::from_millis(50);
    config.retry.connect_timeout = Duration::from_millis(500);
    config.retry.give_up_after = Duration::MAX;
    // The first connection is not tried again by itself, and the machine may be busy.
    for _ in 0..60 {
        match Client::connect(config.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            connected => return connected.unwrap(),
        }
    }
    panic!("the server did not take a connection")
}

fn name(stream: &str) -> StreamName {
    stream.parse().unwrap()
}

/// Tells the history about every record of an acknowledged batch.
fn tell(history: &History, batch: &AckedBatch) {
    let records = afflux_entry::Batch::new(&batch.body, batch.record_count);
    for (n, record) in (0..).zip(records) {
        let record = record.unwrap();
        let key = std::str::from_utf8(record.partition_key).unwrap();
        let id = Id::read(key, record.data).unwrap();
        let place = batch.position.map(|first| Place {
            shard: batch.shard.get(),
            position: first.get() + n,
        });
        history.acked(id, place);
    }
}

/// Sends records until it is told to stop, then waits until all of them are durable.
async fn produce(
    client: Client,
    history: History,
    id: u32,
    stop: Arc<AtomicBool>,
    mut rng: StdRng,
) {
    let hook = history.clone();
    let options = ProducerOptions {
        batch_bytes: 16 << 10,
        buffer_bytes_max: 128 << 10,
        on_acked: Some(Arc::new(move |batch| tell(&hook, batch))),
        ..ProducerOptions::default()
    };
    let producer = client.producer(&name("s"), options).await.unwrap();
    for counter in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let len = if rng.random_ratio(1, 200) {
            60_000
        } else {
            rng.random_range(40..1_500)
        };
        let id = Id {
            producer: id,
            counter,
        };
        producer
            .send(&id.key(), id.data(len).as_bytes())
            .await
            .unwrap();
    }
    producer.flush().await.unwrap();
}

/// What a consumer has read so far.
#[derive(Default)]
struct Progress(BTreeMap<ShardId, Position>);

impl Progress {
    /// Takes one event in; false when the consumer has ended.
    async fn step(&mut self, consumer: &mut Consumer, history: &History, reader: &str) -> bool {
        match consumer.next().await.unwrap() {
            Some(ConsumerEvent::Batch(batch)) => {
                for delivered in batch.records() {
                    let delivered = delivered.unwrap();
                    let place = Place {
                        shard: delivered.shard.get(),
                        position: delivered.position.get(),
                    };
                    let record = delivered.record;
                    history.delivered(
                        reader,
                        Some(place),
                        record.partition_key.as_str(),
                        &record.data,
                    );
                }
                self.0.insert(batch.shard(), batch.end());
                true
            }
            Some(ConsumerEvent::Lagged { .. }) => panic!("retention deleted what was to be read"),
            Some(_) => true,
            None => false,
        }
    }
}

async fn consume_steadily(mut consumer: Consumer, history: History) {
    let mut progress = Progress::default();
    while progress.step(&mut consumer, &history, STEADY).await {}
}

async fn consume_in_pieces(client: Client, history: History, mut rng: StdRng) {
    let mut progress = Progress::default();
    loop {
        let from = From::Positions(progress.0.clone());
        let options = ConsumerOptions {
            from,
            ..ConsumerOptions::default()
        };
        // A server that is away fails this one request; a real consumer would try again, too.
        let Ok(mut consumer) = client.consumer(&name("s"), options).await else {
            continue;
        };
        for _ in 0..rng.random_range(1..400) {
            if !progress.step(&mut consumer, &history, RESUMED).await {
                return;
            }
        }
    }
}

/// A camera that makes a few fragments in each round.
struct Filming {
    upload: Running,
    parts: Vec<Vec<u8>>,
    sent: usize,
}

impl Filming {
    fn start(world: &World, rounds: u64) -> Self {
        let fragments = u32::try_from(rounds).unwrap() * 3;
        let camera = Camera {
            samples: fragments * 5,
            samples_per_fragment: 5,
            ..Camera::short(1)
        };
        let (init, parts) = split(&camera.film());
        let spool = world.file("spool");
        std::fs::create_dir(&spool).unwrap();
        let args = [
            "video",
            "put",
            "cam",
            "-",
            "--spool",
            spool.to_str().unwrap(),
        ];
        let mut upload = world.afflux.spawn(&args);
        upload.write(&init);
        Self {
            upload,
            parts,
            sent: 0,
        }
    }

    fn go_on(&mut self) {
        let end = (self.sent + FRAGMENTS_PER_ROUND).min(self.parts.len());
        self.upload.write(&self.parts[self.sent..end].concat());
        self.sent = end;
    }

    async fn finish(self, world: &World) {
        self.upload.wait().ok();
        assert_each_once(&fragments(&world.peer().await, "cam").await, self.sent);
        let out = world.file("clip.mp4");
        let range = [
            "--from",
            "2000-01-01T00:00:00Z",
            "--to",
            "2100-01-01T00:00:00Z",
        ];
        let mut args = vec!["video", "clip", "cam", "-o", out.to_str().unwrap()];
        args.extend(range);
        world.afflux.run(&args).ok();
        assert_eq!(play(&out), 5 * self.sent as u64);
    }
}

/// Producers and consumers at work.
struct Load {
    history: History,
    stop: Arc<AtomicBool>,
    producers: JoinSet<()>,
    consumers: JoinSet<()>,
}

impl Load {
    async fn start(world: &World, seed: &Seed) -> Self {
        let mut load = Self {
            history: History::new(),
            stop: Arc::default(),
            producers: JoinSet::new(),
            consumers: JoinSet::new(),
        };
        for id in 0..PRODUCERS {
            let client = client(world).await;
            let (history, stop) = (load.history.clone(), Arc::clone(&load.stop));
            let rng = seed.derive(id.into());
            load.producers
                .spawn(produce(client, history, id, stop, rng));
        }
        let steady = client(world).await;
        let (client, history) = (steady.clone(), load.history.clone());
        load.consumers
            .spawn(consume_in_pieces(client, history, seed.derive(100)));
        // Made before the first kill: from then on it is to get over every one by itself.
        let options = ConsumerOptions::default();
        let consumer = steady.consumer(&name("s"), options).await.unwrap();
        let history = load.history.clone();
        load.consumers.spawn(consume_steadily(consumer, history));
        load
    }

    /// Waits until more records are acknowledged, at least one and at most `most`.
    fn go_on(&mut self, seed: &mut Seed, most: usize) {
        let enough = self.history.acked_count() + seed.random_range(1..=most);
        wait::until_true("more records are acknowledged", || {
            self.look();
            self.history.acked_count() >= enough
        });
    }

    /// Stops the producers, lets the consumers catch up, and judges both of them.
    async fn finish(mut self) -> History {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(done) =
            wait::ends("all producers are done", self.producers.join_next()).await
        {
            done.unwrap();
        }
        for reader in [STEADY, RESUMED] {
            wait::until_true(&format!("the {reader} has everything"), || {
                self.look();
                self.history.is_broken() || self.history.has_all(reader)
            });
            self.history.assert_kept(reader);
        }
        self.history
    }

    /// Fails at once if a producer or a consumer has failed.
    fn look(&mut self) {
        for tasks in [&mut self.producers, &mut self.consumers] {
            if let Some(ended) = tasks.try_join_next() {
                ended.unwrap();
                panic!("a task has ended while the load goes on");
            }
        }
    }
}

/// A delivery of the stream to a directory, which says where each record comes from.
fn deliver(world: &World) -> PathBuf {
    let directory = world.file("lake");
    std::fs::create_dir(&directory).unwrap();
    let create = "delivery create lake --stream s --envelope --manifest --interval 1 --to";
    let mut create: Vec<&str> = create.split(' ').collect();
    create.push(directory.to_str().unwrap());
    world.ok(&create);
    directory
}

/// Waits until everything is delivered and judges what the directory holds.
async fn judge_delivery(world: &World, directory: &Path, history: &History) {
    let stored = durable(&world.peer().await, "s").await;
    wait::until_true("everything is delivered", || {
        let list = ["delivery", "list", "--output", "json"];
        world.afflux.run(&list).json()[0]["records"].as_u64() == Some(stored)
    });
    let verify = [
        "delivery",
        "verify",
        directory.to_str().unwrap(),
        "--output",
        "json",
    ];
    let verified = world.afflux.run(&verify).json();
    assert_eq!(verified[0]["records"].as_u64(), Some(stored), "{verified}");
    assert_eq!(verified[0]["missing"].as_u64(), Some(0), "{verified}");
    for record in delivered(directory) {
        let number = record.number;
        let place = Place {
            shard: number.shard().get(),
            position: number.position().get(),
        };
        history.delivered(LAKE, Some(place), &record.key, record.data.as_bytes());
    }
    assert_eq!(history.assert_kept(LAKE).delivered as u64, stored);
}

/// Kills the server and starts it again, sometimes after starts that are cut off, too.
fn kill_and_restart(world: &mut World, seed: &mut Seed) {
    world.server.kill();
    while seed.random_ratio(1, 5) {
        world.server.stumble(seed.random_range(0..10));
    }
    world.server.restart();
}

const SMALL_SEGMENTS: &str = "[storage]\nsegment_bytes_min = 65536\nsegment_bytes_max = 4194304\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_however_often_the_server_is_killed() {
    let mut seed = Seed::from_env();
    let rounds = count("AFFLUX_CRASH_ROUNDS", 50);
    let mut world = World::with_config(SMALL_SEGMENTS);
    let peer = world.peer().await;
    peer.create(records("s", 2)).await;
    peer.create(video("cam")).await;
    let directory = deliver(&world);
    let mut camera = Filming::start(&world, rounds);
    let mut load = Load::start(&world, &seed).await;
    for _ in 0..rounds {
        camera.go_on();
        load.go_on(&mut seed, 400);
        kill_and_restart(&mut world, &mut seed);
    }
    let history = load.finish().await;
    camera.finish(&world).await;
    judge_delivery(&world, &directory, &history).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_that_split_and_merge_while_the_server_is_killed_lose_and_repeat_nothing() {
    let mut seed = Seed::from_env();
    let mut world = World::with_config(SMALL_SEGMENTS);
    world.peer().await.create(records("s", 1)).await;
    let directory = deliver(&world);
    let mut load = Load::start(&world, &seed).await;
    for round in 0..count("AFFLUX_RESHARD_ROUNDS", 12) {
        load.go_on(&mut seed, 200);
        let change = change_of_shards(&world, &mut seed).await;
        let client = client(&world).await;
        let mut changing = tokio::spawn(async move { client.admin(change).await.map(drop) });
        // Otherwise it is unknown whether it takes place: the server may die before, during or after it.
        let awaited = round == 0 || seed.random_ratio(1, 2);
        if awaited {
            let done = wait::ends("the shards change", &mut changing).await;
            done.unwrap().unwrap();
            load.go_on(&mut seed, 100);
        }
        kill_and_restart(&mut world, &mut seed);
        if !awaited {
            let _ = changing.await.unwrap();
        }
    }
    let history = load.finish().await;
    judge_delivery(&world, &directory, &history).await;
    let shards = world.peer().await.describe("s").await.shards;
    assert!(shards.len() > 1, "no split ever took place");
}

/// A split of an open shard, or a merge of two that touch.
async fn change_of_shards(world: &World, seed: &mut Seed) -> Command {
    let shards = world.peer().await.describe("s").await.shards;
    let mut open: Vec<_> = shards.iter().filter(|shard| !shard.closed).collect();
    open.sort_by_key(|shard| shard.range.map(|range| (range.start_high, range.start_low)));
    let stream = "s".to_owned();
    let at = seed.random_range(0..open.len());
    if open.len() > 4 || (at + 1 < open.len() && seed.random_ratio(1, 2)) {
        let at = at.min(open.len() - 2);
        Command::MergeShards(MergeShards {
            stream,
            shard: open[at].shard,
            adjacent: open[at + 1].shard,
        })
    } else {
        Command::SplitShard(SplitShard {
            stream,
            shard: open[at].shard,
            ..SplitShard::default()
        })
    }
}
