//! Stored entries from anywhere, sealed or not: what opens is plain and reads.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_engine::fuzz::stored_entries(input));
