//! A sealed body with a bit changed and its checksums made to fit does not open.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, &[u8])| {
    let (bit, plain) = input;
    afflux_engine::fuzz::sealed_body(plain, bit);
});
