//! `PutMedia` over HTTP/2, in the clear and inside TLS: what it answers over HTTP/1.1 it answers there
//! too, and one connection carries several uploads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

use super::http::{ask, ask_json};
use super::matroska::{Cluster, FRAGMENT_MS, cluster, clusters, header};
use crate::support::World;

/// 2026-11-21.
const START_MS: u64 = 1_795_219_200_000;
/// What waits in a request before its connection takes it.
const PIECES_MAX: usize = 4;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Http1,
    /// HTTP/2 in the clear, with prior knowledge.
    Clear,
    /// HTTP/2 inside TLS, as ALPN has chosen it.
    Tls,
}

/// A body that is written while it is sent. An error in it breaks the request off.
struct Written(mpsc::Receiver<io::Result<Bytes>>);

impl Body for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map_ok(Frame::data)
    }
}

/// A connection.
enum Client {
    One(http1::SendRequest<Written>),
    Two(http2::SendRequest<Written>),
}

impl Client {
    async fn connect(world: &World, way: Way) -> Self {
        let stream = TcpStream::connect(world.server.http()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match way {
            Way::Http1 => {
                let io = TokioIo::new(stream);
                let (requests, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Self::One(requests)
            }
            Way::Clear => Self::over(stream).await,
            Way::Tls => {
                let name = ServerName::try_from("localhost").unwrap();
                let stream = connector(world).connect(name, stream).await.unwrap();
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                Self::over(stream).await
            }
        }
    }

    async fn over<I>(io: I) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let executor = TokioExecutor::new();
        let handshake = http2::handshake(executor, TokioIo::new(io));
        let (requests, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Self::Two(requests)
    }

    /// Begins an upload to a stream, or says why it was refused.
    async fn upload(&mut self, stream: &str) -> Result<Upload, Refused> {
        let (body, written) = mpsc::channel(PIECES_MAX);
        let request = Request::builder()
            .method("POST")
            .header("x-amzn-stream-name", stream)
            .header("x-amzn-fragment-timecode-type", "ABSOLUTE")
            .header("x-amzn-producer-start-timestamp", "0");
        let answer = match self {
            Self::One(requests) => {
                requests.ready().await.unwrap();
                let request = request.uri("/putMedia").header("host", "localhost");
                let request = request.body(Written(written)).unwrap();
                requests.send_request(request).await.unwrap()
            }
            Self::Two(requests) => {
                requests.ready().await.unwrap();
                let request = request.uri("https://localhost/putMedia");
                let request = request.version(Version::HTTP_2);
                let request = request.body(Written(written)).unwrap();
                requests.send_request(request).await.unwrap()
            }
        };
        let (head, acks) = answer.into_parts();
        if head.status == 200 {
            return Ok(Upload {
                body,
                acks,
                come: Vec::new(),
            });
        }
        let code = head.headers["x-amzn-errortype"].to_str().unwrap();
        Err(Refused {
            status: head.status.as_u16(),
            code: code.to_owned(),
            body: acks.collect().await.unwrap().to_bytes(),
        })
    }
}

/// Trusts the certificate that the server has made for itself.
fn connector(world: &World) -> TlsConnector {
    let certificate = world.data_dir().join("tls/cert.pem");
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

/// An answer that is an error.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    status: u16,
    code: String,
    body: Bytes,
}

/// An upload under way.
struct Upload {
    body: mpsc::Sender<io::Result<Bytes>>,
    acks: Incoming,
    /// What came of the answer and was not taken yet.
    come: Vec<u8>,
}

impl Upload {
    async fn send(&self, bytes: Vec<u8>) {
        self.body.send(Ok(bytes.into())).await.unwrap();
    }

    /// The next acknowledgement; none at the end of the answer.
    async fn ack(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.come.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.come.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.acks.frame().await?.unwrap();
            self.come.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// Waits until a fragment is persisted; returns its number.
    async fn persisted(&mut self, index: u64) -> String {
        loop {
            let ack = self.ack().await.expect("the answer has not ended");
            assert_ne!(ack["EventType"], "ERROR", "{ack}");
            if ack["EventType"] == "PERSISTED" {
                assert_eq!(ack["FragmentTimecode"], timecode(index));
                return ack["FragmentNumber"].as_str().unwrap().to_owned();
            }
        }
    }

    /// Ends the body and returns what else is said.
    async fn finish(mut self) -> Vec<Value> {
        drop(self.body);
        let (come, acks) = (&mut self.come, self.acks);
        come.extend(acks.collect().await.unwrap().to_bytes());
        let lines = come.split(|&byte| byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

fn timecode(index: u64) -> u64 {
    START_MS + index * FRAGMENT_MS
}

/// Frames of a fragment: `bytes` each, with a content of their own.
fn frames(index: u64, bytes: usize) -> Vec<Vec<u8>> {
    let frame = |n: u8| {
        let mut unit = vec![u8::try_from(index).unwrap() << 3 | n; bytes];
        unit[0] = if n == 0 { 0x65 } else { 0x41 };
        let length = u32::try_from(bytes).unwrap();
        [&length.to_be_bytes(), unit.as_slice()].concat()
    };
    (0..4).map(frame).collect()
}

fn fragment(index: u64, bytes: usize) -> Vec<u8> {
    cluster(timecode(index), &frames(index, bytes))
}

async fn create(world: &World, stream: &str) {
    let input = json!({"StreamName": stream, "DataRetentionInHours": 24});
    ask_json(world.server.http(), "/createStream", &input).await;
}

/// The numbers of a stream's fragments.
async fn list(world: &World, stream: &str) -> Vec<String> {
    let input = json!({"StreamName": stream});
    let page = ask_json(world.server.http(), "/listFragments", &input).await;
    let fragments = page["Fragments"].as_array().unwrap().iter();
    let numbers = fragments.map(|it| it["FragmentNumber"].as_str().unwrap().to_owned());
    let mut numbers: Vec<String> = numbers.collect();
    numbers.sort();
    numbers
}

#[tokio::test]
async fn fragments_are_acknowledged_while_the_next_are_sent() {
    // Together more than a connection's window, so that it must be opened again.
    const FRAGMENTS: u64 = 6;
    const FRAME_BYTES: usize = 400_000;
    let world = World::start();
    for way in [Way::Http1, Way::Clear, Way::Tls] {
        let stream = format!("{way:?}");
        create(&world, &stream).await;
        let mut client = Client::connect(&world, way).await;
        let mut upload = client.upload(&stream).await.unwrap();
        upload.send(header(1)).await;
        let mut numbers = Vec::new();
        for index in 0..FRAGMENTS {
            upload.send(fragment(index, FRAME_BYTES)).await;
            if let Some(before) = index.checked_sub(1) {
                numbers.push(upload.persisted(before).await);
            }
        }
        let rest = upload.finish().await;
        let last = rest.last().unwrap();
        assert_eq!(last["EventType"], "PERSISTED", "{way:?}: {rest:?}");
        assert_eq!(last["FragmentTimecode"], timecode(FRAGMENTS - 1));
        numbers.push(last["FragmentNumber"].as_str().unwrap().to_owned());
        assert_eq!(list(&world, &stream).await, numbers, "{way:?}");
        let input = json!({"StreamName": stream, "Fragments": numbers});
        let server = world.server.http();
        let media = ask(server, "/getMediaForFragmentList", &input).await;
        let sent = (0..FRAGMENTS).map(|index| Cluster {
            timecode: timecode(index),
            frames: frames(index, FRAME_BYTES),
        });
        assert!(clusters(&media).into_iter().eq(sent), "{way:?}");
    }
}

#[tokio::test]
async fn one_connection_carries_several_uploads() {
    let world = World::start();
    let mut client = Client::connect(&world, Way::Tls).await;
    let mut uploads = Vec::new();
    for camera in 0..4 {
        let stream = format!("camera-{camera}");
        create(&world, &stream).await;
        let upload = client.upload(&stream).await.unwrap();
        upload.send(header(camera)).await;
        uploads.push(upload);
    }
    for index in 0..3 {
        for upload in &uploads {
            upload.send(fragment(index, 5_000)).await;
        }
        for upload in &mut uploads {
            if let Some(before) = index.checked_sub(1) {
                upload.persisted(before).await;
            }
        }
    }
    for upload in uploads {
        let rest = upload.finish().await;
        assert_eq!(rest.last().unwrap()["EventType"], "PERSISTED", "{rest:?}");
    }
}

#[tokio::test]
async fn refusals_and_errors_are_those_of_http1() {
    let world = World::start();
    let mut answers = Vec::new();
    for way in [Way::Http1, Way::Clear, Way::Tls] {
        let stream = "camera";
        create(&world, stream).await;
        let missing = Client::connect(&world, way).await.upload("missing").await;
        let missing = missing.err().unwrap();
        assert_eq!(missing.status, 404, "{missing:?}");

        let mut client = Client::connect(&world, way).await;
        let upload = client.upload(stream).await.unwrap();
        upload.send(header(1)).await;
        upload.send(fragment(0, 5_000)).await;
        // A second upload to the stream, for which HTTP/1.1 needs a connection of its own.
        let other = match way {
            Way::Http1 => Client::connect(&world, way).await.upload(stream).await,
            Way::Clear | Way::Tls => client.upload(stream).await,
        };
        let other = other.err().unwrap();
        assert_eq!(other.code, "ConnectionLimitExceededException");

        upload.send(b"this is not Matroska".to_vec()).await;
        let said = upload.finish().await;
        let error = said.last().unwrap().clone();
        assert_eq!(error["EventType"], "ERROR", "{said:?}");
        let persisted = said.iter().filter(|ack| ack["EventType"] == "PERSISTED");
        assert_eq!(persisted.count(), 1, "{said:?}");
        answers.push((missing, other, error));
        delete(&world, stream).await;
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

async fn delete(world: &World, stream: &str) {
    let server = world.server.http();
    let input = json!({ "StreamName": stream });
    let described = ask_json(server, "/describeStream", &input).await;
    let input = json!({"StreamARN": described["StreamInfo"]["StreamARN"]});
    ask_json(server, "/deleteStream", &input).await;
}

#[tokio::test]
async fn an_upload_that_is_broken_off_leaves_whole_fragments_and_the_connection() {
    let world = World::start();
    create(&world, "camera").await;
    for (way, first) in [(Way::Clear, 0), (Way::Tls, 2)] {
        let mut client = Client::connect(&world, way).await;
        let mut upload = client.upload("camera").await.unwrap();
        upload.send(header(1)).await;
        upload.send(fragment(first, 5_000)).await;
        let half = fragment(first + 1, 5_000);
        upload.send(half[..half.len() / 2].to_vec()).await;
        let number = upload.persisted(first).await;
        let broken = io::ErrorKind::ConnectionReset.into();
        upload.body.send(Err(broken)).await.unwrap();
        // What is said then, if anything, is the end of the answer or that of a stream that was reset.
        while let Some(Ok(_)) = upload.acks.frame().await {}

        assert_eq!(list(&world, "camera").await.last(), Some(&number));
        let upload = loop {
            // The seat of the stream is free once the server has seen the end.
            match client.upload("camera").await {
                Ok(upload) => break upload,
                Err(refused) => assert_eq!(refused.code, "ConnectionLimitExceededException"),
            }
        };
        upload.send(header(1)).await;
        upload.send(fragment(first + 1, 5_000)).await;
        let rest = upload.finish().await;
        assert_eq!(rest.last().unwrap()["EventType"], "PERSISTED", "{rest:?}");
        let stored = u64::try_from(list(&world, "camera").await.len()).unwrap();
        assert_eq!(stored, first + 2);
    }
}
