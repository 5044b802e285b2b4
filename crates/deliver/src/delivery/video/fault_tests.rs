//! A delivery of video as a whole whose destination is down for a while; time is virtual.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use afflux_entry::Kind;
use afflux_media::Fragment;
use bytes::{Bytes, BytesMut};

use super::crash_tests::{facts, settings};
use crate::delivery::crash_tests::{DATA, OBJECTS};
use crate::delivery::fault_tests::{Running, waiting};
use crate::fs::sim::SimFs;
use crate::testing::film::{CAMERA, split};

/// Seconds after which an object ends where a key frame follows.
const INTERVAL: u64 = 12;
/// Seconds of a group of pictures. A fragment has one of them.
const GROUP: usize = 4;

/// A camera and its delivery.
struct Camera {
    running: Running,
    fragments: Vec<Fragment>,
    /// Seconds that it has filmed.
    filmed: usize,
}

impl Camera {
    fn start(fs: SimFs) -> Self {
        let mut settings = settings();
        settings.objects.buffer_seconds = INTERVAL;
        let camera = Self {
            running: Running::start(fs, settings),
            fragments: split(CAMERA).1,
            filmed: 0,
        };
        camera.push(Kind::Init, 0, &split(CAMERA).0.encode());
        camera
    }

    fn push(&self, kind: Kind, count: u32, body: &[Bytes]) {
        let arrival = self.running.clock.wall();
        self.running.stream.change(0, |script| {
            script.push(kind, count, arrival, body, Vec::new());
        });
    }

    /// Films until `seconds` are over, in groups of pictures of so many seconds.
    async fn film(&mut self, seconds: usize, group: usize) {
        for second in self.filmed..seconds {
            let number = second % self.fragments.len();
            let after = i64::try_from(second).unwrap() * 1_000;
            let facts = facts(second / self.fragments.len(), after);
            let mut body = BytesMut::new();
            for piece in self.fragments[number].encode(&facts).unwrap() {
                body.extend_from_slice(&piece);
            }
            if !second.is_multiple_of(group) {
                // The flags of the fragment.
                body[1] &= !1;
            }
            self.push(Kind::Fragment, 1, &[body.freeze()]);
            self.running.tick().await;
        }
        self.filmed = seconds;
    }

    /// Lets time go by until everything is delivered.
    async fn until_delivered(&self) {
        let filmed = u64::try_from(self.filmed).unwrap();
        self.running
            .until(|running| running.report().totals.records >= filmed)
            .await;
    }
}

/// The objects that a playlist names; they are in its directory.
fn named(path: &Path, text: &str) -> impl Iterator<Item = PathBuf> {
    let names = text.lines().filter(|line| !line.starts_with('#'));
    names.map(|name| path.with_file_name(name))
}

/// Every playlist as it ever was there, and how many objects it named. Asserts that these were there before it.
fn playlists(fs: &SimFs) -> Vec<(String, usize)> {
    let (mut there, mut playlists) = (BTreeSet::new(), Vec::new());
    for (path, bytes) in fs.moves() {
        if !path.starts_with(OBJECTS) {
            continue;
        }
        if path.extension() == Some("m3u8".as_ref()) {
            let text = String::from_utf8(bytes).unwrap();
            let objects: BTreeSet<PathBuf> = named(&path, &text).collect();
            for object in &objects {
                assert!(there.contains(object), "{} is not there", object.display());
            }
            playlists.push((text, objects.len()));
        } else {
            there.insert(path);
        }
    }
    playlists
}

/// Films to a destination that is there after a while.
async fn film_over(down: usize, seconds: usize) -> SimFs {
    let fs = SimFs::new(Path::new(DATA));
    let mut camera = Camera::start(fs.clone());
    camera.film(down, GROUP).await;
    fs.mount(Path::new(OBJECTS));
    camera.film(seconds, GROUP).await;
    camera.until_delivered().await;
    camera.running.stop().await;
    fs
}

#[tokio::test(start_paused = true)]
async fn a_playlist_is_there_after_the_objects_that_it_names() {
    let fs = film_over(60, 120).await;
    let counts: Vec<usize> = playlists(&fs).iter().map(|(_, count)| *count).collect();
    assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
    // The second batch had grown while the first one was late.
    assert!(counts[1] >= counts[0] + 3, "{counts:?}");
}

/// A batch that was late ended where it was, with the one before.
#[tokio::test(start_paused = true)]
async fn objects_begin_with_key_frames_whenever_their_batch_may_end() {
    for end in 60..60 + GROUP {
        let fs = film_over(end, 120).await;
        let (last, _) = playlists(&fs).pop().unwrap();
        let are_good = last.contains("#EXT-X-INDEPENDENT-SEGMENTS");
        assert!(are_good, "down until {end}: {last}");
    }
}

/// Such a batch ended where it was too.
#[tokio::test(start_paused = true)]
async fn objects_begin_with_key_frames_in_a_batch_that_has_as_many_as_it_may() {
    let fs = film_over(1_000, 1_100).await;
    let (last, _) = playlists(&fs).pop().unwrap();
    assert!(last.contains("#EXT-X-INDEPENDENT-SEGMENTS"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_destination_has_bounds_and_the_rest_waits_in_the_log() {
    let fs = SimFs::new(Path::new(DATA));
    let mut camera = Camera::start(fs.clone());
    camera.film(1_000, GROUP).await;
    // The batch that is complete, with its intent, and the one that fills until it has too many.
    let files = waiting(&fs);
    assert!((64..70).contains(&files), "{files} files");
    fs.mount(Path::new(OBJECTS));
    camera.until_delivered().await;
    camera.running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_sends_no_key_frames_is_delivered_after_ten_seconds_more() {
    let fs = SimFs::new(Path::new(DATA));
    fs.mount(Path::new(OBJECTS));
    let mut camera = Camera::start(fs.clone());
    camera.film(100, usize::MAX).await;
    camera.until_delivered().await;
    camera.running.stop().await;
    let (first, _) = playlists(&fs).remove(0);
    let mut lines = first.lines();
    let longest = lines.find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:"));
    let longest: u64 = longest.unwrap().parse().unwrap();
    assert!((INTERVAL + 10..INTERVAL + 12).contains(&longest), "{first}");
}
