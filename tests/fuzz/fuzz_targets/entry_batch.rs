//! A batch's body from anywhere: never a panic, and what is accepted is read back the same.
#![no_main]

use afflux_entry::{Batch, BatchBuilder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (count, body) = input;
    if Batch::new(body, u32::from(count)).check(1 << 20).is_err() {
        return;
    }
    let mut builder = BatchBuilder::default();
    for record in Batch::new(body, u32::from(count)) {
        let record = record.expect("a checked batch reads");
        builder.push(record.partition_key, record.explicit_hash_key, record.data);
    }
    let (again, again_count) = builder.take();
    assert_eq!((&again[..], again_count), (body, u32::from(count)));
});
