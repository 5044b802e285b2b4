//! Producing: acknowledgements, retries, refusals.

use afflux_types::ErrorKind;
use afflux_wire::Frame;
use afflux_wire::message::{
    Ack, Activity, Command, CreateStream, Produce, ProduceOpened, SplitShard, StreamKind,
};

use crate::support::{Channel, Peer, Running, admin, batch, create, numbered};

/// Opens a produce stream and passes over the answer.
pub(crate) async fn produce(peer: &Peer, stream: &str, producer_id: u64) -> Channel {
    let (channel, _) = open(peer, stream, producer_id).await;
    channel
}

async fn open(peer: &Peer, stream: &str, producer_id: u64) -> (Channel, ProduceOpened) {
    let request = Produce {
        stream: stream.to_owned(),
        shard: 0,
        producer_id,
    };
    let mut channel = peer.open(Activity::Produce(request)).await;
    match channel.frame().await {
        Frame::ProduceOpened(opened) => (channel, opened),
        other => panic!("{other:?} instead of ProduceOpened"),
    }
}

/// Waits for so many acknowledgements.
pub(crate) async fn acks(channel: &mut Channel, count: usize) -> Vec<Ack> {
    let mut acks = Vec::new();
    while acks.len() < count {
        match channel.frame().await {
            Frame::Acks(more) => acks.extend(more.acks),
            other => panic!("{other:?} instead of acknowledgements"),
        }
    }
    assert_eq!(acks.len(), count);
    acks
}

#[tokio::test]
async fn entries_are_acknowledged_in_order_with_their_positions() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channel = produce(&peer, "orders", 0).await;
    for _ in 0..100 {
        channel.send_bytes(batch(None, &[b"a", b"b", b"c"])).await;
    }
    let acks = acks(&mut channel, 100).await;
    let positions: Vec<u64> = acks.iter().map(|ack| ack.position).collect();
    assert_eq!(positions, (0..300).step_by(3).collect::<Vec<u64>>());
    assert!(
        acks.iter()
            .all(|ack| ack.record_count == 3 && !ack.duplicate && ack.arrival_ms > 0)
    );
    channel.send.finish().unwrap();
    assert!(channel.item().await.is_none());
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_retry_on_a_new_connection_gets_the_first_positions() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channel = produce(&peer, "orders", 7).await;
    for sequence in 1..=3 {
        channel.send_bytes(numbered(7, sequence)).await;
    }
    let first = acks(&mut channel, 3).await;
    drop(peer);
    let peer = running.connect().await;
    let (mut channel, opened) = open(&peer, "orders", 7).await;
    assert_eq!(opened.last_sequence, 3);
    for sequence in 2..=4 {
        channel.send_bytes(numbered(7, sequence)).await;
    }
    let second = acks(&mut channel, 3).await;
    assert_eq!(second[0].position, first[1].position);
    assert_eq!(second[1].position, first[2].position);
    assert_eq!(
        second.iter().map(|ack| ack.duplicate).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(second[2].position, 3);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channel = produce(&peer, "orders", 7).await;
    channel.send_bytes(numbered(7, 1)).await;
    acks(&mut channel, 1).await;
    drop(peer);
    let running = running.restart().await;
    let peer = running.connect().await;
    let (mut channel, opened) = open(&peer, "orders", 7).await;
    assert_eq!(opened.last_sequence, 1);
    channel.send_bytes(numbered(7, 2)).await;
    assert_eq!(acks(&mut channel, 1).await[0].position, 1);
}

#[tokio::test]
async fn entries_before_a_refused_one_are_acknowledged() {
    let running = Running::start().await;
    let peer = running.connect().await;
    let request = CreateStream {
        stream: "small".to_owned(),
        record_bytes_max: 100,
        ..CreateStream::default()
    };
    admin(&peer, Command::CreateStream(request)).await.unwrap();
    let mut channel = produce(&peer, "small", 0).await;
    channel.send_bytes(batch(None, &[b"fits"])).await;
    channel.send_bytes(batch(None, &[b"fits", &[7; 200]])).await;
    channel.send_bytes(batch(None, &[b"never read"])).await;
    assert_eq!(acks(&mut channel, 1).await[0].position, 0);
    let failure = channel.failure().await;
    assert!(
        failure.message.contains("203") && failure.message.contains("100"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_flipped_bit_is_noticed() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channel = produce(&peer, "orders", 0).await;
    let mut entry = batch(None, &[b"payload"]).to_vec();
    *entry.last_mut().unwrap() ^= 1;
    channel.send_bytes(entry.into()).await;
    let failure = channel.failure().await;
    assert_eq!(failure.error_kind(), ErrorKind::Invalid);
    assert!(failure.message.contains("checksum"), "{failure:?}");
}

#[tokio::test]
async fn a_closed_shard_names_its_children() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channel = produce(&peer, "orders", 0).await;
    channel.send_bytes(batch(None, &[b"before"])).await;
    acks(&mut channel, 1).await;
    let split = SplitShard {
        stream: "orders".to_owned(),
        ..SplitShard::default()
    };
    admin(&peer, Command::SplitShard(split)).await.unwrap();
    channel.send_bytes(batch(None, &[b"after"])).await;
    let failure = channel.failure().await;
    assert_eq!(failure.error_kind(), ErrorKind::ShardMoved);
    let children: Vec<u32> = failure.children.iter().map(|child| child.shard).collect();
    assert_eq!(children, [1, 2]);
    assert!(
        failure
            .children
            .iter()
            .all(|child| child.parents == [0] && child.range.is_some())
    );
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_named() {
    let running = Running::start().await;
    let peer = running.connect().await;
    let request = Produce {
        stream: "nothing".to_owned(),
        ..Produce::default()
    };
    let failure = peer.open(Activity::Produce(request)).await.failure().await;
    assert_eq!(failure.error_kind(), ErrorKind::NotFound);
    assert!(failure.message.contains("nothing"), "{failure:?}");
}

#[tokio::test]
async fn a_connection_may_open_more_streams_as_it_uses_them() {
    let running = Running::start_with(|config| config.limits.connection_streams = 300).await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channels = Vec::new();
    for _ in 0..300 {
        channels.push(produce(&peer, "orders", 0).await);
    }
    for channel in &mut channels {
        channel.send_bytes(batch(None, &[b"x"])).await;
    }
    for channel in &mut channels {
        acks(channel, 1).await;
    }
}
