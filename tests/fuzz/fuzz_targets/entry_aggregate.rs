//! An aggregated record of the Kinesis Producer Library from anywhere, under a sum that is right: never
//! a panic, as many parts as were promised, and what is put together again is the same.
#![no_main]

use afflux_entry::aggregate::{join, seal, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let Some(parts) = split(&seal(message)) else {
        return;
    };
    let promised = parts.len();
    let parts: Vec<_> = parts.collect();
    assert_eq!(parts.len(), promised);
    let again = split(&join(&parts)).expect("what was taken apart is put together");
    assert!(again.eq(parts));
});
