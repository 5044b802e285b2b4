//! A thousand subscriptions at once: what they get, what they cost, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use afflux_testkit::seed::count;
use afflux_testkit::wait;
use tokio::task::JoinSet;

use super::client::{Api, Pushed};
use crate::support::World;

const STREAM: &str = "s";
const SHARDS: usize = 50;
const CONSUMERS: usize = 20;
/// Records of each shard in one request, which has room for 500.
const WAVE: usize = 4;
const CONFIG: &str = "[kinesis]\nthrottled = false\n";
/// What a subscription may take while it stands: three times what it does, and less than what goes through
/// one in the longest generation.
const HELD_BYTES_MAX: u64 = 32 << 10;
/// What a subscription may leave behind: less than a third of what it takes, several times the noise.
const LEFT_BYTES_MAX: u64 = 2 << 10;
/// Generations of subscriptions. The first two have many records each and make the server's own caches
/// and the allocator's reserves; from the third on nothing may change.
const GENERATIONS: usize = 6;

/// Every consumer on every shard, a connection for each consumer.
async fn subscribe(world: &World, arns: &[String], next: usize) -> Vec<Pushed> {
    let mut opening = JoinSet::new();
    for arn in arns {
        let arn = arn.clone();
        let api = Api::connect(world.server.http()).await;
        opening.spawn(async move {
            let mut opened = Vec::new();
            for shard in 0..SHARDS {
                opened.push(reopen(&api, &arn, shard).await.at(next));
            }
            opened
        });
    }
    let opened = wait::ends("all have subscribed", opening.join_all()).await;
    opened.into_iter().flatten().collect()
}

/// Subscribes as soon as the server has seen that the reader before has gone.
async fn reopen(api: &Api, arn: &str, shard: usize) -> Pushed {
    loop {
        match api.subscribe(arn, shard).await {
            Ok(pushed) => return pushed,
            Err(refused) => {
                let in_use = refused.0.starts_with("ResourceInUseException");
                assert!(in_use, "{refused:?}");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Puts records up to `end` while everybody reads, and returns when everybody has them.
async fn go_through(api: &Api, all: Vec<Pushed>, begin: usize, end: usize) -> Vec<Pushed> {
    let readers: JoinSet<Pushed> = all.into_iter().map(|pushed| pushed.read(end)).collect();
    for number in (begin..end).step_by(WAVE) {
        let wave = number..(number + WAVE).min(end);
        api.put(STREAM, SHARDS, wave).await.unwrap();
    }
    wait::ends("every record has come", readers.join_all()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_subscriptions_get_every_record_once_and_end_in_order() {
    let world = World::with_config(CONFIG);
    let api = Api::connect(world.server.http()).await;
    api.create(STREAM, SHARDS).await;
    let mut arns = Vec::new();
    for number in 0..CONSUMERS {
        arns.push(api.register(STREAM, &format!("c{number}")).await);
    }
    let subscriptions = u64::try_from(SHARDS * CONSUMERS).unwrap();
    let records = usize::try_from(count("AFFLUX_SUBSCRIBER_RECORDS", 40)).unwrap();
    let before = world.server.anonymous_bytes();

    let (mut put, mut held) = (0, Vec::new());
    for generation in 0..GENERATIONS {
        let all = subscribe(&world, &arns, put).await;
        assert_eq!(all.len(), SHARDS * CONSUMERS);
        let end = put + if generation < 2 { records } else { WAVE };
        let all = go_through(&api, all, put, end).await;
        put = end;
        held.push(world.server.anonymous_bytes().saturating_sub(before));
        drop(all);
    }
    let most = held.iter().copied().max().unwrap_or_default();
    assert!(
        most < HELD_BYTES_MAX * subscriptions,
        "{subscriptions} subscriptions hold {held:?} bytes"
    );
    let since = u64::try_from(GENERATIONS - 3).unwrap();
    let left = held[GENERATIONS - 1].saturating_sub(held[2]);
    assert!(
        left < LEFT_BYTES_MAX * subscriptions * since,
        "{subscriptions} subscriptions leave {left} bytes in {since} generations: {held:?}"
    );

    stop_in_the_middle(world, arns, put).await;
}

/// Stops the server while records come and everybody reads.
async fn stop_in_the_middle(mut world: World, arns: Vec<String>, put: usize) {
    let all = subscribe(&world, &arns, put).await;
    let producer = Api::connect(world.server.http()).await;
    let all = go_through(&producer, all, put, put + WAVE).await;
    let readers: JoinSet<Pushed> = all.into_iter().map(Pushed::read_to_the_end).collect();
    let (flowing, is_flowing) = tokio::sync::oneshot::channel();
    let has_stopped = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&has_stopped);
    let producing = tokio::spawn(async move {
        let mut flowing = Some(flowing);
        let mut number = put + WAVE;
        while !stopped.load(Ordering::Relaxed) {
            let wave = number..number + WAVE;
            // The answer to a request that comes too late is none.
            if producer.put(STREAM, SHARDS, wave).await.is_err() {
                break;
            }
            number += WAVE;
            if number > put + 3 * WAVE
                && let Some(flowing) = flowing.take()
            {
                flowing.send(()).unwrap();
            }
        }
        number
    });
    is_flowing.await.unwrap();
    let stopping = tokio::task::spawn_blocking(move || {
        let status = world.server.terminate();
        (world, status)
    });
    // Each must end as answers end, not by a reset or a broken connection.
    let ended = wait::ends("every subscription has ended", readers.join_all()).await;
    let (world, status) = stopping.await.unwrap();
    has_stopped.store(true, Ordering::Relaxed);
    let end = producing.await.unwrap() + WAVE;
    assert!(status.success(), "the server ended with {status}");
    for pushed in ended {
        assert!((put + WAVE..=end).contains(&pushed.next()), "{pushed:?}");
    }
    let log = world.server.stderr();
    let bad = |line: &&str| line.contains("ERROR") || line.contains("WARN");
    let bad: Vec<&str> = log.lines().filter(bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}
