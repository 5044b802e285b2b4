//! A client of the API on HTTP/2 connections of its own, which reads only what it is told to.

use std::net::SocketAddr;

use afflux_aws::kinesis::event_stream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Bytes of a numbered record.
pub(super) const RECORD_BYTES: usize = 1_023;
/// Bytes of it that tell it from others; a multiple of three, so that they stand apart in base64 too.
const NUMBER_BYTES: usize = 15;
const NUMBER_CHARS: usize = NUMBER_BYTES / 3 * 4;
/// What a server may send of one answer before the client reads it.
const SMALL_WINDOW_BYTES: u32 = 64 << 10;

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Api {
    server: SocketAddr,
    requests: SendRequest<Full<Bytes>>,
}

/// An answer that is an error: its name, and what it says.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl Api {
    pub(super) async fn connect(server: SocketAddr) -> Self {
        Self::open(server, &http2::Builder::new(TokioExecutor::new())).await
    }

    /// A connection whose answers wait at the server after a few kilobytes each.
    pub(super) async fn connect_narrow(server: SocketAddr) -> Self {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(SMALL_WINDOW_BYTES);
        Self::open(server, &builder).await
    }

    async fn open(server: SocketAddr, builder: &http2::Builder<TokioExecutor>) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (requests, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        // It ends with the last of its answers, which see its errors.
        tokio::spawn(connection);
        Self { server, requests }
    }

    async fn send(
        &self,
        operation: &str,
        input: &Value,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/", self.server))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .body(Full::new(input.to_string().into()))
            .unwrap();
        let mut requests = self.requests.clone();
        requests.ready().await?;
        requests.send_request(request).await
    }

    /// Asks; no answer at all is an error of the connection.
    pub(super) async fn try_call(
        &self,
        operation: &str,
        input: Value,
    ) -> Result<Result<Value, Refused>, hyper::Error> {
        let answer = self.send(operation, &input).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Ok(Err(refused(&body)));
        }
        Ok(Ok(match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&body).unwrap(),
        }))
    }

    pub(super) async fn call(&self, operation: &str, input: Value) -> Value {
        let answer = self.try_call(operation, input).await.unwrap();
        answer.unwrap_or_else(|refused| panic!("{operation}: {refused:?}"))
    }

    /// Subscribes to what comes from now on.
    pub(super) async fn subscribe(&self, arn: &str, shard: usize) -> Result<Pushed, Refused> {
        let input = json!({"ConsumerARN": arn, "ShardId": shard_id(shard),
                           "StartingPosition": {"Type": "LATEST"}});
        let answer = self.send("SubscribeToShard", &input).await.unwrap();
        let status = answer.status();
        let body = answer.into_body();
        if status != StatusCode::OK {
            return Err(refused(&body.collect().await.unwrap().to_bytes()));
        }
        Ok(Pushed {
            body,
            buffer: BytesMut::new(),
            shard,
            next: 0,
        })
    }

    /// Makes a stream.
    pub(super) async fn create(&self, stream: &str, shards: usize) {
        let input = json!({"StreamName": stream, "ShardCount": shards});
        self.call("CreateStream", input).await;
    }

    /// Registers a consumer and returns its ARN.
    pub(super) async fn register(&self, stream: &str, consumer: &str) -> String {
        let summary = json!({"StreamName": stream});
        let summary = self.call("DescribeStreamSummary", summary).await;
        let arn = &summary["StreamDescriptionSummary"]["StreamARN"];
        let input = json!({"StreamARN": arn, "ConsumerName": consumer});
        let made = self.call("RegisterStreamConsumer", input).await;
        made["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned()
    }

    /// Puts the records of these numbers to every shard, all in one request.
    pub(super) async fn put(
        &self,
        stream: &str,
        shards: usize,
        numbers: std::ops::Range<usize>,
    ) -> Result<(), hyper::Error> {
        let mut records = Vec::new();
        for number in numbers {
            records.extend((0..shards).map(|shard| {
                let key = u128::MAX / shards as u128 * shard as u128 + shards as u128;
                json!({"PartitionKey": "k", "ExplicitHashKey": key.to_string(),
                       "Data": STANDARD.encode(record(shard, number))})
            }));
        }
        let input = json!({"StreamName": stream, "Records": records});
        if let Ok(answer) = self.try_call("PutRecords", input).await? {
            assert_eq!(answer["FailedRecordCount"], 0, "{answer}");
        }
        Ok(())
    }
}

/// A subscription whose records are numbered: each must come once and in order.
#[derive(Debug)]
pub(super) struct Pushed {
    body: Incoming,
    buffer: BytesMut,
    shard: usize,
    next: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    #[serde(borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    data: &'a str,
}

impl Pushed {
    /// The number of the next record that is expected.
    pub(super) fn at(mut self, next: usize) -> Self {
        self.next = next;
        self
    }

    /// How many records have come, from number zero on.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// Reads what there is until all records below `end` have come, and returns the subscription.
    pub(super) async fn read(mut self, end: usize) -> Self {
        while self.next < end {
            assert!(self.read_more().await, "ended at record {}", self.next);
        }
        assert_eq!(self.next, end, "more came than was put");
        self
    }

    /// Reads to the end, which must be one in order.
    pub(super) async fn read_to_the_end(mut self) -> Self {
        while self.read_more().await {}
        assert!(self.buffer.is_empty(), "it ended within a frame");
        self
    }

    /// False at the end.
    async fn read_more(&mut self) -> bool {
        let Some(frame) = self.body.frame().await else {
            return false;
        };
        let frame = frame.unwrap_or_else(|error| panic!("shard {}: {error}", self.shard));
        self.buffer.extend_from_slice(frame.data_ref().unwrap());
        while let Some(frame) = event_stream::decode(&self.buffer).unwrap() {
            let header = |name| {
                let mut headers = frame.headers.iter();
                headers.find(|(found, _)| *found == name).map(|(_, v)| *v)
            };
            let payload = String::from_utf8_lossy(frame.payload);
            assert_eq!(header(":message-type"), Some("event"), "{payload}");
            if header(":event-type") == Some("SubscribeToShardEvent") {
                let event: Event<'_> = serde_json::from_slice(frame.payload).unwrap();
                for record in event.records {
                    let expected = STANDARD.encode(number(self.shard, self.next));
                    assert_eq!(record.data[..NUMBER_CHARS], expected);
                    assert_eq!(record.data.len(), RECORD_BYTES / 3 * 4);
                    self.next += 1;
                }
            }
            let len = frame.len;
            let _ = self.buffer.split_to(len);
        }
        true
    }
}

fn number(shard: usize, number: usize) -> String {
    format!("{shard:05}/{number:09}")
}

fn record(shard: usize, place: usize) -> Vec<u8> {
    let mut data = number(shard, place).into_bytes();
    data.resize(RECORD_BYTES, b'x');
    data
}

fn refused(body: &[u8]) -> Refused {
    let body: Value = serde_json::from_slice(body).unwrap();
    let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    Refused(format!("{}: {}", text("__type"), text("message")))
}

pub(super) fn shard_id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}
