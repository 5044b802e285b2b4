//! Producers that send, repeat, skip and change: each sequence is taken once.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: Vec<(u8, u8, u8)>| afflux_engine::fuzz::producers(&input));
