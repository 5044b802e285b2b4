use std::time::Duration;

use afflux_engine::{Engine, EngineOptions, NewStream, Retention, StreamKind, VolumeOptions};
use afflux_media::{Continuity, Event, Facts, Fragment, Init, Limits, Splitter};
use afflux_types::{Clock, ProducerTime};

use super::*;

const CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/camera.mp4");
const HOUR: Duration = Duration::from_secs(3_600);
const START: i64 = 1_700_000_000_000;

/// A video stream in an engine whose clock the test moves, in segments of a few fragments.
struct Recorder {
    engine: Engine,
    clock: Clock,
    shard: Shard,
    init: Init,
    fragment: Fragment,
    written: u32,
    _dir: tempfile::TempDir,
}

impl Recorder {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(ServerTime::from_millis(START));
        let options = EngineOptions {
            volume: VolumeOptions {
                segment_bytes_min: 128 << 10,
                segment_bytes_max: 128 << 10,
                ..VolumeOptions::default()
            },
            retention_interval: None,
            ..EngineOptions::new(dir.path())
        };
        let engine = Engine::open(options, clock.clone()).unwrap();
        let name = StreamName::new("camera").unwrap();
        let new = NewStream {
            retention: Retention {
                age: HOUR,
                bytes: None,
            },
            ..NewStream::new(name.clone(), StreamKind::Video)
        };
        engine.create_stream(new).await.unwrap();
        let shard = engine.shard(&name, shard_id()).await.unwrap();
        let (init, fragment) = first_fragment();
        Self {
            engine,
            clock,
            shard,
            init,
            fragment,
            written: 0,
            _dir: dir,
        }
    }

    async fn write_init(&self) {
        let body = self.init.encode();
        let header = Header::for_body(Kind::Init, 0, None, None, &body);
        let accepted = self.shard.append(header, body).await.unwrap();
        self.shard.wait_accepted(&accepted).await.unwrap();
    }

    /// Appends fragments whose producer times are a second apart.
    async fn write(&mut self, count: u32) {
        for _ in 0..count {
            let facts = Facts {
                session_id: 1,
                sequence: self.written,
                producer_time: ProducerTime::from_millis(producer_ms(self.written)),
                continuity: Continuity::Continuous,
                tags: Vec::new(),
            };
            let body = self.fragment.encode(&facts).unwrap();
            let header = Header::for_body(Kind::Fragment, 1, None, None, &body);
            let accepted = self.shard.append(header, body).await.unwrap();
            self.shard.wait_accepted(&accepted).await.unwrap();
            self.written += 1;
        }
    }

    /// Producer times of what a search finds, in seconds from the first.
    async fn search(&self, video: &Recording, selector: Selector) -> Vec<i64> {
        let mut search = video
            .search(&self.shard, selector, Position::ZERO)
            .await
            .unwrap();
        let mut times = Vec::new();
        while let Some(found) = search.next().await.unwrap() {
            times.push((found.meta.producer_time.as_millis() - producer_ms(0)) / 1_000);
        }
        times
    }
}

fn producer_ms(number: u32) -> i64 {
    START + 1_000 * i64::from(number)
}

fn first_fragment() -> (Init, Fragment) {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(Bytes::from_static(CAMERA));
    let (mut init, mut pieces) = (None, Vec::new());
    loop {
        match splitter.poll().unwrap().unwrap() {
            Event::Init(found) => init = Some(found),
            Event::Started(_) => {}
            Event::Data(piece) => pieces.push(piece),
            Event::Finished { .. } => break,
        }
    }
    let init = init.unwrap();
    let fragment = Fragment::parse(&init, pieces, &Limits::default()).unwrap();
    (init, fragment)
}

fn seconds(from: i64, to: i64) -> Selector {
    Selector {
        axis: TimeAxis::Producer,
        from: producer_ms(0) + 1_000 * from,
        to: producer_ms(0) + 1_000 * to,
        cover_start: false,
    }
}

#[tokio::test]
async fn the_index_finds_what_reading_everything_finds() {
    let mut recorder = Recorder::new().await;
    let video = Recording::default();
    recorder.write_init().await;
    recorder.write(300).await;
    let all: Vec<i64> = (0..300).collect();
    assert_eq!(recorder.search(&video, Selector::ALL).await, all);
    assert_eq!(
        recorder.search(&video, seconds(250, 260)).await,
        all[250..260]
    );
    // What comes later is found by the same index.
    recorder.write(20).await;
    assert_eq!(
        recorder.search(&video, seconds(298, 302)).await,
        [298, 299, 300, 301]
    );
    assert!(recorder.search(&video, seconds(400, 500)).await.is_empty());
}

#[tokio::test]
async fn an_initialisation_is_found_near_far_and_behind() {
    let mut recorder = Recorder::new().await;
    recorder.write_init().await;
    recorder.write(100).await;
    let (id, init) = (recorder.init.id(), recorder.init.clone());
    let decoded = |body: Option<Bytes>| Init::decode(&body.unwrap(), &Limits::default()).unwrap();
    for position in [0, 3, 99] {
        let video = Recording::default();
        let found = video
            .init(&recorder.shard, id, Position::new(position))
            .await
            .unwrap();
        assert_eq!(decoded(found), init, "position {position}");
    }
    let video = Recording::default();
    let unknown = video
        .init(&recorder.shard, InitId::new(7), Position::new(50))
        .await
        .unwrap();
    assert!(unknown.is_none());
}

#[tokio::test]
async fn an_initialisation_survives_retention_if_it_was_repeated() {
    let mut recorder = Recorder::new().await;
    let video = Recording::default();
    recorder.write_init().await;
    recorder.write(50).await;
    recorder.search(&video, seconds(0, 1)).await;
    recorder.clock.advance(HOUR / 2);
    recorder.write(10).await;
    recorder.write_init().await;
    recorder.write(40).await;
    recorder.clock.advance(HOUR / 2 + HOUR / 4);
    recorder.engine.enforce_retention();
    let horizon = recorder.shard.watermarks().trim_horizon;
    assert!(
        horizon > Position::ZERO && horizon <= Position::new(50),
        "{horizon}"
    );
    let id = recorder.init.id();
    // The first that is left lies before the initialisation that is left.
    let fresh = Recording::default();
    for video in [&video, &fresh] {
        assert!(
            video
                .init(&recorder.shard, id, horizon)
                .await
                .unwrap()
                .is_some()
        );
        let first = recorder.search(video, seconds(0, 1_000)).await[0];
        assert_eq!(u64::try_from(first).unwrap(), horizon.get());
    }
}

#[tokio::test]
async fn an_initialisation_without_a_fragment_behind_it_is_indexed_later() {
    let mut recorder = Recorder::new().await;
    let video = Recording::default();
    recorder.write(70).await;
    recorder.write_init().await;
    // The index ends at a position that the initialisation shares.
    assert_eq!(recorder.search(&video, seconds(69, 70)).await, [69]);
    recorder.write(70).await;
    let found = video
        .init(&recorder.shard, recorder.init.id(), Position::new(139))
        .await;
    assert!(found.unwrap().is_some());
}

#[test]
fn an_initialisation_entry_is_whole_and_stamped() {
    let body = Bytes::from_static(b"body");
    let entry = init_entry(&body, Position::new(7), ServerTime::from_millis(9));
    let header = Header::decode(&entry).unwrap();
    assert_eq!(header.kind, Kind::Init);
    assert_eq!(header.end(), Position::new(7));
    assert!(header.verify(&[&entry[HEADER_LEN..]]).is_ok());
}

#[test]
fn readers_that_got_too_many_initialisations_get_some_again() {
    let mut sent = Sent::default();
    assert!(sent.note(InitId::new(0)) && !sent.note(InitId::new(0)));
    for id in 1..=2 * SENT_MAX {
        sent.note(InitId::new(u64::try_from(id).unwrap()));
        assert!(sent.0.len() <= SENT_MAX);
    }
}
