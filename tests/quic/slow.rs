//! Consumers that read slowly or not at all: they fall behind in the log, not in memory.

use afflux_testkit::peer::{Hello, Peer, batch, endpoint};
use afflux_testkit::seed::count;
use afflux_wire::Frame;
use afflux_wire::message::{Activity, From, Start, Subscribe};

use crate::support::{World, acks, assert_serves, produce, produce_opened, records};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_consumers_cost_no_memory_and_slow_nobody() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let from = Some(Start {
        from: Some(From::TrimHorizon(true)),
    });
    let mut stalled = Vec::new();
    let endpoint = endpoint();
    // Some have credit and do not read; others read and give no more credit.
    for n in 0..count("AFFLUX_STALLED_CONSUMERS", 40) {
        let hello = Hello {
            window: Some(16 << 10),
            ..Hello::default()
        };
        let peer = Peer::try_connect(&endpoint, world.server.quic(), hello)
            .await
            .unwrap();
        let credit_bytes = if n % 2 == 0 { 64 << 20 } else { 1 << 10 };
        let mut exchange = peer
            .open(Activity::Subscribe(Subscribe {
                stream: "s".into(),
                shard: 0,
                start: from,
                credit_bytes,
                consumer: String::new(),
            }))
            .await;
        assert!(matches!(exchange.frame().await, Frame::SubscribeOpened(_)));
        stalled.push((peer, exchange));
    }
    let mut producer = produce_opened(&peer, produce("s", 0)).await;
    let data = vec![b'x'; 64 << 10];
    let mut open = 0;
    let mut before = 0;
    let entries = count("AFFLUX_STALLED_ENTRIES", 1_200);
    for n in 0..entries {
        producer.bytes(batch(&[("key", &data)], None)).await;
        open += 1;
        while open >= 32 {
            open -= acks(&mut producer).await.acks.len();
        }
        // The producer's own buffers and the allocator's reserves are there by now.
        if n == entries / 4 {
            before = world.server.anonymous_bytes();
        }
    }
    while open > 0 {
        open -= acks(&mut producer).await.acks.len();
    }
    let after = world.server.anonymous_bytes();
    let grown = after.saturating_sub(before);
    // What came in since would be 56 MB once, and forty times that if each had its own queue.
    assert!(grown < 32 << 20, "memory grew by {grown} bytes");
    assert_serves(&world).await;
    drop(stalled);
}
