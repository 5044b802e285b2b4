//! Any bytes as what a transformer answers: never a panic, and of each record of the call one thing becomes.
#![no_main]

use afflux_transform::{Call, Origin, Record, TransformerSettings};
use afflux_types::{Position, ServerTime, ShardId};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    let records = (0..4).map(|position| {
        let origin = Origin {
            shard: ShardId::new(0),
            position: Position::new(position),
            sub_sequence: None,
        };
        let data = Bytes::from_static(b"payload");
        Record::new(data, ServerTime::from_millis(0), origin, None)
    });
    let call = Call::next(&mut records.peekable(), 1_000).expect("there are records");
    let outcome = call.answer(answer);
    let settings = TransformerSettings::new("arn".to_owned());
    let (changed, failed) = call.settle(outcome, 1, &settings);
    assert!(changed.len() + failed.len() <= 4, "a record is there twice");
});
