//! Versions of HTTP, TLS, and the forms of requests and answers.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Running;
use super::client::{Client, Version, call, connector, exchange, text};
use crate::config::HttpTls;
use crate::listen::http::connection::may_be_plain;

const VERSIONS: [Version; 2] = [Version::One, Version::Two];

#[tokio::test]
async fn both_versions_are_recognized_in_the_clear() {
    let running = Running::start().await;
    for version in VERSIONS {
        let mut client = Client::plain(running.address(), version).await;
        for _ in 0..2 {
            let answer = client.ask(call("ListStreams", "- abc")).await;
            let expected = "ListStreams of 5 bytes by anonymous".to_owned();
            assert_eq!(answer, (200, expected), "{version:?}");
        }
    }
}

#[tokio::test]
async fn both_versions_are_recognized_inside_tls_whatever_was_negotiated() {
    let running = Running::start().await;
    for alpn in [&[][..], &["h2", "http/1.1"], &["http/1.1"], &["h2"]] {
        for version in VERSIONS {
            let mut client = Client::tls(&running, alpn, version).await;
            let (status, _) = client.ask(call("ListStreams", "-")).await;
            assert_eq!(status, 200, "{version:?} after {alpn:?}");
        }
    }
}

#[tokio::test]
async fn the_server_prefers_http_2_where_a_client_lets_it_choose() {
    let running = Running::start().await;
    let stream = TcpStream::connect(running.address()).await.unwrap();
    let tls = connector(&running, &["http/1.1", "h2"]);
    let tls = tls.connect("localhost".try_into().unwrap(), stream).await;
    let (_, session) = tls.unwrap().into_inner();
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_preface_in_pieces_is_still_http_2() {
    let running = Running::start().await;
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".iter().chain(&settings) {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the server's first frame is its settings");
}

#[tokio::test]
async fn bodies_of_ten_mebibytes_arrive_whole() {
    let running = Running::start().await;
    let body = Bytes::from(vec![b' '; 10 << 20]);
    for version in VERSIONS {
        let plain = Client::plain(running.address(), version).await;
        let tls = Client::tls(&running, &[], version).await;
        for mut client in [plain, tls] {
            let (status, says) = client.ask(call("ListStreams", body.clone())).await;
            assert_eq!(status, 200, "{version:?}: {says}");
            assert!(says.contains("of 10485760 bytes"), "{says}");
        }
    }
}

#[tokio::test]
async fn a_body_in_pieces_and_chunks_is_put_together() {
    let running = Running::start().await;
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.1\r\n\
        X-Amz-Target: Kinesis_20131202.ListStreams\r\nTransfer-Encoding: chunked\r\n\
        Connection: close\r\n\r\n3\r\n- a\r\n4\r\nbcde\r\n0\r\n\r\n";
    for byte in request.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("ListStreams of 7 bytes"), "{answer}");
}

#[test]
fn plain_http_is_for_this_machine_unless_the_configuration_says_otherwise() {
    let here = SocketAddr::from(([127, 0, 0, 1], 1));
    let there = SocketAddr::from(([192, 0, 2, 1], 1));
    for (tls, from_here, from_there) in [
        (HttpTls::Auto, true, false),
        (HttpTls::Optional, true, true),
        (HttpTls::Required, false, false),
    ] {
        assert_eq!(may_be_plain(tls, here), from_here, "{tls:?}");
        assert_eq!(may_be_plain(tls, there), from_there, "{tls:?}");
    }
}

#[tokio::test]
async fn where_tls_is_required_plain_requests_are_told_so() {
    let running = Running::start_with(|config| config.http.tls = HttpTls::Required).await;
    let answer = exchange(
        running.address(),
        b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("use https"), "{answer}");
    let mut client = Client::tls(&running, &[], Version::One).await;
    let health = Request::get("/health/live").header("host", "x");
    let health = health.body(Full::default()).unwrap();
    assert_eq!(client.ask(health).await, (200, "alive\n".to_owned()));
}

#[tokio::test]
async fn answers_carry_the_ids_and_the_content_type_of_the_service() {
    let running = Running::start().await;
    let mut client = Client::plain(running.address(), Version::Two).await;
    let mut ids = Vec::new();
    for content_type in ["application/x-amz-json-1.1", "application/x-amz-cbor-1.1"] {
        let mut request = call("ListStreams", "-");
        let headers = request.headers_mut();
        headers.insert("content-type", content_type.parse().unwrap());
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.headers()["content-type"], content_type);
        assert_eq!(answer.headers()["x-amzn-requestid"].len(), 36);
        assert_eq!(answer.headers()["x-amz-id-2"].len(), 96);
        assert!(answer.headers().contains_key("date"));
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        ids.push(answer.headers()["x-amzn-requestid"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

fn preflight(origin: &str) -> Request<Full<Bytes>> {
    Request::options("/")
        .header("host", "x")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-amz-target")
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn scripts_may_ask() {
    let running = Running::start().await;
    let mut client = Client::plain(running.address(), Version::One).await;
    let origin = "http://localhost:3000";
    let answer = client.send(preflight(origin)).await.unwrap();
    assert_eq!(answer.status(), 200);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "x-amz-target"),
        ("access-control-max-age", "172800"),
    ] {
        assert_eq!(answer.headers()[name], value);
    }
    assert!(!answer.headers().contains_key("x-amz-id-2"));
    assert_eq!(text(answer).await, "");
    let mut request = call("ListStreams", "-");
    let headers = request.headers_mut();
    headers.insert("origin", origin.parse().unwrap());
    let answer = client.send(request).await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let exposed = &answer.headers()["access-control-expose-headers"];
    assert!(exposed.to_str().unwrap().contains("x-amzn-RequestId"));
}

#[tokio::test]
async fn scripts_of_other_sites_may_ask_only_where_requests_are_signed() {
    let open = Running::start().await;
    let mut client = Client::plain(open.address(), Version::One).await;
    let mut request = call("ListStreams", "-");
    let headers = request.headers_mut();
    headers.insert("origin", "https://example.org".parse().unwrap());
    for request in [preflight("https://example.org"), request] {
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.status(), 403);
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        text(answer).await;
    }
    let signed = Running::start_with(super::access::with_credential).await;
    let mut client = Client::plain(signed.address(), Version::One).await;
    let answer = client.send(preflight("https://example.org")).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn requests_that_name_no_operation_get_the_answers_of_the_service() {
    let running = Running::start().await;
    let mut client = Client::plain(running.address(), Version::One).await;
    let put = Request::put("/").header("host", "x");
    let put = put.body(Full::default()).unwrap();
    let (status, says) = client.ask(put).await;
    assert_eq!(status, 403);
    assert!(says.starts_with("<AccessDeniedException>"), "{says}");
    let (status, says) = client.ask(call("Nothing", "{}")).await;
    assert_eq!(status, 400);
    assert_eq!(says, r#"{"__type":"UnknownOperationException"}"#);
    let (status, says) = client.ask(call("PutRecord", "bad")).await;
    assert_eq!(status, 400);
    assert!(says.contains("ValidationException"), "{says}");
    let elsewhere = Request::get("/nothing").header("host", "x");
    let elsewhere = elsewhere.body(Full::default()).unwrap();
    assert_eq!(client.ask(elsewhere).await.0, 404);
}

#[tokio::test]
async fn operations_and_bytes_are_counted() {
    let running = Running::start().await;
    let mut client = Client::plain(running.address(), Version::Two).await;
    client.ask(call("ListStreams", "- 345")).await;
    client.ask(call("PutRecord", "bad")).await;
    client.ask(call("Whatever", "{}")).await;
    let metrics = Request::get("http://x/metrics");
    let metrics = metrics.body(Full::default()).unwrap();
    let (_, metrics) = client.ask(metrics).await;
    let label = |operation, class| {
        format!("{{service=\"kinesis\",operation=\"{operation}\",class=\"{class}\"}} 1")
    };
    for line in [
        format!(
            "afflux_http_operations_total{}",
            label("ListStreams", "2xx")
        ),
        format!("afflux_http_operations_total{}", label("PutRecord", "4xx")),
        format!("afflux_http_operations_total{}", label("none", "4xx")),
        "afflux_http_request_bytes_total 10".to_owned(),
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
}
