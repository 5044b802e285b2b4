//! An aggregated record of the Kinesis Producer Library from anywhere: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_aws::fuzz::aggregated(input));
