//! Answers without an end, and the end of the server.

use std::sync::atomic::Ordering;

use http_body_util::BodyExt as _;

use super::Running;
use super::client::{Client, Version, call};
use super::service::FRAME_BYTES;

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_service() {
    let running = Running::start().await;
    let mut client = Client::plain(running.address(), Version::Two).await;
    let answer = client.send(call("SubscribeToShard", "-")).await.unwrap();
    let mut body = answer.into_body();
    // Each turn lets everything happen that can.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let made = running.frames.load(Ordering::Relaxed);
    // The client's window of two frames, the send buffer of eight, and one in each hand.
    assert!(made <= 14, "{made} frames were made for nobody");
    let mut read = 0;
    while read < 100 * FRAME_BYTES {
        read += body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .data_ref()
            .unwrap()
            .len();
    }
    assert!(running.frames.load(Ordering::Relaxed) >= 100);
}

#[tokio::test]
async fn a_stream_ends_in_order_when_the_server_stops() {
    for version in [Version::One, Version::Two] {
        let running = Running::start().await;
        let mut client = Client::plain(running.address(), version).await;
        let answer = client.send(call("SubscribeToShard", "-")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "x/frames");
        let mut body = answer.into_body();
        body.frame().await.unwrap().unwrap();
        let stopped = tokio::spawn(running.server.shutdown());
        while let Some(frame) = body.frame().await {
            frame.unwrap();
        }
        stopped.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_operation_that_hangs_does_not_keep_the_server() {
    let running = Running::start().await;
    let mut client = Client::plain(running.address(), Version::Two).await;
    let asked = tokio::spawn(async move { client.send(call("GetRecords", "-")).await });
    let mut other = Client::plain(running.address(), Version::One).await;
    other.ask(call("ListStreams", "-")).await;
    running.server.shutdown().await.unwrap();
    assert!(asked.await.unwrap().is_err());
}
