//! Ends a delivery at every operation on the disk, and goes on: each record must be in one object, once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use afflux_transform::{Column, Compression, Conversion, Processor};
use afflux_types::{ServerTime, ShardId};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::batch::Memory;
use super::complete::in_order;
use super::endpoint::{EndpointSettings, GivenUp, Receiver, Refusal, records};
use super::publish::{place, read, sync};
use super::settings::{DeliverySettings, DeliverySource, ObjectSettings, Place, Start};
use super::spool::{Intent, Spool};
use super::state::State;
use super::taken::Slice;
use super::verify::{DeliveredRecord, Records, VerifiedDelivery, verify_in};
use super::video::Film;
use super::work::{Ending, Moment, Plan, Work};
use crate::fault::Result;
use crate::fs::FileSystem as _;
use crate::fs::sim::{Failure, SimFs};
use crate::testing::script::Script;

pub(super) const DATA: &str = "/data";
pub(super) const OBJECTS: &str = "/objects";
const START: i64 = 1_795_255_200_000;
/// So small that every part goes to the disk before it is complete.
pub(super) const NO_MEMORY: usize = 1;
pub(super) const MEMORY: usize = 1 << 20;
static ATTEMPTS: AtomicU32 = AtomicU32::new(1_000_000_000);

fn scripts() -> Vec<Script> {
    let shard = |index: u32| {
        (0..6).fold(Script::new(index), |script, batch| {
            let payloads: Vec<String> = (0..3)
                .map(|record| {
                    let camera = record % 2;
                    // Of every third it is too long for a column.
                    let more = if record == 2 { "!" } else { "" };
                    format!(r#"{{"camera":{camera},"text":"{index} {batch} {record}{more}"}}"#)
                })
                .collect();
            let payloads: Vec<&[u8]> = payloads.iter().map(String::as_bytes).collect();
            script.batch(START + batch * 1_000, &payloads)
        })
    };
    vec![shard(0), shard(1)]
}

/// Every payload of the scripts, sorted.
fn expected(scripts: &[Script]) -> Vec<String> {
    let records = scripts.iter().flat_map(Script::records);
    let mut lines: Vec<String> = records
        .map(|record| payload(std::str::from_utf8(&record.data).unwrap()))
        .collect();
    lines.sort();
    lines
}

/// A data stream's records as lines, into a directory.
pub(super) fn to_directory() -> DeliverySettings {
    let source = DeliverySource::Stream {
        name: "clicks".into(),
        from: Start::TrimHorizon,
        until: None,
    };
    let objects = ObjectSettings {
        compression: Compression::None,
        ..ObjectSettings::new(Place::Directory(OBJECTS.into()))
    };
    DeliverySettings {
        processors: vec![Processor::AppendDelimiter(b"\n".to_vec())],
        ..DeliverySettings::new(source, objects)
    }
}

fn plan(case: Case) -> Plan {
    let mut settings = to_directory();
    // The objects of requests that nobody takes are not known when the batch is complete.
    settings.manifests = case.form != Form::Refused;
    settings.enveloped = case.form == Form::Enveloped;
    if case.form == Form::Refused {
        let url = "https://collector.example.com";
        let endpoint = EndpointSettings::new(url.into());
        settings.receiver = Some(Receiver::Http(endpoint));
    }
    if case.form == Form::Converted {
        let column = |name: &str, kind: &str| Column {
            name: name.into(),
            kind: kind.into(),
        };
        // As long as all texts but every third.
        let columns = vec![column("camera", "int"), column("text", "varchar(5)")];
        settings.conversion = Some(Conversion::new(columns));
    }
    if case.partitioned {
        settings.partitioned = true;
        settings.processors.push(Processor::MetadataExtraction {
            query: "{camera: .camera}".into(),
        });
        settings.objects.prefix = "camera-!{partitionKeyFromQuery:camera}/".into();
        settings.objects.error_prefix = "failed/".into();
    }
    Plan {
        name: "archive".into(),
        id: 7,
        version: 1,
        settings,
    }
}

/// One case of a run.
#[derive(Clone, Copy, Debug)]
struct Case {
    partitioned: bool,
    form: Form,
    memory: usize,
}

/// What objects are made of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    /// Lines that say where they come from.
    Enveloped,
    /// Those of requests that nobody takes.
    Refused,
    /// Parquet files, which have no place for some of the records.
    Converted,
}

const PLAIN: Case = Case {
    partitioned: false,
    form: Form::Plain,
    memory: MEMORY,
};

const CASES: [Case; 9] = [
    PLAIN,
    Case {
        form: Form::Enveloped,
        ..PLAIN
    },
    Case {
        form: Form::Enveloped,
        partitioned: true,
        memory: NO_MEMORY,
    },
    Case {
        partitioned: true,
        ..PLAIN
    },
    Case {
        partitioned: true,
        memory: NO_MEMORY,
        ..PLAIN
    },
    Case {
        form: Form::Refused,
        ..PLAIN
    },
    Case {
        form: Form::Converted,
        ..PLAIN
    },
    Case {
        form: Form::Converted,
        memory: NO_MEMORY,
        ..PLAIN
    },
    Case {
        form: Form::Converted,
        partitioned: true,
        ..PLAIN
    },
];

pub(super) fn publish(spool: &Spool, state: &mut State, mut intent: Intent) -> Result<()> {
    for index in 0..intent.objects.len() {
        let object = &intent.objects[index];
        if let Some(request) = object.request.clone() {
            let frames = Bytes::from(read(spool, object)?);
            let refusal = Arc::new(Refusal {
                code: "".into(),
                message: String::new(),
                is_final: true,
            });
            // Which is another one at every attempt.
            let attempts = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
            let given_up = records(frames.clone()).map(|record| GivenUp {
                ordinal: record.ordinal,
                refusal: Arc::clone(&refusal),
                attempts,
            });
            let given_up: Vec<_> = given_up.collect();
            let lines = request.lines(frames, &given_up, ServerTime::default());
            let form = (Compression::None, request.object_id);
            spool.give_up(&mut intent, index, form, &lines)?;
        }
    }
    for objects in in_order(intent.objects.clone()) {
        let mut directories = BTreeSet::new();
        for object in &objects {
            directories.insert(place(spool, Path::new(OBJECTS), object)?);
        }
        sync(&*spool.fs, &directories)?;
    }
    // The engine's settings change at once, or not at all.
    *state = state.clone().after(&intent, ServerTime::default());
    spool.forget(&intent)
}

/// Delivers the scripts from where they stand, a batch for every second slice.
fn run(fs: &SimFs, state: &mut State, scripts: &[Script], case: Case) -> Result<()> {
    let spool = Spool::new(Arc::new(fs.clone()), Path::new(DATA), 7);
    let spool = spool.digesting(plan(case).settings.manifests);
    if let Some(intent) = spool.open(Path::new(DATA), state.batches)? {
        publish(&spool, state, intent)?;
    }
    let memory = Memory::new(case.memory);
    let files = (spool.clone(), Film::open(&spool, state.batches)?);
    let work = Work::new(plan(case), files, memory, state);
    let mut work = work.unwrap();
    let slices = scripts.iter().flat_map(|script| {
        let slices = script.slices(state.places.next(script.shard));
        slices.into_iter().map(|slice| (script.shard, slice))
    });
    let mut slices: Vec<(ShardId, _)> = slices.collect();
    slices.sort_by_key(|(shard, _)| shard.get() % 2);
    for (index, (shard, slice)) in slices.iter().enumerate() {
        let mut slice = Slice::new(*shard, slice.clone());
        assert_eq!(work.take_all(&mut slice, Ending::Allowed, now())?, None);
        if index % 2 == 1 {
            publish(
                &spool,
                state,
                work.seal().write(ServerTime::default(), None)?,
            )?;
        }
    }
    if !work.batch().is_empty() {
        publish(
            &spool,
            state,
            work.seal().write(ServerTime::default(), None)?,
        )?;
    }
    Ok(())
}

pub(super) fn now() -> Moment {
    Moment {
        elapsed: Duration::ZERO,
        wall: ServerTime::default(),
    }
}

pub(super) fn new_disk() -> SimFs {
    let fs = SimFs::new(Path::new(OBJECTS));
    fs.mount(Path::new(DATA));
    fs
}

/// What the manifests say, which is true at every moment; none if there is none yet.
fn verified(fs: &SimFs, what: &str) -> Option<VerifiedDelivery> {
    if fs.list(&Path::new(OBJECTS).join("_manifests")).is_err() {
        return None;
    }
    let verified = verify_in(fs, Path::new(OBJECTS));
    let mut verified = verified.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert!(verified.len() <= 1, "{what}: {verified:?}");
    verified.pop()
}

/// Asserts that manifests account for all records, and that envelopes hold what the scripts say.
fn check_manifests(fs: &SimFs, scripts: &[Script], case: Case, what: &str) {
    let Some(verified) = verified(fs, what) else {
        return assert_eq!(case.form, Form::Refused, "{what}: no manifests");
    };
    let ends = verified.shards.values().map(|shard| (shard.from, shard.to));
    let ends: Vec<_> = ends.map(|(from, to)| (from.get(), to.get())).collect();
    assert_eq!(ends, [(0, 18), (0, 18)], "{what}");
    assert_eq!((verified.records, verified.first_batch), (36, 1), "{what}");
    if case.form == Form::Enveloped {
        let found = Records::open(Arc::new(fs.clone()), Path::new(OBJECTS)).unwrap();
        let mut found: Vec<_> = found.map(|record| record.unwrap()).collect();
        found.sort_by_key(|record| record.sequence_number);
        let expected = scripts.iter().flat_map(Script::records);
        let expected = expected.map(|record| DeliveredRecord {
            data: [&record.data[..], b"\n"].concat().into(),
            ..record
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{what}");
    }
}

/// Every line of every object, sorted.
fn delivered(fs: &SimFs, what: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, bytes) in fs.dump() {
        if path.starts_with("/objects/_manifests") {
            continue;
        }
        assert!(
            path.starts_with(OBJECTS),
            "{what}: {} is left",
            path.display()
        );
        let text = match path.extension() {
            Some(extension) if extension == "parquet" => rows(bytes),
            _ => String::from_utf8(bytes).unwrap(),
        };
        lines.extend(text.lines().map(payload));
    }
    lines.sort();
    lines
}

/// A line for each row of a Parquet file.
fn rows(file: Vec<u8>) -> String {
    let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| format!("{}\n", row.unwrap().to_json_value()))
        .collect()
}

/// What a line of an object has, or of an error object.
fn payload(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let raw = match (line.get("rawData"), line.get("data")) {
        (Some(raw), _) => BASE64_STANDARD.decode(raw.as_str().unwrap()).unwrap(),
        (None, Some(data)) => data.as_str().unwrap().into(),
        (None, None) => return line.to_string(),
    };
    let raw: serde_json::Value = serde_json::from_slice(&raw).unwrap();
    raw.to_string()
}

#[test]
fn an_undisturbed_delivery_writes_every_record_once() {
    for case in CASES {
        let (fs, mut state) = (new_disk(), State::default());
        run(&fs, &mut state, &scripts(), case).unwrap();
        assert_eq!(
            delivered(&fs, "undisturbed"),
            expected(&scripts()),
            "{case:?}"
        );
        check_manifests(&fs, &scripts(), case, "undisturbed");
        assert_eq!(state.totals.records, 36);
        let failed = u64::from(case.form == Form::Converted) * 12;
        assert_eq!(state.totals.failed, failed, "{case:?}");
        let cameras = fs.dump().into_keys();
        let cameras = cameras.filter(|path| path.starts_with("/objects/camera-1"));
        assert_eq!(cameras.count() > 0, case.partitioned);
    }
}

#[test]
fn a_kill_or_a_power_cut_at_any_operation_loses_and_repeats_nothing() {
    let scripts = scripts();
    for case in CASES {
        for at in 1.. {
            let (fs, mut state) = (new_disk(), State::default());
            fs.fail(at, Failure::Crash);
            let done = run(&fs, &mut state, &scripts, case).is_ok();
            let kill = fs.kill();
            let cuts = (0..4).map(|seed| fs.power_cut(at.wrapping_mul(31) + seed));
            for (number, fs) in [kill].into_iter().chain(cuts).enumerate() {
                let what = format!("{case:?}, operation {at}, end {number}");
                verified(&fs, &what);
                let mut state = state.clone();
                run(&fs, &mut state, &scripts, case)
                    .unwrap_or_else(|fault| panic!("{what}: {fault}"));
                assert_eq!(delivered(&fs, &what), expected(&scripts), "{what}");
                check_manifests(&fs, &scripts, case, &what);
                assert_eq!(state.totals.records, 36, "{what}");
            }
            if done {
                assert!(at > 40, "only {at} operations");
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_at_any_operation_is_an_error_and_then_goes_on() {
    let scripts = scripts();
    for case in CASES {
        for at in 1.. {
            let (fs, mut state) = (new_disk(), State::default());
            fs.fail(at, Failure::FullUntilFreed);
            let done = run(&fs, &mut state, &scripts, case).is_ok();
            fs.free();
            run(&fs, &mut state, &scripts, case).unwrap();
            let what = format!("{case:?}, operation {at}");
            assert_eq!(delivered(&fs, &what), expected(&scripts), "{what}");
            if done {
                break;
            }
        }
    }
}
