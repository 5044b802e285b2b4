//! A QUIC stream from anywhere: never a panic, never more memory than came in, and the same items
//! however the bytes are cut.
#![no_main]

use afflux_wire::{Decoder, EntryLimits, Frame, Item, Stamped, WireError};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// What a stream gives: items with their pieces joined, and how it ended.
fn decode(bytes: &[u8], piece: usize, stamped: Stamped) -> (Vec<Item>, Result<(), WireError>) {
    let mut decoder = Decoder::new(stamped, EntryLimits::all());
    let mut items: Vec<Item> = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(Some(item)) => join(&mut items, item),
                Ok(None) => break,
                Err(error) => return (items, Err(error)),
            }
        }
    }
    let end = decoder.finish();
    (items, end)
}

fn join(items: &mut Vec<Item>, item: Item) {
    match (items.last_mut(), item) {
        (
            Some(Item::Frame(Frame::FragmentData(before))),
            Item::Frame(Frame::FragmentData(data)),
        ) => *before = [&before[..], &data[..]].concat().into(),
        (_, Item::Entry(mut rope)) => {
            assert!(rope.body.iter().all(|piece| !piece.is_empty()));
            rope.body = vec![rope.contiguous()];
            assert_eq!(rope.body[0].len(), rope.header.body_len as usize);
            items.push(Item::Entry(rope));
        }
        (_, item) => items.push(item),
    }
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (stamped, piece, bytes) = input;
    let stamped = if stamped { Stamped::Yes } else { Stamped::No };
    let whole = decode(bytes, bytes.len().max(1), stamped);
    let (items, end) = decode(bytes, usize::from(piece).max(1), stamped);
    // A damaged FragmentData frame may have given out its first bytes already.
    assert_eq!(end, whole.1);
    assert_eq!(items, whole.0);
    for item in &items {
        if let Item::Frame(frame) = item {
            let again = frame.encode();
            assert_eq!(again.len(), 5 + frame.content_len());
        }
    }
});
