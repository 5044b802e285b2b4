//! Starting and stopping.

use afflux_server::Server;
use afflux_types::{Clock, ErrorKind};
use afflux_wire::message::{From, StreamKind};

use crate::produce::{acks, produce};
use crate::subscribe::subscribe;
use crate::support::{Running, batch, config, create};

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let running = Running::start().await;
    let error = Server::start(config(running.dir.path()), Clock::system())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error:?}");
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    drop(peer);
    // Once it has stopped, the data is free.
    running.restart().await.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_and_frees_the_data() {
    let running = Running::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut taken = config(dir.path());
    taken.http.listen = running.server.http_addr();
    let error = Server::start(taken.clone(), Clock::system())
        .await
        .unwrap_err();
    assert!(
        error.message().contains(&taken.http.listen.to_string()),
        "{error:?}"
    );
    taken.http.listen.set_port(0);
    Server::start(taken, Clock::system())
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
}

#[tokio::test]
async fn shutdown_acknowledges_what_was_taken_and_says_goodbye() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;
    producer.send_bytes(batch(None, &[b"1"])).await;
    acks(&mut producer, 1).await;
    let (mut consumer, _) = subscribe(&peer, "orders", From::Latest(true), 1 << 20).await;
    let stopping = tokio::spawn(running.server.shutdown());
    for channel in [&mut producer, &mut consumer] {
        let failure = channel.failure().await;
        assert_eq!(failure.error_kind(), ErrorKind::Unavailable);
        assert!(failure.retry_after_ms > 0);
    }
    peer.connection.closed().await;
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_consumer_that_stopped_reading_does_not_hold_up_shutdown() {
    let running = Running::start_with(|config| config.quic.window_bytes = 64 << 10).await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;
    for _ in 0..64 {
        producer.send_bytes(batch(None, &[&[7; 100_000]])).await;
    }
    acks(&mut producer, 64).await;
    let (_stuck, _) = subscribe(&peer, "orders", From::TrimHorizon(true), 64 << 20).await;
    running.server.shutdown().await.unwrap();
}
