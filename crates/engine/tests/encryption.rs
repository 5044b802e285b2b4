//! Encryption of what is on disk, from outside: transparent with the key, nothing without it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use afflux_engine::{Engine, EngineOptions, Event, From, KeyFault, Keyring, Shard, StreamKind};
use afflux_entry::{Header, Kind};
use afflux_types::{Clock, ErrorKind, Position, StreamName};
use bytes::Bytes;
use tempfile::TempDir;

use crate::support::*;

const ONE: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const TWO: &str = "0202020202020202020202020202020202020202020202020202020202020202";

/// Stands in every record that is searched for.
const SECRET: &[u8] = b"the quick brown fox jumps over the lazy dog";

fn write_key(dir: &Path, id: &str, hex: &str) {
    let path = dir.join(format!("{id}.key"));
    std::fs::write(&path, hex).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn keys() -> TempDir {
    let keys = tempfile::tempdir().unwrap();
    write_key(keys.path(), "one", ONE);
    write_key(keys.path(), "two", TWO);
    std::fs::write(keys.path().join("aliases"), "alias/second two\n").unwrap();
    keys
}

fn with_keys() -> (TempDir, Fixture) {
    let keys = keys();
    let keyring = Keyring::open(keys.path()).unwrap();
    let fixture = Fixture::with(|options| options.keyring = Some(keyring));
    (keys, fixture)
}

async fn switch(fixture: &Fixture, stream: &StreamName, key: Option<&str>) {
    fixture.engine.set_encryption(stream, key).await.unwrap();
}

fn secret(i: u64) -> Vec<u8> {
    [format!("{i} ").as_bytes(), SECRET].concat()
}

/// Whether the bytes stand in any file below a directory.
fn on_disk(dir: &Path, wanted: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return on_disk(&path, wanted);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    })
}

/// Reads with `Shard::read`, not with a subscription.
async fn read_by_hand(shard: &Shard) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut at = Position::ZERO;
    loop {
        let slice = shard.read(at, 3_000).await.unwrap();
        if slice.is_empty() {
            return seen;
        }
        seen.extend(records(&slice.bytes));
        at = slice.end;
    }
}

#[tokio::test]
async fn what_waits_for_delivery_is_sealed_and_trimmed_like_plain_entries() {
    let (_keys, mut fixture) = with_keys();
    fixture.engine = fixture.engine.deliveries();
    let change = |new: &mut afflux_engine::NewStream| new.kind = StreamKind::Delivery;
    let stream = fixture.stream_with(".delivery.s", change).await;
    switch(&fixture, &stream, Some("one")).await;
    let shard = fixture.shard(&stream, 0).await;
    for i in 0..20 {
        let data = [secret(i), vec![7; 20_000]].concat();
        put(&shard, record(None, &data)).await;
    }
    assert!(!on_disk(fixture.dir.path(), SECRET));
    let delivered = Position::new(15);
    while shard.trim(delivered).await.unwrap() == Position::ZERO {
        tokio::task::yield_now().await;
    }
    let seen = read_all(&shard).await;
    let horizon = shard.watermarks().trim_horizon;
    assert!(horizon > Position::ZERO && horizon <= delivered);
    assert_eq!(seen.len() as u64, 20 - horizon.get());
    assert!(seen[0].data.starts_with(&secret(horizon.get())));
}

#[tokio::test]
async fn plain_and_sealed_entries_of_one_stream_are_read_alike_before_and_after_a_restart() {
    let (_keys, mut fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    let mut sent = Vec::new();
    for (from, key) in [
        (0, None),
        (30, Some("one")),
        (60, None),
        (90, Some("alias/second")),
        (120, Some("one")),
        (150, None),
    ] {
        switch(&fixture, &stream, key).await;
        let shard = fixture.shard(&stream, 0).await;
        for i in from..from + 30 {
            let data = [secret(i), vec![7; 4_000]].concat();
            put(&shard, record(Some((1, i + 1)), &data)).await;
            sent.push(data);
        }
        let found = fixture.engine.describe_stream(&stream).unwrap().encryption;
        assert_eq!(found.map(|encryption| encryption.key).as_deref(), key);
    }
    for _ in 0..2 {
        let shard = fixture.shard(&stream, 0).await;
        let seen = read_all(&shard).await;
        assert_eq!(data(&seen), sent);
        assert_eq!(read_by_hand(&shard).await, seen);
        let positions: Vec<u64> = seen.iter().map(|seen| seen.position).collect();
        assert_eq!(positions, (0..180).collect::<Vec<_>>());
        let end = shard.watermarks().durable;
        let middle = shard.read(Position::new(47), 1).await.unwrap();
        assert_eq!(
            (middle.first, middle.end),
            (Position::new(47), Position::new(48))
        );
        assert!(shard.read(end, 1).await.unwrap().is_empty());
        drop(shard);
        fixture.reopen().await;
    }
}

#[tokio::test]
async fn no_plain_text_of_a_record_reaches_the_disk() {
    let (_keys, mut fixture) = with_keys();
    let stream = fixture.stream("s", 2).await;
    let plain = fixture.stream("plain", 1).await;
    switch(&fixture, &stream, Some("one")).await;
    for i in 0..2 {
        let shard = fixture.shard(&stream, i).await;
        for sequence in 1..100 {
            let middle = shard.range().middle();
            let row = (
                "a partition key to look for",
                middle.map(|key| key.get()),
                secret(sequence),
            );
            put(
                &shard,
                batch(Some((1, sequence)), &[(row.0, row.1, &row.2)]),
            )
            .await;
        }
    }
    fixture.reopen().await;
    // Opening found every producer again; reading does not write either.
    let shard = fixture.shard(&stream, 0).await;
    assert_eq!(read_all(&shard).await.len(), 99);
    drop(shard);
    fixture.engine.shutdown().await.unwrap();
    for wanted in [SECRET, b"a partition key to look for", &SECRET[10..30]] {
        assert!(!on_disk(fixture.dir.path(), wanted));
    }
    // The search finds what is there, and a stream that is not encrypted is not.
    fixture.reopen().await;
    put(&fixture.shard(&plain, 0).await, record(None, SECRET)).await;
    fixture.engine.shutdown().await.unwrap();
    assert!(on_disk(fixture.dir.path(), SECRET));
}

#[tokio::test]
async fn nothing_that_depends_on_a_sealed_record_alone_reaches_the_disk() {
    let (_keys, fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    switch(&fixture, &stream, Some("one")).await;
    let shard = fixture.shard(&stream, 0).await;
    let entry = record(Some((0x7766_5544_3322_1100, 1)), &secret(1));
    let checksum = entry.0.checksum.to_le_bytes();
    put(&shard, entry).await;
    // Into the next segment, and with it its marker.
    for _ in 0..8 {
        put(&shard, record(None, &[0; 20_000])).await;
    }
    fixture.engine.shutdown().await.unwrap();
    let id = 0x7766_5544_3322_1100_u64.to_le_bytes();
    assert!(on_disk(fixture.dir.path(), &id), "the header, or a marker");
    assert!(!on_disk(fixture.dir.path(), &checksum));
}

#[tokio::test]
async fn retries_of_sealed_entries_are_known_whatever_the_key_is_now() {
    let (_keys, mut fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    let filler = vec![0; 20_000];
    let mut places = Vec::new();
    for (i, key) in (0..).zip([None, Some("one"), Some("two"), None]) {
        switch(&fixture, &stream, key).await;
        let shard = fixture.shard(&stream, 0).await;
        for sequence in i * 5 + 1..=i * 5 + 5 {
            let accepted = put(&shard, record(Some((1, sequence)), &filler)).await;
            places.push((accepted.position, accepted.arrival));
        }
    }
    for key in [None, Some("one"), Some("two")] {
        switch(&fixture, &stream, key).await;
        let shard = fixture.shard(&stream, 0).await;
        for (sequence, place) in (1..).zip(&places) {
            let retry = put(&shard, record(Some((1, sequence)), &filler)).await;
            assert!(retry.duplicate, "sequence {sequence}");
            assert_eq!((retry.position, retry.arrival), *place);
            let (header, body) = record(Some((1, sequence)), b"changed");
            let error = shard.append(header, body).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
            assert!(error.message().contains("another content"), "{error:?}");
        }
        assert_eq!(shard.watermarks().appended, Position::new(20));
        drop(shard);
        fixture.reopen().await;
    }
}

#[tokio::test]
async fn without_its_key_sealed_data_is_withheld_and_everything_else_goes_on() {
    let (keys, mut fixture) = with_keys();
    let (stream, other) = (
        fixture.stream("s", 1).await,
        fixture.stream("other", 1).await,
    );
    let shard = fixture.shard(&stream, 0).await;
    put(&shard, record(Some((1, 1)), b"plain")).await;
    switch(&fixture, &stream, Some("one")).await;
    switch(&fixture, &other, Some("two")).await;
    put(&shard, record(Some((1, 2)), &secret(2))).await;
    drop(shard);
    let path = keys.path().join("one.key");
    for wrong in [None, Some(TWO), Some("not a key")] {
        std::fs::remove_file(&path).unwrap();
        if let Some(text) = wrong {
            write_key(keys.path(), "one", text);
        }
        fixture.reopen().await;
        let shard = fixture.shard(&stream, 0).await;
        let fits = |error: &afflux_types::Error| match (KeyFault::of(error), wrong) {
            (Some(KeyFault::NotFound { key, .. }), None) => key == "one",
            (Some(KeyFault::Wrong { key, number: 1 }), Some(TWO)) => key == "one",
            (Some(KeyFault::Malformed { .. }), Some(_)) => true,
            _ => false,
        };
        for error in [
            shard.read(Position::new(1), 1_000).await.unwrap_err(),
            shard
                .append(record(Some((1, 3)), b"x").0, record(Some((1, 3)), b"x").1)
                .await
                .unwrap_err(),
            shard
                .append(
                    record(Some((1, 2)), &secret(2)).0,
                    record(Some((1, 2)), &secret(2)).1,
                )
                .await
                .unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(fits(&error), "{error:?}");
            assert!(
                error.message().contains("stream s is encrypted"),
                "{error:?}"
            );
        }
        // What is plain is served up to the first sealed entry.
        let mut subscription = shard.subscribe(From::TrimHorizon).await.unwrap();
        assert_eq!(data(&next_records(&mut subscription).await), [b"plain"]);
        assert!(fits(&subscription.next(1_000).await.unwrap_err()));
        assert_eq!(subscription.position(), Position::new(1));
        // Another stream has its key.
        put(&fixture.shard(&other, 0).await, record(None, b"y")).await;
        // Encryption that is switched off takes entries again.
        std::fs::remove_file(&path).ok();
        write_key(keys.path(), "one", ONE);
        // The key is back: no restart is needed.
        assert_eq!(
            data(&read_all(&shard).await),
            [b"plain".as_slice(), &secret(2)]
        );
        assert!(
            put(&shard, record(Some((1, 2)), &secret(2)))
                .await
                .duplicate
        );
    }
}

#[tokio::test]
async fn a_keyring_that_is_not_configured_withholds_too() {
    let (_keys, fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    switch(&fixture, &stream, Some("one")).await;
    put(&fixture.shard(&stream, 0).await, record(None, b"x")).await;
    fixture.engine.shutdown().await.unwrap();
    let options = EngineOptions {
        retention_interval: None,
        ..EngineOptions::new(fixture.dir.path())
    };
    let engine = Engine::open(options, Clock::manual(noon())).unwrap();
    let shard = engine
        .shard(&stream, afflux_types::ShardId::new(0))
        .await
        .unwrap();
    let error = shard.read(Position::ZERO, 1_000).await.unwrap_err();
    assert!(matches!(KeyFault::of(&error), Some(KeyFault::NoKeyring)));
    let error = engine
        .set_encryption(&stream, Some("one"))
        .await
        .unwrap_err();
    assert!(matches!(KeyFault::of(&error), Some(KeyFault::NoKeyring)));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Switched off, the stream takes entries, and they are plain.
    engine.set_encryption(&stream, None).await.unwrap();
    let (header, body) = record(None, b"plain again");
    let accepted = shard.append(header, body).await.unwrap();
    shard.wait_accepted(&accepted).await.unwrap();
    let slice = shard.read(accepted.position, 1_000).await.unwrap();
    assert_eq!(data(&records(&slice.bytes)), [b"plain again"]);
    engine.shutdown().await.unwrap();
}

/// Changes the header and the stored body of an entry.
type Change = dyn Fn(&mut Header, &mut Vec<u8>);

/// Changes the first stored entry that is sealed, and makes its checksums fit.
fn tamper(dir: &Path, change: &Change) -> bool {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if tamper(&path, change) {
                return true;
            }
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let found = (0..bytes.len().saturating_sub(72)).find_map(|at| {
            let header = Header::decode_stored(&bytes[at..]).ok()?;
            header.sealed.then_some((at, header))
        });
        if let Some((at, mut header)) = found {
            let body_at = at + 72;
            let end = at + header.entry_len();
            let mut body = bytes[body_at..end].to_vec();
            change(&mut header, &mut body);
            let header = header.with_body(true, &body);
            bytes[at..body_at].copy_from_slice(&header.encode());
            bytes[body_at..end].copy_from_slice(&body);
            std::fs::write(&path, &bytes).unwrap();
            return true;
        }
    }
    false
}

#[tokio::test]
async fn changed_ciphertext_with_right_checksums_is_data_loss_and_never_served() {
    let changes: [&Change; 3] = [
        &|_, body| *body.last_mut().unwrap() ^= 1,
        &|_, body| body[45] ^= 0x80,
        &|header, _| header.producer = None,
    ];
    for change in changes {
        let (_keys, mut fixture) = with_keys();
        let stream = fixture.stream("s", 1).await;
        let shard = fixture.shard(&stream, 0).await;
        put(&shard, record(None, b"plain")).await;
        switch(&fixture, &stream, Some("one")).await;
        put(&shard, record(Some((1, 1)), &secret(1))).await;
        put(&shard, record(Some((1, 2)), &secret(2))).await;
        drop(shard);
        fixture.engine.shutdown().await.unwrap();
        assert!(tamper(fixture.dir.path(), change));
        fixture.reopen().await;
        let shard = fixture.shard(&stream, 0).await;
        let slice = shard.read(Position::ZERO, 10_000).await.unwrap();
        assert_eq!(data(&records(&slice.bytes)), [b"plain"]);
        let error = shard.read(Position::new(1), 10_000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataLoss, "{error:?}");
        assert!(
            error
                .message()
                .contains("entry at position 1 of shardId-000000000000 of stream s does not open"),
            "{error:?}"
        );
        let slice = shard.read(Position::new(2), 10_000).await.unwrap();
        assert_eq!(data(&records(&slice.bytes)), [secret(2)]);
    }
}

#[tokio::test]
async fn what_is_appended_after_a_switch_obeys_it_under_load() {
    let (_keys, fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let mut producers = tokio::task::JoinSet::new();
    for id in 1..=4 {
        let shard = shard.clone();
        producers.spawn(async move {
            for sequence in 1..=100 {
                put(&shard, record(Some((id, sequence)), &secret(sequence))).await;
            }
        });
    }
    for key in ["one", "two", "one", "two"] {
        switch(&fixture, &stream, Some(key)).await;
        tokio::task::yield_now().await;
    }
    producers.join_all().await;
    let seen = read_all(&shard).await;
    assert_eq!(seen.len(), 400);
    let end = shard.watermarks().appended;
    put(&shard, record(None, b"a record after the last switch")).await;
    let slice = shard.read(end, 1_000).await.unwrap();
    assert_eq!(
        data(&records(&slice.bytes)),
        [b"a record after the last switch"]
    );
    fixture.engine.shutdown().await.unwrap();
    assert!(!on_disk(
        fixture.dir.path(),
        b"a record after the last switch"
    ));
}

#[tokio::test]
async fn splits_and_video_are_sealed_as_well() {
    let (_keys, mut fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    switch(&fixture, &stream, Some("one")).await;
    put(&fixture.shard(&stream, 0).await, record(None, &secret(1))).await;
    let shard = afflux_types::ShardId::new(0);
    fixture
        .engine
        .split_shard(&stream, shard, None)
        .await
        .unwrap();
    for i in 1..3 {
        let shard = fixture.shard(&stream, i).await;
        let middle = shard.range().middle().map(|key| key.get());
        put(&shard, batch(None, &[("k", middle, &secret(2))])).await;
    }
    let video = fixture
        .stream_with("video", |new| new.kind = StreamKind::Video)
        .await;
    switch(&fixture, &video, Some("two")).await;
    let camera = fixture.shard(&video, 0).await;
    // Larger than what is sealed on the caller's thread.
    let large = Bytes::from([SECRET, vec![9; 3 << 20].as_slice()].concat());
    let sent = [
        entry(Kind::Init, 0, Some((1, 1)), Bytes::from_static(SECRET)),
        entry(Kind::Fragment, 1, Some((1, 2)), large),
        entry(Kind::Init, 0, Some((1, 3)), Bytes::from_static(SECRET)),
        entry(Kind::Fragment, 1, Some((1, 4)), Bytes::from_static(SECRET)),
    ];
    for (header, body) in &sent {
        put(&camera, (header.clone(), body.clone())).await;
    }
    drop(camera);
    fixture.reopen().await;
    let camera = fixture.shard(&video, 0).await;
    let mut subscription = camera.subscribe(From::TrimHorizon).await.unwrap();
    let mut found = Vec::new();
    while subscription.position() < Position::new(2) {
        match subscription.next(1_000).await.unwrap() {
            Event::Slice(slice) => found.extend(entries(&slice.bytes)),
            other => panic!("unexpected {other:?}"),
        }
    }
    for ((found, body), (sent, sent_body)) in found.iter().zip(&sent) {
        let unstamped = Header {
            stamp: None,
            ..found.clone()
        };
        assert_eq!((&unstamped, body), (sent, &sent_body[0]));
    }
    assert_eq!(found.len(), 4);
    let seen = by_key(&fixture, &stream).await;
    assert_eq!(seen["k"], [secret(1), secret(2), secret(2)]);
    fixture.engine.shutdown().await.unwrap();
    assert!(!on_disk(fixture.dir.path(), SECRET));
}

#[tokio::test]
async fn an_entry_of_the_largest_size_is_sealed() {
    let (_keys, fixture) = with_keys();
    let stream = fixture
        .stream_with("s", |new| new.record_bytes_max = 10 << 20)
        .await;
    switch(&fixture, &stream, Some("one")).await;
    let shard = fixture.shard(&stream, 0).await;
    let large = vec![5; afflux_types::limits::BATCH_BODY_BYTES_MAX - (10 << 20) - 40];
    let largest = vec![6; (10 << 20) - 1];
    let rows: [(&str, Option<u128>, &[u8]); 2] = [("k", None, &largest), ("k", None, &large)];
    put(&shard, batch(None, &rows)).await;
    let slice = shard.read(Position::ZERO, 1).await.unwrap();
    assert_eq!(data(&records(&slice.bytes)), [largest, large]);
}

#[tokio::test]
async fn a_switch_is_checked_before_anything_changes() {
    let (_keys, fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    for (key, kind) in [
        ("none", ErrorKind::NotFound),
        ("alias/none", ErrorKind::NotFound),
        ("../one", ErrorKind::Invalid),
    ] {
        let error = fixture
            .engine
            .set_encryption(&stream, Some(key))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(KeyFault::of(&error).is_some());
    }
    assert_eq!(
        fixture.engine.describe_stream(&stream).unwrap().encryption,
        None
    );
    let missing = stream_name("missing");
    let error = fixture
        .engine
        .set_encryption(&missing, Some("one"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(KeyFault::of(&error).is_none());
}

#[tokio::test]
async fn the_same_key_twice_is_one_switch_and_data_keys_are_limited() {
    let (_keys, fixture) = with_keys();
    let stream = fixture.stream("s", 1).await;
    for _ in 0..afflux_types::limits::STREAM_DATA_KEYS_MAX / 2 {
        for key in ["one", "one", "two"] {
            switch(&fixture, &stream, Some(key)).await;
        }
    }
    let error = fixture
        .engine
        .set_encryption(&stream, Some("one"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error:?}");
    switch(&fixture, &stream, Some("two")).await;
    switch(&fixture, &stream, None).await;
    switch(&fixture, &stream, None).await;
}

#[tokio::test]
async fn a_keyring_inside_the_data_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let options = EngineOptions {
        keyring: Some(Keyring::open(&keys).unwrap()),
        ..EngineOptions::new(dir.path())
    };
    let error = Engine::open(options, Clock::manual(noon())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.message().contains("is in the data directory"),
        "{error:?}"
    );
}
