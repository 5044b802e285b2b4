//! A service over a temporary directory, called with JSON as clients send it.

use std::time::Duration;

use afflux_aws::document::Format;
use afflux_aws::kinesis::{Code, Error, Operation, Request, SequenceNumber, event_stream};
use afflux_engine::{Engine, EngineOptions, NewStream, StreamKind, VolumeOptions};
use afflux_kinesis::{Answer, Events, Kinesis, Options};
use afflux_types::{Clock, ConsumerName, ServerTime, StreamName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
pub(crate) use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-11-21, noon, in milliseconds since 1970.
const NOON_MS: i64 = 1_795_262_400_000;

pub(crate) struct Fixture {
    pub(crate) kinesis: Kinesis,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) dir: TempDir,
    pub(crate) options: Options,
}

impl Fixture {
    /// A service that does not throttle.
    pub(crate) async fn new() -> Self {
        Self::with(false).await
    }

    pub(crate) async fn throttled() -> Self {
        Self::with(true).await
    }

    async fn with(throttled: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(ServerTime::from_millis(NOON_MS));
        let options = Options {
            throttled,
            ..Options::default()
        };
        let engine = engine(&dir, &clock);
        let kinesis = Kinesis::open(engine.clone(), clock.clone(), options.clone())
            .await
            .unwrap();
        Self {
            kinesis,
            engine,
            clock,
            dir,
            options,
        }
    }

    /// Shuts everything down and opens it again.
    pub(crate) async fn reopen(&mut self) {
        self.engine.shutdown().await.unwrap();
        self.engine = engine(&self.dir, &self.clock);
        self.kinesis = Kinesis::open(
            self.engine.clone(),
            self.clock.clone(),
            self.options.clone(),
        )
        .await
        .unwrap();
    }

    /// Makes a stream without quotas.
    pub(crate) async fn stream(&self, name: &str, shards: u32) {
        let name = StreamName::new(name).unwrap();
        let mut new = NewStream::new(name, StreamKind::Records);
        new.shards = shards;
        self.engine.create_stream(new).await.unwrap();
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.wall().as_millis()
    }

    pub(crate) async fn answer(&self, operation: &str, input: Value) -> Result<Answer, Error> {
        let operation = Operation::from_target(&format!("Kinesis_20131202.{operation}")).unwrap();
        let body = Bytes::from(input.to_string());
        let request = Request::decode(operation, Format::Json, &body)?;
        self.kinesis.call(request, Format::Json).await
    }

    pub(crate) async fn call(&self, operation: &str, input: Value) -> Result<Value, Error> {
        match self.answer(operation, input).await? {
            Answer::Body(body) if body.is_empty() => Ok(Value::Null),
            Answer::Body(body) => Ok(serde_json::from_slice(&body).unwrap()),
            Answer::Events(_) => panic!("{operation} answered with events"),
        }
    }

    /// Writes a record and returns its shard and number.
    pub(crate) async fn put(&self, stream: &str, key: &str, data: &[u8]) -> (String, String) {
        let input = json!({"StreamName": stream, "PartitionKey": key, "Data": base64(data)});
        let answer = self.call("PutRecord", input).await.unwrap();
        (text(&answer, "ShardId"), text(&answer, "SequenceNumber"))
    }

    /// An iterator of `shard`; `more` adds to the input.
    pub(crate) async fn iterator(
        &self,
        stream: &str,
        shard: &str,
        kind: &str,
        more: Value,
    ) -> String {
        let answer = self.try_iterator(stream, shard, kind, more).await.unwrap();
        text(&answer, "ShardIterator")
    }

    pub(crate) async fn try_iterator(
        &self,
        stream: &str,
        shard: &str,
        kind: &str,
        more: Value,
    ) -> Result<Value, Error> {
        let mut input = json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": kind});
        merge(&mut input, more);
        self.call("GetShardIterator", input).await
    }

    pub(crate) async fn get(&self, iterator: &str, limit: u32) -> Value {
        let input = json!({"ShardIterator": iterator, "Limit": limit});
        self.call("GetRecords", input).await.unwrap()
    }

    /// Every payload from an iterator on, up to the end of the shard.
    pub(crate) async fn drain(&self, iterator: String) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        let mut next = Some(iterator);
        while let Some(iterator) = next {
            let answer = self.get(&iterator, 10_000).await;
            seen.extend(payloads(&answer));
            next = match answer["MillisBehindLatest"].as_u64().unwrap() {
                0 => None,
                _ => Some(text(&answer, "NextShardIterator")),
            };
        }
        seen
    }

    /// Registers a consumer and returns its ARN.
    pub(crate) async fn consumer(&self, stream: &str, name: &str) -> String {
        let stream = StreamName::new(stream).unwrap();
        let name = ConsumerName::new(name).unwrap();
        let made = self.engine.register_consumer(&stream, &name).await.unwrap();
        let seconds = made.created.as_millis() / 1_000;
        self.options
            .place
            .stream(stream)
            .consumer(name, seconds)
            .to_string()
    }

    pub(crate) async fn subscribe(
        &self,
        arn: &str,
        shard: &str,
        start: Value,
    ) -> Result<Pushed, Error> {
        let input = json!({"ConsumerARN": arn, "ShardId": shard, "StartingPosition": start});
        match self.answer("SubscribeToShard", input).await? {
            Answer::Events(events) => Ok(Pushed(events)),
            Answer::Body(_) => panic!("a subscription answered with a body"),
        }
    }
}

fn engine(dir: &TempDir, clock: &Clock) -> Engine {
    let options = EngineOptions {
        volume: VolumeOptions {
            segment_bytes_min: 64 << 10,
            segment_bytes_max: 64 << 10,
            journal_bytes: 1 << 20,
            ..VolumeOptions::default()
        },
        read_threads: 2,
        retention_interval: None,
        ..EngineOptions::new(dir.path())
    };
    Engine::open(options, clock.clone()).unwrap()
}

/// A frame of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Initial,
    Event(Value),
    Exception(String, String),
}

/// A subscription whose frames are decoded.
#[derive(Debug)]
pub(crate) struct Pushed(Box<Events>);

impl Pushed {
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let frame = self.0.next().await?;
        let frame = event_stream::decode(&frame).unwrap().unwrap();
        let header = |name| {
            let mut headers = frame.headers.iter();
            headers
                .find(|(found, _)| *found == name)
                .map(|(_, value)| *value)
        };
        let payload: Value = serde_json::from_slice(frame.payload).unwrap();
        Some(match (header(":message-type"), header(":event-type")) {
            (Some("event"), Some("initial-response")) => Frame::Initial,
            (Some("event"), Some("SubscribeToShardEvent")) => Frame::Event(payload),
            (Some("exception"), None) => {
                let name = header(":exception-type").unwrap().to_owned();
                Frame::Exception(name, text(&payload, "message"))
            }
            headers => panic!("{headers:?}"),
        })
    }

    pub(crate) async fn event(&mut self) -> Value {
        match self.next().await {
            Some(Frame::Event(event)) => {
                // What client libraries check.
                let children = event["ChildShards"]
                    .as_array()
                    .is_some_and(|c| !c.is_empty());
                assert_ne!(children, event["ContinuationSequenceNumber"].is_string());
                event
            }
            other => panic!("{other:?}"),
        }
    }

    /// Payloads until `count` have come.
    pub(crate) async fn payloads(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.extend(payloads(&self.event().await));
        }
        seen
    }
}

pub(crate) fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// A member that is text.
pub(crate) fn text(value: &Value, member: &str) -> String {
    let found = value[member].as_str();
    found
        .unwrap_or_else(|| panic!("no {member} in {value}"))
        .to_owned()
}

/// The payloads of an answer or an event.
pub(crate) fn payloads(answer: &Value) -> Vec<Vec<u8>> {
    let records = answer["Records"].as_array().unwrap();
    let data = |record| STANDARD.decode(text(record, "Data")).unwrap();
    records.iter().map(data).collect()
}

pub(crate) fn shard(number: u32) -> String {
    format!("shardId-{number:012}")
}

pub(crate) fn number(text: &str) -> SequenceNumber {
    text.parse().unwrap()
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// Asserts an error's code and sentence.
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(
    result: Result<T, Error>,
    code: Code,
    message: &str,
) {
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.message()), (code, Some(message)));
}
