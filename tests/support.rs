//! A server with a data directory of its own, the program that talks to it, and shorthands.

use std::path::{Path, PathBuf};

use afflux_entry::Producer;
use afflux_testkit::command::Afflux;
use afflux_testkit::peer::{self, Exchange, Peer};
use afflux_testkit::process::{Plan, Server};
use afflux_types::{HashKey, SequenceNumber};
use afflux_wire::Frame;
use afflux_wire::message::{
    Acks, Activity, CreateStream, From, Produce, Start, StreamKind, Subscribe,
};
use tempfile::TempDir;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_afflux");

/// A running server with its directory, stopped and checked on drop.
///
/// Whatever a test did, afterwards the server must stop in order when asked to, must not have
/// panicked, and `afflux check` must find every checksum and index in order.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) afflux: Afflux,
    data_dir: PathBuf,
    dir: TempDir,
    damaged: bool,
}

impl World {
    /// A server with the default settings.
    pub(crate) fn start() -> Self {
        Self::with_config("")
    }

    /// A server with a configuration file.
    pub(crate) fn with_config(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        Self::in_directory(dir, data_dir, config)
    }

    /// A server whose data lies somewhere else than its other files.
    pub(crate) fn in_directory(dir: TempDir, data_dir: PathBuf, config: &str) -> Self {
        let file = dir.path().join("config.toml");
        std::fs::write(&file, config).unwrap();
        let server = Plan::new(BINARY, &data_dir)
            .stderr(dir.path().join("server.stderr"))
            .args(&["--config", file.to_str().unwrap()])
            .start();
        let afflux = Afflux::new(BINARY).at(server.quic());
        Self {
            server,
            afflux,
            data_dir,
            dir,
            damaged: false,
        }
    }

    /// A connection that keeps no rules.
    pub(crate) async fn peer(&self) -> Peer {
        Peer::connect(self.server.quic()).await
    }

    /// A place for the test's own files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The server's data.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The test damages the data on purpose: the check at the end is its own.
    pub(crate) fn expect_damage(&mut self) {
        self.damaged = true;
    }

    /// Runs a command that must succeed and returns what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.afflux.run(args).ok().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let stopped = self.server.is_running();
        if stopped {
            let status = self.server.terminate();
            assert!(
                status.success(),
                "the server ended with {status}:\n{}",
                self.server.stderr()
            );
        }
        let stderr = self.server.stderr();
        assert!(
            !stderr.contains("panicked at"),
            "the server panicked:\n{stderr}"
        );
        if self.damaged {
            return;
        }
        let checked = Afflux::new(BINARY).run(&[
            "check",
            self.data_dir.to_str().unwrap(),
            "--output",
            "json",
        ]);
        // Damage is in the report, which says more than the exit code.
        let report: serde_json::Value = serde_json::from_str(checked.text()).unwrap();
        if stopped {
            assert_eq!(
                report["findings"].as_array().map(Vec::len),
                Some(0),
                "{report:#}"
            );
        } else {
            // After kill -9 a torn tail is in order, damage is not.
            assert_eq!(report["damaged"], false, "{report:#}");
        }
    }
}

/// A stream of records.
pub(crate) fn records(name: &str, shards: u32) -> CreateStream {
    CreateStream {
        stream: name.to_owned(),
        shards,
        ..CreateStream::default()
    }
}

/// A stream of video.
pub(crate) fn video(name: &str) -> CreateStream {
    CreateStream {
        stream: name.to_owned(),
        kind: StreamKind::Video.into(),
        ..CreateStream::default()
    }
}

/// To produce to the shard of a stream without an identity.
pub(crate) fn produce(stream: &str, shard: u32) -> Activity {
    produce_as(stream, shard, 0)
}

/// To produce to the shard of a stream as a producer whose retries are recognised.
pub(crate) fn produce_as(stream: &str, shard: u32, producer_id: u64) -> Activity {
    Activity::Produce(Produce {
        stream: stream.to_owned(),
        shard,
        producer_id,
    })
}

/// To read the shard of a stream with a credit of 1 MiB.
pub(crate) fn subscribe(stream: &str, shard: u32, from: Option<From>) -> Activity {
    Activity::Subscribe(Subscribe {
        stream: stream.to_owned(),
        shard,
        start: from.map(|from| Start { from: Some(from) }),
        credit_bytes: 1 << 20,
        consumer: String::new(),
    })
}

/// Records that a stream's shards hold in all.
pub(crate) async fn durable(peer: &Peer, stream: &str) -> u64 {
    peer.describe(stream)
        .await
        .shards
        .iter()
        .map(|shard| shard.durable)
        .sum()
}

/// Opens a shard for entries and reads that it is open.
pub(crate) async fn produce_opened(peer: &Peer, activity: Activity) -> Exchange {
    let mut exchange = peer.open(activity).await;
    match exchange.frame().await {
        Frame::ProduceOpened(_) => exchange,
        other => panic!("expected ProduceOpened, got {other:?}"),
    }
}

/// The next acknowledgements.
pub(crate) async fn acks(exchange: &mut Exchange) -> Acks {
    match exchange.frame().await {
        Frame::Acks(acks) => acks,
        other => panic!("expected Acks, got {other:?}"),
    }
}

/// Shows that the server still serves: a record goes in and its acknowledgement comes back.
pub(crate) async fn assert_serves(world: &World) {
    let peer = world.peer().await;
    let name = "still-serving";
    let known = peer
        .admin(afflux_wire::message::Command::CreateStream(records(
            name, 1,
        )))
        .await;
    drop(known);
    let mut exchange = produce_opened(&peer, produce(name, 0)).await;
    exchange.bytes(peer::batch(&[("key", b"data")], None)).await;
    assert_eq!(acks(&mut exchange).await.acks.len(), 1);
}

/// A partition key whose hash lies below or above the middle of the hash space.
pub(crate) fn key_in(upper_half: bool) -> String {
    let middle = HashKey::new(1 << 127);
    let keys = (0..).map(|n| format!("key-{n}"));
    let mut fitting = keys.filter(|key| (HashKey::of(key.as_bytes()) >= middle) == upper_half);
    fitting.next().unwrap()
}

/// A producer's number for an entry.
pub(crate) fn numbered(id: u64, sequence: u64) -> Option<Producer> {
    Some(Producer { id, sequence })
}

/// Every segment file of a data directory, in the order of their names.
pub(crate) fn segments(data_dir: &Path) -> Vec<PathBuf> {
    files_below(&data_dir.join("logs"), "segment")
}

/// Every file with this ending below a directory, in the order of their paths.
pub(crate) fn files_below(root: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A record in an envelope.
pub(crate) struct Delivered {
    pub(crate) number: SequenceNumber,
    pub(crate) key: String,
    pub(crate) data: String,
}

/// What a directory holds of deliveries with envelopes and without compression: the objects that their manifests
/// list, in their order.
///
/// Read by hand, not with the program's own reader: this is what any other program would see.
pub(crate) fn delivered(directory: &Path) -> Vec<Delivered> {
    let mut records = Vec::new();
    for manifest in files_below(&directory.join("_manifests"), "json") {
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        for object in manifest["objects"].as_array().unwrap() {
            let text = std::fs::read_to_string(directory.join(object["key"].as_str().unwrap()));
            records.extend(text.unwrap().lines().map(|line| {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                let field = |name: &str| record[name].as_str().unwrap().to_owned();
                Delivered {
                    number: field("sequence_number").parse().unwrap(),
                    key: field("partition_key"),
                    data: field("data"),
                }
            }));
        }
    }
    records
}
