//! A service over an engine in a temporary directory, whose clock stands still until it is moved.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use afflux_aws::document::Format;
use afflux_aws::kinesis::{Operation, Request};
use afflux_engine::{Engine, EngineOptions, Keyring, VolumeOptions};
use afflux_kinesis::{Answer, Kinesis, Options};
use afflux_types::{Clock, ServerTime, StreamName};
use bytes::Bytes;
pub(crate) use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/";
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) struct Fixture {
    pub(crate) kinesis: Kinesis,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    options: Options,
    dir: TempDir,
}

/// 2026-11-21T12:00:00Z.
pub(crate) fn noon() -> ServerTime {
    ServerTime::from_millis(1_795_262_400_000)
}

pub(crate) fn name(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

impl Fixture {
    /// A service without the limits of AWS.
    pub(crate) async fn new() -> Self {
        let throttled = false;
        Self::with(Options {
            throttled,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(noon());
        let engine = engine(&dir, &clock);
        let kinesis = Kinesis::open(engine.clone(), clock.clone(), options.clone());
        Self {
            kinesis: kinesis.await.unwrap(),
            engine,
            clock,
            options,
            dir,
        }
    }

    /// Ends and starts again in the same directory.
    pub(crate) async fn reopen(self) -> Self {
        let Self {
            kinesis,
            engine,
            clock,
            options,
            dir,
        } = self;
        engine.shutdown().await.unwrap();
        drop((kinesis, engine));
        let engine = self::engine(&dir, &clock);
        let kinesis = Kinesis::open(engine.clone(), clock.clone(), options.clone());
        Self {
            kinesis: kinesis.await.unwrap(),
            engine,
            clock,
            options,
            dir,
        }
    }

    /// Starts again with a keyring of the keys `one` and `two`, which is also `alias/aws/kinesis`.
    pub(crate) async fn with_keys(self) -> Self {
        let keys = self.keys();
        std::fs::create_dir(&keys).unwrap();
        for (id, digit) in [("one", "1"), ("two", "2")] {
            let path = keys.join(format!("{id}.key"));
            std::fs::write(&path, digit.repeat(64)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::fs::write(keys.join("aliases"), "alias/aws/kinesis two\n").unwrap();
        self.reopen().await
    }

    /// The directory of the keyring.
    pub(crate) fn keys(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    /// What the service answers: `null` for an empty body, or the error's code and sentence.
    pub(crate) async fn try_call(&self, operation: &str, body: Value) -> Result<Value, String> {
        let operation = Operation::from_name(operation).unwrap();
        let body = Bytes::from(body.to_string());
        let request = Request::decode(operation, Format::Json, &body);
        let said = |error: afflux_aws::kinesis::Error| error.to_string();
        let request = request.map_err(said)?;
        match self.kinesis.call(request, Format::Json).await {
            Ok(Answer::Body(body)) if body.is_empty() => Ok(Value::Null),
            Ok(Answer::Body(body)) => Ok(serde_json::from_slice(&body).unwrap()),
            Ok(Answer::Events(_)) => panic!("{operation} answers no events"),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(crate) async fn call(&self, operation: &str, body: Value) -> Value {
        let answer = self.try_call(operation, body.clone()).await;
        answer.unwrap_or_else(|error| panic!("{operation} {body}: {error}"))
    }

    /// The error of a call that must fail.
    pub(crate) async fn refused(&self, operation: &str, body: Value) -> String {
        match self.try_call(operation, body.clone()).await {
            Ok(answer) => panic!("{operation} {body} answered {answer}"),
            Err(error) => error,
        }
    }

    pub(crate) async fn create(&self, stream: &str, shards: u32) {
        let body = json!({"StreamName": stream, "ShardCount": shards});
        assert_eq!(self.call("CreateStream", body).await, Value::Null);
    }

    pub(crate) async fn create_on_demand(&self, stream: &str) {
        let mode = json!({"StreamMode": "ON_DEMAND"});
        let body = json!({"StreamName": stream, "StreamModeDetails": mode});
        self.call("CreateStream", body).await;
    }

    pub(crate) async fn summary(&self, stream: &str) -> Value {
        let body = json!({"StreamName": stream});
        let answer = self.call("DescribeStreamSummary", body).await;
        answer["StreamDescriptionSummary"].clone()
    }

    /// The numbers of the shards that a request lists.
    pub(crate) async fn listed(&self, request: Value) -> Vec<u32> {
        let answer = self.call("ListShards", request).await;
        assert_eq!(answer["NextToken"], Value::Null);
        shard_numbers(&answer)
    }
}

pub(crate) fn shard_numbers(answer: &Value) -> Vec<u32> {
    let shards = answer["Shards"].as_array().unwrap();
    let ids = shards
        .iter()
        .map(|shard| shard["ShardId"].as_str().unwrap());
    ids.map(|id| id.strip_prefix("shardId-").unwrap().parse().unwrap())
        .collect()
}

fn engine(dir: &TempDir, clock: &Clock) -> Engine {
    let keys = dir.path().join("keys");
    let options = EngineOptions {
        retention_interval: None,
        volume: VolumeOptions {
            segment_bytes_min: 64 << 10,
            segment_bytes_max: 64 << 10,
            ..VolumeOptions::default()
        },
        keyring: keys.exists().then(|| Keyring::open(keys).unwrap()),
        ..EngineOptions::new(dir.path().join("data"))
    };
    Engine::open(options, clock.clone()).unwrap()
}
