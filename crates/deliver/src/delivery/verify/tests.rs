//! Manifests that no server writes: each lie is noticed.

use std::path::Path;

use afflux_transform::Compression;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::delivery::manifest::Holds;
use crate::fs::sim::SimFs;
use crate::seal::seal;

const ROOT: &str = "/objects";

fn manifest(batch: u64) -> Manifest {
    let from = (batch - 1) * 10;
    Manifest {
        version: VERSION,
        delivery: "lake".into(),
        delivery_id: "00000000000000ff".into(),
        settings_version: 1,
        stream: Some("clicks".into()),
        batch,
        records: 9,
        failed: 0,
        shards: vec![ShardRange {
            shard: "shardId-000000000007".into(),
            from_position: from,
            to_position: from + 10,
            missing: 1,
            closed: false,
        }],
        objects: vec![Listed {
            place: None,
            key: format!("a/{batch}"),
            holds: Holds::Envelopes,
            compression: Compression::None,
            bytes: 1,
            uncompressed_bytes: 1,
            records: Some(9),
            sha256: hex(&Sha256::digest(b"x")),
        }],
    }
}

fn write(fs: &SimFs, path: &Path, bytes: &[u8]) {
    let mut parent = Path::new(ROOT).to_owned();
    let directories = path.parent().unwrap().strip_prefix(ROOT).unwrap();
    for part in directories.components() {
        parent.push(part);
        fs.make_dir(&parent).unwrap();
    }
    fs.create(path).unwrap().write_all(bytes).unwrap();
}

/// What is said of these manifests, whose objects are there.
fn check(manifests: &[Manifest]) -> Result<Vec<VerifiedDelivery>, String> {
    let fs = SimFs::new(Path::new(ROOT));
    for manifest in manifests {
        write(
            &fs,
            &Path::new(ROOT).join(manifest.key()),
            seal(manifest).as_bytes(),
        );
        for object in &manifest.objects {
            if let Ok(path) = object_path(Path::new(ROOT), object) {
                write(&fs, &path, b"x");
            }
        }
    }
    verify_in(&fs, Path::new(ROOT)).map_err(|fault| fault.to_string())
}

#[test]
fn batches_that_follow_each_other_add_up() {
    let verified = check(&[manifest(4), manifest(5)]).unwrap();
    let [delivery] = &verified[..] else {
        panic!("{verified:?}")
    };
    assert_eq!((delivery.first_batch, delivery.batches), (4, 2));
    assert_eq!(
        (delivery.records, delivery.objects, delivery.bytes),
        (18, 2, 2)
    );
    let shard = VerifiedShard {
        from: Position::new(30),
        to: Position::new(50),
        missing: 2,
        closed: false,
    };
    assert_eq!(delivery.shards, [(ShardId::new(7), shard)].into());
}

#[test]
fn what_does_not_add_up_is_refused_with_a_reason() {
    type Change = fn(&mut Manifest);
    let lies: [(Change, &str); 11] = [
        (|m| m.version = 2, "it has version 2, not 1"),
        (
            |m| m.stream = None,
            "it is of another stream than Some(\"clicks\")",
        ),
        (|m| m.batch = 7, "its batch is 7 where 5 belongs"),
        (
            |m| m.records = 10,
            "its number of records is 10 where 9 belongs",
        ),
        (
            |m| m.shards[0].from_position = 41,
            "its beginning in shardId-000000000007 is 41 where 40 belongs",
        ),
        (|m| m.shards[0].from_position = 39, "is 39 where 40 belongs"),
        (
            |m| m.shards[0].to_position = 39,
            "it has 1 missing between positions 40 and 39",
        ),
        (
            |m| m.shards[0].missing = 11,
            "it has 11 missing between positions 40 and 50",
        ),
        (|m| m.shards[0].shard = "seven".into(), "seven"),
        (
            |m| m.objects[0].bytes = 2,
            "it has 1 bytes with the SHA-256",
        ),
        (
            |m| m.objects[0].key = "../x".into(),
            "it is not below /objects",
        ),
    ];
    for (lie, expected) in lies {
        let mut second = manifest(5);
        lie(&mut second);
        let reason = check(&[manifest(4), second]).unwrap_err();
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
    let mut closed = manifest(4);
    closed.shards[0].closed = true;
    let reason = check(&[closed, manifest(5)]).unwrap_err();
    assert!(reason.contains("goes on behind its end"), "{reason}");
}

#[test]
fn objects_elsewhere_are_counted_and_not_looked_at() {
    let mut elsewhere = manifest(1);
    elsewhere.objects[0].place = Some(crate::delivery::settings::Place::Bucket("lake".into()));
    elsewhere.objects[0].bytes = 7;
    let verified = check(&[elsewhere]).unwrap();
    assert_eq!((verified[0].objects, verified[0].elsewhere), (0, 1));
}

#[test]
fn the_document_names_every_key_and_says_what_is_held() {
    const DELIVERY: &str = include_str!("../../../DELIVERY.md");
    let mut whole = manifest(1);
    whole.shards[0].closed = true;
    whole.objects[0].place = Some(crate::delivery::settings::Place::Bucket("lake".into()));
    let value = serde_json::to_value(&whole).unwrap();
    let tables = [&value, &value["shards"][0], &value["objects"][0]];
    for key in tables
        .iter()
        .flat_map(|table| table.as_object().unwrap().keys())
    {
        assert!(DELIVERY.contains(&format!("`{key}`")), "{key}");
    }
    for holds in [
        Holds::Records,
        Holds::Envelopes,
        Holds::Parquet,
        Holds::Failed,
        Holds::Source,
        Holds::Video,
    ] {
        let word = serde_json::to_value(holds).unwrap();
        assert!(
            DELIVERY.contains(&format!("`{}`", word.as_str().unwrap())),
            "{word}"
        );
    }
    let name = format!("`{DIRECTORY}/<delivery>-<delivery id>/<batch>{EXTENSION}`");
    assert!(DELIVERY.contains(&name), "{name}");
}
