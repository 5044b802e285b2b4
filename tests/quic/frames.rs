//! Bytes that are not the protocol: cut, random, too long, unknown, damaged, out of order.

use afflux_entry::{HEADER_LEN, Header, Kind};
use afflux_testkit::peer::{self, Answer, Exchange, Hello, Peer};
use afflux_testkit::seed::{self, Seed};
use afflux_types::ErrorKind;
use afflux_wire::message::{
    Activity, AdminRequest, Command, Fetch, FragmentEnd, FragmentStart, Grant, ListStreams, Upload,
    UploadInit,
};
use afflux_wire::{Frame, FrameType, Item};
use bytes::{Bytes, BytesMut};
use rand::Rng as _;

use crate::support::{
    World, acks, assert_serves, durable, produce, produce_opened, records, subscribe, video,
};

/// A server with one stream of each kind.
async fn world() -> (World, Peer) {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    peer.create(video("v")).await;
    (world, peer)
}

fn batch() -> Bytes {
    peer::batch(&[("key", b"data")], None)
}

fn concat(parts: &[Bytes]) -> Bytes {
    let mut whole = BytesMut::new();
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

fn open(activity: Activity) -> Bytes {
    peer::open(activity, "").encode()
}

/// The start of one valid exchange for each activity.
fn exchanges() -> Vec<Bytes> {
    let upload = Upload {
        stream: "v".into(),
        session_id: Bytes::from_static(&[7; 16]),
    };
    let start = FragmentStart {
        number: 0,
        producer_time_ms: 1,
        ..FragmentStart::default()
    };
    let list = AdminRequest {
        command: Some(Command::ListStreams(ListStreams::default())),
    };
    let fetch = Fetch {
        stream: "v".into(),
        selector: None,
    };
    let horizon = afflux_wire::message::From::TrimHorizon(true);
    vec![
        concat(&[open(produce("s", 0)), batch()]),
        concat(&[
            open(subscribe("s", 0, Some(horizon))),
            Frame::Grant(Grant { bytes: 1 }).encode(),
        ]),
        concat(&[
            open(Activity::Upload(upload)),
            Frame::UploadInit(UploadInit {
                init: Bytes::from_static(b"no init"),
            })
            .encode(),
            Frame::FragmentStart(start).encode(),
            concat(&Frame::fragment_data(Bytes::from_static(b"no fragment"))),
            Frame::FragmentEnd(FragmentEnd { number: 0 }).encode(),
        ]),
        open(Activity::Fetch(fetch)),
        open(Activity::Admin(list)),
    ]
}

/// Reads to the end of what the server says; the end is its choice, silence is not.
async fn drain(exchange: &mut Exchange) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        match exchange.next().await {
            Answer::Item(Item::Frame(frame)) => frames.push(frame),
            Answer::Item(Item::Entry(_)) => {}
            Answer::End | Answer::Reset(_) => return frames,
            Answer::Closed(reason) => panic!("one bad stream closed the connection: {reason}"),
        }
    }
}

/// Sends bytes on a stream of their own and expects a failure of kind `Invalid` that says `words`.
async fn refused(peer: &Peer, bytes: Bytes, words: &str) {
    let mut exchange = peer.open_raw().await;
    exchange.bytes(bytes).await;
    loop {
        match exchange.frame().await {
            Frame::Failure(failure) => {
                assert_eq!(
                    failure.kind,
                    u32::from(ErrorKind::Invalid.code()),
                    "{failure:?}"
                );
                assert!(
                    failure.message.contains(words),
                    "{words:?} is not in {:?}",
                    failure.message
                );
                return;
            }
            Frame::ProduceOpened(_) | Frame::UploadOpened(_) | Frame::SubscribeOpened(_) => {}
            other => panic!("expected a failure, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_cut_at_every_byte_leave_nothing_behind() {
    let (world, peer) = world().await;
    for whole in exchanges() {
        for cut in 0..whole.len() {
            let mut exchange = peer.open_raw().await;
            exchange.bytes(whole.slice(..cut)).await;
            // Half of them end in order and half are broken off.
            if cut % 2 == 0 {
                exchange.finish();
                // Nobody reads a subscription to its end: it has none.
                if whole == exchanges()[1] {
                    exchange.recv.stop(0_u32.into()).unwrap();
                } else {
                    drain(&mut exchange).await;
                }
            } else {
                exchange.reset();
            }
        }
    }
    assert_eq!(
        durable(&peer, "s").await,
        0,
        "an entry that was cut was stored"
    );
    assert_eq!(
        durable(&peer, "v").await,
        0,
        "a fragment that was cut was stored"
    );
    assert_serves(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_may_arrive_one_by_one() {
    let (_world, peer) = world().await;
    let mut exchange = peer.open_raw().await;
    let whole = concat(&[open(produce("s", 0)), batch()]);
    for byte in whole.chunks(1) {
        exchange.bytes(Bytes::copy_from_slice(byte)).await;
    }
    assert!(matches!(exchange.frame().await, Frame::ProduceOpened(_)));
    assert_eq!(acks(&mut exchange).await.acks.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_do_no_harm() {
    let mut seed = Seed::from_env();
    let (world, peer) = world().await;
    let valid = exchanges();
    for round in 0..seed::count("AFFLUX_RANDOM_ROUNDS", 400) {
        let mut bytes = vec![0; seed.random_range(1..600)];
        seed.fill(&mut bytes[..]);
        let start = &valid[seed.random_range(0..valid.len())];
        let bytes = match round % 3 {
            0 => Bytes::from(bytes),
            1 => concat(&[start.clone(), bytes.into()]),
            _ => {
                let mut flipped = BytesMut::from(&start[..]);
                let bit = seed.random_range(0..flipped.len() * 8);
                flipped[bit / 8] ^= 1 << (bit % 8);
                flipped.freeze()
            }
        };
        let mut exchange = peer.open_raw().await;
        exchange.bytes(bytes).await;
        exchange.finish();
        exchange.recv.stop(0_u32.into()).unwrap();
    }
    assert_serves(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_above_their_limit_are_refused_before_their_bytes_come() {
    let (world, peer) = world().await;
    for &frame_type in FrameType::ALL {
        let mut head = vec![frame_type as u8];
        head.extend_from_slice(&u32::MAX.to_le_bytes());
        refused(&peer, head.into(), "limit").await;
    }
    let mut entry = BytesMut::from(&batch()[..HEADER_LEN]);
    entry[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(
        &peer,
        concat(&[open(produce("s", 0)), entry.freeze()]),
        "limit",
    )
    .await;
    assert_serves(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_entries_are_refused_and_not_stored() {
    let (_world, peer) = world().await;
    let whole = batch();
    for at in HEADER_LEN..whole.len() {
        let mut damaged = BytesMut::from(&whole[..]);
        damaged[at] ^= 0x20;
        refused(
            &peer,
            concat(&[open(produce("s", 0)), damaged.freeze()]),
            "checksum",
        )
        .await;
    }
    assert_eq!(durable(&peer, "s").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_versions_kinds_and_flags_are_refused() {
    let (world, peer) = world().await;
    for (at, value, words) in [(4, 9, "version 9"), (5, 77, "kind 77"), (7, 0x80, "flags")] {
        let mut entry = BytesMut::from(&batch()[..]);
        entry[at] = value;
        refused(
            &peer,
            concat(&[open(produce("s", 0)), entry.freeze()]),
            words,
        )
        .await;
    }
    for byte in [0x00, 0x03, 0x7f, 0xff] {
        refused(&peer, Bytes::from(vec![byte; 64]), "frame").await;
    }
    for alpn in [b"afflux/2".as_slice(), b"h3"] {
        let hello = Hello {
            alpn: alpn.to_vec(),
            ..Hello::default()
        };
        let refusal = Peer::try_connect(peer.endpoint(), world.server.quic(), hello).await;
        assert!(
            refusal.is_err(),
            "a handshake with another protocol succeeded"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_and_entries_out_of_order_are_refused() {
    let (_world, peer) = world().await;
    refused(&peer, batch(), "").await;
    refused(&peer, Frame::Grant(Grant { bytes: 1 }).encode(), "").await;
    refused(
        &peer,
        peer::open(produce("s", 0), "")
            .encode()
            .slice(..0)
            .into_iter()
            .chain([1, 0, 0, 0, 0])
            .collect(),
        "",
    )
    .await;
    refused(
        &peer,
        concat(&[open(produce("s", 0)), open(produce("s", 0))]),
        "",
    )
    .await;
    refused(
        &peer,
        concat(&[
            open(produce("s", 0)),
            Frame::Grant(Grant { bytes: 1 }).encode(),
        ]),
        "",
    )
    .await;
    let horizon = afflux_wire::message::From::TrimHorizon(true);
    refused(
        &peer,
        concat(&[open(subscribe("s", 0, Some(horizon))), batch()]),
        "",
    )
    .await;
    let upload = Upload {
        stream: "v".into(),
        session_id: Bytes::from_static(&[7; 16]),
    };
    refused(
        &peer,
        concat(&[open(Activity::Upload(upload)), batch()]),
        "",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_may_not_send_the_servers_own_entries() {
    let (_world, peer) = world().await;
    for (kind, count) in [(Kind::Fragment, 1), (Kind::Init, 0), (Kind::Marker, 0)] {
        let body = [0_u8; 32];
        let entry = peer::entry(&Header::for_body(kind, count, None, None, &[body]), &body);
        refused(&peer, concat(&[open(produce("s", 0)), entry]), kind.name()).await;
    }
    assert_eq!(durable(&peer, "s").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_stream_leaves_the_others_of_its_connection_alone() {
    let (_world, peer) = world().await;
    let mut good = produce_opened(&peer, produce("s", 0)).await;
    refused(&peer, Bytes::from_static(&[0xff; 100]), "").await;
    good.bytes(batch()).await;
    assert_eq!(acks(&mut good).await.acks.len(), 1);
}
