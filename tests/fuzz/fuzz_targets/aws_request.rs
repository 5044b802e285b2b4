//! A body in JSON or CBOR for every operation: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_aws::fuzz::request(input));
