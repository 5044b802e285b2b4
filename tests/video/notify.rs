//! Fragments that cameras bring over QUIC are told of as those of `PutMedia` are.

use std::net::SocketAddr;

use afflux_testkit::video::{Camera, split};
use afflux_wire::Frame;
use afflux_wire::message::{Activity, FragmentEnd, FragmentStart, Tag, Upload, UploadInit};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::fragments;
use crate::support::{World, video};

/// Posts a document, and returns the head of the answer.
async fn post(server: SocketAddr, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let mut socket = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// What is posted to a webhook next.
async fn posted(hook: &TcpListener) -> Value {
    let (mut socket, _) = hook.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        assert!(socket.read_buf(&mut request).await.unwrap() > 0);
    }
    let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
    socket.write_all(answer).await.unwrap();
    let request = String::from_utf8(request).unwrap();
    let (_, message) = request.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(message).unwrap()
}

fn tag(name: &str, value: &str) -> Tag {
    Tag {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_told_of_fragments_that_came_over_quic_and_ask_for_it() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(video("cam")).await;
    let hook = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", hook.local_addr().unwrap());
    let input = json!({
        "StreamName": "cam",
        "NotificationConfiguration": {"Status": "ENABLED", "DestinationConfig": {"Uri": uri}},
    });
    let path = "/updateNotificationConfiguration";
    let answer = post(world.server.http(), path, &input).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (init, parts) = split(&Camera::short(3).film());
    let session_id = Bytes::from_static(&[1; 16]);
    let stream = "cam".into();
    let mut upload = peer
        .open(Activity::Upload(Upload { stream, session_id }))
        .await;
    upload
        .say(&Frame::UploadInit(UploadInit { init: init.into() }))
        .await;
    let asks = |number| (number != 1).then(|| tag("AWS_KINESISVIDEO_NOTIFICATION", ""));
    for (number, part) in (0..).zip(&parts) {
        let tags = [tag("number", &number.to_string())];
        let start = FragmentStart {
            number,
            producer_time_ms: 1_000 * i64::try_from(number).unwrap(),
            tags: tags.into_iter().chain(asks(number)).collect(),
            ..FragmentStart::default()
        };
        upload.say(&Frame::FragmentStart(start)).await;
        for bytes in Frame::fragment_data(Bytes::from(part.clone())) {
            upload.bytes(bytes).await;
        }
        let end = FragmentEnd { number };
        upload.say(&Frame::FragmentEnd(end)).await;
    }
    upload.finish();
    for number in [0, 2_usize] {
        let message = posted(&hook).await;
        let stored = fragments(&peer, "cam").await;
        assert_eq!(message["FragmentNumber"], stored[number].fragment_number);
        let payload = json!({"number": number.to_string()});
        assert_eq!(message["NotificationPayload"], payload);
        assert_eq!(message["FragmentStartProducerTimestamp"], 1_000 * number);
    }
}
