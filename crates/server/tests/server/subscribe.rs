//! Subscribing: where it starts, how much comes, how it ends.

use afflux_entry::Kind;
use afflux_types::ErrorKind;
use afflux_wire::message::{
    Activity, Command, ConsumerRef, From, Grant, SplitShard, Start, StreamKind, Subscribe,
    SubscribeOpened,
};
use afflux_wire::{Frame, Item};

use crate::produce::{acks, produce};
use crate::support::{Channel, Peer, Running, admin, batch, create, numbered, records};

const PLENTY: u64 = 16 << 20;
/// Header and framing of an entry with one record of one byte.
const ENTRY_BYTES_MIN: usize = 72 + 8 + 3 + 1;

pub(crate) fn request(stream: &str, from: From, credit_bytes: u64) -> Subscribe {
    Subscribe {
        stream: stream.to_owned(),
        start: Some(Start { from: Some(from) }),
        credit_bytes,
        ..Subscribe::default()
    }
}

/// Opens a subscription and passes over the answer.
pub(crate) async fn subscribe(
    peer: &Peer,
    stream: &str,
    from: From,
    credit: u64,
) -> (Channel, SubscribeOpened) {
    let request = request(stream, from, credit);
    let mut channel = peer.open(Activity::Subscribe(request)).await;
    match channel.frame().await {
        Frame::SubscribeOpened(opened) => (channel, opened),
        other => panic!("{other:?} instead of SubscribeOpened"),
    }
}

/// Reads batches until so many records came.
async fn read(channel: &mut Channel, count: usize) -> Vec<String> {
    let mut read = Vec::new();
    while read.len() < count {
        let entry = channel.entry().await;
        if entry.header.kind == Kind::Batch {
            read.extend(records(&entry));
        }
    }
    read
}

#[tokio::test]
async fn records_come_as_they_were_sent_from_the_start_and_live() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;
    producer.send_bytes(batch(None, &[b"1", b"2"])).await;
    acks(&mut producer, 1).await;
    let (mut old, opened) = subscribe(&peer, "orders", From::TrimHorizon(true), PLENTY).await;
    assert_eq!((opened.position, opened.durable), (0, 2));
    let (mut new, opened) = subscribe(&peer, "orders", From::Latest(true), PLENTY).await;
    assert_eq!(opened.position, 2);
    let (mut second, _) = subscribe(&peer, "orders", From::Position(1), PLENTY).await;
    producer.send_bytes(batch(None, &[b"3"])).await;
    assert_eq!(read(&mut old, 3).await, ["1", "2", "3"]);
    assert_eq!(read(&mut new, 1).await, ["3"]);
    // The entry that contains the position comes whole.
    assert_eq!(read(&mut second, 3).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn progress_is_reported_once_caught_up() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;
    producer.send_bytes(batch(None, &[b"1", b"2"])).await;
    let (mut channel, _) = subscribe(&peer, "orders", From::TrimHorizon(true), PLENTY).await;
    loop {
        if let Some(Item::Frame(Frame::Progress(progress))) = channel.item().await
            && progress.position == 2
        {
            assert_eq!(progress.millis_behind, 0);
            return;
        }
    }
}

#[tokio::test]
async fn a_slow_consumer_gets_no_more_than_it_granted_and_slows_nobody() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 9).await;
    let (mut slow, _) = subscribe(&peer, "orders", From::TrimHorizon(true), 1).await;
    let (mut fast, _) = subscribe(&peer, "orders", From::TrimHorizon(true), PLENTY).await;
    for sequence in 1..=200 {
        producer.send_bytes(numbered(9, sequence)).await;
    }
    acks(&mut producer, 200).await;
    let expected: Vec<String> = (1..=200)
        .map(|sequence: u32| sequence.to_string())
        .collect();
    assert_eq!(read(&mut fast, 200).await, expected);
    // One byte of credit lets one entry through, and a grant as many as fit.
    let mut got = read(&mut slow, 1).await;
    slow.send_frame(Grant { bytes: 1_000 }).await;
    got.extend(read(&mut slow, 1).await);
    // The server sends what it may and then sees that the consumer has ended its direction.
    slow.send.finish().unwrap();
    while let Some(item) = slow.item().await {
        match item {
            Item::Entry(entry) if entry.header.kind == Kind::Batch => got.extend(records(&entry)),
            Item::Entry(_) | Item::Frame(Frame::Progress(_)) => {}
            Item::Frame(other) => panic!("{other:?} on a subscription"),
        }
    }
    assert!(
        got.len() <= 2 + 1_000 / ENTRY_BYTES_MIN,
        "{} records came",
        got.len()
    );
    assert_eq!(got, expected[..got.len()]);
}

/// A client that granted a fixed number of bytes for each batch hung: the engine's own markers come between
/// the batches and cost credit, too. So a client gives back what came, whatever it was.
#[tokio::test]
async fn a_grant_lets_the_rest_through() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;
    for _ in 0..50 {
        producer.send_bytes(batch(None, &[b"x"])).await;
    }
    acks(&mut producer, 50).await;
    let (mut slow, _) = subscribe(&peer, "orders", From::TrimHorizon(true), 1).await;
    let mut kinds = Vec::new();
    while kinds.iter().filter(|&&kind| kind == Kind::Batch).count() < 50 {
        let entry = slow.entry().await;
        kinds.push(entry.header.kind);
        let bytes = u64::try_from(entry.entry_len()).unwrap();
        slow.send_frame(Grant { bytes }).await;
    }
    assert!(kinds.contains(&Kind::Marker), "no marker came: {kinds:?}");
}

#[tokio::test]
async fn a_closed_shard_ends_with_its_children() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;
    producer.send_bytes(batch(None, &[b"1"])).await;
    acks(&mut producer, 1).await;
    let (mut channel, _) = subscribe(&peer, "orders", From::TrimHorizon(true), PLENTY).await;
    let split = SplitShard {
        stream: "orders".to_owned(),
        ..SplitShard::default()
    };
    admin(&peer, Command::SplitShard(split)).await.unwrap();
    assert_eq!(read(&mut channel, 1).await, ["1"]);
    loop {
        match channel.item().await {
            Some(Item::Frame(Frame::ShardEnd(end))) => {
                assert_eq!(end.position, 1);
                assert_eq!(end.children.len(), 2);
                break;
            }
            Some(_) => {}
            None => panic!("the stream ended without ShardEnd"),
        }
    }
    assert!(channel.item().await.is_none());
}

#[tokio::test]
async fn only_registered_consumers_may_use_a_name() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut request = request("orders", From::Latest(true), PLENTY);
    request.consumer = "billing".to_owned();
    let failure = peer
        .open(Activity::Subscribe(request.clone()))
        .await
        .failure()
        .await;
    assert_eq!(failure.error_kind(), ErrorKind::NotFound);
    let consumer = ConsumerRef {
        stream: "orders".to_owned(),
        consumer: "billing".to_owned(),
    };
    admin(&peer, Command::RegisterConsumer(consumer))
        .await
        .unwrap();
    let mut channel = peer.open(Activity::Subscribe(request)).await;
    assert!(matches!(channel.frame().await, Frame::SubscribeOpened(_)));
}

#[tokio::test]
async fn a_consumer_that_ends_its_direction_is_let_go() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let (mut channel, _) = subscribe(&peer, "orders", From::Latest(true), PLENTY).await;
    channel.send.finish().unwrap();
    loop {
        match channel.item().await {
            None => break,
            Some(Item::Frame(Frame::Progress(_))) => {}
            Some(other) => panic!("{other:?} instead of the end"),
        }
    }
}

#[tokio::test]
async fn a_position_beyond_the_end_is_refused() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let request = request("orders", From::Position(5), PLENTY);
    let failure = peer
        .open(Activity::Subscribe(request))
        .await
        .failure()
        .await;
    assert_eq!(failure.error_kind(), ErrorKind::Invalid);
    assert!(failure.message.contains('5'), "{failure:?}");
}
