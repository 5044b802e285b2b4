//! What it costs to take an upload in Matroska apart, to store it, and to write it in each form that it
//! is given out in: Matroska, segments and parts of fragmented MP4, MPEG-TS, a clip.
//!
//! Beside it stands one copy of the same bytes, which cannot be avoided where the log is written.
//! Times are the shortest of many runs, so that other programs disturb them little.
//!
//! `cargo bench -p afflux-media --bench matroska`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench prints, and fails loudly"
)]

use std::hint::black_box;
use std::time::Duration;

use afflux_media::mkv::{Assembled, Assembler, Scanner, Settings, Writer};
use afflux_media::{Clip, Continuity, Facts, Init, Limits, StoredFragment, part, segment, ts};
use afflux_types::{Clock, ProducerTime};
use bytes::Bytes;

const RUNS: u32 = 200;
/// Bytes of a chunk of an HTTP body, as the producer SDK for C sends them.
const CHUNK_BYTES: usize = 65_524;

const UPLOADS: &[(&str, &[u8])] = &[
    (
        "C producer, H.264 at 3 Mbit/s and AAC",
        include_bytes!("../../../fixtures/kvs/producer-c-av.mkv"),
    ),
    (
        "kvssink, H.264 at 1.5 Mbit/s",
        include_bytes!("../../../fixtures/kvs/kvssink.mkv"),
    ),
    (
        "C producer, frames of 1.5 KiB",
        include_bytes!("../../../fixtures/kvs/producer-c-offline.mkv"),
    ),
];

fn shortest(clock: &Clock, mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = clock.elapsed();
        run();
        best = best.min(clock.elapsed().saturating_sub(start));
    }
    best
}

fn report(name: &str, took: Duration, bytes: usize) {
    let seconds = took.as_secs_f64();
    let gigabytes = bytes as f64 / seconds / 1e9;
    println!("  {name:32} {:9.1} us {gigabytes:8.2} GB/s", seconds * 1e6);
}

fn facts() -> Facts {
    Facts {
        session_id: 1,
        sequence: 0,
        producer_time: ProducerTime::from_millis(0),
        continuity: Continuity::Continuous,
        tags: Vec::new(),
    }
}

/// The fragments of an upload, each as the pieces of a log entry.
fn assemble(chunks: &[Bytes]) -> Vec<(Init, Vec<Bytes>)> {
    let mut assembler = Assembler::new(Settings::default());
    let mut fragments = Vec::new();
    let mut drain = |assembler: &mut Assembler| {
        while let Some(assembled) = assembler.poll().unwrap() {
            if let Assembled::Finished(assembly) = assembled {
                fragments.push((assembly.init, assembly.fragment.encode(&facts()).unwrap()));
            }
        }
    };
    for chunk in chunks {
        assembler.push(chunk.clone());
        drain(&mut assembler);
    }
    assembler.finish().unwrap();
    drain(&mut assembler);
    fragments
}

fn main() {
    let clock = Clock::system();
    for (name, input) in UPLOADS {
        println!("{name}, {} bytes", input.len());
        let chunks: Vec<Bytes> = input.chunks(CHUNK_BYTES).map(Bytes::from_static).collect();
        let took = shortest(&clock, || drop(black_box(chunks.concat())));
        report("one copy", took, input.len());
        let took = shortest(&clock, || {
            let mut scanner = Scanner::new(Limits::default());
            for chunk in &chunks {
                scanner.push(chunk.clone());
                while let Some(event) = scanner.poll().unwrap() {
                    black_box(event);
                }
            }
            scanner.finish().unwrap();
        });
        report("scan", took, input.len());
        let took = shortest(&clock, || drop(black_box(assemble(&chunks))));
        report("scan, assemble, encode", took, input.len());

        let stored = assemble(&chunks).into_iter().map(|(init, pieces)| {
            let stored = StoredFragment::decode(pieces.concat().into()).unwrap();
            (init, stored)
        });
        let stored: Vec<(Init, StoredFragment)> = stored.collect();
        write(&clock, &stored, input.len());
    }
}

/// Writes stored fragments in each form.
fn write(clock: &Clock, stored: &[(Init, StoredFragment)], bytes: usize) {
    let limits = Limits::default();
    let measure = |name, each: &dyn Fn(&Init, &StoredFragment)| {
        let took = shortest(clock, || {
            for (init, fragment) in stored {
                each(init, fragment);
            }
        });
        report(name, took, bytes);
    };
    measure("write as Matroska", &|init, fragment| {
        let writer = Writer::new(init, &limits);
        black_box(writer.cluster(fragment).unwrap());
    });
    measure("write as segments, fMP4", &|_, fragment| {
        for track in fragment.tracks() {
            black_box(segment::media(&track, 0, 1).unwrap());
        }
    });
    measure("write as parts of 0.5 s, fMP4", &|_, fragment| {
        for track in fragment.tracks() {
            let half = u64::from(track.meta().timescale) / 2;
            for one in part::cut(&track, half, &limits).unwrap() {
                black_box(part::media(&track, &one, 0, 1).unwrap());
            }
        }
    });
    // One upload has no private data of its codec, without which there is no transport stream.
    if stored.iter().all(|(init, _)| ts::Plan::of(init).is_ok()) {
        measure("write as segments, MPEG-TS", &|init, fragment| {
            let plan = ts::Plan::of(init).unwrap().unwrap();
            for piece in plan.segment(fragment, 0, &limits).unwrap() {
                black_box(piece.unwrap());
            }
        });
    }
    let took = shortest(clock, || {
        let (init, _) = stored.first().unwrap();
        let mut clip = Clip::builder(init.clone());
        for (init, fragment) in stored {
            assert!(clip.accept(init));
            clip.push(fragment).unwrap();
        }
        black_box(clip.finish().unwrap());
    });
    report("write as a clip", took, bytes);
}
