//! Video in a stream, and what ffmpeg sees of it.

use std::path::Path;
use std::process::Command;

use afflux_engine::Shard;
use afflux_entry::{Header, Kind};
use afflux_media::{Continuity, Event, Facts, Fragment, Init, Splitter, Timeline};
use afflux_types::ProducerTime;
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
