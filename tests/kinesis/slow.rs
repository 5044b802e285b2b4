//! Subscribers that stop reading: they fall behind in the log, not in memory, and slow nobody.

use afflux_testkit::seed::count;
use afflux_testkit::wait;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::client::{Api, RECORD_BYTES, shard_id};
use crate::support::World;

const CONFIG: &str = "[kinesis]\nthrottled = false\n";
/// Records in one request.
const WAVE: usize = 500;
/// Each kind of subscriber that does not read.
const STALLED: usize = 10;

/// A subscriber on HTTP/1.1 that asks and never reads, so that the kernel's buffers fill.
async fn ask_and_leave(world: &World, arn: &str) -> TcpStream {
    let body = json!({"ConsumerARN": arn, "ShardId": shard_id(0),
                      "StartingPosition": {"Type": "LATEST"}})
    .to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: Kinesis_20131202.SubscribeToShard\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(world.server.http()).await.unwrap();
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_that_stop_reading_cost_no_memory_and_slow_nobody() {
    let world = World::with_config(CONFIG);
    let api = Api::connect(world.server.http()).await;
    api.create("s", 1).await;
    // One that reads stands on the same connection as many that do not.
    let shared = Api::connect_narrow(world.server.http()).await;
    let mut stalled = Vec::new();
    let mut sockets = Vec::new();
    for number in 0..STALLED {
        let arn = api.register("s", &format!("idle{number}")).await;
        stalled.push(shared.subscribe(&arn, 0).await.unwrap());
        let arn = api.register("s", &format!("deaf{number}")).await;
        sockets.push(ask_and_leave(&world, &arn).await);
    }
    let arn = api.register("s", "reader").await;
    let mut reader = shared.subscribe(&arn, 0).await.unwrap();
    let waves = usize::try_from(count("AFFLUX_STALLED_WAVES", 60)).unwrap();
    let mut before = 0;
    for wave in 0..waves {
        // The producer's own buffers and the allocator's reserves are there by then, and so is what one
        // window and one slice are for each that does not read.
        if wave == waves / 4 {
            before = world.server.anonymous_bytes();
        }
        let numbers = wave * WAVE..(wave + 1) * WAVE;
        let end = numbers.end;
        api.put("s", 1, numbers).await.unwrap();
        // Each request is read before the next one is sent: nothing waits for those that do not read.
        reader = wait::ends("the reader has everything", reader.read(end)).await;
    }
    let after = world.server.anonymous_bytes();
    let grown = after.saturating_sub(before);
    let came = (waves - waves / 4) * WAVE * RECORD_BYTES;
    // Once what came in since would be within it; a copy for each that does not read is far beyond.
    assert!(grown < 16 << 20, "memory grew by {grown} of {came} bytes");
    assert!(came * STALLED > 100 << 20, "{came} bytes say nothing");
    // What one has missed is in the log: it reads on without a gap.
    let late = stalled.pop().unwrap().read(waves * WAVE);
    wait::ends("a late reader has everything", late).await;
    stop_with_stalled(world).await;
    drop((stalled, sockets));
}

/// Who does not read does not keep the server from stopping.
async fn stop_with_stalled(mut world: World) {
    let stopped = tokio::task::spawn_blocking(move || (world.server.terminate(), world));
    let (status, world) = stopped.await.unwrap();
    assert!(status.success(), "the server ended with {status}");
    let log = world.server.stderr();
    assert!(!log.contains("ERROR"), "{log}");
}
