//! Any payload through the processors that take records apart: never a panic, and no byte of a part that was not
//! in the payload. The first byte says which processors there are.
#![no_main]

use afflux_transform::{Origin, Processor, Record, RecordFormat, Steps, SubRecords, failed_line};
use afflux_types::{PartitionKey, Position, ServerTime, ShardId};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, payload)) = input.split_first() else {
        return;
    };
    let mut processors = Vec::new();
    if choice & 1 != 0 {
        processors.push(Processor::Decompression(RecordFormat::Gzip));
        if choice & 2 != 0 {
            processors.push(Processor::CloudWatchLogs {
                extract_messages: true,
            });
        }
    }
    match choice & 12 {
        4 => processors.push(Processor::DeAggregation(SubRecords::Json)),
        8 => processors.push(Processor::DeAggregation(SubRecords::Delimited(
            b"::".to_vec(),
        ))),
        _ => {}
    }
    let steps = Steps::compile(&processors).expect("the processors go together");
    let origin = Origin {
        shard: ShardId::new(0),
        position: Position::new(0),
        sub_sequence: None,
    };
    let key = (choice & 16 != 0).then(|| PartitionKey::new("k").expect("the key is valid"));
    let data = Bytes::copy_from_slice(payload);
    let record = Record::new(data, ServerTime::from_millis(0), origin, key);
    let (mut out, mut failed, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    steps.before(record, &mut out, &mut failed);
    if choice & 17 == 0 {
        let taken: usize = out.iter().map(|record| record.data.len()).sum();
        assert!(taken <= payload.len(), "parts do not overlap");
    }
    for one in &failed {
        failed_line(one, ServerTime::from_millis(1), &mut lines);
    }
});
