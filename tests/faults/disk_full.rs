//! A disk without space: producers are told, readers go on, and writing resumes with the space.

use std::path::Path;
use std::time::Duration;

use afflux_client::{Client, Config, Producer, ProducerOptions, Trust};
use afflux_testkit::disk::Small;
use afflux_testkit::peer::{self, Exchange, Peer};
use afflux_testkit::verify::{History, Id};
use afflux_testkit::wait;
use afflux_types::ErrorKind;
use afflux_wire::message::From;
use afflux_wire::{Frame, Item};

use crate::support::{World, produce, produce_opened, records, subscribe};

/// Records of a stream, read from its start until nothing more has come.
async fn read_all(peer: &Peer, stream: &str, records: u64) -> u64 {
    let mut reader = peer
        .open(subscribe(stream, 0, Some(From::TrimHorizon(true))))
        .await;
    let mut seen = 0;
    while seen < records {
        match reader.next().await {
            peer::Answer::Item(Item::Entry(entry)) => {
                seen += u64::from(entry.header.record_count);
                let grant = afflux_wire::message::Grant {
                    bytes: entry.entry_len() as u64,
                };
                reader.say(&Frame::Grant(grant)).await;
            }
            peer::Answer::Item(Item::Frame(Frame::Failure(failure))) => panic!("{failure:?}"),
            peer::Answer::Item(_) => {}
            other => panic!("expected entries, got {other:?}"),
        }
    }
    seen
}

/// The position of the entry that was sent, unless it was refused.
async fn taken(exchange: &mut Exchange) -> Option<u64> {
    loop {
        match exchange.frame().await {
            Frame::ProduceOpened(_) => {}
            Frame::Acks(acks) => return Some(acks.acks[0].position),
            Frame::Failure(_) => return None,
            other => panic!("expected an answer, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_writing_resumes_when_space_returns() {
    let Some(disk) = Small::mount(64) else { return };
    let world = World::in_directory(tempfile::tempdir().unwrap(), disk.path().join("data"), "");
    let peer = world.peer().await;
    peer.create(records("s", 1)).await;
    let ballast = disk.fill(8 << 20);

    // More than the space that is left, until the server says that there is none.
    let data = vec![b'x'; 256 << 10];
    let mut exchange = produce_opened(&peer, produce("s", 0)).await;
    let mut acked = 0;
    let failure = loop {
        exchange.bytes(peer::batch(&[("key", &data)], None)).await;
        match exchange.frame().await {
            Frame::Acks(acks) => acked += acks.acks.len() as u64,
            Frame::Failure(failure) => break failure,
            other => panic!("expected an answer, got {other:?}"),
        }
        assert!(acked < 100, "more was acknowledged than the disk can hold");
    };
    assert_eq!(
        failure.kind,
        u32::from(ErrorKind::Unavailable.code()),
        "{failure:?}"
    );
    let words = failure.message.to_lowercase();
    assert!(
        words.contains("space") || words.contains("full"),
        "{failure:?}"
    );
    assert!(acked > 0, "nothing at all was taken");
    assert_eq!(read_all(&peer, "s", acked).await, acked);

    // Nothing is accepted meanwhile, and nothing was half written.
    let mut again = peer.open(produce("s", 0)).await;
    again.bytes(peer::batch(&[("key", &data)], None)).await;
    let refused = loop {
        match again.frame().await {
            Frame::Failure(failure) => break failure,
            Frame::ProduceOpened(_) => {}
            other => panic!("expected a failure, got {other:?}"),
        }
    };
    assert_eq!(
        refused.kind,
        u32::from(ErrorKind::Unavailable.code()),
        "{refused:?}"
    );

    std::fs::remove_file(ballast).unwrap();
    let took = loop {
        let mut later = peer.open(produce("s", 0)).await;
        later.bytes(peer::batch(&[("key", &data)], None)).await;
        if let Some(position) = taken(&mut later).await {
            break position;
        }
    };
    assert_eq!(took, acked, "a position was left out or used twice");
    assert_eq!(read_all(&peer, "s", acked + 1).await, acked + 1);
    drop(world);
    drop(disk);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_waits_out_a_full_disk_and_loses_nothing() {
    let Some(disk) = Small::mount(64) else { return };
    let world = World::in_directory(tempfile::tempdir().unwrap(), disk.path().join("data"), "");
    world.peer().await.create(records("s", 1)).await;
    let history = History::new();
    let mut config = Config::new(world.server.quic().to_string(), Trust::LoopbackAny);
    config.retry.pause_max = Duration::from_millis(100);
    config.retry.give_up_after = Duration::MAX;
    let client = Client::connect(config).await.unwrap();
    let options = ProducerOptions {
        batch_bytes: 64 << 10,
        ..ProducerOptions::default()
    };
    let producer: Producer = client
        .producer(&"s".parse().unwrap(), options)
        .await
        .unwrap();
    let ballast = disk.fill(4 << 20);
    let count = 400;
    for counter in 0..count {
        let id = Id {
            producer: 1,
            counter,
        };
        producer
            .send(&id.key(), id.data(32 << 10).as_bytes())
            .await
            .unwrap();
    }
    // 12 MB do not fit into 4: the producer holds the rest.
    wait::until_true("the server has said that its disk is full", || {
        let stderr = world.server.stderr().to_lowercase();
        stderr.contains("space") || stderr.contains("full")
    });
    assert!(producer.held_bytes() > 0);
    std::fs::remove_file(ballast).unwrap();
    wait::ends("everything is durable", producer.flush())
        .await
        .unwrap();
    for counter in 0..count {
        history.acked(
            Id {
                producer: 1,
                counter,
            },
            None,
        );
    }
    let tail = [
        "tail",
        "s",
        "--from",
        "trim-horizon",
        "--no-follow",
        "--output",
        "json",
    ];
    for record in world.afflux.run(&tail).json_lines() {
        let (key, data) = (
            record["partition_key"].as_str().unwrap(),
            record["data"].as_str().unwrap(),
        );
        history.delivered("tail", None, key, data.as_bytes());
    }
    assert_eq!(history.assert_kept("tail").delivered, 400);
    drop(world);
    drop(disk);
}

#[test]
fn a_delivery_waits_out_a_full_disk_and_delivers_each_record_once() {
    let Some(disk) = Small::mount(128) else {
        return;
    };
    let world = World::in_directory(tempfile::tempdir().unwrap(), disk.path().join("data"), "");
    world.ok(&["stream", "create", "s"]);
    let (lake, away) = (world.file("lake"), world.file("away"));
    std::fs::create_dir(&lake).unwrap();
    let to = lake.to_str().unwrap();
    let create = ["delivery", "create", "lake", "--stream", "s", "--to", to];
    world.ok(&[&create[..], &["--interval", "0"]].concat());
    let described = || {
        let describe = ["delivery", "describe", "lake", "--output", "json"];
        world.afflux.run(&describe).json()
    };
    let fails_with = |words: &str| {
        wait::until_true(&format!("it fails with {words}"), || {
            let error = described()["last_error"].to_string();
            error.to_lowercase().contains(words)
        });
    };
    let put = |lines: &str| {
        let put = ["put", "s", "--key", "k"];
        world.afflux.run_with(&put, lines.as_bytes()).ok();
    };
    // What comes while the first record cannot be delivered has no room in the spool then.
    std::fs::rename(&lake, &away).unwrap();
    put("first\n");
    fails_with("no such file");
    let lines: Vec<String> = (0..100)
        .map(|number| format!("{number:03} {}", "x".repeat(200 << 10)))
        .collect();
    put(&(lines.join("\n") + "\n"));
    let ballast = disk.fill(1 << 20);
    std::fs::rename(&away, &lake).unwrap();
    fails_with("no space");

    std::fs::remove_file(ballast).unwrap();
    wait::until_true("everything is delivered", || {
        described()["records"] == lines.len() + 1
    });
    let mut delivered = vec!["first".to_owned()];
    delivered.extend(lines);
    let mut found = below(&lake);
    found.sort();
    delivered.sort();
    assert!(found == delivered, "{} lines", found.len());
    assert_eq!(
        below(&world.data_dir().join("delivery")),
        Vec::<String>::new()
    );
}

/// The lines of all files below a directory.
fn below(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let lines = entries.flat_map(|path| match path.is_dir() {
        true => below(&path),
        false => {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    });
    lines.collect()
}
