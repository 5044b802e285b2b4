//! Clients that do what no client should.

use afflux_types::ErrorKind;
use afflux_wire::message::{Acks, Activity, Open, Produce, StreamKind, Upload};
use bytes::Bytes;
use quinn::ConnectionError;

use crate::support::{Running, batch, create};

#[tokio::test]
async fn garbage_ends_its_stream_and_nothing_else() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    for garbage in [
        Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
        Bytes::from(vec![0; 4_096]),
        Bytes::from(vec![0xff; 4_096]),
        // An Open frame that claims four gigabytes.
        Bytes::from_static(&[1, 0xff, 0xff, 0xff, 0xff]),
        // An Open frame whose message is cut.
        Bytes::from_static(&[1, 2, 0, 0, 0, 0x0a, 0xff]),
        // An entry where a frame belongs.
        batch(None, &[b"early"]),
    ] {
        let mut channel = peer.raw().await;
        channel.send_bytes(garbage.clone()).await;
        let failure = channel.failure().await;
        assert_eq!(
            failure.error_kind(),
            ErrorKind::Invalid,
            "{garbage:?}: {failure:?}"
        );
        let stopped = channel.send.stopped().await.unwrap();
        assert_eq!(stopped, Some(ErrorKind::Invalid.code().into()));
    }
    create(&peer, "still-here", StreamKind::Records).await;
}

#[tokio::test]
async fn frames_in_the_wrong_place_are_named() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channel = peer.raw().await;
    channel.send_frame(Acks::default()).await;
    assert!(channel.failure().await.message.contains("Acks"));
    let mut channel = peer.raw().await;
    channel.send_frame(Open::default()).await;
    assert!(channel.failure().await.message.contains("no activity"));
    let produce = Produce {
        stream: "orders".to_owned(),
        ..Produce::default()
    };
    let mut channel = peer.open(Activity::Produce(produce)).await;
    channel.frame().await;
    channel.send_frame(Acks::default()).await;
    assert!(channel.failure().await.message.contains("Acks"));
    let upload = Upload {
        stream: "orders".to_owned(),
        session_id: vec![1; 16].into(),
    };
    let failure = peer.open(Activity::Upload(upload)).await.failure().await;
    assert!(failure.message.contains("not of video"), "{failure:?}");
}

#[tokio::test]
async fn a_stream_that_says_nothing_ends_the_connection() {
    let running = Running::start_with(|config| config.limits.handshake_seconds = 1).await;
    let peer = running.connect().await;
    let mut channel = peer.raw().await;
    // Half of an Open frame's head: the server knows of the stream, and waits.
    channel.send_bytes(Bytes::from_static(&[1, 2])).await;
    match peer.connection.closed().await {
        ConnectionError::ApplicationClosed(close) => {
            assert_eq!(
                close.error_code.into_inner(),
                u64::from(ErrorKind::Invalid.code())
            );
            assert!(
                String::from_utf8_lossy(&close.reason).contains("said nothing"),
                "{close:?}"
            );
        }
        other => panic!("{other:?} instead of a close"),
    }
}

#[tokio::test]
async fn connections_above_the_limit_are_refused() {
    let running = Running::start_with(|config| config.limits.connections = 2).await;
    let first = running.connect().await;
    let _second = running.connect().await;
    let third = crate::support::Peer::try_connect(&running.server, "", None).await;
    assert!(
        matches!(third, Err(ConnectionError::ConnectionClosed(_))),
        "{:?}",
        third.err()
    );
    create(&first, "orders", StreamKind::Records).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_leave_room_for_work() {
    let running = Running::start_with(|config| config.limits.idle_seconds = 3_600).await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(running.connect().await);
    }
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    assert!(
        idle.iter()
            .all(|peer| peer.connection.close_reason().is_none())
    );
}
