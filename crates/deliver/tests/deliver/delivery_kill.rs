//! Kills a process that takes records and delivers them, again and again, with the one signal that it
//! cannot notice: every acknowledged record must be in exactly one object, in the directory and in the
//! bucket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use afflux_deliver::{
    Deliveries, DeliveryOptions, DeliverySettings, DeliverySource, ObjectSettings, Place, Stores,
    verify,
};
use afflux_engine::{Engine, EngineOptions, delivery_stream};
use afflux_entry::{BatchBuilder, Header, Kind};
use afflux_transform::{Compression, Processor};
use afflux_types::{Clock, DeliveryName, ShardId};
use bytes::Bytes;

use crate::bucket::{BUCKET, Bucket};
use crate::delivery::{copy, files, lines, options};
use crate::support::{VICTIM, kill_after};

const ROUNDS: usize = 100;
const TEST: &str = "delivery_kill::records_are_in_one_object_however_often_the_server_is_killed";
/// Where the victim finds the address of the bucket.
const ENDPOINT: &str = "endpoint";

const NAMES: [&str; 2] = ["directory", "bucket"];

async fn open(dir: &Path) -> (Engine, Deliveries) {
    let clock = Clock::system();
    let engine = Engine::open(EngineOptions::new(dir.join("data")), clock.clone()).unwrap();
    let endpoint = std::fs::read_to_string(dir.join(ENDPOINT)).unwrap();
    let options = DeliveryOptions {
        stores: Stores::new(&[Bucket::settings(&endpoint)]).unwrap(),
        // Some parts have no room in memory.
        memory_bytes: 4_096,
        ..options(dir)
    };
    let deliveries = Deliveries::open(engine.clone(), clock, options);
    let deliveries = deliveries.await.unwrap();
    (engine, deliveries)
}

fn settings(dir: &Path, name: &str) -> DeliverySettings {
    let place = match name {
        "bucket" => Place::Bucket(BUCKET.into()),
        _ => Place::Directory(dir.join("objects")),
    };
    let objects = ObjectSettings {
        compression: Compression::Gzip,
        prefix: "!{partitionKeyFromQuery:group}/".into(),
        error_prefix: "failed/".into(),
        buffer_seconds: 0,
        ..ObjectSettings::new(place)
    };
    DeliverySettings {
        processors: vec![
            Processor::AppendDelimiter(b"\n".to_vec()),
            Processor::MetadataExtraction {
                query: "{group: .group}".into(),
            },
        ],
        partitioned: true,
        manifests: true,
        ..DeliverySettings::new(DeliverySource::Direct, objects)
    }
}

/// Puts records into both delivery streams for ever, and prints what was acknowledged.
#[expect(
    clippy::print_stdout,
    reason = "the parent reads what was acknowledged"
)]
async fn be_killed(dir: &Path) {
    let (engine, deliveries) = open(dir).await;
    let mut shards = Vec::new();
    for name in NAMES {
        let delivery = DeliveryName::new(name).unwrap();
        if deliveries.describe(&delivery).is_err() {
            let created = deliveries.create(&delivery, settings(dir, name), String::new());
            created.await.unwrap();
        }
        let stream = delivery_stream(name).unwrap();
        let shard = engine.deliveries().shard(&stream, ShardId::new(0)).await;
        shards.push((name, shard.unwrap()));
    }
    for number in 0_u64.. {
        for (name, shard) in &shards {
            let payload = format!(
                r#"{{"group":{},"text":"{} {name} {number}"}}"#,
                number % 3,
                std::process::id()
            );
            let mut builder = BatchBuilder::default();
            builder.push(b"key", None, payload.as_bytes());
            let (body, count) = builder.take();
            let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
            let accepted = shard.append(header, vec![body]).await.unwrap();
            shard.wait_accepted(&accepted).await.unwrap();
            println!("\nacknowledged {payload}");
        }
    }
}

/// Opens everything once more and waits until all that was taken is delivered.
async fn complete(dir: &Path) {
    let (engine, deliveries) = open(dir).await;
    for name in NAMES {
        let stream = delivery_stream(name).unwrap();
        let shard = engine.deliveries().shard(&stream, ShardId::new(0)).await;
        let durable = shard.unwrap().watermarks().durable.get();
        let name = DeliveryName::new(name).unwrap();
        loop {
            let status = deliveries.describe(&name).unwrap().status;
            if status.totals.records == durable {
                assert_eq!((status.totals.missing, status.totals.failed), (0, 0));
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    deliveries.shutdown().await;
    engine.shutdown().await.unwrap();
}

#[test]
fn records_are_in_one_object_however_often_the_server_is_killed() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Some(dir) = std::env::var_os(VICTIM) {
        runtime.block_on(be_killed(&PathBuf::from(dir)));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let objects = dir.path().join("objects");
    std::fs::create_dir(&objects).unwrap();
    let bucket = runtime.block_on(Bucket::start());
    std::fs::write(dir.path().join(ENDPOINT), bucket.endpoint()).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(kill_after(TEST, dir.path(), 2 + round * 7 % 61));
    }
    runtime.block_on(complete(dir.path()));

    for (name, objects) in [("directory", files(&objects)), ("bucket", bucket.objects())] {
        let mut times = BTreeMap::<String, usize>::new();
        let directory = dir.path().join(format!("copy-{name}"));
        copy(&directory, &objects);
        let verified = verify(&directory).unwrap();
        let [verified] = &verified[..] else {
            panic!("{verified:?}")
        };
        let mut objects = objects;
        objects.retain(|key, _| !key.starts_with("_manifests/"));
        assert_eq!(verified.objects, objects.len() as u64);
        for line in lines(&objects) {
            *times.entry(line).or_default() += 1;
        }
        let here = format!(" {name} ");
        let here = acknowledged
            .iter()
            .filter(|payload| payload.contains(&here));
        for payload in here {
            assert_eq!(times.get(payload), Some(&1), "{payload} in the {name}");
        }
        assert!(times.values().all(|&count| count == 1), "in the {name}");
        assert_eq!(verified.records, times.len() as u64);
        assert!(objects.len() > ROUNDS, "{} objects", objects.len());
        let whole = |bytes: &Bytes| !bytes.is_empty();
        assert!(objects.values().all(whole));
    }
    let spool: Vec<String> = files(&dir.path().join("data/delivery"))
        .into_keys()
        .collect();
    assert_eq!(spool, Vec::<String>::new());
}
