//! Clients that say nothing: alone, with open streams, and a thousand of them.

use afflux_testkit::net::{LossyProxy, Weather};
use afflux_testkit::peer::{Answer, Hello, Peer, endpoint};
use afflux_testkit::seed::{Seed, count};
use afflux_testkit::wait;
use quinn::ConnectionError;

use crate::support::{World, assert_serves, records};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_opens_streams_and_says_nothing_is_let_go() {
    let world = World::with_config("[limits]\nhandshake_seconds = 1\n");
    let peer = world.peer().await;
    // A stream exists for the server from its first byte on.
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut exchange = peer.open_raw().await;
        exchange.bytes(bytes::Bytes::from_static(&[1])).await;
        silent.push(exchange);
    }
    assert_serves(&world).await;
    for exchange in &mut silent {
        match exchange.next().await {
            Answer::Closed(_) | Answer::Reset(_) | Answer::End => {}
            Answer::Item(item) => {
                assert!(format!("{item:?}").contains("Failure"), "{item:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_leave_the_server_responsive() {
    let world = World::start();
    let before = world.server.anonymous_bytes();
    let endpoint = endpoint();
    let connections = count("AFFLUX_IDLE_CONNECTIONS", 1_000);
    let mut idle = Vec::new();
    for _ in 0..connections {
        let hello = Hello::default();
        idle.push(
            Peer::try_connect(&endpoint, world.server.quic(), hello)
                .await
                .unwrap(),
        );
    }
    assert_serves(&world).await;
    let after = world.server.anonymous_bytes();
    let each = after.saturating_sub(before) / connections;
    // A connection costs tens of kilobytes; a leak or a buffer per connection costs far more.
    assert!(each < 256 << 10, "an idle connection costs {each} bytes");
    assert!(
        idle.iter()
            .all(|peer| peer.connection().close_reason().is_none())
    );
    drop(idle);
    wait::ends("all connections are closed", endpoint.wait_idle()).await;
    assert_serves(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vanish_without_a_word_make_room_for_others() {
    let world = World::with_config("[limits]\nidle_seconds = 2\nconnections = 3\n");
    let proxy = LossyProxy::start(
        world.server.quic(),
        Weather::default(),
        Seed::from_env().derive(0),
    );
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(Peer::connect(proxy.address()).await);
    }
    let endpoint = endpoint();
    let knock = || Peer::try_connect(&endpoint, world.server.quic(), Hello::default());
    assert!(knock().await.is_err(), "a fourth connection was let in");
    // Gone as when the power fails: no goodbye arrives.
    proxy.black_out();
    let let_in = loop {
        if let Ok(peer) = knock().await {
            break peer;
        }
    };
    let_in.create(records("s", 1)).await;
    drop(gone);
}

/// A server that was killed says no goodbye. The next one tells its clients, or they would wait for
/// their idle time-out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_tells_the_clients_of_the_one_before_that_they_are_alone() {
    let mut world = World::start();
    let peer = world.peer().await;
    world.server.kill();
    world.server.restart();
    let closed = wait::ends("the client knows", peer.connection().closed()).await;
    assert_eq!(closed, ConnectionError::Reset);
}
