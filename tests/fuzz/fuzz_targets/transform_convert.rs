//! Any type of a column, and any record into a file with that column: never a panic, and a record that fails
//! leaves no row behind. The type ends at the first line feed, and records at each that follows.
#![no_main]

use afflux_transform::{Column, Conversion, Converter, JsonReading, Schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == b'\n');
    let Some(Ok(kind)) = parts.next().map(str::from_utf8) else {
        return;
    };
    let column = Column {
        name: "c".to_owned(),
        kind: kind.to_owned(),
    };
    for json in [
        JsonReading::default(),
        JsonReading::Hive {
            timestamp_formats: vec!["millis".to_owned(), "yyyyMMdd'T'HHmmss.SSSZ".to_owned()],
        },
    ] {
        let conversion = Conversion {
            json,
            ..Conversion::new(vec![column.clone()])
        };
        let Ok(schema) = Schema::of(&conversion) else {
            return;
        };
        let mut converter = Converter::new(&schema, Vec::new()).expect("memory takes everything");
        let mut taken = 0;
        for record in parts.clone() {
            let pushed = converter.push(record).expect("memory takes everything");
            taken += u64::from(pushed.is_ok());
        }
        let (file, rows) = converter.finish().expect("memory takes everything");
        assert!(rows >= taken, "a record that is taken has a row");
        assert!(taken > 0 || rows == 0, "a record that fails has none");
        assert!(file.ends_with(b"PAR1"));
    }
});
