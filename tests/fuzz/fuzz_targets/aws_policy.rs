//! A resource policy from anywhere: never a panic, and no decision that it does not make.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_aws::fuzz::policy(input));
