//! A body for every operation on video, and the headers of an upload: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| afflux_aws::fuzz::video_request(input));
