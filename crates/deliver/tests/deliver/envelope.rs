//! Records in envelopes and batches with manifests: what is delivered says where it comes from, and is checked
//! without the server.

use std::path::Path;

use afflux_deliver::{DeliveredRecord, Deliveries, DeliverySettings, records, verify};
use afflux_engine::Engine;
use afflux_entry::aggregate;
use afflux_transform::Compression;
use afflux_types::{Clock, ErrorKind, HashKey, PartitionKey, Record, ShardId};

use crate::delivery::{directory, files, has, name, options, settings, until};
use crate::support::{append_record, clicks, create_clicks, engine, fill};

async fn deliveries(dir: &Path, engine: &Engine) -> Deliveries {
    let opened = Deliveries::open(engine.clone(), Clock::system(), options(dir));
    opened.await.unwrap()
}

/// Every record in an envelope and every batch with a manifest.
fn enveloped(dir: &Path, compression: Compression) -> DeliverySettings {
    let mut settings = settings(directory(dir));
    settings.processors.clear();
    settings.objects.compression = compression;
    DeliverySettings {
        enveloped: true,
        manifests: true,
        ..settings
    }
}

fn delivered(dir: &Path) -> Vec<DeliveredRecord> {
    let records = records(&dir.join("objects")).unwrap();
    records.map(Result::unwrap).collect()
}

fn data(records: &[DeliveredRecord]) -> Vec<String> {
    let data = records.iter().map(|record| record.data.to_vec());
    data.map(|data| String::from_utf8(data).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_account_for_every_record_over_restarts_splits_and_merges() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let dir = tempfile::tempdir().unwrap();
        let first = engine(dir.path());
        create_clicks(&first, 2).await;
        let mut sent = fill(&first, [0, 1], 20).await;
        let running = deliveries(dir.path(), &first).await;
        let settings = enveloped(dir.path(), compression);
        let created = running.create(&name(), settings, "{}".into()).await;
        let id = format!("{:016x}", created.unwrap().id);
        until(&running, has(sent.len())).await;
        let zero = ShardId::new(0);
        first.split_shard(&clicks(), zero, None).await.unwrap();
        sent.extend(fill(&first, [2, 3], 20).await);
        until(&running, has(sent.len())).await;
        running.shutdown().await;
        first.shutdown().await.unwrap();

        let second = engine(dir.path());
        let running = deliveries(dir.path(), &second).await;
        let (two, three) = (ShardId::new(2), ShardId::new(3));
        second.merge_shards(&clicks(), two, three).await.unwrap();
        sent.extend(fill(&second, [4], 20).await);
        let totals = until(&running, has(sent.len())).await.status.totals;
        running.shutdown().await;
        second.shutdown().await.unwrap();

        let verified = verify(&dir.path().join("objects")).unwrap();
        let [verified] = &verified[..] else {
            panic!("{verified:?}")
        };
        assert_eq!((verified.name.as_str(), &verified.id), ("lake", &id));
        assert_eq!(
            (verified.first_batch, verified.records),
            (1, sent.len() as u64)
        );
        assert_eq!(
            (verified.objects, verified.bytes),
            (totals.objects, totals.bytes)
        );
        let shards = verified.shards.iter();
        let shards: Vec<_> = shards
            .map(|(id, shard)| (id.get(), shard.to.get(), shard.missing))
            .collect();
        assert_eq!(
            shards,
            [(0, 60, 0), (1, 60, 0), (2, 60, 0), (3, 60, 0), (4, 60, 0)]
        );

        let found = delivered(dir.path());
        for shard in 0..5 {
            let of_shard = found.iter().map(|record| record.sequence_number);
            let of_shard = of_shard.filter(|number| number.shard().get() == shard);
            let positions: Vec<u64> = of_shard.map(|number| number.position().get()).collect();
            assert_eq!(positions, (0..60).collect::<Vec<_>>(), "of shard {shard}");
        }
        let mut found = data(&found);
        found.sort();
        sent.sort();
        assert_eq!(found, sent);
        let ending = format!(".jsonl{}", compression.extension());
        let objects = files(&dir.path().join("objects"));
        let mut objects = objects
            .keys()
            .filter(|name| !name.starts_with("_manifests/"));
        assert!(objects.all(|name| name.ends_with(&ending)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_says_what_the_producer_said_also_of_records_inside_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    let shard = engine.shard(&clicks(), ShardId::new(0)).await.unwrap();
    let inside = |key: &str, hash_key: Option<u128>, data: &'static [u8]| Record {
        explicit_hash_key: hash_key.map(HashKey::new),
        ..Record::new(PartitionKey::new(key).unwrap(), data.into())
    };
    let alone = inside("alone", Some(7), b"\xff\x00");
    let whole = aggregate::join(&[inside("a", None, b"one"), inside("b", Some(9), b"two")]);
    append_record(&shard, &alone).await;
    append_record(
        &shard,
        &Record::new(PartitionKey::new("outer").unwrap(), whole),
    )
    .await;
    let running = deliveries(dir.path(), &engine).await;
    let settings = enveloped(dir.path(), Compression::None);
    running
        .create(&name(), settings, "{}".into())
        .await
        .unwrap();
    until(&running, has(2)).await;
    running.shutdown().await;
    engine.shutdown().await.unwrap();

    let said: Vec<_> = delivered(dir.path())
        .into_iter()
        .map(|record| {
            let key = record.partition_key.unwrap();
            let hash_key = record.explicit_hash_key.map(HashKey::get);
            (
                record.stream,
                record.sub_sequence,
                key,
                hash_key,
                record.data,
            )
        })
        .collect();
    let line = |part, key: &str, hash_key, data: &'static [u8]| {
        (
            "clicks".to_owned(),
            part,
            key.to_owned(),
            hash_key,
            data.into(),
        )
    };
    assert_eq!(
        said,
        [
            line(None, "alone", Some(7), b"\xff\x00"),
            line(Some(0), "a", None, b"one"),
            line(Some(1), "b", Some(9), b"two"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_taken_away_or_left_out_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    let running = deliveries(dir.path(), &engine).await;
    let settings = enveloped(dir.path(), Compression::None);
    running
        .create(&name(), settings, "{}".into())
        .await
        .unwrap();
    for round in 1..=3 {
        fill(&engine, [0], 1).await;
        until(&running, has(3 * round)).await;
    }
    running.shutdown().await;
    engine.shutdown().await.unwrap();

    let root = dir.path().join("objects");
    assert_eq!(verify(&root).unwrap()[0].records, 9);
    let all = files(&root);
    let (manifests, objects): (Vec<_>, Vec<_>) =
        all.keys().partition(|name| name.starts_with("_manifests/"));
    assert_eq!(manifests.len(), 3);
    let noticed = |name: &str, bytes: Option<Vec<u8>>| {
        let path = root.join(name);
        let before = std::fs::read(&path).unwrap();
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let error = verify(&root).unwrap_err();
        std::fs::write(&path, before).unwrap();
        assert!(verify(&root).is_ok());
        (error.kind(), error.to_string())
    };
    for name in &objects {
        let mut bytes = all[*name].to_vec();
        bytes[10] ^= 1;
        let (kind, text) = noticed(name, Some(bytes));
        assert_eq!(kind, ErrorKind::DataLoss);
        assert!(
            text.contains(name.as_str()) && text.contains("SHA-256"),
            "{text}"
        );
        let (_, text) = noticed(name, Some(all[*name][1..].to_vec()));
        assert!(text.contains("bytes with the SHA-256"), "{text}");
        assert_eq!(noticed(name, None).0, ErrorKind::NotFound);
    }
    for name in &manifests {
        let mut bytes = all[*name].to_vec();
        bytes[30] ^= 1;
        let (kind, text) = noticed(name, Some(bytes));
        assert_eq!(kind, ErrorKind::DataLoss);
        assert!(text.contains(name.as_str()), "{text}");
        let other = manifests.iter().find(|other| other != &name).unwrap();
        let (_, text) = noticed(name, Some(all[*other].to_vec()));
        assert!(
            text.contains("its name should be _manifests/lake-"),
            "{text}"
        );
    }
    // The last may be missing: it may not have been copied yet. So may the first, if somebody keeps no more.
    let second = manifests
        .iter()
        .find(|name| name.ends_with("2.json"))
        .unwrap();
    let (kind, text) = noticed(second, None);
    assert_eq!(kind, ErrorKind::DataLoss);
    assert!(text.contains("its batch is 3 where 2 belongs"), "{text}");
}

#[test]
fn a_directory_without_manifests_is_none_to_verify() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(verify(dir.path()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(records(dir.path()).unwrap_err().kind(), ErrorKind::NotFound);
}
