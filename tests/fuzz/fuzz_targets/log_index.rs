//! An index file from anywhere: never a panic, and what is accepted is in order.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    afflux_log::fuzz::index(input);
    afflux_log::fuzz::headers(input);
});
