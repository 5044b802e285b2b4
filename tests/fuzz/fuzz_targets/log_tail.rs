//! The entries of an unsealed segment, damaged in any way: recovery accepts a prefix and never panics.
//!
//! The input is applied to valid entries, so that the fuzzer starts behind their checksums: every
//! triple is an offset and a byte that is changed there.
#![no_main]

use afflux_entry::{Header, Kind, Stamp};
use afflux_types::{Position, ServerTime};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<(u16, u8)>, &[u8])| {
    let (entries, changes, rest) = input;
    let mut bytes = Vec::new();
    for i in 0..u64::from(entries % 8) {
        let body = vec![7; 40];
        let mut header = Header::for_body(Kind::Batch, 1, None, None, &[&body]);
        header.stamp = Some(Stamp {
            position: Position::new(i),
            arrival: ServerTime::from_millis(0),
            unsynced: 0,
        });
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(&body);
    }
    bytes.extend_from_slice(rest);
    for (offset, byte) in changes {
        if let Some(place) = bytes.get_mut(usize::from(offset)) {
            *place = byte;
        }
    }
    afflux_log::fuzz::tail(&bytes);
});
