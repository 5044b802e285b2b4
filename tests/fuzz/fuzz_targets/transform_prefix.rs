//! Any text as the prefix of objects or of error objects: never a panic, and what is accepted can be evaluated
//! for every time.
#![no_main]

use afflux_transform::{ErrorOutput, PartitionKeys, Partitioning, Prefix, Values, time_zone};
use afflux_types::ServerTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (i64, &str)| {
    let (millis, text) = input;
    let zone = time_zone("America/New_York").expect("the zone comes with the program");
    let output = Prefix::output(text, Partitioning::Off);
    let partitioned = Prefix::output(text, Partitioning::Dynamic);
    let error = Prefix::error(text, text);
    for prefix in [output, partitioned, error].into_iter().flatten() {
        let mut keys = PartitionKeys::default();
        let names = prefix.query_keys();
        keys.query = names
            .map(|name| (name.to_owned(), "1".to_owned()))
            .collect();
        let names = prefix.transformer_keys();
        keys.transformer = names
            .map(|name| (name.to_owned(), "2".to_owned()))
            .collect();
        let values = &mut Values {
            arrival: ServerTime::from_millis(millis),
            zone: &zone,
            random: &mut || 1,
            keys: &keys,
            error: Some(ErrorOutput::FormatConversion),
        };
        let evaluated = prefix.evaluate(values);
        if prefix.partition(&keys).is_ok() {
            evaluated.expect("a record that has a partition has a prefix");
        }
    }
});
