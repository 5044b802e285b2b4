//! Where to start reading: places that exist, that no longer exist, and that never did.

use afflux_testkit::peer::{self, Answer, Peer};
use afflux_types::ErrorKind;
use afflux_wire::message::{CreateStream, From};
use afflux_wire::{Frame, Item};

use crate::support::{World, acks, produce, produce_opened, records, subscribe};

/// Appends `count` records, one entry each.
async fn append(peer: &Peer, stream: &str, count: u64, data: &[u8]) {
    let mut exchange = produce_opened(peer, produce(stream, 0)).await;
    let mut open = 0;
    for _ in 0..count {
        exchange.bytes(peer::batch(&[("key", data)], None)).await;
        open += 1;
        while open >= 16 {
            open -= acks(&mut exchange).await.acks.len();
        }
    }
    while open > 0 {
        open -= acks(&mut exchange).await.acks.len();
    }
}

/// Opens a subscription and returns where it starts and the position of the first entry.
async fn starts(peer: &Peer, stream: &str, from: From) -> (u64, u64) {
    let mut exchange = peer.open(subscribe(stream, 0, Some(from))).await;
    let mut opened = None;
    loop {
        match exchange.next().await {
            Answer::Item(Item::Frame(Frame::SubscribeOpened(answer))) => {
                opened = Some(answer.position)
            }
            Answer::Item(Item::Entry(entry)) => {
                return (opened.unwrap(), entry.header.stamp.unwrap().position.get());
            }
            // Caught up: there is no entry to wait for.
            Answer::Item(Item::Frame(Frame::Progress(progress))) => {
                return (opened.unwrap(), progress.position);
            }
            Answer::Item(Item::Frame(Frame::Lagged(_))) => {}
            other => panic!("expected a subscription, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_start_where_they_ask_to() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    append(&peer, "s", 5, b"data").await;
    assert_eq!(starts(&peer, "s", From::TrimHorizon(true)).await, (0, 0));
    assert_eq!(starts(&peer, "s", From::Position(3)).await, (3, 3));
    assert_eq!(starts(&peer, "s", From::Position(5)).await, (5, 5));
    assert_eq!(starts(&peer, "s", From::Latest(true)).await, (5, 5));
    assert_eq!(starts(&peer, "s", From::Timestamp(0)).await, (0, 0));
    assert_eq!(starts(&peer, "s", From::Timestamp(i64::MIN)).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_inside_an_entry_starts_with_that_entry() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    exchange
        .bytes(peer::batch(&[("a", b"0"), ("b", b"1"), ("c", b"2")], None))
        .await;
    acks(&mut exchange).await;
    assert_eq!(starts(&peer, "s", From::Position(2)).await, (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_beyond_the_end_and_missing_ones_are_refused() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    append(&peer, "s", 5, b"data").await;
    for position in [6, u64::MAX] {
        let activity = subscribe("s", 0, Some(From::Position(position)));
        let failure = peer.open(activity).await.fails(ErrorKind::Invalid).await;
        assert!(
            failure.message.contains(&position.to_string()),
            "{failure:?}"
        );
    }
    peer.open(subscribe("s", 0, None))
        .await
        .fails(ErrorKind::Invalid)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_retention_deleted_is_not_passed_over_in_silence() {
    let world =
        World::with_config("[storage]\nsegment_bytes_min = 65536\nsegment_bytes_max = 1048576\n");
    let peer = world.peer().await;
    peer.create(CreateStream {
        retention_bytes: 1 << 20,
        ..records("s", 1)
    })
    .await;
    // Retention deletes whole segments now and then: write until it has.
    let data = vec![7; 32 << 10];
    let horizon = loop {
        append(&peer, "s", 32, &data).await;
        let horizon = peer.describe("s").await.shards[0].trim_horizon;
        if horizon > 0 {
            break horizon;
        }
    };
    let mut exchange = peer.open(subscribe("s", 0, Some(From::Position(0)))).await;
    let mut told = false;
    loop {
        match exchange.next().await {
            Answer::Item(Item::Frame(Frame::Failure(failure))) => {
                assert_eq!(
                    failure.kind,
                    u32::from(ErrorKind::Expired.code()),
                    "{failure:?}"
                );
                break;
            }
            Answer::Item(Item::Frame(Frame::SubscribeOpened(opened))) => {
                told |= opened.position >= horizon
            }
            Answer::Item(Item::Frame(Frame::Lagged(lagged))) => {
                assert!(lagged.position >= horizon);
                told = true;
            }
            Answer::Item(Item::Entry(_)) => {
                assert!(told, "records are missing and nobody said so");
                break;
            }
            other => panic!("expected a subscription, got {other:?}"),
        }
    }
}
