//! Idempotence: a retry of an unknown outcome, now and after a restart.

use afflux_engine::{Accepted, PRODUCER_WINDOW_ENTRIES};
use afflux_types::{ErrorKind, Position};

use crate::support::*;

fn place(accepted: Accepted) -> (u64, u64) {
    (accepted.position.get(), accepted.end.get())
}

#[tokio::test]
async fn a_retry_is_answered_with_the_original_place() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let first = put(&shard, record(Some((1, 1)), b"a")).await;
    put(&shard, record(Some((2, 1)), b"b")).await;
    put(&shard, record(Some((1, 2)), b"c")).await;
    fixture.advance(std::time::Duration::from_secs(9));
    let retry = put(&shard, record(Some((1, 1)), b"a")).await;
    assert!(retry.duplicate);
    assert_eq!((place(retry), retry.arrival), (place(first), first.arrival));
    assert_eq!(data(&read_all(&shard).await), [b"a", b"b", b"c"]);
    assert_eq!(shard.last_sequence(1), 2);
    assert_eq!(fixture.engine.stats().streams[0].duplicates, 1);
}

#[tokio::test]
async fn gaps_and_changed_contents_are_refused() {
    let fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    put(&shard, record(Some((1, 1)), b"a")).await;
    for (sequence, content, kind, message) in [
        (
            3,
            "c",
            ErrorKind::Invalid,
            "producer 0x0000000000000001 sent sequence 3 after 1; 2 is missing",
        ),
        (
            1,
            "changed",
            ErrorKind::Invalid,
            "sequence 1 of producer 0x0000000000000001 was taken in before with another content",
        ),
    ] {
        let (header, body) = record(Some((1, sequence)), content.as_bytes());
        let error = shard.append(header, body).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(message), "{error:?}");
    }
    let (header, body) = record(Some((9, 7)), b"x");
    let error = shard.append(header, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}");
}

#[tokio::test]
async fn retries_are_known_after_a_restart_across_segments() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let filler = vec![0; 20_000];
    let mut places = Vec::new();
    for sequence in 1..=40 {
        let shard = fixture.shard(&stream, 0).await;
        // Each also stands behind another producer's entries, so that positions have gaps.
        put(&shard, record(Some((2, sequence)), &filler)).await;
        places.push(place(
            put(&shard, record(Some((1, sequence)), &filler)).await,
        ));
        if sequence % 7 == 0 {
            fixture.reopen().await;
        }
    }
    fixture.reopen().await;
    let shard = fixture.shard(&stream, 0).await;
    for (sequence, original) in (1..).zip(&places) {
        let retry = put(&shard, record(Some((1, sequence)), &filler)).await;
        assert!(retry.duplicate, "sequence {sequence}");
        assert_eq!(place(retry), *original);
    }
    assert_eq!(shard.last_sequence(2), 40);
    assert_eq!(shard.watermarks().appended, Position::new(80));
    let next = put(&shard, record(Some((1, 41)), b"next")).await;
    assert_eq!(place(next), (80, 81));
}

#[tokio::test]
async fn a_producer_is_remembered_when_its_entries_have_been_deleted() {
    let mut fixture = Fixture::new();
    let stream = fixture
        .stream_with("s", |new| new.retention.bytes = Some(1))
        .await;
    let shard = fixture.shard(&stream, 0).await;
    let first = put(&shard, record(Some((1, 1)), b"a")).await;
    for _ in 0..20 {
        put(&shard, record(None, &vec![0; 20_000])).await;
    }
    fixture.engine.enforce_retention();
    assert!(shard.watermarks().trim_horizon > first.end);
    drop(shard);
    fixture.reopen().await;
    let shard = fixture.shard(&stream, 0).await;
    let retry = put(&shard, record(Some((1, 1)), b"a")).await;
    assert_eq!((retry.duplicate, place(retry)), (true, place(first)));
}

#[tokio::test]
async fn a_retry_to_a_closed_shard_is_not_sent_to_its_children() {
    let mut fixture = Fixture::new();
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let first = put(&shard, record(Some((1, 1)), b"a")).await;
    fixture
        .engine
        .split_shard(&stream, shard.id(), None)
        .await
        .unwrap();
    drop(shard);
    for _ in 0..2 {
        let shard = fixture.shard(&stream, 0).await;
        let retry = put(&shard, record(Some((1, 1)), b"a")).await;
        assert_eq!((retry.duplicate, place(retry)), (true, place(first)));
        let (header, body) = record(Some((1, 2)), b"b");
        let error = shard.append(header, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ShardMoved);
        drop(shard);
        fixture.reopen().await;
    }
}

#[tokio::test]
async fn beyond_the_window_a_retry_is_refused_and_not_repeated() {
    let fixture = Fixture::with(|options| options.volume.segment_bytes_max = 1 << 20);
    let stream = fixture.stream("s", 1).await;
    let shard = fixture.shard(&stream, 0).await;
    let window = u64::try_from(PRODUCER_WINDOW_ENTRIES).unwrap();
    for sequence in 1..=window + 1 {
        let (header, body) = record(Some((1, sequence)), b"x");
        shard.append(header, body).await.unwrap();
    }
    let (header, body) = record(Some((1, 1)), b"x");
    let error = shard.append(header, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
    assert!(
        error
            .message()
            .contains("was taken in before, but its positions are forgotten"),
        "{error:?}"
    );
    assert!(put(&shard, record(Some((1, 2)), b"x")).await.duplicate);
}
