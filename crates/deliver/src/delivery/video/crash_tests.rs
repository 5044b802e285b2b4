//! Ends a delivery of video at every operation on the disk, and goes on: each fragment must be in one object,
//! once, and each object in one playlist, which names nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use afflux_entry::Kind;
use afflux_media::{Continuity, Event, Facts, Fragment, Init, Limits, Splitter, StoredFragment};
use afflux_types::{ProducerTime, ServerTime};
use bytes::Bytes;

use crate::delivery::batch::Memory;
use crate::delivery::crash_tests::{DATA, MEMORY, NO_MEMORY, OBJECTS, new_disk, now, publish};
use crate::delivery::settings::{DeliverySettings, DeliverySource, ObjectSettings, Place, Start};
use crate::delivery::spool::Spool;
use crate::delivery::state::State;
use crate::delivery::taken::Slice;
use crate::delivery::video::Film;
use crate::delivery::work::{Ending, Plan, Stop, Work};
use crate::fault::Result;
use crate::fs::sim::{Failure, SimFs};
use crate::testing::film::{CAMERA, OTHER, split};
use crate::testing::script::Script;

/// Six seconds before eleven o'clock.
const START: i64 = 1_795_258_794_000;
/// When uploads of three seconds begin, after that: the second follows the first, the third begins in the
/// next hour, and before the fourth is a gap.
const UPLOADS: [i64; 4] = [0, 3_000, 6_000, 15_000];

/// Of a fragment of an upload that begins `after` the start.
pub(super) fn facts(upload: usize, after: i64) -> Facts {
    Facts {
        session_id: u128::try_from(upload).unwrap(),
        sequence: 0,
        producer_time: ProducerTime::from_millis(START + after),
        continuity: Continuity::Continuous,
        tags: Vec::new(),
    }
}

fn script() -> Script {
    let mut script = Script::new(0);
    let uploads = UPLOADS.iter().map(|after| (CAMERA, *after));
    for (session, (input, after)) in uploads.chain([(OTHER, 18_000)]).enumerate() {
        let (init, fragments) = split(input);
        let arrival = |number: i64| ServerTime::from_millis(START + after + number * 1_000);
        // As in a log, where such entries stand between the others.
        script.push(Kind::Marker, 0, arrival(0), &[Bytes::new()], Vec::new());
        script.push(Kind::Init, 0, arrival(0), &init.encode(), Vec::new());
        for (number, fragment) in (0..).zip(&fragments) {
            let facts = facts(session, after + number * 1_000);
            let body = fragment.encode(&facts).unwrap();
            script.push(Kind::Fragment, 1, arrival(number), &body, Vec::new());
            script.push(
                Kind::Marker,
                0,
                arrival(number),
                &[Bytes::new()],
                Vec::new(),
            );
        }
    }
    script
}

/// A camera's stream into a directory.
pub(super) fn settings() -> DeliverySettings {
    let source = DeliverySource::Stream {
        name: "door".into(),
        from: Start::TrimHorizon,
        until: None,
    };
    let objects = ObjectSettings::new(Place::Directory(OBJECTS.into()));
    DeliverySettings::new(source, objects)
}

fn plan() -> Plan {
    Plan {
        name: "cam".into(),
        id: 7,
        version: 1,
        settings: settings(),
    }
}

/// Delivers the script from where it stands, in slices of three entries, a batch for each.
fn run(fs: &SimFs, state: &mut State, script: &Script, memory: usize) -> Result<()> {
    let spool = Spool::new(Arc::new(fs.clone()), Path::new(DATA), 7);
    if let Some(intent) = spool.open(Path::new(DATA), state.batches)? {
        publish(&spool, state, intent)?;
    }
    let files = (spool.clone(), Film::open(&spool, state.batches)?);
    let mut work = Work::new(plan(), files, Memory::new(memory), state).unwrap();
    let next = state.places.next(script.shard);
    // As a log does, without what is before the place to go on.
    let entries = script.entries.iter().filter(|entry| entry.end > next);
    let entries: Vec<&[u8]> = entries.map(|entry| &entry.bytes[..]).collect();
    for entries in entries.chunks(3) {
        let mut slice = Slice::new(script.shard, entries.concat().into());
        while let Some(stop) = work.take_all(&mut slice, Ending::Allowed, now())? {
            match stop {
                Stop::BatchEnds => publish(
                    &spool,
                    state,
                    work.seal().write(ServerTime::default(), None)?,
                )?,
                Stop::NeedsNumber(hour, number) => {
                    let is_free = |number: &u32| {
                        let path = Path::new(OBJECTS).join(hour.playlist(*number));
                        !fs.dump().contains_key(&path)
                    };
                    let number = (number..).find(is_free).unwrap();
                    work.learn_number(hour, number);
                }
                Stop::NeedsInit(_, id) => {
                    let mut inits = [CAMERA, OTHER].map(|input| split(input).0).into_iter();
                    work.learn_init(inits.find(|init| init.id() == id).unwrap())?;
                }
            }
        }
        if !work.batch().is_empty() {
            publish(
                &spool,
                state,
                work.seal().write(ServerTime::default(), None)?,
            )?;
        }
    }
    Ok(())
}

/// What some MP4 holds.
#[derive(Debug)]
struct Seen {
    init: Init,
    /// When the pictures of each fragment are decoded.
    times: Vec<u64>,
    /// The samples of each track.
    samples: BTreeMap<u32, Vec<u8>>,
}

fn see(mp4: &[u8]) -> Seen {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(Bytes::copy_from_slice(mp4));
    let (mut init, mut times, mut pieces) = (None::<Init>, Vec::new(), Vec::new());
    let mut samples: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    while let Some(event) = splitter.poll().unwrap() {
        match event {
            Event::Init(found) => init = Some(found),
            Event::Started(started) => {
                pieces.clear();
                let pictures = started.tracks.iter().filter(|track| track.track_id == 1);
                times.extend(pictures.map(|track| track.base_decode_time));
            }
            Event::Data(data) => pieces.push(data),
            Event::Finished { .. } => {
                let (init, pieces) = (init.as_ref().unwrap(), std::mem::take(&mut pieces));
                let fragment = Fragment::parse(init, pieces, &Limits::default()).unwrap();
                let stored = fragment.encode(&facts(0, 0)).unwrap().concat();
                for track in StoredFragment::decode(stored.into()).unwrap().tracks() {
                    let all = samples.entry(track.meta().track_id).or_default();
                    all.extend_from_slice(&track.data());
                }
            }
        }
    }
    splitter.finish().unwrap();
    let init = init.unwrap();
    Seen {
        init,
        times,
        samples,
    }
}

static FILMS: LazyLock<[Seen; 2]> = LazyLock::new(|| [CAMERA, OTHER].map(see));

/// The bytes of every playlist's media, by its name, each behind its init. Asserts that each object is in one
/// playlist, whole, and that nothing else is there.
fn played(fs: &SimFs, what: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (path, bytes) in fs.dump() {
        match path.strip_prefix(OBJECTS) {
            Ok(key) => drop(files.insert(key.to_str().unwrap().to_owned(), bytes)),
            Err(_) => {
                let name = path.file_name().unwrap().to_str().unwrap();
                let is_kept = name == "init" || name.ends_with(".reel");
                assert!(is_kept, "{what}: {name} is left");
            }
        }
    }
    let mut played = BTreeMap::new();
    let (lists, mut objects): (BTreeMap<_, _>, BTreeMap<_, _>) = files
        .into_iter()
        .partition(|(key, _)| key.ends_with(".m3u8"));
    for (key, text) in lists {
        let text = String::from_utf8(text).unwrap();
        let directory = key.rsplit_once('/').unwrap().0;
        let (mut media, mut at, mut range) = (Vec::new(), BTreeMap::new(), None);
        for line in text.lines() {
            let cut = |range: &str| {
                let (bytes, offset) = range.split_once('@').unwrap();
                let (bytes, offset): (usize, usize) =
                    (bytes.parse().unwrap(), offset.parse().unwrap());
                offset..offset + bytes
            };
            let object = |name: &str| {
                let key = format!("{directory}/{name}");
                assert!(
                    objects.contains_key(&key),
                    "{what}: {key} is named and not there"
                );
                key
            };
            if let Some(map) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
                let (name, rest) = map.split_once("\",BYTERANGE=\"").unwrap();
                let range = cut(rest.strip_suffix('"').unwrap());
                media.extend_from_slice(&objects[&object(name)][range]);
            } else if let Some(bytes) = line.strip_prefix("#EXT-X-BYTERANGE:") {
                range = Some(cut(bytes));
            } else if !line.starts_with('#') {
                let (key, range) = (object(line), range.take().unwrap());
                let init = || see(&objects[&key]).init.media_bytes().len();
                let end = at.entry(key.clone()).or_insert_with(init);
                assert_eq!(*end, range.start, "{what}: {key}");
                *end = range.end;
                media.extend_from_slice(&objects[&key][range]);
            }
        }
        for (key, end) in at {
            let object = objects.remove(&key).unwrap();
            assert_eq!(end, object.len(), "{what}: {key}");
        }
        played.insert(key, media);
    }
    let left: Vec<&String> = objects.keys().collect();
    assert!(left.is_empty(), "{what}: {left:?} are in no playlist");
    played
}

fn check(fs: &SimFs, state: &State, what: &str) {
    let played = played(fs, what);
    let keys: Vec<&str> = played.keys().map(String::as_str).collect();
    let [camera, other] = &*FILMS;
    let expected = [
        ("2026/11/21/10/cam-2026-11-21-10.m3u8", vec![camera, camera]),
        ("2026/11/21/11/cam-2026-11-21-11-2.m3u8", vec![other]),
        ("2026/11/21/11/cam-2026-11-21-11.m3u8", vec![camera, camera]),
    ];
    assert_eq!(keys, expected.clone().map(|(key, _)| key), "{what}");
    for (key, films) in expected {
        let seen = see(&played[key]);
        assert_eq!(seen.init.id(), films[0].init.id(), "{what}");
        let times = &seen.times;
        let is_sorted = times.is_sorted_by(|a, b| a < b);
        assert!(is_sorted && times[0] == 0, "{what}: {key} {times:?}");
        let mut samples: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (track, data) in films.iter().flat_map(|film| &film.samples) {
            samples.entry(*track).or_default().extend(data);
        }
        assert!(seen.samples == samples, "{what}: {key} has other samples");
    }
    let fragments = 4 * camera.times.len() + other.times.len();
    let fragments = u64::try_from(fragments).unwrap();
    assert_eq!(state.totals.records, fragments, "{what}");
    let objects = fs.dump().into_keys();
    let objects = objects.filter(|path| path.extension().is_some_and(|end| end == "mp4"));
    assert_eq!(
        state.totals.objects,
        u64::try_from(objects.count()).unwrap()
    );
    let last = state.last_object.as_ref().unwrap();
    assert!(last.key.ends_with(".mp4"), "{what}: {}", last.key);
}

#[test]
fn an_undisturbed_delivery_has_every_fragment_in_the_playlist_of_its_hour() {
    for memory in [MEMORY, NO_MEMORY] {
        let (fs, mut state) = (new_disk(), State::default());
        run(&fs, &mut state, &script(), memory).unwrap();
        check(&fs, &state, "undisturbed");
        let lists = fs.dump();
        let key = Path::new(OBJECTS).join("2026/11/21/11/cam-2026-11-21-11.m3u8");
        let text = std::str::from_utf8(&lists[&key]).unwrap();
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    }
}

#[test]
fn a_kill_or_a_power_cut_at_any_operation_loses_and_repeats_no_fragment() {
    let script = script();
    for memory in [MEMORY, NO_MEMORY] {
        for at in 1.. {
            let (fs, mut state) = (new_disk(), State::default());
            fs.fail(at, Failure::Crash);
            let done = run(&fs, &mut state, &script, memory).is_ok();
            let kill = fs.kill();
            let cuts = (0..2).map(|seed| fs.power_cut(at.wrapping_mul(31) + seed));
            for (number, fs) in [kill].into_iter().chain(cuts).enumerate() {
                let what = format!("operation {at}, end {number}");
                let mut state = state.clone();
                run(&fs, &mut state, &script, memory)
                    .unwrap_or_else(|fault| panic!("{what}: {fault}"));
                check(&fs, &state, &what);
            }
            if done {
                assert!(at > 100, "only {at} operations");
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_at_any_operation_is_an_error_and_then_video_goes_on() {
    let script = script();
    for at in 1.. {
        let (fs, mut state) = (new_disk(), State::default());
        fs.fail(at, Failure::FullUntilFreed);
        let done = run(&fs, &mut state, &script, MEMORY).is_ok();
        fs.free();
        run(&fs, &mut state, &script, MEMORY).unwrap();
        check(&fs, &state, &format!("operation {at}"));
        if done {
            break;
        }
    }
}
