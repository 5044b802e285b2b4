//! What clients may take: sizes, times, memory.

use afflux_types::Result;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Running;
use super::client::{Client, Version, call, exchange};

const HEAD: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.1\r\n\
    X-Amz-Target: Kinesis_20131202.ListStreams\r\n";

/// Sends bytes and returns what comes back until the server gives up.
async fn wait_for_the_end(running: &Running, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    // From here on, time runs to the next thing that is waited for.
    tokio::time::pause();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    tokio::time::resume();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_with_the_limit() {
    let running = Running::start().await;
    for version in [Version::One, Version::Two] {
        let mut client = Client::plain(running.address(), version).await;
        let at_the_limit = Bytes::from(vec![b' '; 16 << 20]);
        let (status, _) = client.ask(call("ListStreams", at_the_limit)).await;
        assert_eq!(status, 200, "{version:?}");
        let beyond = Bytes::from(vec![b' '; (16 << 20) + 1]);
        let (status, says) = client.ask(call("ListStreams", beyond)).await;
        assert_eq!(status, 413, "{version:?}");
        assert!(says.contains("more than 16777216 bytes"), "{says}");
    }
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_when_it_does() {
    let running = Running::start().await;
    let mut request =
        format!("{HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..17 {
        request.extend_from_slice(b"100000\r\n");
        request.resize(request.len() + (1 << 20), b' ');
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = exchange(running.address(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn an_absurd_length_is_refused_without_waiting_for_it() {
    let running = Running::start().await;
    let request = format!("{HEAD}Content-Length: 1000000000000\r\n\r\n");
    let answer = exchange(running.address(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let running = Running::start().await;
    let request = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(64 << 10));
    let answer = wait_for_the_end(&running, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn slow_heads_and_handshakes_end_their_connections() {
    let running = Running::start().await;
    for start in [
        &b""[..],
        b"POST / HT",
        b"PRI * HTTP",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01",
    ] {
        let answer = wait_for_the_end(&running, start).await;
        assert!(!answer.contains("200"), "{start:?}: {answer}");
    }
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let running = Running::start().await;
    let request = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = wait_for_the_end(&running, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn slow_bodies_are_given_up() {
    let running = Running::start().await;
    let request = format!("{HEAD}Content-Length: 100\r\n\r\n- only this");
    let answer = wait_for_the_end(&running, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("did not arrive within 60 s"), "{answer}");
}

#[tokio::test]
async fn bodies_wait_for_memory_and_are_refused_without() -> Result<()> {
    let running = Running::start_with(|config| config.limits.http_bodies_bytes = 16 << 20).await;
    let address = running.address();
    let large = || Bytes::from(vec![b' '; 9 << 20]);
    let mut holder = Client::plain(address, Version::One).await;
    let held = tokio::spawn(async move { holder.ask(call("GetRecords", large())).await });
    // The first holds its share as soon as the second gets none.
    let mut client = Client::plain(address, Version::One).await;
    let mut refused = false;
    for _ in 0..100 {
        tokio::time::pause();
        let (status, says) = client.ask(call("ListStreams", large())).await;
        tokio::time::resume();
        if status == 503 {
            assert!(says.contains("no memory"), "{says}");
            refused = true;
            break;
        }
        client = Client::plain(address, Version::One).await;
    }
    assert!(refused, "two bodies of 9 MiB had room in 16 MiB");
    held.abort();
    let _ = held.await;
    let mut client = Client::plain(address, Version::One).await;
    let (status, _) = client.ask(call("ListStreams", large())).await;
    assert_eq!(status, 200, "who goes away gives back");
    running.server.shutdown().await
}
