//! Adding, stopping, restarting and removing archives while the stream goes on.

use std::path::Path;
use std::time::Duration;

use afflux_deliver::{
    ArchiveSettings, ArchiveStatus, Archives, Compression, Limits, records, verify,
};
use afflux_engine::Engine;
use afflux_types::{Clock, ErrorKind, ShardId};

use crate::support::{clicks, create_clicks, engine, fill};

fn archives(engine: &Engine) -> Archives {
    Archives::open(engine.clone(), Clock::system(), Limits::default()).unwrap()
}

fn settings(dir: &Path) -> ArchiveSettings {
    let directory = dir.join("archive");
    std::fs::create_dir_all(&directory).unwrap();
    ArchiveSettings {
        file_bytes: 4_096,
        file_seconds: 86_400,
        ..ArchiveSettings::new(directory)
    }
}

/// Waits until the only archive's status is as wanted.
async fn until(archives: &Archives, wanted: impl Fn(&ArchiveStatus) -> bool) -> ArchiveStatus {
    loop {
        let list = archives.list();
        if let [status] = &list[..]
            && wanted(status)
        {
            return status.clone();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn has(count: usize) -> impl Fn(&ArchiveStatus) -> bool {
    move |status| status.totals.records + status.unfinished_records == u64::try_from(count).unwrap()
}

fn archived(dir: &Path) -> Vec<String> {
    let records = records(&dir.join("archive")).unwrap();
    records
        .map(|record| String::from_utf8(record.unwrap().data.to_vec()).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_archived_once_over_restarts_splits_and_merges() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let dir = tempfile::tempdir().unwrap();
        let first = engine(dir.path());
        create_clicks(&first, 2).await;
        let mut sent = fill(&first, [0, 1], 20).await;
        let running = archives(&first);
        let settings = ArchiveSettings {
            compression,
            ..settings(dir.path())
        };
        running.add(&clicks(), settings.clone()).await.unwrap();
        until(&running, has(sent.len())).await;
        first
            .split_shard(&clicks(), ShardId::new(0), None)
            .await
            .unwrap();
        sent.extend(fill(&first, [2, 3], 20).await);
        until(&running, has(sent.len())).await;
        running.shutdown().await;
        first.shutdown().await.unwrap();
        drop(first);

        let second = engine(dir.path());
        let running = archives(&second);
        second
            .merge_shards(&clicks(), ShardId::new(3), ShardId::new(1))
            .await
            .unwrap();
        sent.extend(fill(&second, [4], 20).await);
        let status = until(&running, has(sent.len())).await;
        assert_eq!(status.settings, settings);
        assert_eq!(status.last_error, None);
        running.shutdown().await;
        second.shutdown().await.unwrap();

        let summary = verify(&dir.path().join("archive")).unwrap();
        assert_eq!(summary.totals().records, u64::try_from(sent.len()).unwrap());
        assert_eq!(summary.totals().gaps, 0);
        assert!(summary.totals().files > 5);
        let closed: Vec<bool> = summary.shards.iter().map(|shard| shard.closed).collect();
        assert_eq!(closed, [true, true, false, true, false]);
        assert!(summary.shards.iter().all(|shard| shard.unlisted.is_empty()));
        let mut archived = archived(dir.path());
        archived.sort();
        sent.sort();
        assert_eq!(archived, sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_removed_and_added_again_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    let mut sent = fill(&engine, [0], 5).await;
    let running = archives(&engine);
    running.add(&clicks(), settings(dir.path())).await.unwrap();
    until(&running, has(sent.len())).await;
    running.remove(&clicks()).await.unwrap();
    assert!(running.list().is_empty());
    assert_eq!(archived(dir.path()), sent);
    sent.extend(fill(&engine, [0], 5).await);
    running.add(&clicks(), settings(dir.path())).await.unwrap();
    until(&running, has(sent.len())).await;
    running.shutdown().await;
    assert_eq!(archived(dir.path()), sent);
    assert_eq!(
        verify(&dir.path().join("archive")).unwrap().totals().gaps,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_archived_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let running = archives(&engine);
    let good = settings(dir.path());
    let refused = async |settings: &ArchiveSettings| {
        let error = running.add(&clicks(), settings.clone()).await.unwrap_err();
        (error.kind(), error.chain())
    };
    assert_eq!(refused(&good).await.0, ErrorKind::NotFound);
    create_clicks(&engine, 1).await;
    let missing = ArchiveSettings {
        directory: dir.path().join("missing"),
        ..good.clone()
    };
    let (kind, text) = refused(&missing).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(text.contains("missing"), "{text}");
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert_eq!(
        refused(&ArchiveSettings {
            directory: file,
            ..good.clone()
        })
        .await
        .0,
        ErrorKind::NotFound
    );
    let read_only = ArchiveSettings {
        directory: "/proc/self".into(),
        ..good.clone()
    };
    assert!(matches!(
        refused(&read_only).await.0,
        ErrorKind::NotFound | ErrorKind::Denied
    ));
    assert!(running.list().is_empty());

    running.add(&clicks(), good.clone()).await.unwrap();
    let (kind, text) = refused(&good).await;
    assert_eq!(kind, ErrorKind::InUse);
    assert!(text.contains("archived to"), "{text}");
    running.shutdown().await;
    assert_eq!(refused(&good).await.0, ErrorKind::Unavailable);
    let gone = running.remove(&clicks()).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_stream_of_an_archived_name_does_not_continue_the_old_archive() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    let sent = fill(&engine, [0], 5).await;
    let running = archives(&engine);
    running.add(&clicks(), settings(dir.path())).await.unwrap();
    until(&running, has(sent.len())).await;
    engine.delete_stream(&clicks()).await.unwrap();
    until(&running, |status| status.last_error.is_some()).await;
    create_clicks(&engine, 1).await;
    fill(&engine, [0], 20).await;
    running.remove(&clicks()).await.unwrap();
    running.add(&clicks(), settings(dir.path())).await.unwrap();
    let status = until(&running, |status| status.last_error.is_some()).await;
    let error = status.last_error.unwrap();
    assert!(error.contains("had the same name"), "{error}");
    running.shutdown().await;
    assert_eq!(archived(dir.path()), sent);
}

#[tokio::test]
async fn a_stream_that_is_being_deleted_gets_no_archive() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    create_clicks(&engine, 1).await;
    let archives = archives(&engine);
    let stream = clicks();
    let free = archives.keep_free(&stream).await.unwrap();
    let settings = settings(dir.path());
    let adding = archives.add(&stream, settings.clone());
    let mut adding = std::pin::pin!(adding);
    let early = tokio::select! {
        biased;
        added = adding.as_mut() => Some(added),
        deleted = engine.delete_stream(&stream) => {
            deleted.unwrap();
            None
        }
    };
    assert!(
        early.is_none(),
        "added while it was being deleted: {early:?}"
    );
    drop(free);
    assert_eq!(adding.await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(archives.list(), []);

    create_clicks(&engine, 1).await;
    archives.add(&stream, settings).await.unwrap();
    let refused = archives.keep_free(&stream).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InUse);
    archives.shutdown().await;
    engine.shutdown().await.unwrap();
}
