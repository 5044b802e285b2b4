//! What the tests of operations on media share: an engine with a stream, and connections to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afflux_aws::video::input::{CreateStreamInput, FragmentTimecodeType, PutMediaInput};
use afflux_engine::{Engine, EngineOptions};
use afflux_types::{Clock, ProducerTime, ServerTime, StreamName};
use bytes::Bytes;
use serde_json::Value;

use crate::context::Context;
use crate::put::{Acks, Upload, put_media};
use crate::{Options, Pieces, control};

pub(crate) const OFFLINE: &[u8] = include_bytes!("../../../fixtures/kvs/producer-c-offline.mkv");
pub(crate) const AV: &[u8] = include_bytes!("../../../fixtures/kvs/producer-c-av.mkv");
pub(crate) const PARSER: &[u8] = include_bytes!("../../../fixtures/kvs/parser-clusters.mkv");
pub(crate) const KVSSINK: &[u8] = include_bytes!("../../../fixtures/kvs/kvssink.mkv");
/// When the tests begin, by the server's clock.
pub(crate) const START: i64 = 1_800_000_000_000;

/// The stream that tests use.
pub(crate) const CAMERA: &str = "camera";

/// An engine with a stream of video.
pub(crate) struct House {
    pub(crate) ctx: Arc<Context>,
    pub(crate) clock: Clock,
    pub(crate) dir: Arc<tempfile::TempDir>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::tagged(&[]).await
    }

    /// With tags on the stream.
    pub(crate) async fn tagged(tags: &[(&str, &str)]) -> Self {
        let house = Self::open(Arc::new(tempfile::tempdir().unwrap())).await;
        house.create(CAMERA, tags, 1).await;
        house
    }

    pub(crate) async fn open(dir: Arc<tempfile::TempDir>) -> Self {
        let clock = Clock::manual(ServerTime::from_millis(START));
        let options = EngineOptions {
            retention_interval: None,
            ..EngineOptions::new(dir.path().join("data"))
        };
        let engine = Engine::open(options, clock.clone()).unwrap();
        let options = Options {
            images_dir: Some(dir.path().join("images")),
            ..Options::default()
        };
        let ctx = Context::open(engine, clock.clone(), Arc::default(), options)
            .await
            .unwrap();
        Self {
            ctx: Arc::new(ctx),
            clock,
            dir,
        }
    }

    pub(crate) async fn create(&self, name: &str, tags: &[(&str, &str)], hours: u32) {
        let tags: BTreeMap<_, _> = tags
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let input = CreateStreamInput {
            device_name: None,
            stream_name: name.to_owned(),
            media_type: None,
            kms_key_id: None,
            data_retention_in_hours: Some(hours),
            tags: (!tags.is_empty()).then_some(tags),
            stream_storage_configuration: None,
        };
        control::create(&self.ctx, input).await.unwrap();
    }

    /// Stops the server and starts it again.
    pub(crate) async fn restart(self) -> Self {
        self.ctx.engine.shutdown().await.unwrap();
        let dir = Arc::clone(&self.dir);
        drop(self);
        Self::open(dir).await
    }

    pub(crate) async fn connect(&self, start: Option<i64>) -> (Upload, Acks) {
        put_media(&self.ctx, input(CAMERA, start)).await.unwrap()
    }

    /// Sends a whole body over a connection of its own, and reads what is said to it.
    pub(crate) async fn put(&self, body: &[u8]) -> Vec<Value> {
        self.put_from(None, body).await
    }

    /// As [`House::put`], with times that count from a start.
    pub(crate) async fn put_from(&self, start: Option<i64>, body: &[u8]) -> Vec<Value> {
        let (upload, acks) = self.connect(start).await;
        let (body, send) = (Bytes::copy_from_slice(body), 16 << 10);
        let sent = tokio::spawn(send_all(upload, body, send));
        let acks = read_all(acks).await;
        sent.await.unwrap();
        acks
    }

    pub(crate) fn name(&self) -> StreamName {
        StreamName::new(CAMERA).unwrap()
    }

    /// How many fragments the stream has.
    pub(crate) async fn stored(&self) -> u64 {
        let shard = crate::library::open(&self.ctx, &self.name()).await.unwrap();
        shard.watermarks().durable.get()
    }
}

/// The head of a connection; times count from a start, or are absolute.
pub(crate) fn input(stream: &str, start: Option<i64>) -> PutMediaInput {
    PutMediaInput {
        stream_name: Some(stream.to_owned()),
        stream_arn: None,
        timecode_type: match start {
            Some(_) => FragmentTimecodeType::Relative,
            None => FragmentTimecodeType::Absolute,
        },
        producer_start: start.map(ProducerTime::from_millis),
        acks: None,
    }
}

/// Sends a body in pieces, and ends it.
pub(crate) async fn send_all(mut upload: Upload, mut body: Bytes, piece: usize) {
    while !body.is_empty() {
        let bytes = body.split_to(piece.min(body.len()));
        if !upload.push(bytes).await {
            return;
        }
    }
    upload.finish().await;
}

/// Everything that is said to a connection.
pub(crate) async fn read_all(mut acks: Acks) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(line) = acks.next().await {
        assert!(line.ends_with(b"\r\n") && line.len() <= 1_024);
        all.push(serde_json::from_slice(&line).unwrap());
    }
    all
}

/// The acknowledgements of one kind: each fragment's timecode and number.
pub(crate) fn of_kind(acks: &[Value], kind: &str) -> Vec<(u64, String)> {
    let of_kind = acks.iter().filter(|ack| ack["EventType"] == kind);
    of_kind
        .map(|ack| {
            let number = ack["FragmentNumber"].as_str().unwrap_or_default();
            (ack["FragmentTimecode"].as_u64().unwrap(), number.to_owned())
        })
        .collect()
}

/// The number of the error that ended a connection.
pub(crate) fn error_id(acks: &[Value]) -> Option<u64> {
    let last = acks.last()?;
    (last["EventType"] == "ERROR").then(|| last["ErrorId"].as_u64().unwrap())
}

/// All of a body; fails if it breaks.
pub(crate) async fn whole(mut pieces: Pieces) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.unwrap());
    }
    body
}

/// As much of an endless body as comes before a pause of the engine.
pub(crate) async fn for_now(pieces: &mut Pieces, bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes {
        let piece = tokio::time::timeout(Duration::from_secs(20), pieces.next()).await;
        body.extend_from_slice(&piece.unwrap().unwrap().unwrap());
    }
    body
}

/// Small Matroska, made by hand.
pub(crate) mod mkv {
    /// The head of a body: everything before its first Cluster.
    pub(crate) fn head(body: &[u8]) -> &[u8] {
        let cluster = [0x1f, 0x43, 0xb6, 0x75];
        let at = body.windows(4).position(|bytes| bytes == cluster).unwrap();
        &body[..at]
    }

    pub(crate) fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        let size = u64::try_from(content.len()).unwrap() | 1 << 56;
        [id, &size.to_be_bytes(), content].concat()
    }

    pub(crate) fn cluster(timecode: u64, blocks: &[Vec<u8>]) -> Vec<u8> {
        let time = element(&[0xe7], &timecode.to_be_bytes());
        element(&[0x1f, 0x43, 0xb6, 0x75], &[time, blocks.concat()].concat())
    }

    /// The head of a document with these tracks.
    pub(crate) fn header(tracks: &[Vec<u8>]) -> Vec<u8> {
        let kind = element(&[0x42, 0x82], b"matroska");
        let head = element(&[0x1a, 0x45, 0xdf, 0xa3], &kind);
        let segment = [&[0x18, 0x53, 0x80, 0x67][..], &[0x01], &[0xff; 7]].concat();
        let info = element(&[0x15, 0x49, 0xa9, 0x66], &[]);
        let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &tracks.concat());
        [head, segment, info, tracks].concat()
    }

    /// A track of sound, for [`header`].
    pub(crate) fn audio(number: u8) -> Vec<u8> {
        let number = element(&[0xd7], &[number]);
        let kind = element(&[0x83], &[2]);
        let codec = element(&[0x86], b"A_OPUS");
        element(&[0xae], &[number, kind, codec].concat())
    }

    /// A frame of a track: a key frame of H.264 that nobody can decode, or as good as any of audio.
    pub(crate) fn frame(track: u8, offset: i16) -> Vec<u8> {
        let [high, low] = offset.to_be_bytes();
        let data = [0x80 | track, high, low, 0x80, 0, 0, 0, 2, 0x65, 0x88];
        element(&[0xa3], &data)
    }

    /// As [`frame`], of any content.
    pub(crate) fn frame_of(track: u8, content: &[u8]) -> Vec<u8> {
        element(&[0xa3], &[&[0x80 | track, 0, 0, 0x80], content].concat())
    }

    pub(crate) fn tags(tags: &[(&str, &str)]) -> Vec<u8> {
        let simple = tags.iter().flat_map(|(name, value)| {
            let name = element(&[0x45, 0xa3], name.as_bytes());
            let value = element(&[0x44, 0x87], value.as_bytes());
            element(&[0x67, 0xc8], &[name, value].concat())
        });
        let tag = element(&[0x73, 0x73], &simple.collect::<Vec<u8>>());
        element(&[0x12, 0x54, 0xc3, 0x67], &tag)
    }
}
