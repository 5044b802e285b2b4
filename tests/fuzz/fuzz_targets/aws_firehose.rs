//! A body for every operation on delivery streams, and a destination that is kept: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_aws::fuzz::firehose_request(input));
