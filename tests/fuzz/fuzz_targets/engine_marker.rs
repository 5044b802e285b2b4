//! The body of a shard marker from anywhere: what is accepted is written again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_engine::fuzz::marker(input));
