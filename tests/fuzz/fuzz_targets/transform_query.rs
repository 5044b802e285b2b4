//! Any query up to the first line feed, and any record behind it: never a panic, never an end of the stack, and
//! never longer than a record may take.
#![no_main]

use afflux_transform::{Origin, Processor, Record, Steps};
use afflux_types::{Position, ServerTime, ShardId};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let cut = input
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(input.len());
    let (query, record) = input.split_at(cut);
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let query = query.to_owned();
    let Ok(steps) = Steps::compile(&[Processor::MetadataExtraction { query }]) else {
        return;
    };
    let origin = Origin {
        shard: ShardId::new(0),
        position: Position::new(0),
        sub_sequence: None,
    };
    let data = Bytes::copy_from_slice(record);
    let record = Record::new(data, ServerTime::from_millis(0), origin, None);
    let mut failed = Vec::new();
    match steps.after(record, &mut failed) {
        Some(record) => {
            let mut values = record.keys.query.values();
            assert!(values.all(|value| (1..=1_024).contains(&value.len())));
        }
        None => assert_eq!(failed.len(), 1, "a record is delivered or has failed"),
    }
});
