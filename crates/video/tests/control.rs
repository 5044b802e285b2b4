//! The control plane beside the engine's other doors.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests throughout"
)]

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::{Code, Error, Operation, Request};
use afflux_engine::{Engine, EngineOptions, NewStream, Retention, StreamKind};
use afflux_types::{Clock, StreamName};
use afflux_video::{Answer, Options, Video};
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

struct Running {
    engine: Engine,
    video: Video,
    dir: TempDir,
}

async fn serve(dir: TempDir) -> Running {
    let clock = Clock::system();
    let engine = Engine::open(EngineOptions::new(dir.path()), clock.clone()).unwrap();
    let library = Arc::default();
    let video = Video::open(engine.clone(), clock, library, Options::default());
    Running {
        video: video.await.unwrap(),
        engine,
        dir,
    }
}

async fn start() -> Running {
    serve(tempfile::tempdir().unwrap()).await
}

impl Running {
    async fn ask(&self, operation: Operation, body: Value) -> Result<Value, Error> {
        let request = Request::decode(operation, &Bytes::from(body.to_string()))?;
        match self.video.call(request, "http://here").await? {
            Answer::Body(body) => Ok(serde_json::from_slice(&body).unwrap()),
            Answer::Media(_) => panic!("a document was asked for"),
        }
    }

    async fn done(&self, operation: Operation, body: Value) -> Value {
        self.ask(operation, body).await.unwrap()
    }

    async fn refused(&self, operation: Operation, body: Value) -> Code {
        self.ask(operation, body).await.unwrap_err().code()
    }

    async fn info(&self, name: &str) -> Value {
        let body = json!({"StreamName": name});
        let mut found = self.done(Operation::DescribeStream, body).await;
        found["StreamInfo"].take()
    }

    /// Makes a stream by another door.
    async fn make(&self, name: &str, kind: StreamKind) {
        let new = NewStream::new(stream(name), kind);
        self.engine.create_stream(new).await.unwrap();
    }
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

#[tokio::test]
async fn a_stream_of_another_door_is_seen_with_defaults() {
    let running = start().await;
    running.make("door", StreamKind::Video).await;
    running.make("orders", StreamKind::Records).await;
    let info = running.info("door").await;
    assert_eq!(info["DataRetentionInHours"], 24);
    assert_eq!(info["Status"], "ACTIVE");
    assert_eq!(info.get("DeviceName"), None);
    let listed = running.done(Operation::ListStreams, json!({})).await;
    assert_eq!(listed["StreamInfoList"].as_array().unwrap().len(), 1);
    let orders = json!({"StreamName": "orders"});
    let refused = running.refused(Operation::DescribeStream, orders).await;
    assert_eq!(refused, Code::ResourceNotFound);
}

#[tokio::test]
async fn a_stream_that_is_made_here_is_the_engines() {
    let running = start().await;
    let kept = json!({"StreamName": "kept", "DataRetentionInHours": 5});
    running.done(Operation::CreateStream, kept).await;
    let fleeting = json!({"StreamName": "fleeting"});
    running.done(Operation::CreateStream, fleeting).await;
    let described = running.engine.describe_stream(&stream("kept")).unwrap();
    assert_eq!(described.kind, StreamKind::Video);
    assert_eq!(described.retention.age, Duration::from_secs(5 * 3_600));
    let described = running.engine.describe_stream(&stream("fleeting")).unwrap();
    assert_eq!(described.retention, Retention::BUFFER);
}

#[tokio::test]
async fn a_change_by_another_door_makes_another_version() {
    let running = start().await;
    running.make("door", StreamKind::Video).await;
    let before = running.info("door").await;
    let retention = Retention {
        age: Duration::from_secs(7_200),
        bytes: Some(1 << 30),
    };
    let door = stream("door");
    let set = running.engine.set_retention(&door, retention);
    set.await.unwrap();
    let after = running.info("door").await;
    assert_eq!(after["DataRetentionInHours"], 2);
    assert_ne!(before["Version"], after["Version"]);
    let change = json!({
        "StreamName": "door",
        "CurrentVersion": after["Version"],
        "Operation": "INCREASE_DATA_RETENTION",
        "DataRetentionChangeInHours": 1,
    });
    let operation = Operation::UpdateDataRetention;
    assert_eq!(running.done(operation, change.clone()).await, json!({}));
    let described = running.engine.describe_stream(&stream("door")).unwrap();
    assert_eq!(described.retention.bytes, retention.bytes);
    assert_eq!(
        running.refused(operation, change).await,
        Code::VersionMismatch
    );
}

#[tokio::test]
async fn what_a_stream_was_meant_to_have_survives_a_crash_after_it_was_made() {
    let running = start().await;
    let row = br#"{"device_name":"camera","tags":{"k":"v"}}"#;
    let settings = running.engine.settings();
    for name in ["made", "unmade"] {
        let key = format!("intent/{name}");
        settings.put("kinesisvideo", &key, row).await.unwrap();
    }
    running.make("made", StreamKind::Video).await;
    running.engine.shutdown().await.unwrap();
    let Running { dir, .. } = running;
    let running = serve(dir).await;
    assert_eq!(running.info("made").await["DeviceName"], "camera");
    running.make("unmade", StreamKind::Video).await;
    assert_eq!(running.info("unmade").await.get("DeviceName"), None);
    let settings = running.engine.settings();
    let rows = settings.list("kinesisvideo", None, 10).unwrap();
    let keys: Vec<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
    assert!(
        matches!(keys.as_slice(), [stream, "token-key"] if stream.starts_with("stream/")),
        "{keys:?}"
    );
}

#[tokio::test]
async fn nothing_of_a_deleted_stream_is_left_to_the_next_of_its_name() {
    let running = start().await;
    let tagged = json!({"StreamName": "a", "Tags": {"k": "v"}});
    let made = running.done(Operation::CreateStream, tagged).await;
    let version = running.info("a").await["Version"].take();
    let delete = json!({"StreamARN": made["StreamARN"]});
    running.done(Operation::DeleteStream, delete).await;
    running.make("a", StreamKind::Video).await;
    let named = json!({"StreamName": "a"});
    let tags = running.done(Operation::ListTagsForStream, named).await;
    assert_eq!(tags["Tags"], json!({}));
    let change = json!({"StreamName": "a", "CurrentVersion": version, "DeviceName": "d"});
    let refused = running.refused(Operation::UpdateStream, change).await;
    assert_eq!(refused, Code::VersionMismatch);
}

#[tokio::test]
async fn a_stream_that_cannot_be_encrypted_as_asked_is_not_made() {
    let running = start().await;
    let sealed = json!({"StreamName": "a", "KmsKeyId": "alias/none"});
    let refused = running.refused(Operation::CreateStream, sealed).await;
    assert_eq!(refused, Code::InvalidArgument);
    assert!(running.engine.describe_stream(&stream("a")).is_err());
}
