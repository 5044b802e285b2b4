//! HTTP: health, metrics, and everything that is neither.

use std::net::SocketAddr;

use afflux_server::config::Right;
use afflux_wire::message::StreamKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::access::token;
use crate::produce::{acks, produce};
use crate::support::{Running, batch, create};

/// Sends bytes and returns everything that comes back.
async fn exchange(to: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

pub(crate) async fn get(to: SocketAddr, path: &str) -> String {
    exchange(
        to,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn a_running_server_is_alive_and_ready() {
    let running = Running::start().await;
    let http = running.server.http_addr();
    for path in ["/health/live", "/health/ready"] {
        assert!(
            get(http, path).await.starts_with("HTTP/1.1 200 OK"),
            "{path}"
        );
    }
    running.shutdown().await.unwrap();
    assert!(
        TcpStream::connect(http).await.is_err(),
        "the port is closed after shutdown"
    );
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let mut channel = produce(&peer, "orders", 0).await;
    channel.send_bytes(batch(None, &[b"a", b"b"])).await;
    acks(&mut channel, 1).await;
    let metrics = get(running.server.http_addr(), "/metrics").await;
    for line in [
        "afflux_ingest_records_total 2",
        "afflux_acknowledged_entries_total 1",
        "afflux_connections 1",
        "afflux_activities{activity=\"produce\"} 1",
        "afflux_log_stopped_shards 0",
        "# EOF",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in:\n{metrics}"
        );
    }
    assert!(metrics.contains("application/openmetrics-text"));
}

#[tokio::test]
async fn other_requests_are_refused_clearly() {
    let running = Running::start().await;
    let http = running.server.http_addr();
    let missing = get(http, "/nothing").await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    let post =
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let wrong = exchange(http, post).await;
    assert!(
        wrong.starts_with("HTTP/1.1 405") && wrong.contains("allow: GET, HEAD"),
        "{wrong}"
    );
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let mut stream = TcpStream::connect(http).await.unwrap();
    // The server may stop reading before everything is written.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
}

#[tokio::test]
async fn metrics_beyond_loopback_ask_for_a_token() {
    let running = Running::start_with(|config| {
        config.http.listen = "0.0.0.0:0".parse().unwrap();
        config.tokens = vec![
            token("monitor", "monitor secret", &[Right::Metrics], &["*"]),
            token("cameras", "camera secret", &[Right::Produce], &["*"]),
        ];
    })
    .await;
    let http = SocketAddr::from(([127, 0, 0, 1], running.server.http_addr().port()));
    assert!(get(http, "/health/ready").await.starts_with("HTTP/1.1 200"));
    for (secret, status) in [
        ("", "401"),
        ("a guess", "401"),
        ("camera secret", "401"),
        ("monitor secret", "200"),
    ] {
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(http, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{secret}: {answer}"
        );
    }
}
