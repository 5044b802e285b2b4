//! Archived video plays: ffmpeg is the judge.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use afflux_deliver::{ArchiveSettings, Archives, Limits, records, verify};
use afflux_engine::{Engine, EngineOptions, NewStream, Shard, StreamKind};
use afflux_entry::{Header, Kind};
use afflux_media::{Continuity, Event, Facts, Fragment, Init, Splitter, Timeline};
use afflux_types::{Clock, ProducerTime, ShardId, StreamName};
use bytes::Bytes;

pub(crate) const CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/h264-aac.mp4");
pub(crate) const OTHER: &[u8] = include_bytes!("../../../../fixtures/video/hevc.mp4");

pub(crate) async fn append(shard: &Shard, kind: Kind, count: u32, body: Vec<Bytes>) {
    let header = Header::for_body(kind, count, None, None, &body);
    let header = header.with_key_frame(kind == Kind::Fragment, &body);
    let accepted = shard.append(header, body).await.unwrap();
    shard.wait_accepted(&accepted).await.unwrap();
}

/// An input that begins at `start` as a server stores it: its init, and its fragments.
pub(crate) fn stored(input: &'static [u8], start: ProducerTime) -> (Init, Vec<Vec<Bytes>>) {
    let mut splitter = Splitter::new(afflux_media::Limits::default());
    splitter.push(Bytes::from_static(input));
    let (mut init, mut pieces, mut bodies) = (None::<Init>, Vec::new(), Vec::new());
    let mut timeline = Timeline::new(start);
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Init(found) => init = Some(found),
            Event::Started(_) => pieces.clear(),
            Event::Data(data) => pieces.push(data),
            Event::Finished { .. } => {
                let limits = afflux_media::Limits::default();
                let pieces = std::mem::take(&mut pieces);
                let fragment = Fragment::parse(init.as_ref().unwrap(), pieces, &limits).unwrap();
                let facts = Facts {
                    session_id: u128::from(start.as_millis().unsigned_abs()),
                    sequence: u32::try_from(bodies.len()).unwrap(),
                    producer_time: timeline.place(fragment.reference()).producer_time,
                    continuity: Continuity::Continuous,
                    tags: Vec::new(),
                };
                bodies.push(fragment.encode(&facts).unwrap());
            }
        }
    }
    (init.unwrap(), bodies)
}

/// Appends an input that begins at `start`, as the server does; returns the count of its fragments.
pub(crate) async fn film(shard: &Shard, input: &'static [u8], start: ProducerTime) -> u64 {
    let (init, fragments) = stored(input, start);
    append(shard, Kind::Init, 0, init.encode()).await;
    let count = fragments.len();
    for body in fragments {
        append(shard, Kind::Fragment, 1, body).await;
    }
    u64::try_from(count).unwrap()
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "mp4") {
            found.push(path);
        }
    }
    found.sort();
}

/// Decodes a file or a playlist whole; returns its pictures: when each is decoded, by its own ticks, and what
/// it shows.
pub(crate) fn pictures(path: &Path) -> Vec<(i64, String)> {
    let ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-xerror", "-i"])
        .arg(path)
        .args([
            "-map",
            "0:v",
            "-fps_mode",
            "passthrough",
            "-f",
            "framecrc",
            "-",
        ])
        .output()
        .expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&ffmpeg.stderr);
    assert!(
        ffmpeg.status.success() && complaints.is_empty(),
        "{}: {complaints}",
        path.display()
    );
    let lines = String::from_utf8(ffmpeg.stdout).unwrap();
    let pictures = lines.lines().filter(|line| !line.starts_with('#'));
    let picture = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        (fields[1].parse().unwrap(), fields[5].to_owned())
    };
    pictures.map(picture).collect()
}

/// Decodes a file whole; returns the count of its pictures.
fn decode(path: &Path) -> usize {
    pictures(path).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_files_play_by_themselves_and_hold_every_picture() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    let clock = Clock::system();
    let engine = Engine::open(EngineOptions::new(dir.path().join("data")), clock.clone()).unwrap();
    let name = StreamName::new("door").unwrap();
    engine
        .create_stream(NewStream::new(name.clone(), StreamKind::Video))
        .await
        .unwrap();
    let shard = engine.shard(&name, ShardId::new(0)).await.unwrap();
    let start = ProducerTime::from_millis(1_795_255_200_000);
    let count = film(&shard, CAMERA, start).await + film(&shard, OTHER, start).await;

    let archives = Archives::open(engine.clone(), clock, Limits::default()).unwrap();
    // About two fragments of the first camera in a file.
    let settings = ArchiveSettings {
        file_bytes: 16_000,
        ..ArchiveSettings::new(&archive)
    };
    archives.add(&name, settings).await.unwrap();
    loop {
        let status = &archives.list()[0];
        if status.totals.records + status.unfinished_records == count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    archives.shutdown().await;
    engine.shutdown().await.unwrap();

    let totals = verify(&archive).unwrap().totals();
    assert_eq!((totals.records, totals.gaps), (count, 0));
    assert_eq!(records(&archive).unwrap().count(), 0);
    let mut found = Vec::new();
    files(&archive, &mut found);
    assert!(found.len() > 2, "{found:?}");
    let inputs = ["h264-aac.mp4", "hevc.mp4"];
    let inputs = inputs.map(|name| Path::new("../../fixtures/video").join(name));
    let expected: usize = inputs.iter().map(|path| decode(path)).sum();
    assert_eq!(
        found.iter().map(|path| decode(path)).sum::<usize>(),
        expected
    );
}
