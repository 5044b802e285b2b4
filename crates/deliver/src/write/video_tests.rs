//! Video becomes files that play by themselves: init first, time from zero, samples untouched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afflux_entry::Kind;
use afflux_media::{Continuity, Event, Facts, Fragment, Init, Limits, Splitter};
use afflux_types::{Position, ProducerTime, ServerTime, ShardId};
use bytes::Bytes;

use super::script::{ROOT, Script, lane_of_files};
use super::{Moment, Written};
use crate::fs::sim::{Failure, SimFs};
use crate::settings::Compression;
use crate::verify::{Summary, verify_in};

pub(crate) const CAMERA: &[u8] = include_bytes!("../../../../fixtures/video/h264-aac.mp4");
pub(crate) const OTHER: &[u8] = include_bytes!("../../../../fixtures/video/hevc.mp4");

/// An input cut into its init and its fragments.
pub(crate) fn split(input: &'static [u8]) -> (Init, Vec<Fragment>) {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(Bytes::from_static(input));
    let (mut init, mut fragments, mut pieces) = (None, Vec::new(), Vec::new());
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Init(found) => init = Some(found),
            Event::Started(_) => pieces.clear(),
            Event::Data(data) => pieces.push(data),
            Event::Finished { .. } => {
                let pieces = std::mem::take(&mut pieces);
                let init = init.as_ref().unwrap();
                fragments.push(Fragment::parse(init, pieces, &Limits::default()).unwrap());
            }
        }
    }
    (init.unwrap(), fragments)
}

fn facts(sequence: usize, continuity: Continuity) -> Facts {
    Facts {
        session_id: 1,
        sequence: u32::try_from(sequence).unwrap(),
        producer_time: ProducerTime::from_millis(1_000 + i64::try_from(sequence).unwrap()),
        continuity,
        tags: Vec::new(),
    }
}

/// Appends the input, its init first, the first fragment with `continuity`.
pub(crate) fn film(script: &mut Script, input: &'static [u8], continuity: Continuity) {
    let (init, fragments) = split(input);
    let arrival = ServerTime::from_millis(1_795_255_200_000);
    script.push(Kind::Init, 0, arrival, &init.encode(), Vec::new());
    for (sequence, fragment) in fragments.iter().enumerate() {
        let continuity = if sequence == 0 {
            continuity
        } else {
            Continuity::Continuous
        };
        let body = fragment.encode(&facts(sequence, continuity)).unwrap();
        script.push(Kind::Fragment, 1, arrival, &body, Vec::new());
    }
}

/// Writes every entry in a slice of its own and closes the shard.
fn archive(fs: &SimFs, script: &Script, bytes: u64) -> crate::fault::Result<()> {
    let mut lane = lane_of_files(Arc::new(fs.clone()), Compression::Gzip, 4, bytes);
    let opened = lane.open(script.shard, Position::ZERO)?;
    // As a log does, without the init before the place to go on: it is handed over.
    for entry in script
        .entries
        .iter()
        .filter(|entry| entry.end > opened.next)
    {
        let now = Moment {
            elapsed: Duration::ZERO,
            wall: ServerTime::from_millis(0),
        };
        let (mut written, _) = lane.write(script.shard, &entry.bytes, now)?;
        if let Written::NeedsInit(id) = written {
            let init = [CAMERA, OTHER].map(|input| split(input).0).into_iter();
            let init = init.into_iter().find(|init| init.id() == id).unwrap();
            lane.set_init(script.shard, init)?;
            (written, _) = lane.write(script.shard, &entry.bytes, now)?;
        }
        assert_eq!(written, Written::All);
    }
    lane.close(script.shard, &[]).map(drop)
}

fn films(fs: &SimFs) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = fs.dump();
    files.retain(|path, _| path.extension().is_some_and(|end| end == "mp4"));
    files
}

fn summary(fs: &SimFs) -> Summary {
    verify_in(fs, Path::new(ROOT)).unwrap()
}

/// A played file: its init, where each fragment's reference track starts, and its samples.
fn play(file: &[u8]) -> (Init, Vec<u64>, Vec<u8>) {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(Bytes::copy_from_slice(file));
    let (mut init, mut starts, mut media) = (None, Vec::new(), Vec::new());
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Init(found) => init = Some(found),
            Event::Started(started) => starts.push(started.tracks[0].base_decode_time),
            Event::Data(data) => media.extend_from_slice(&data),
            Event::Finished { .. } => {}
        }
    }
    splitter.finish().unwrap();
    (init.unwrap(), starts, media)
}

#[test]
fn each_video_file_starts_with_its_init_and_at_time_zero() {
    let mut script = Script::new(0);
    film(&mut script, CAMERA, Continuity::Continuous);
    let fs = SimFs::new(Path::new(ROOT));
    archive(&fs, &script, 1).unwrap();
    let (init, fragments) = split(CAMERA);
    let files = films(&fs);
    assert_eq!(
        files.len(),
        fragments.len(),
        "each fragment starts with a key frame"
    );
    assert!(files.len() > 1);
    for file in files.values() {
        let (played, starts, _) = play(file);
        assert_eq!(played.bytes(), init.bytes());
        // One moof for each track: the track that starts first starts at zero.
        assert_eq!(starts.iter().take(init.tracks().len()).min(), Some(&0));
    }
    let totals = summary(&fs).totals();
    assert_eq!((totals.records, totals.gaps), (fragments.len() as u64, 0));
}

#[test]
fn one_file_keeps_the_distances_in_time_between_its_fragments() {
    let mut script = Script::new(0);
    film(&mut script, CAMERA, Continuity::Continuous);
    let fs = SimFs::new(Path::new(ROOT));
    archive(&fs, &script, 1 << 30).unwrap();
    let files = films(&fs);
    let [file] = files.values().collect::<Vec<_>>()[..] else {
        panic!("{} files instead of one", files.len());
    };
    let (_, starts, media) = play(file);
    let (_, fragments) = split(CAMERA);
    let first = fragments[0].tracks().next().unwrap().base_decode_time;
    let mut expected: Vec<u64> = fragments
        .iter()
        .map(|f| f.tracks().next().unwrap().base_decode_time - first)
        .collect();
    // A stored fragment has a moof for each track: only the first track's starts are compared.
    expected.retain(|start| starts.contains(start));
    assert_eq!(expected.len(), fragments.len());
    let (_, _, original) = play(CAMERA);
    assert!(media.len() >= original.len() / 2);
}

#[test]
fn a_new_init_and_a_discontinuity_start_a_new_file() {
    let mut script = Script::new(0);
    film(&mut script, CAMERA, Continuity::Continuous);
    film(&mut script, CAMERA, Continuity::Discontinuous);
    film(&mut script, OTHER, Continuity::Continuous);
    let fs = SimFs::new(Path::new(ROOT));
    archive(&fs, &script, 1 << 30).unwrap();
    let inits: Vec<_> = films(&fs).values().map(|file| play(file).0.id()).collect();
    let (camera, other) = (split(CAMERA).0.id(), split(OTHER).0.id());
    assert_eq!(inits, [camera, camera, other]);
}

#[test]
fn a_crash_at_any_operation_loses_and_repeats_no_fragment() {
    let mut script = Script::new(0);
    film(&mut script, CAMERA, Continuity::Continuous);
    film(&mut script, OTHER, Continuity::Continuous);
    for at in 1.. {
        let fs = SimFs::new(Path::new(ROOT));
        fs.fail(at, Failure::Crash);
        if archive(&fs, &script, 20_000).is_ok() {
            assert!(at > 50, "only {at} operations were tried");
            return;
        }
        for again in [fs.kill(), fs.power_cut(at)] {
            archive(&again, &script, 20_000).unwrap();
            let state = summary(&again);
            let shard = &state.shards[0];
            assert_eq!(shard.shard, ShardId::new(0));
            assert_eq!(shard.end, script.end(), "crash at {at}");
            assert_eq!(shard.totals.records, script.end().get(), "crash at {at}");
            assert!(shard.closed && shard.gaps.is_empty() && shard.unlisted.is_empty());
            films(&again).values().for_each(|file| drop(play(file)));
        }
    }
}
