//! `kill -9` of the server under cameras that send again what was not persisted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use afflux_testkit::seed::{Seed, count};
use afflux_testkit::wait;
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::http::{Exchange, ask, ask_json};
use super::matroska::{Cluster, FRAGMENT_MS, cluster, clusters, header};
use crate::support::World;

const CAMERAS: u8 = 20;
/// Fragments that a camera sends beyond the last one that was persisted.
const AHEAD: u64 = 3;
const FRAMES: usize = 4;
/// 2026-11-21.
const START_MS: u64 = 1_795_219_200_000;

/// What all cameras share.
#[derive(Debug)]
struct Shift {
    server: SocketAddr,
    seed: u64,
    /// Whether the server runs.
    up: watch::Sender<bool>,
    over: AtomicBool,
    persisted: AtomicUsize,
}

/// A camera and the numbers that its fragments got.
struct Camera {
    number: u8,
    shift: Arc<Shift>,
    /// Fragments that were sent at least once: any of them may be in the log.
    sent: u64,
    persisted: BTreeMap<u64, String>,
}

impl Camera {
    fn stream(&self) -> String {
        format!("camera-{}", self.number)
    }

    /// Films until the shift is over; everything that was sent is persisted then.
    async fn film(mut self) -> Self {
        while let Err(error) = self.connect_and_send().await {
            // The server is away; as a real camera does, try again.
            assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error}");
            let mut up = self.shift.up.subscribe();
            up.wait_for(|up| *up).await.unwrap();
        }
        self
    }

    async fn connect_and_send(&mut self) -> io::Result<()> {
        let stream = self.stream();
        let headers = [
            ("x-amzn-stream-name", stream.as_str()),
            ("x-amzn-fragment-timecode-type", "ABSOLUTE"),
            ("x-amzn-producer-start-timestamp", "0"),
        ];
        let mut upload = Exchange::begin(self.shift.server, "/putMedia", &headers).await?;
        upload.send(&header(self.number + 1)).await?;
        for index in self.first_missing().. {
            while index >= self.first_missing() + AHEAD {
                self.take(upload.line().await?)?;
            }
            if index >= self.sent && self.shift.over.load(Ordering::SeqCst) {
                break;
            }
            self.sent = self.sent.max(index + 1);
            let frames = frames(self.shift.seed, self.number, index);
            upload.send(&cluster(timecode(index), &frames)).await?;
        }
        upload.finish().await?;
        while let Some(line) = upload.line().await? {
            self.take(Some(line))?;
        }
        Ok(())
    }

    fn first_missing(&self) -> u64 {
        let last = self.persisted.last_key_value();
        last.map_or(0, |(&index, _)| index + 1)
    }

    /// Takes an acknowledgement; without one the server is gone.
    fn take(&mut self, line: Option<String>) -> io::Result<()> {
        let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
        let ack: Value = serde_json::from_str(&line).unwrap();
        match ack["EventType"].as_str().unwrap() {
            "PERSISTED" => {}
            "ERROR" => return Err(io::Error::new(io::ErrorKind::InvalidData, line)),
            _ => return Ok(()),
        }
        let index = (ack["FragmentTimecode"].as_u64().unwrap() - START_MS) / FRAGMENT_MS;
        let number = ack["FragmentNumber"].as_str().unwrap().to_owned();
        assert_eq!(number.len(), 47);
        match self.persisted.insert(index, number.clone()) {
            Some(before) => assert_eq!(before, number, "fragment {index} got another number"),
            None => drop(self.shift.persisted.fetch_add(1, Ordering::SeqCst)),
        }
        Ok(())
    }

    /// Everything that was persisted is there, once, bit for bit, and nothing else is.
    async fn judge(&self) {
        let numbers: Vec<&String> = self.persisted.values().collect();
        let expected: BTreeSet<&str> = numbers.iter().map(|number| number.as_str()).collect();
        assert_eq!(
            expected.len(),
            self.persisted.len(),
            "two fragments share a number"
        );
        let listed = list(self.shift.server, &self.stream()).await;
        let found: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        assert_eq!(found.len(), listed.len(), "a fragment is listed twice");
        assert_eq!(found, expected, "{}", self.stream());
        for (indices, numbers) in self
            .persisted
            .keys()
            .copied()
            .collect::<Vec<_>>()
            .chunks(500)
            .zip(numbers.chunks(500))
        {
            let input = json!({"StreamName": self.stream(), "Fragments": numbers});
            let media = ask(self.shift.server, "/getMediaForFragmentList", &input).await;
            let expected = indices.iter().map(|&index| Cluster {
                timecode: timecode(index),
                frames: frames(self.shift.seed, self.number, index),
            });
            assert!(
                clusters(&media).into_iter().eq(expected),
                "{} came back changed",
                self.stream()
            );
        }
    }
}

/// The frames of a fragment: sizes and content by chance, each one unit of H.264.
fn frames(seed: u64, camera: u8, index: u64) -> Vec<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(seed ^ u64::from(camera) << 56 ^ index);
    let frame = |n| {
        let mut unit = vec![0; rng.random_range(20..6_000)];
        rng.fill_bytes(&mut unit);
        unit[0] = if n == 0 { 0x65 } else { 0x41 };
        let length = u32::try_from(unit.len()).unwrap();
        [&length.to_be_bytes(), unit.as_slice()].concat()
    };
    (0..FRAMES).map(frame).collect()
}

fn timecode(index: u64) -> u64 {
    START_MS + index * FRAGMENT_MS
}

/// The numbers of all fragments.
async fn list(server: SocketAddr, stream: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({"StreamName": stream, "MaxResults": 1_000});
        if !token.is_null() {
            input["NextToken"] = token;
        }
        let page = ask_json(server, "/listFragments", &input).await;
        for fragment in page["Fragments"].as_array().unwrap() {
            numbers.push(fragment["FragmentNumber"].as_str().unwrap().to_owned());
        }
        token = page["NextToken"].clone();
        if token.is_null() {
            return numbers;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_cameras_find_every_persisted_fragment_once_after_fifty_kills() {
    let mut seed = Seed::from_env();
    let mut world = World::start();
    let server = world.server.http();
    let shift = Arc::new(Shift {
        server,
        seed: seed.next_u64(),
        up: watch::Sender::new(true),
        over: AtomicBool::new(false),
        persisted: AtomicUsize::new(0),
    });
    let mut cameras = JoinSet::new();
    for number in 0..CAMERAS {
        let camera = Camera {
            number,
            shift: Arc::clone(&shift),
            sent: 0,
            persisted: BTreeMap::new(),
        };
        let input = json!({"StreamName": camera.stream(), "DataRetentionInHours": 24});
        ask_json(server, "/createStream", &input).await;
        cameras.spawn(camera.film());
    }
    for _ in 0..count("AFFLUX_CRASH_ROUNDS", 50) {
        let enough = shift.persisted.load(Ordering::SeqCst) + seed.random_range(1..200);
        wait::until_true("more fragments are persisted", || {
            if let Some(ended) = cameras.try_join_next() {
                ended.unwrap();
                panic!("a camera has ended before its shift is over");
            }
            shift.persisted.load(Ordering::SeqCst) >= enough
        });
        shift.up.send_replace(false);
        world.server.kill();
        world.server.restart();
        shift.up.send_replace(true);
    }
    shift.over.store(true, Ordering::SeqCst);
    while let Some(camera) = wait::ends("all cameras are done", cameras.join_next()).await {
        camera.unwrap().judge().await;
    }
}
