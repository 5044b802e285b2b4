//! Streams that wait for delivery: none of a client's business.

use afflux_engine::{Engine, EngineOptions, NewStream, StreamKind as Kind, delivery_stream};
use afflux_server::Server;
use afflux_types::{Clock, ErrorKind};
use afflux_wire::message::{
    Activity, Answer, Command, ConsumerRef, CreateStream, Fetch, From, ListFragments, ListStreams,
    MergeShards, Produce, SplitShard, StreamKind, Upload,
};

use crate::subscribe::request;
use crate::support::{Running, admin, config, create, stream_ref};

const NAME: &str = ".delivery.orders";

/// A server over data in which a stream waits for delivery.
async fn start() -> Running {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let engine = Engine::open(EngineOptions::new(&config.data_dir), Clock::system()).unwrap();
    let new = NewStream::new(delivery_stream("orders").unwrap(), Kind::Delivery);
    engine.deliveries().create_stream(new).await.unwrap();
    engine.shutdown().await.unwrap();
    drop(engine);
    let server = Server::start(config, Clock::system()).await.unwrap();
    Running { server, dir }
}

fn commands() -> Vec<Command> {
    let stream = NAME.to_owned();
    let consumer = ConsumerRef {
        stream: stream.clone(),
        consumer: "c".to_owned(),
    };
    vec![
        Command::DescribeStream(stream_ref(NAME)),
        Command::DeleteStream(stream_ref(NAME)),
        Command::SplitShard(SplitShard {
            stream: stream.clone(),
            ..SplitShard::default()
        }),
        Command::MergeShards(MergeShards {
            stream: stream.clone(),
            shard: 1,
            adjacent: 2,
        }),
        Command::RegisterConsumer(consumer.clone()),
        Command::DeregisterConsumer(consumer),
        Command::ListConsumers(stream_ref(NAME)),
        Command::ListFragments(ListFragments {
            stream,
            ..ListFragments::default()
        }),
    ]
}

fn activities() -> Vec<Activity> {
    let stream = NAME.to_owned();
    vec![
        Activity::Produce(Produce {
            stream: stream.clone(),
            ..Produce::default()
        }),
        Activity::Subscribe(request(NAME, From::Latest(true), 1)),
        Activity::Upload(Upload {
            stream: stream.clone(),
            session_id: vec![1; 16].into(),
        }),
        Activity::Fetch(Fetch {
            stream,
            ..Fetch::default()
        }),
    ]
}

#[tokio::test]
async fn clients_neither_see_nor_reach_a_stream_that_waits_for_delivery() {
    let running = start().await;
    let peer = running.connect().await;
    create(&peer, "orders", StreamKind::Records).await;
    let listed = admin(&peer, Command::ListStreams(ListStreams::default()));
    let Answer::Streams(list) = listed.await.unwrap() else {
        panic!("no list");
    };
    let names: Vec<&str> = list.streams.iter().map(|s| s.stream.as_str()).collect();
    assert_eq!(names, ["orders"]);
    for command in commands() {
        let text = format!("{command:?}");
        let error = admin(&peer, command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}: {error}");
    }
    for activity in activities() {
        let text = format!("{activity:?}");
        let failure = peer.open(activity).await.failure().await;
        assert_eq!(failure.error_kind(), ErrorKind::NotFound, "{text}");
    }
    let new = CreateStream {
        stream: NAME.to_owned(),
        ..CreateStream::default()
    };
    let error = admin(&peer, Command::CreateStream(new)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}
