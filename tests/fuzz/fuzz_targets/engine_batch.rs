//! A batch in pieces of any length gets the verdict of the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (piece_len, count, limit, body) = input;
    afflux_engine::fuzz::batch_in_pieces(body, piece_len, count, limit);
});
