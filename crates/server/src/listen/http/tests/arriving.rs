//! Bodies that are read while they arrive, and answers that are cut.

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Running;
use super::access::with_credential;
use super::client::{Client, Version, call, exchange};
use super::service::ARRIVING;

fn head(more: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: Kinesis_20131202.PutRecord\r\n{more}\r\n"
    )
}

fn arriving(more: &str) -> String {
    head(&format!(
        "{ARRIVING}: yes\r\nTransfer-Encoding: chunked\r\n{more}"
    ))
}

/// Reads until what was read ends with `end`.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        text.push(char::from(byte[0]));
    }
    text
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_it_and_then_its_answer_piece_by_piece() {
    let running = Running::start().await;
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    let head = arriving("Expect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let leave = read_to(&mut stream, "\r\n\r\n").await;
    assert_eq!(leave, "HTTP/1.1 100 Continue\r\n\r\n");
    let answer = read_to(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    for piece in ["one", "two"] {
        let chunk = format!("3\r\n{piece}\r\n");
        stream.write_all(chunk.as_bytes()).await.unwrap();
        assert_eq!(read_to(&mut stream, &chunk).await, chunk);
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(read_to(&mut stream, "0\r\n\r\n").await, "0\r\n\r\n");
    // The connection goes on.
    stream.write_all(arriving("").as_bytes()).await.unwrap();
    stream.write_all(b"1\r\nx\r\n0\r\n\r\n").await.unwrap();
    let answer = read_to(&mut stream, "0\r\n\r\n").await;
    assert!(answer.ends_with("1\r\nx\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn without_a_signature_nobody_gets_leave() {
    let running = Running::start_with(with_credential).await;
    let request = arriving("Expect: 100-continue\r\nConnection: close\r\n");
    let answer = exchange(running.address(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("MissingAuthenticationToken"), "{answer}");
}

#[tokio::test]
async fn a_client_that_sends_first_hears_why_it_is_refused() {
    let running = Running::start_with(with_credential).await;
    let mut request = arriving("").into_bytes();
    for _ in 0..8 {
        request.extend_from_slice(b"100000\r\n");
        request.resize(request.len() + (1 << 20), b' ');
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let answer = read_to(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_fails_on_its_way_is_seen_to_be_cut() {
    let running = Running::start().await;
    for version in [Version::One, Version::Two] {
        let mut client = Client::plain(running.address(), version).await;
        // The head may not have gone out yet.
        if let Ok(answer) = client.send(call("GetShardIterator", "-")).await {
            assert_eq!(answer.headers()["content-length"], "6");
            assert!(answer.into_body().collect().await.is_err(), "{version:?}");
        }
    }
}
