//! Consuming through trouble: every record once, in order, with bounded memory.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use afflux_client::{
    Client, Consumer, ConsumerEvent, ConsumerOptions, From, ProducerOptions, Shards,
};
use afflux_types::{ErrorKind, Position, ShardId};

use crate::support::{name, serve};

/// Each record is a batch of its own.
const RECORD_BYTES: usize = 250;

/// The least credit that a shard can have.
const CREDIT_BYTES: u64 = 64 << 10;

async fn fill(client: &Client, numbers: std::ops::Range<u64>) {
    let options = ProducerOptions {
        batch_bytes: 200,
        ..ProducerOptions::default()
    };
    let producer = client.producer(&name("s"), options).await.unwrap();
    for number in numbers {
        let key = format!("key-{}", number % 17);
        let mut data = number.to_le_bytes().to_vec();
        data.resize(RECORD_BYTES, 0);
        producer.send(&key, &data).await.unwrap();
    }
    producer.flush().await.unwrap();
}

async fn consumer(client: &Client, options: ConsumerOptions) -> Consumer {
    client.consumer(&name("s"), options).await.unwrap()
}

/// The next `count` numbers, in the order in which they came, with their places.
async fn take(consumer: &mut Consumer, count: usize) -> Vec<(ShardId, Position, u64)> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let batch = consumer.next_batch().await.unwrap().expect("more records");
        for record in batch.records() {
            let record = record.unwrap();
            let number = u64::from_le_bytes(record.record.data[..8].try_into().unwrap());
            numbers.push((record.shard, record.position, number));
        }
    }
    numbers
}

/// Checks that positions have neither gap nor repetition, and returns the sorted numbers.
fn checked(numbers: &[(ShardId, Position, u64)]) -> Vec<u64> {
    let mut next: BTreeMap<ShardId, Position> = BTreeMap::new();
    for (shard, position, _) in numbers {
        let expected = next.entry(*shard).or_insert(*position);
        assert_eq!(expected, position, "{shard}");
        *expected = position.advance(1);
    }
    let mut numbers: Vec<u64> = numbers.iter().map(|(_, _, number)| *number).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn a_consumer_gets_what_is_stored_and_what_comes() {
    let server = serve(3);
    let client = server.client().await;
    fill(&client, 0..500).await;
    let mut consumer = consumer(&client, ConsumerOptions::default()).await;
    let mut numbers = take(&mut consumer, 500).await;
    fill(&client, 500..1_000).await;
    numbers.extend(take(&mut consumer, 500).await);
    assert_eq!(checked(&numbers), (0..1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn broken_connections_neither_lose_nor_repeat_a_record() {
    let mut server = serve(2);
    let client = server.client().await;
    fill(&client, 0..2_000).await;
    let options = ConsumerOptions {
        credit_bytes: 2 * CREDIT_BYTES,
        ..ConsumerOptions::default()
    };
    let mut consumer = consumer(&client, options).await;
    let mut numbers = Vec::new();
    for _ in 0..10 {
        server.shared.break_after.store(5, Ordering::SeqCst);
        numbers.extend(take(&mut consumer, 150).await);
    }
    server.shared.break_after.store(-1, Ordering::SeqCst);
    server.restart().await;
    let rest = 2_000 - numbers.len();
    numbers.extend(take(&mut consumer, rest).await);
    assert_eq!(checked(&numbers), (0..2_000).collect::<Vec<_>>());
    assert!(server.shared.subscriptions.load(Ordering::SeqCst) > 6);
}

#[tokio::test]
async fn children_follow_when_their_parents_have_ended() {
    let server = serve(2);
    let client = server.client().await;
    let mut consumer = consumer(&client, ConsumerOptions::default()).await;
    let shard = ShardId::new;
    fill(&client, 0..500).await;
    client
        .split_shard(&name("s"), shard(0), None)
        .await
        .unwrap();
    fill(&client, 500..1_000).await;
    client
        .merge_shards(&name("s"), shard(3), shard(1))
        .await
        .unwrap();
    fill(&client, 1_000..1_500).await;

    let (mut ended, mut numbers) = (Vec::new(), Vec::new());
    while numbers.len() < 1_500 {
        match consumer.next().await.unwrap().expect("more events") {
            ConsumerEvent::Batch(batch) => {
                let parents: &[u32] = match batch.shard().get() {
                    2 | 3 => &[0],
                    4 => &[3, 1],
                    _ => &[],
                };
                assert!(parents.iter().all(|p| ended.contains(&shard(*p))));
                numbers.extend(batch.records().map(|record| {
                    let record = record.unwrap();
                    let number = u64::from_le_bytes(record.record.data[..8].try_into().unwrap());
                    (record.shard, record.position, number)
                }));
            }
            ConsumerEvent::ShardEnd { shard, .. } => ended.push(shard),
            ConsumerEvent::Progress { .. } => {}
            ConsumerEvent::Lagged { .. } => panic!("nothing was deleted"),
        }
    }
    assert_eq!(checked(&numbers), (0..1_500).collect::<Vec<_>>());
    for key in 0..17 {
        let of_key = numbers.iter().map(|(_, _, n)| *n).filter(|n| n % 17 == key);
        assert!(of_key.is_sorted(), "the order of key {key} is kept");
    }
}

#[tokio::test]
async fn one_shard_ends_the_consumer_with_itself() {
    let server = serve(1);
    let client = server.client().await;
    fill(&client, 0..100).await;
    let only = ConsumerOptions {
        shards: Shards::One(ShardId::new(0)),
        ..ConsumerOptions::default()
    };
    let mut consumer = consumer(&client, only).await;
    client
        .split_shard(&name("s"), ShardId::new(0), None)
        .await
        .unwrap();
    assert_eq!(take(&mut consumer, 100).await.len(), 100);
    assert!(matches!(
        consumer.next().await.unwrap(),
        Some(ConsumerEvent::ShardEnd { .. })
    ));
    assert_eq!(consumer.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_consumer_goes_on_inside_a_batch_where_another_one_stopped() {
    let server = serve(1);
    let client = server.client().await;
    fill(&client, 0..100).await;
    let positions = BTreeMap::from([(ShardId::new(0), Position::new(42))]);
    let options = ConsumerOptions {
        from: From::Positions(positions),
        ..ConsumerOptions::default()
    };
    let mut consumer = consumer(&client, options).await;
    let numbers = take(&mut consumer, 58).await;
    assert_eq!(checked(&numbers), (42..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_application_holds_the_server_back() {
    let server = serve(1);
    let client = server.client().await;
    let data = vec![0; 10_000];
    let producer = client
        .producer(&name("s"), ProducerOptions::default())
        .await
        .unwrap();
    for _ in 0..100 {
        producer.put("key", &data).await.unwrap();
    }
    let options = ConsumerOptions {
        credit_bytes: CREDIT_BYTES,
        ..ConsumerOptions::default()
    };
    let mut consumer = consumer(&client, options).await;
    let (mut received, mut last) = (0, 0);
    while last < 100 {
        let batch = consumer.next_batch().await.unwrap().unwrap();
        let len = u64::try_from(batch.entry_len()).unwrap();
        let held = server.shared.sent.load(Ordering::SeqCst) - received;
        assert!(held <= CREDIT_BYTES + len, "{held} bytes are on their way");
        received += len;
        last = batch.end().get();
    }
    assert!(received > 1_000_000);
}

#[tokio::test]
async fn damaged_bytes_are_data_loss() {
    let server = serve(1);
    let client = server.client().await;
    fill(&client, 0..10).await;
    server.shared.change(|store| {
        let entry = &mut store.streams.get_mut("s").unwrap().shards[0].entries[0];
        let mut body = entry.1.to_vec();
        body[9] ^= 1;
        entry.1 = body.into();
    });
    let mut consumer = consumer(&client, ConsumerOptions::default()).await;
    let error = consumer.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss);
}

#[tokio::test]
async fn a_missing_stream_or_shard_is_not_found() {
    let server = serve(1);
    let client = server.client().await;
    let missing = client
        .consumer(&name("t"), ConsumerOptions::default())
        .await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    let options = ConsumerOptions {
        shards: Shards::One(ShardId::new(9)),
        ..ConsumerOptions::default()
    };
    let missing = client.consumer(&name("s"), options).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}
