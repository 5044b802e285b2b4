//! Records, streams and shards that are not as they must be, and producers that retry.

use afflux_entry::{Header, Kind};
use afflux_testkit::peer::{self, Peer};
use afflux_types::ErrorKind;
use afflux_types::limits::RECORD_BYTES_DEFAULT;
use afflux_wire::Frame;
use afflux_wire::message::{
    Activity, Answer, Command, CreateStream, Failure, Fetch, MergeShards, Quota, SplitShard,
    StreamRef, Upload,
};
use bytes::Bytes;

use crate::support::{
    World, acks, durable, key_in, numbered, produce, produce_as, produce_opened, records,
    subscribe, video,
};

async fn refused(peer: &Peer, activity: Activity, entry: Bytes) -> Failure {
    let mut exchange = produce_opened(peer, activity).await;
    exchange.bytes(entry).await;
    match exchange.frame().await {
        Frame::Failure(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn kind(failure: &Failure) -> ErrorKind {
    ErrorKind::from_code(failure.kind.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_over_the_limit_is_refused_by_its_size() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let fitting = vec![b'x'; RECORD_BYTES_DEFAULT - 3];
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    exchange
        .bytes(peer::batch(&[("key", &fitting)], None))
        .await;
    assert_eq!(acks(&mut exchange).await.acks.len(), 1);

    let large = vec![b'x'; RECORD_BYTES_DEFAULT - 2];
    let failure = refused(
        &peer,
        produce("s", 0),
        peer::batch(&[("key", &large)], None),
    )
    .await;
    assert!(
        matches!(
            kind(&failure),
            ErrorKind::Invalid | ErrorKind::LimitExceeded
        ),
        "{failure:?}"
    );
    for number in [RECORD_BYTES_DEFAULT, RECORD_BYTES_DEFAULT + 1] {
        assert!(failure.message.contains(&number.to_string()), "{failure:?}");
    }

    // The stream's own limit counts, not the default.
    let narrow = CreateStream {
        record_bytes_max: 100,
        ..records("narrow", 1)
    };
    peer.create(narrow).await;
    let failure = refused(
        &peer,
        produce("narrow", 0),
        peer::batch(&[("key", &[0; 98])], None),
    )
    .await;
    assert!(failure.message.contains("100"), "{failure:?}");
    assert_eq!(
        durable(&peer, "s").await + durable(&peer, "narrow").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partition_keys_need_one_to_256_characters() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    exchange
        .bytes(peer::batch(&[("ä".repeat(256).as_str(), b"")], None))
        .await;
    assert_eq!(acks(&mut exchange).await.acks.len(), 1);

    for (key, words) in [
        (String::new(), "empty"),
        ("ä".repeat(257), "257 characters"),
    ] {
        let failure = refused(
            &peer,
            produce("s", 0),
            peer::batch(&[(&key, b"data")], None),
        )
        .await;
        assert_eq!(kind(&failure), ErrorKind::Invalid);
        assert!(failure.message.contains(words), "{failure:?}");
    }
    // One bad record refuses its whole batch.
    let mixed = peer::batch(&[("good", b""), ("", b""), ("good", b"")], None);
    let failure = refused(&peer, produce("s", 0), mixed).await;
    assert!(failure.message.contains("record 1"), "{failure:?}");
    assert_eq!(durable(&peer, "s").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_do_not_add_up_are_refused() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let whole = peer::batch(&[("a", b"1"), ("b", b"2")], None);
    let body = whole.slice(afflux_entry::HEADER_LEN..);
    for (count, body) in [
        (1, body.clone()),
        (3, body.clone()),
        (2, body.slice(1..)),
        (2, Bytes::new()),
    ] {
        let header = Header::for_body(Kind::Batch, count, None, None, &[&body]);
        let failure = refused(&peer, produce("s", 0), peer::entry(&header, &body)).await;
        assert_eq!(kind(&failure), ErrorKind::Invalid, "{failure:?}");
    }
    assert_eq!(durable(&peer, "s").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_shards_that_do_not_exist_are_named() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let session_id = Bytes::from_static(&[1; 16]);
    for activity in [
        produce("nowhere", 0),
        subscribe("nowhere", 0, None),
        Activity::Upload(Upload {
            stream: "nowhere".into(),
            session_id,
        }),
        Activity::Fetch(Fetch {
            stream: "nowhere".into(),
            selector: None,
        }),
    ] {
        let failure = peer.open(activity).await.fails(ErrorKind::NotFound).await;
        assert!(failure.message.contains("nowhere"), "{failure:?}");
    }
    for activity in [produce("s", 7), subscribe("s", 7, None)] {
        peer.open(activity).await.fails(ErrorKind::NotFound).await;
    }
    for name in ["", "a/b", "..", "x y", &"n".repeat(129)] {
        peer.open(produce(name, 0))
            .await
            .fails(ErrorKind::Invalid)
            .await;
    }
    let missing = StreamRef {
        stream: "nowhere".into(),
    };
    for command in [
        Command::DescribeStream(missing.clone()),
        Command::DeleteStream(missing.clone()),
        Command::ListConsumers(missing),
    ] {
        let failure = peer.admin(command).await.unwrap_err();
        assert_eq!(kind(&failure), ErrorKind::NotFound, "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_video_do_not_mix() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    peer.create(video("v")).await;
    peer.open(produce("v", 0))
        .await
        .fails(ErrorKind::Invalid)
        .await;
    let session_id = Bytes::from_static(&[1; 16]);
    let upload = Upload {
        stream: "s".into(),
        session_id,
    };
    peer.open(Activity::Upload(upload))
        .await
        .fails(ErrorKind::Invalid)
        .await;
    let fetch = Fetch {
        stream: "s".into(),
        selector: None,
    };
    peer.open(Activity::Fetch(fetch))
        .await
        .fails(ErrorKind::Invalid)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_another_shard_is_refused() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 2)).await;
    let upper = key_in(true);
    let failure = refused(
        &peer,
        produce("s", 0),
        peer::batch(&[(&upper, b"data")], None),
    )
    .await;
    assert!(
        matches!(kind(&failure), ErrorKind::Invalid | ErrorKind::ShardMoved),
        "{failure:?}"
    );
    assert_eq!(durable(&peer, "s").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_shard_names_its_children_to_the_producer() {
    let world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let mut exchange = produce_opened(&peer, produce_as("s", 0, 42)).await;
    let batch = |sequence| peer::batch(&[("key", b"data")], numbered(42, sequence));
    exchange.bytes(batch(1)).await;
    assert_eq!(acks(&mut exchange).await.acks.len(), 1);

    let split = SplitShard {
        stream: "s".into(),
        shard: 0,
        at_high: None,
        at_low: None,
    };
    let Ok(Answer::Stream(description)) = peer.admin(Command::SplitShard(split)).await else {
        panic!("the split is not answered with the stream");
    };
    assert_eq!(description.shards.len(), 3);

    // A producer that was there before, and one that comes now.
    exchange.bytes(batch(2)).await;
    let moved = exchange.fails(ErrorKind::ShardMoved).await;
    assert_eq!(moved.last_sequence, 1);
    let children: Vec<u32> = moved.children.iter().map(|child| child.shard).collect();
    assert_eq!(children, [1, 2]);
    assert!(
        moved
            .children
            .iter()
            .all(|child| child.parents == [0] && child.range.is_some())
    );
    let mut late = peer.open(produce_as("s", 0, 42)).await;
    late.bytes(batch(2)).await;
    let moved = loop {
        match late.frame().await {
            Frame::ProduceOpened(_) => {}
            Frame::Failure(failure) => break failure,
            other => panic!("expected ShardMoved, got {other:?}"),
        }
    };
    assert_eq!(kind(&moved), ErrorKind::ShardMoved);
    assert_eq!(moved.children.len(), 2);
    assert_eq!(durable(&peer, "s").await, 1);

    // The children's merge is described to readers of the children in the same way.
    let merge = MergeShards {
        stream: "s".into(),
        shard: 1,
        adjacent: 2,
    };
    peer.admin(Command::MergeShards(merge)).await.unwrap();
    let moved = peer.open(produce("s", 1)).await;
    let mut moved = moved;
    moved.bytes(peer::batch(&[("key", b"data")], None)).await;
    loop {
        match moved.frame().await {
            Frame::ProduceOpened(_) => {}
            Frame::Failure(failure) => {
                assert_eq!(kind(&failure), ErrorKind::ShardMoved);
                assert_eq!(failure.children[0].parents, [1, 2]);
                return;
            }
            other => panic!("expected ShardMoved, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_an_unknown_outcome_gets_its_first_position() {
    let mut world = World::start();
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let batch = |sequence| peer::batch(&[("key", b"data")], numbered(7, sequence));
    let mut first = produce_opened(&peer, produce_as("s", 0, 7)).await;
    first.bytes(batch(1)).await;
    let position = acks(&mut first).await.acks[0].position;
    // Sent, and the answer never read.
    first.bytes(batch(2)).await;
    drop(first);

    let mut again = produce_opened(&peer, produce_as("s", 0, 7)).await;
    again.bytes(batch(1)).await;
    let ack = acks(&mut again).await.acks[0];
    assert_eq!((ack.position, ack.duplicate), (position, true));
    again.bytes(batch(2)).await;
    assert_eq!(acks(&mut again).await.acks[0].position, position + 1);
    assert_eq!(durable(&peer, "s").await, 2);

    // The server remembers beyond its own death.
    world.server.kill();
    world.server.restart();
    let peer = world.peer().await;
    let mut again = produce_opened(&peer, produce_as("s", 0, 7)).await;
    again.bytes(batch(2)).await;
    again.bytes(batch(3)).await;
    let mut answers = Vec::new();
    while answers.len() < 2 {
        answers.extend(acks(&mut again).await.acks);
    }
    assert_eq!(
        (answers[0].position, answers[0].duplicate),
        (position + 1, true)
    );
    assert_eq!(
        (answers[1].position, answers[1].duplicate),
        (position + 2, false)
    );
    assert_eq!(durable(&peer, "s").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_holds_a_producer_back_and_says_how_long() {
    let world = World::start();
    let peer = world.peer().await;
    let quota = Quota {
        records_per_second: 5,
        bytes_per_second: 0,
    };
    peer.create(CreateStream {
        quota: Some(quota),
        ..records("s", 1)
    })
    .await;
    let mut taken = 0;
    let failure = loop {
        let entry = peer::batch(&[("key", b"data")], None);
        let mut exchange = produce_opened(&peer, produce("s", 0)).await;
        exchange.bytes(entry).await;
        match exchange.frame().await {
            Frame::Acks(_) => taken += 1,
            Frame::Failure(failure) => break failure,
            other => panic!("expected an answer, got {other:?}"),
        }
    };
    assert_eq!(kind(&failure), ErrorKind::Throttled);
    assert!(failure.retry_after_ms > 0, "{failure:?}");
    // A producer that waits as it is told loses nothing.
    let lines = "line\n".repeat(12);
    world.afflux.run_with(&["put", "s"], lines.as_bytes()).ok();
    assert_eq!(durable(&peer, "s").await, taken + 12);
}
