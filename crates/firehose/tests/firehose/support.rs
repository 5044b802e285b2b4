//! A service over an engine in a temporary directory with two buckets, `lake` and `spare`, which are
//! directories.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use afflux_aws::firehose::{Operation, Request};
use afflux_deliver::{
    AllowedEndpoint, BucketHome, BucketSettings, Deliveries, DeliveryOptions, Endpoints,
    FunctionSettings, Functions, Stores,
};
use afflux_engine::{Engine, EngineOptions, Keyring, NewStream, StreamKind};
use afflux_firehose::{Firehose, Options};
use afflux_types::{Clock, DeliveryName, ServerTime, StreamName};
use bytes::Bytes;
pub(crate) use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const ARN: &str = "arn:aws:firehose:us-east-1:000000000000:deliverystream/";
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/r";
pub(crate) const CLICKS: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
pub(crate) const DESTINATION: &str = "destinationId-000000000001";

pub(crate) struct Fixture {
    pub(crate) firehose: Firehose,
    pub(crate) deliveries: Deliveries,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    dir: TempDir,
}

/// 2026-11-21T12:00:00Z.
pub(crate) const NOON_SECONDS: f64 = 1_795_262_400.0;

/// `a` with the members of `b`.
pub(crate) fn with(mut a: Value, b: Value) -> Value {
    let (Some(members), Value::Object(more)) = (a.as_object_mut(), b) else {
        panic!("not objects");
    };
    members.extend(more);
    a
}

/// A destination that delivers at once into the bucket `lake`, with `more` members.
pub(crate) fn lake(more: Value) -> Value {
    let least = json!({
        "RoleARN": ROLE,
        "BucketARN": "arn:aws:s3:::lake",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0},
    });
    with(least, more)
}

/// A `CreateDeliveryStream` of the destination `s3`.
pub(crate) fn creation(name: &str, s3: Value) -> Value {
    json!({"DeliveryStreamName": name, "ExtendedS3DestinationConfiguration": s3})
}

/// What `afflux-firehose` gets of a processor.
pub(crate) fn processor(kind: &str, parameters: &[(&str, &str)]) -> Value {
    let parameter =
        |(name, value): &(&str, &str)| json!({"ParameterName": name, "ParameterValue": value});
    let parameters: Vec<_> = parameters.iter().map(parameter).collect();
    json!({"Type": kind, "Parameters": parameters})
}

pub(crate) fn processing(processors: &[Value]) -> Value {
    json!({"ProcessingConfiguration": {"Enabled": true, "Processors": processors}})
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for bucket in ["lake", "spare"] {
            std::fs::create_dir(dir.path().join(bucket)).unwrap();
        }
        Self::open(dir, options).await
    }

    /// Ends and starts again in the same directory.
    pub(crate) async fn reopen(self) -> Self {
        let Self {
            firehose,
            deliveries,
            engine,
            dir,
            ..
        } = self;
        deliveries.shutdown().await;
        engine.shutdown().await.unwrap();
        drop((firehose, deliveries, engine));
        Self::open(dir, Options::default()).await
    }

    /// Starts again with a keyring of the keys `one` and `two`, which is also `alias/aws/firehose`.
    pub(crate) async fn with_keys(self) -> Self {
        let keys = self.dir.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        for (id, digit) in [("one", "1"), ("two", "2")] {
            let path = keys.join(format!("{id}.key"));
            std::fs::write(&path, digit.repeat(64)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::fs::write(keys.join("aliases"), "alias/aws/firehose two\n").unwrap();
        self.reopen().await
    }

    async fn open(dir: TempDir, options: Options) -> Self {
        let clock = Clock::manual(ServerTime::from_millis(1_795_262_400_000));
        let keys = dir.path().join("keys");
        let engine = EngineOptions {
            keyring: keys.exists().then(|| Keyring::open(keys).unwrap()),
            ..EngineOptions::new(dir.path().join("data"))
        };
        let engine = Engine::open(engine, clock.clone()).unwrap();
        let buckets = ["lake", "spare"].map(|name| BucketSettings {
            name: name.to_owned(),
            home: BucketHome::Directory(dir.path().join(name)),
        });
        let delivery = DeliveryOptions {
            stores: Stores::new(&buckets).unwrap(),
            functions: Functions::new(&[function()]).unwrap(),
            endpoints: Endpoints::new(&[endpoint()]).unwrap(),
            ..DeliveryOptions::new(dir.path().join("data"))
        };
        let deliveries = Deliveries::open(engine.clone(), clock.clone(), delivery);
        let deliveries = deliveries.await.unwrap();
        Self {
            firehose: Firehose::new(engine.clone(), deliveries.clone(), options),
            deliveries,
            engine,
            clock,
            dir,
        }
    }

    /// Makes the data stream `clicks`.
    pub(crate) async fn clicks(&self) {
        let new = NewStream::new(StreamName::new("clicks").unwrap(), StreamKind::Records);
        self.engine.create_stream(new).await.unwrap();
    }

    /// What the service answers, or the error's code and sentence.
    pub(crate) async fn try_call(&self, operation: &str, body: Value) -> Result<Value, String> {
        let operation = Operation::from_name(operation).unwrap();
        let request = Request::decode(operation, &Bytes::from(body.to_string()));
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.firehose.call(request).await;
        let answer = answer.map_err(|error| error.to_string())?;
        Ok(serde_json::from_slice(&answer).unwrap())
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

    /// Makes a delivery stream into the bucket `lake`, with `more` members of the destination.
    pub(crate) async fn create(&self, name: &str, more: Value) {
        let body = creation(name, lake(more));
        self.call("CreateDeliveryStream", body).await;
    }

    /// The sentence with which a destination is refused.
    pub(crate) async fn refused_lake(&self, more: Value) -> String {
        let body = creation("refused", lake(more));
        self.refused("CreateDeliveryStream", body).await
    }

    pub(crate) async fn describe(&self, name: &str) -> Value {
        let body = json!({"DeliveryStreamName": name});
        let answer = self.call("DescribeDeliveryStream", body).await;
        answer["DeliveryStreamDescription"].clone()
    }

    /// What a description says of the bucket.
    pub(crate) async fn described(&self, name: &str) -> Value {
        let described = self.describe(name).await;
        described["Destinations"][0]["ExtendedS3DestinationDescription"].clone()
    }

    /// Puts texts as one batch.
    pub(crate) async fn put(&self, name: &str, texts: &[&str]) -> Value {
        let records: Vec<_> = texts.iter().map(|text| record(text.as_bytes())).collect();
        let body = json!({"DeliveryStreamName": name, "Records": records});
        self.call("PutRecordBatch", body).await
    }

    /// Waits until so many records were delivered.
    pub(crate) async fn delivered(&self, name: &str, records: u64) {
        let name = DeliveryName::new(name).unwrap();
        loop {
            let described = self.deliveries.describe(&name).unwrap();
            if described.status.totals.records >= records {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn bucket(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The objects of a bucket by their keys.
    pub(crate) fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.bucket(bucket);
        let mut objects = BTreeMap::new();
        collect(&root, &root, &mut objects);
        objects
    }

    /// The lines of all objects of a bucket, sorted: which records share an object is a matter of time.
    pub(crate) fn lines(&self, bucket: &str) -> Vec<String> {
        let objects = self.objects(bucket).into_values();
        let texts = objects.map(|bytes| String::from_utf8(bytes).unwrap());
        let mut lines: Vec<_> = texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        lines.sort();
        lines
    }
}

/// A function that nobody answers for.
fn function() -> FunctionSettings {
    FunctionSettings {
        name: "f".to_owned(),
        url: "http://127.0.0.1:9/".to_owned(),
        token: String::new(),
        timeout: Duration::from_secs(1),
    }
}

/// Endpoints that nobody answers for.
fn endpoint() -> AllowedEndpoint {
    AllowedEndpoint {
        url: "https://127.0.0.1:9/".to_owned(),
        timeout: Duration::from_secs(1),
        login: None,
    }
}

pub(crate) fn record(data: &[u8]) -> Value {
    json!({"Data": base64_simd::STANDARD.encode_to_string(data)})
}

fn collect(root: &Path, directory: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, into);
        } else {
            let key = path.strip_prefix(root).unwrap().to_str().unwrap();
            into.insert(key.to_owned(), std::fs::read(&path).unwrap());
        }
    }
}
