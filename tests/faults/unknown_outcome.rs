//! A server that dies between write and answer: the producer asks again, the record stands once.

use afflux_testkit::peer;
use afflux_testkit::seed::{Seed, count};
use afflux_wire::Frame;
use rand::Rng as _;

use crate::support::{World, acks, durable, numbered, produce_as, produce_opened, records};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_the_server_died_stores_nothing_twice() {
    let mut seed = Seed::from_env();
    let mut world = World::start();
    world.peer().await.create(records("s", 1)).await;
    let mut sequence = 0;
    for _ in 0..count("AFFLUX_UNKNOWN_ROUNDS", 10) {
        let peer = world.peer().await;
        let mut exchange = produce_opened(&peer, produce_as("s", 0, 7)).await;
        let batches: Vec<_> = (1..=seed.random_range(1..20_u64))
            .map(|n| {
                let data = (sequence + n).to_string();
                peer::batch(&[("key", data.as_bytes())], numbered(7, sequence + n))
            })
            .collect();
        for batch in &batches {
            exchange.bytes(batch.clone()).await;
        }
        // Some answers are read, the others are lost with the server.
        for _ in 0..seed.random_range(0..2) {
            acks(&mut exchange).await;
        }
        world.server.kill();
        world.server.restart();

        let peer = world.peer().await;
        let mut again = peer.open(produce_as("s", 0, 7)).await;
        let Frame::ProduceOpened(opened) = again.frame().await else {
            panic!("not opened")
        };
        let stored = durable(&peer, "s").await;
        assert_eq!(
            opened.last_sequence, stored,
            "the server forgot what it stored"
        );
        for batch in &batches {
            again.bytes(batch.clone()).await;
        }
        let mut answers = Vec::new();
        while answers.len() < batches.len() {
            answers.extend(acks(&mut again).await.acks);
        }
        for (n, ack) in (sequence..).zip(&answers) {
            assert_eq!(
                ack.position, n,
                "a record stands elsewhere than its first try"
            );
            assert_eq!(ack.duplicate, n < stored);
        }
        sequence += batches.len() as u64;
        assert_eq!(durable(&peer, "s").await, sequence);
    }
}
