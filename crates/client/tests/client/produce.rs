//! Producing through trouble: every record is stored once, in order, and memory stays bounded.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use afflux_client::{Client, Producer, ProducerOptions, PutError};
use afflux_types::{ErrorKind, Position, ShardId};
use bytes::Bytes;
use parking_lot::Mutex;

use crate::support::{Server, name, serve};

/// Small batches, so that a test has many of them.
fn small() -> ProducerOptions {
    ProducerOptions {
        batch_bytes: 200,
        ..ProducerOptions::default()
    }
}

async fn producer(client: &Client, options: ProducerOptions) -> Producer {
    client.producer(&name("s"), options).await.unwrap()
}

/// The numbers that were stored in one shard, in order.
fn stored(server: &Server, shard: usize) -> Vec<u64> {
    let store = server.shared.store.lock();
    let data = store.streams["s"].shards[shard].data();
    data.iter().map(number).collect()
}

fn number(data: &Bytes) -> u64 {
    u64::from_le_bytes(data[..].try_into().unwrap())
}

async fn send(producer: &Producer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let key = format!("key-{}", number % 17);
        producer.send(&key, &number.to_le_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn records_are_stored_in_order_and_receipts_tell_where() {
    let server = serve(1);
    let producer = producer(&server.client().await, small()).await;
    send(&producer, 0..1_000).await;
    let receipt = producer.put("key", &1_000_u64.to_le_bytes()).await.unwrap();
    assert_eq!(receipt.shard, ShardId::new(0));
    assert_eq!(receipt.position, Some(Position::new(1_000)));
    producer.flush().await.unwrap();
    assert_eq!(stored(&server, 0), (0..=1_000).collect::<Vec<_>>());
    assert_eq!(producer.counts().acked_records, 1_001);
    assert_eq!(producer.held_bytes(), 0);
}

#[tokio::test]
async fn records_go_to_the_shard_of_their_key() {
    let server = serve(4);
    let producer = producer(&server.client().await, small()).await;
    send(&producer, 0..1_000).await;
    producer.flush().await.unwrap();
    // The server refuses records outside of a shard's range.
    let mut all: Vec<u64> = (0..4).flat_map(|shard| stored(&server, shard)).collect();
    assert!((0..4).all(|shard| !stored(&server, shard).is_empty()));
    all.sort_unstable();
    assert_eq!(all, (0..1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn records_are_stored_once_although_connections_break_before_the_acknowledgement() {
    let server = serve(2);
    let producer = producer(&server.client().await, small()).await;
    for round in 0..10 {
        server.shared.break_after.store(5, Ordering::SeqCst);
        send(&producer, round * 200..(round + 1) * 200).await;
        producer.flush().await.unwrap();
    }
    let mut all = stored(&server, 0);
    all.extend(stored(&server, 1));
    all.sort_unstable();
    assert_eq!(all, (0..2_000).collect::<Vec<_>>());
    assert!(producer.counts().duplicate_batches > 0);
}

#[tokio::test]
async fn records_in_flight_survive_a_restart_of_the_server() {
    let mut server = serve(1);
    let producer = producer(&server.client().await, small()).await;
    server.shared.acks.send_replace(false);
    send(&producer, 0..500).await;
    server
        .shared
        .until(|store| !store.streams["s"].shards[0].entries.is_empty())
        .await;
    server.restart().await;
    server.shared.acks.send_replace(true);
    producer.flush().await.unwrap();
    assert_eq!(stored(&server, 0), (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_producer_says_so_and_goes_on_when_there_is_room() {
    let server = serve(1);
    let options = ProducerOptions {
        buffer_bytes_max: 10_000,
        ..small()
    };
    let producer = producer(&server.client().await, options).await;
    server.shared.acks.send_replace(false);
    let mut taken = 0_u64;
    let error = loop {
        match producer.put_nowait(b"key", None, &taken.to_le_bytes()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PutError::Full { max: 10_000, .. }));
    assert!(producer.held_bytes() <= 10_000);
    assert_eq!(taken, 10_000 / (8 + 3 + 8));

    let waiting = {
        let producer = producer.clone();
        tokio::spawn(async move { send(&producer, taken..taken + 1_000).await })
    };
    server
        .shared
        .until(|store| !store.streams["s"].shards[0].entries.is_empty())
        .await;
    assert!(!waiting.is_finished());
    server.shared.acks.send_replace(true);
    waiting.await.unwrap();
    producer.flush().await.unwrap();
    assert_eq!(stored(&server, 0), (0..taken + 1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_split_in_mid_flight_moves_what_was_not_taken_and_keeps_the_order_of_each_key() {
    let server = serve(1);
    let client = server.client().await;
    let acked = Arc::new(Mutex::new(0_u64));
    let hook = {
        let acked = Arc::clone(&acked);
        move |batch: &afflux_client::AckedBatch| *acked.lock() += u64::from(batch.record_count)
    };
    let options = ProducerOptions {
        on_acked: Some(Arc::new(hook)),
        ..small()
    };
    let producer = producer(&client, options).await;
    server.shared.acks.send_replace(false);
    send(&producer, 0..2_000).await;
    server
        .shared
        .until(|store| store.streams["s"].shards[0].end.get() > 100)
        .await;
    client
        .split_shard(&name("s"), ShardId::new(0), None)
        .await
        .unwrap();
    server.shared.acks.send_replace(true);
    send(&producer, 2_000..3_000).await;
    let receipt = producer.put("key-1", &3_000_u64.to_le_bytes()).await;
    assert!(receipt.unwrap().shard > ShardId::new(0));
    producer.flush().await.unwrap();

    let family = [stored(&server, 0), stored(&server, 1), stored(&server, 2)];
    assert!(family.iter().all(|shard| !shard.is_empty()));
    for child in 1..=2 {
        let line = [family[0].clone(), family[child].clone()].concat();
        for key in 0..17 {
            let of_key: Vec<u64> = line.iter().copied().filter(|n| n % 17 == key).collect();
            assert!(of_key.is_sorted(), "key {key} in {of_key:?}");
        }
    }
    let mut all = family.concat();
    all.sort_unstable();
    assert_eq!(all, (0..=3_000).collect::<Vec<_>>());
    assert_eq!(*acked.lock(), 3_001);
    assert_eq!(producer.counts().acked_records, 3_001);
}

#[tokio::test]
async fn a_split_while_acknowledgements_are_lost_stores_nothing_twice() {
    let mut server = serve(1);
    let client = server.client().await;
    let producer = producer(&client, small()).await;
    server.shared.acks.send_replace(false);
    send(&producer, 0..1_000).await;
    server
        .shared
        .until(|store| store.streams["s"].shards[0].end.get() > 100)
        .await;
    server
        .shared
        .change(|store| store.stream("s").unwrap().split(0));
    server.restart().await;
    server.shared.acks.send_replace(true);
    producer.flush().await.unwrap();
    let mut all = [stored(&server, 0), stored(&server, 1), stored(&server, 2)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_merge_joins_two_lanes() {
    let server = serve(2);
    let client = server.client().await;
    let producer = producer(&client, small()).await;
    send(&producer, 0..500).await;
    let (a, b) = (ShardId::new(0), ShardId::new(1));
    client.merge_shards(&name("s"), a, b).await.unwrap();
    send(&producer, 500..1_000).await;
    producer.flush().await.unwrap();
    let mut all = [stored(&server, 0), stored(&server, 1), stored(&server, 2)].concat();
    assert!(!stored(&server, 2).is_empty());
    all.sort_unstable();
    assert_eq!(all, (0..1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn records_that_are_not_valid_are_refused_at_once() {
    let server = serve(1);
    let client = server.client().await;
    let producer = producer(&client, small()).await;
    let empty = producer.put_nowait(b"", None, b"x");
    assert!(matches!(empty, Err(PutError::Invalid(_))));
    let error = producer.send("key", &vec![0; 1 << 20]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let missing = client.producer(&name("t"), small()).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_producer_whose_stream_is_deleted_stops_with_the_reason() {
    let server = serve(1);
    let client = server.client().await;
    let producer = producer(&client, small()).await;
    client.delete_stream(&name("s")).await.unwrap();
    let error = producer.put("key", b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = producer.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(matches!(
        producer.put_nowait(b"key", None, b"x"),
        Err(PutError::Stopped(_))
    ));
}
