//! What the conversion of records to Parquet costs, beside `arrow-json` and the writer of `parquet` alone on the
//! same rows, which know nothing of records that fail, of keys without case, or of strings that are numbers.
//!
//! Times are the shortest of many runs, so that other programs disturb them little.
//!
//! `cargo bench -p afflux-transform --bench convert`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench prints, and fails loudly"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use afflux_transform::{Column, Conversion, Converter, JsonReading, ParquetCompression, Schema};
use afflux_types::Clock;
use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Fields, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::WriterProperties;

const RUNS: u32 = 15;
const RECORDS: usize = 40_000;
/// Rows that are handed to the writer at once, as the conversion does.
const BATCH_ROWS: usize = 4_096;

const COLUMNS: [(&str, &str); 8] = [
    ("type", "struct<device:string,event:string>"),
    ("customer_id", "string"),
    ("event_timestamp", "bigint"),
    ("region", "string"),
    ("price", "double"),
    ("quantity", "int"),
    ("returning", "boolean"),
    ("tags", "array<string>"),
];

/// The record of Firehose's documentation with what orders have besides.
fn record(number: usize) -> String {
    let time = 1_565_382_027 + number * 17;
    let device = ["mobile", "desktop", "tablet"][number % 3];
    format!(
        "{{\"type\":{{\"device\":\"{device}\",\"event\":\"user_clicked_submit_button\"}},\
         \"customer_id\":\"{}\",\"event_timestamp\":{time},\"region\":\"sample_region\",\
         \"price\":{}.{:02},\"quantity\":{},\"returning\":{},\"tags\":[\"a{}\",\"b\"]}}\n",
        1_234_567_890 + number % 977,
        number % 1_000,
        number % 100,
        number % 7,
        number.is_multiple_of(2),
        number % 50,
    )
}

fn conversion(compression: ParquetCompression, case_insensitive: bool) -> Conversion {
    let columns = COLUMNS.map(|(name, kind)| Column {
        name: name.to_owned(),
        kind: kind.to_owned(),
    });
    let mut conversion = Conversion::new(columns.into());
    conversion.parquet.compression = compression;
    conversion.json = JsonReading::OpenX {
        case_insensitive,
        dots_to_underscores: false,
        mappings: [].into(),
    };
    conversion
}

fn ours(schema: &Schema, records: &[String]) -> usize {
    let mut file = Vec::new();
    let mut converter = Converter::new(schema, &mut file).unwrap();
    for record in records {
        converter.push(record.as_bytes()).unwrap().unwrap();
    }
    assert_eq!(converter.finish().unwrap().rows, RECORDS as u64);
    file.len()
}

fn arrow() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let kind = DataType::Struct(Fields::from(vec![text("device"), text("event")]));
    Arc::new(arrow_schema::Schema::new(vec![
        Field::new("type", kind, true),
        text("customer_id"),
        Field::new("event_timestamp", DataType::Int64, true),
        text("region"),
        Field::new("price", DataType::Float64, true),
        Field::new("quantity", DataType::Int32, true),
        Field::new("returning", DataType::Boolean, true),
        Field::new("tags", DataType::List(Arc::new(text("element"))), true),
    ]))
}

fn theirs(schema: &SchemaRef, compression: Compression, text: &[u8]) -> usize {
    let properties = WriterProperties::builder().set_compression(compression);
    let properties = properties.build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).unwrap();
    let builder = ReaderBuilder::new(schema.clone()).with_batch_size(BATCH_ROWS);
    for batch in builder.build(text).unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.into_inner().unwrap().len()
}

fn shortest(clock: &Clock, mut run: impl FnMut() -> usize) -> (Duration, usize) {
    let (mut best, mut bytes) = (Duration::MAX, 0);
    for _ in 0..RUNS {
        let start = clock.elapsed();
        bytes = black_box(run());
        best = best.min(clock.elapsed().saturating_sub(start));
    }
    (best, bytes)
}

fn main() {
    let clock = Clock::system();
    let records: Vec<String> = (0..RECORDS).map(record).collect();
    let text = records.concat();
    println!("{} bytes in {RECORDS} records:", text.len());
    for (name, ours_compression, theirs_compression) in [
        (
            "uncompressed",
            ParquetCompression::Uncompressed,
            Compression::UNCOMPRESSED,
        ),
        ("snappy", ParquetCompression::Snappy, Compression::SNAPPY),
        (
            "gzip",
            ParquetCompression::Gzip,
            Compression::GZIP(GzipLevel::default()),
        ),
    ] {
        let report = |who: &str, (took, bytes): (Duration, usize)| {
            let rate = text.len() as f64 / took.as_secs_f64() / 1e6;
            println!("  {name:14} {who:22} {rate:8.1} MB/s, a file of {bytes} bytes");
            rate
        };
        let arrow = arrow();
        let base = shortest(&clock, || {
            theirs(&arrow, theirs_compression, text.as_bytes())
        });
        let base = report("arrow-json and parquet", base);
        for (who, case_insensitive) in [("ours", true), ("ours, exact keys", false)] {
            let schema = Schema::of(&conversion(ours_compression, case_insensitive)).unwrap();
            let rate = report(who, shortest(&clock, || ours(&schema, &records)));
            println!("  {name:14} {who:22} {:8.2} times the rate", rate / base);
        }
    }
}
