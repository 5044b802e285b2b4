//! Starting and stopping.

use std::fmt::Debug;

use afflux_server::Server;
use afflux_types::{Clock, ErrorKind};
use afflux_wire::message::{Activity, From, StreamKind};
use quinn::ConnectionError;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::health::get;
use crate::produce::{acks, produce};
use crate::subscribe::{request, subscribe};
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

/// Shutdown used to wait for a write to a client that did not read until it gave up on everybody. Such a
/// client never saw its QUIC stream end, only the connection.
#[tokio::test]
async fn a_consumer_that_stopped_reading_is_reset_when_the_server_stops() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;
    for _ in 0..64 {
        producer.send_bytes(batch(None, &[&[7; 100_000]])).await;
    }
    acks(&mut producer, 64).await;
    // On connections of their own: a full connection window would stall the producer's answers.
    let slow = running.connect().await;
    let (mut stuck, _) = subscribe(&slow, "orders", From::TrimHorizon(true), 64 << 20).await;
    let stopping = tokio::spawn(running.server.shutdown());
    let code = stuck.recv.received_reset().await.unwrap();
    assert_eq!(code, Some(ErrorKind::Unavailable.code().into()));
    assert_eq!(
        producer.failure().await.error_kind(),
        ErrorKind::Unavailable
    );
    for peer in [peer, slow] {
        let ConnectionError::ApplicationClosed(close) = peer.connection.closed().await else {
            panic!("the connection was not closed in order")
        };
        assert_eq!(close.reason, "the server is stopping");
    }
    stopping.await.unwrap().unwrap();
}

/// Panics wherever the server logs this event.
struct Tripwire {
    target: &'static str,
    message: &'static str,
}

impl Subscriber for Tripwire {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            if field.name() == "message" {
                message = format!("{value:?}");
            }
        });
        let hit = event.metadata().target() == self.target && message == self.message;
        assert!(!hit, "a bug");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The runtime has one thread, so the server's tasks log where the test listens.
#[tokio::test]
async fn a_panic_ends_its_stream_or_connection_and_nothing_else() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut producer = produce(&peer, "orders", 0).await;

    let wire = tracing::subscriber::set_default(Tripwire {
        target: "afflux_server::handle::subscribe",
        message: "open",
    });
    // Tests beside this one may have met these events when nobody listened.
    tracing::callsite::rebuild_interest_cache();
    let latest = request("orders", From::Latest(true), 1 << 20);
    let mut broken = peer.open(Activity::Subscribe(latest)).await;
    let code = broken.recv.received_reset().await.unwrap();
    assert_eq!(code, Some(ErrorKind::Internal.code().into()));
    drop(wire);

    let wire = tracing::subscriber::set_default(Tripwire {
        target: "afflux_server::listen::quic",
        message: "connected",
    });
    tracing::callsite::rebuild_interest_cache();
    running.connect().await.connection.closed().await;
    drop(wire);

    producer.send_bytes(batch(None, &[b"1"])).await;
    acks(&mut producer, 1).await;
    let later = running.connect().await;
    subscribe(&later, "orders", From::TrimHorizon(true), 1 << 20).await;
    let metrics = get(running.server.http_addr(), "/metrics").await;
    assert!(metrics.contains("afflux_panics_total 2\n"), "{metrics}");
    // The first one and the last one: what ended by a panic is not counted for ever.
    assert!(metrics.contains("afflux_connections 2\n"), "{metrics}");
}
