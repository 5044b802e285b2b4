//! Administration: every command, and the answers to impossible ones.

use afflux_deliver::{DeliverySettings, DeliverySource, ObjectSettings, Place};
use afflux_types::ErrorKind;
use afflux_wire::message::{
    Answer, Command, ConsumerRef, CreateStream, DeliveryRef, Durability, ListStreams, MergeShards,
    NewDelivery, Quota, SplitShard, StreamDescription, StreamKind,
};

use crate::support::{Peer, Running, admin, create, stream_ref};

async fn describe(peer: &Peer, stream: &str) -> StreamDescription {
    match admin(peer, Command::DescribeStream(stream_ref(stream)))
        .await
        .unwrap()
    {
        Answer::Stream(stream) => stream,
        other => panic!("{other:?} is no description"),
    }
}

#[tokio::test]
async fn a_stream_is_what_was_asked_for() {
    let running = Running::start().await;
    let peer = running.connect().await;
    let request = CreateStream {
        stream: "orders".to_owned(),
        shards: 3,
        retention_hours: 48,
        retention_bytes: 1 << 30,
        durability: Durability::Os.into(),
        record_bytes_max: 2 << 20,
        quota: Some(Quota {
            bytes_per_second: 1 << 20,
            records_per_second: 1_000,
        }),
        ..CreateStream::default()
    };
    admin(&peer, Command::CreateStream(request.clone()))
        .await
        .unwrap();
    drop(peer);
    let running = running.restart().await;
    let peer = running.connect().await;
    let stream = describe(&peer, "orders").await;
    assert_eq!(stream.retention_hours, 48);
    assert_eq!(stream.retention_bytes, 1 << 30);
    assert_eq!(stream.durability(), Durability::Os);
    assert_eq!(stream.record_bytes_max, 2 << 20);
    assert_eq!(stream.quota, request.quota);
    assert_eq!(stream.shards.len(), 3);
    let error = admin(&peer, Command::CreateStream(request))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    admin(&peer, Command::DeleteStream(stream_ref("orders")))
        .await
        .unwrap();
    let gone = admin(&peer, Command::DescribeStream(stream_ref("orders")))
        .await
        .unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn streams_are_listed_a_page_at_a_time() {
    let running = Running::start().await;
    let peer = running.connect().await;
    for name in ["c", "a", "b"] {
        create(&peer, name, StreamKind::Records).await;
    }
    let mut after = String::new();
    let mut names = Vec::new();
    loop {
        let request = ListStreams {
            after: after.clone(),
            limit: 2,
        };
        let Answer::Streams(list) = admin(&peer, Command::ListStreams(request)).await.unwrap()
        else {
            panic!("no list");
        };
        names.extend(list.streams.iter().map(|stream| stream.stream.clone()));
        after = names.last().unwrap().clone();
        if !list.more {
            break;
        }
        assert_eq!(list.streams.len(), 2);
    }
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn shards_split_and_merge() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let split = SplitShard {
        stream: "orders".to_owned(),
        at_high: Some(1 << 62),
        at_low: Some(0),
        ..SplitShard::default()
    };
    admin(&peer, Command::SplitShard(split.clone()))
        .await
        .unwrap();
    let shards = describe(&peer, "orders").await.shards;
    assert!(shards[0].closed && shards[0].children == [1, 2]);
    assert_eq!(shards[2].range.unwrap().start_high, 1 << 62);
    let half = SplitShard {
        at_low: None,
        ..split
    };
    assert_eq!(
        admin(&peer, Command::SplitShard(half))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Invalid
    );
    let merge = MergeShards {
        stream: "orders".to_owned(),
        shard: 1,
        adjacent: 2,
    };
    admin(&peer, Command::MergeShards(merge)).await.unwrap();
    let shards = describe(&peer, "orders").await.shards;
    let open: Vec<u32> = shards
        .iter()
        .filter(|shard| !shard.closed)
        .map(|shard| shard.shard)
        .collect();
    assert_eq!(open, [3]);
}

#[tokio::test]
async fn consumers_are_registered_and_listed() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let consumer = ConsumerRef {
        stream: "orders".to_owned(),
        consumer: "billing".to_owned(),
    };
    admin(&peer, Command::RegisterConsumer(consumer.clone()))
        .await
        .unwrap();
    let list = || admin(&peer, Command::ListConsumers(stream_ref("orders")));
    let Answer::Consumers(consumers) = list().await.unwrap() else {
        panic!("no list")
    };
    assert_eq!(consumers.consumers[0].name, "billing");
    admin(&peer, Command::DeregisterConsumer(consumer))
        .await
        .unwrap();
    let Answer::Consumers(consumers) = list().await.unwrap() else {
        panic!("no list")
    };
    assert!(consumers.consumers.is_empty());
}

#[tokio::test]
async fn a_video_stream_has_one_shard() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "camera", StreamKind::Video).await;
    let two = CreateStream {
        stream: "cameras".to_owned(),
        kind: StreamKind::Video.into(),
        shards: 2,
        ..CreateStream::default()
    };
    let split = SplitShard {
        stream: "camera".to_owned(),
        ..SplitShard::default()
    };
    for command in [Command::CreateStream(two), Command::SplitShard(split)] {
        let error = admin(&peer, command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn a_stream_that_is_delivered_is_not_deleted() {
    let running = Running::start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let directory = tempfile::tempdir().unwrap();
    let source = DeliverySource::Stream {
        name: "orders".into(),
        from: afflux_deliver::Start::TrimHorizon,
        until: None,
    };
    let place = Place::Directory(directory.path().to_owned());
    let settings = DeliverySettings::new(source, ObjectSettings::new(place));
    let delivery = NewDelivery {
        delivery: "lake".into(),
        settings: settings.to_json().unwrap(),
        version: 0,
    };
    admin(&peer, Command::CreateDelivery(delivery))
        .await
        .unwrap();
    let refused = admin(&peer, Command::DeleteStream(stream_ref("orders")));
    let error = refused.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(
        error.message().contains("by delivery stream lake"),
        "{error}"
    );
    let lake = DeliveryRef {
        delivery: "lake".into(),
    };
    admin(&peer, Command::DeleteDelivery(lake)).await.unwrap();
    admin(&peer, Command::DeleteStream(stream_ref("orders")))
        .await
        .unwrap();
}
