//! Rows of a catalog from anywhere: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_engine::fuzz::catalog_rows(input));
