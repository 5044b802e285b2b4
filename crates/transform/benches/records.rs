//! What records cost on their way to an object: taken apart, partitioned by a query, compressed.
//!
//! Beside it stands one copy of the same bytes, which is the least that a step can cost. Times are the shortest
//! of many runs, so that other programs disturb them little.
//!
//! `cargo bench -p afflux-transform --bench records`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench prints, and fails loudly"
)]

use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use afflux_transform::{
    Compression, Encoder, Origin, Processor, Record, RecordFormat, Steps, SubRecords,
};
use afflux_types::{Clock, Position, ServerTime, ShardId};
use bytes::Bytes;

const RUNS: u32 = 30;
/// Objects in one payload, and payloads.
const OBJECTS: usize = 400;
const PAYLOADS: usize = 10;

const COMPRESSIONS: [Compression; 6] = [
    Compression::None,
    Compression::Gzip,
    Compression::Zip,
    Compression::Snappy,
    Compression::HadoopSnappy,
    Compression::Zstd,
];

/// The record of Firehose's documentation, on one line.
fn object(number: usize) -> String {
    let time = 1_565_382_027 + number * 17;
    let device = ["mobile", "desktop", "tablet"][number % 3];
    format!(
        "{{\"type\":{{\"device\":\"{device}\",\"event\":\"user_clicked_submit_button\"}},\
         \"customer_id\":\"{}\",\"event_timestamp\":{time},\"region\":\"sample_region\"}}\n",
        1_234_567_890 + number % 97
    )
}

fn payload(payload: usize) -> Bytes {
    let numbers = payload * OBJECTS..(payload + 1) * OBJECTS;
    numbers.map(object).collect::<String>().into()
}

fn gzip(plain: &Bytes) -> Bytes {
    let mut encoder = Encoder::new(Compression::Gzip, Vec::new(), [0; 16]).unwrap();
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap().into()
}

fn record(data: Bytes) -> Record {
    let origin = Origin {
        shard: ShardId::new(0),
        position: Position::new(0),
        sub_sequence: None,
    };
    Record::new(data, ServerTime::from_millis(0), origin, None)
}

fn shortest(clock: &Clock, mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = clock.elapsed();
        run();
        best = best.min(clock.elapsed().saturating_sub(start));
    }
    best
}

fn report(name: &str, took: Duration, bytes: usize, records: usize) {
    let seconds = took.as_secs_f64();
    let megabytes = bytes as f64 / seconds / 1e6;
    let each = seconds * 1e9 / records as f64;
    println!("  {name:40} {megabytes:9.1} MB/s {each:9.0} ns a record");
}

fn query(text: &str) -> Processor {
    Processor::MetadataExtraction {
        query: text.to_owned(),
    }
}

fn main() {
    let clock = Clock::system();
    let payloads: Vec<Bytes> = (0..PAYLOADS).map(payload).collect();
    let bytes = payloads.iter().map(Bytes::len).sum();
    let records = OBJECTS * PAYLOADS;
    println!("{bytes} bytes in {records} records:");
    let copy = shortest(&clock, || {
        for payload in &payloads {
            black_box(payload.to_vec());
        }
    });
    report("one copy", copy, bytes, records);

    let before = |name: &str, processors: &[Processor], payloads: &[Bytes]| {
        let steps = Steps::compile(processors).unwrap();
        let mut out = Vec::new();
        let took = shortest(&clock, || {
            out.clear();
            for payload in payloads {
                steps.before(record(payload.clone()), &mut out, &mut Vec::new());
            }
            black_box(&out);
        });
        report(name, took, bytes, records);
        out
    };
    let parts = before(
        "apart by objects",
        &[Processor::DeAggregation(SubRecords::Json)],
        &payloads,
    );
    assert_eq!(parts.len(), records);
    let lines = SubRecords::Delimited(b"\n".to_vec());
    before(
        "apart by lines",
        &[Processor::DeAggregation(lines)],
        &payloads,
    );
    let packed: Vec<Bytes> = payloads.iter().map(gzip).collect();
    let unpack = [Processor::Decompression(RecordFormat::Gzip)];
    before("decompressed", &unpack, &packed);

    behind_the_transformer(&clock, &parts, bytes);
    for compression in COMPRESSIONS {
        let mut out = Vec::with_capacity(bytes * 2);
        let took = shortest(&clock, || {
            out.clear();
            let mut encoder = Encoder::new(compression, &mut out, [0; 16]).unwrap();
            for part in &parts {
                encoder.write_all(&part.data).unwrap();
            }
            encoder.finish().unwrap();
        });
        report(&format!("{compression:?}"), took, bytes, records);
    }
}

/// The steps that follow the transformer.
fn behind_the_transformer(clock: &Clock, parts: &[Record], bytes: usize) {
    for (name, processor) in [
        ("delimiter", Processor::AppendDelimiter(b"\n".to_vec())),
        ("query {a: .customer_id}", query("{a: .customer_id}")),
        (
            "query of the documentation",
            query(
                "{customer_id:.customer_id,device:.type.device,\
                 year:.event_timestamp|strftime(\"%Y\"),month:.event_timestamp|strftime(\"%m\"),\
                 day:.event_timestamp|strftime(\"%d\"),hour:.event_timestamp|strftime(\"%H\")}",
            ),
        ),
    ] {
        let steps = Steps::compile(&[processor]).unwrap();
        let mut failed = Vec::new();
        let took = shortest(clock, || {
            for part in parts {
                black_box(steps.after(part.clone(), &mut failed));
            }
        });
        assert!(failed.is_empty());
        report(name, took, bytes, parts.len());
    }
}
