use afflux_entry::EntryError;
use afflux_types::{Position, ServerTime};
use proptest::prelude::*;

use super::*;
use crate::message;

fn entry(kind: Kind, body: &[u8], stamp: Option<u64>) -> (Header, Bytes) {
    let count = match kind {
        Kind::Batch => 3,
        Kind::Fragment => 1,
        Kind::Init | Kind::Marker => 0,
    };
    let mut header = Header::for_body(kind, count, None, None, &[body]);
    header.stamp = stamp.map(|position| afflux_entry::Stamp {
        position: Position::new(position),
        arrival: ServerTime::from_millis(5),
        unsynced: 0,
    });
    let mut bytes = BytesMut::from(&header.encode()[..]);
    bytes.extend_from_slice(body);
    (header, bytes.freeze())
}

fn decode_all(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<Item>, WireError> {
    let mut items = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(item) = decoder.next()? {
            items.push(item);
        }
    }
    decoder.finish()?;
    Ok(items)
}

/// The items with the pieces of data and bodies joined, so that different splits compare equal.
fn joined(items: Vec<Item>) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::new();
    for item in items {
        match (out.last_mut(), item) {
            (
                Some(Item::Frame(Frame::FragmentData(before))),
                Item::Frame(Frame::FragmentData(data)),
            ) => *before = [&before[..], &data[..]].concat().into(),
            (_, Item::Entry(rope)) => out.push(Item::Entry(EntryRope {
                body: vec![rope.contiguous()],
                header: rope.header,
            })),
            (_, item) => out.push(item),
        }
    }
    out
}

fn item() -> impl Strategy<Value = (Item, Bytes)> {
    let frame = |frame: Frame| {
        let bytes = frame.encode();
        (Item::Frame(frame), bytes)
    };
    prop_oneof![
        any::<u64>().prop_map(move |bytes| frame(message::Grant { bytes }.into())),
        "[a-z]{0,40}".prop_map(move |message| frame(
            message::Failure {
                kind: 3,
                message,
                ..Default::default()
            }
            .into()
        )),
        prop::collection::vec(any::<u8>(), 1..3_000)
            .prop_map(move |data| frame(Frame::FragmentData(data.into()))),
        (prop::collection::vec(any::<u8>(), 1..3_000), any::<u64>()).prop_map(
            |(body, position)| {
                let (header, bytes) = entry(Kind::Batch, &body, Some(position));
                let body = vec![body.into()];
                (Item::Entry(EntryRope { header, body }), bytes)
            }
        ),
    ]
}

proptest! {
    #[test]
    fn every_split_gives_the_same_items(
        items in prop::collection::vec(item(), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (expected, bytes): (Vec<Item>, Vec<Bytes>) = items.into_iter().unzip();
        let bytes = bytes.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        let mut decoder = Decoder::new(Stamped::Yes, EntryLimits::all());
        let found = decode_all(&mut decoder, &pieces).unwrap();
        prop_assert_eq!(joined(found), joined(expected.clone()));

        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        let mut decoder = Decoder::new(Stamped::Yes, EntryLimits::all());
        let found = decode_all(&mut decoder, &bytewise).unwrap();
        prop_assert_eq!(joined(found), joined(expected));
    }

    #[test]
    fn a_stream_cut_inside_an_item_is_reported(item in item(), cut: prop::sample::Index) {
        let (_, bytes) = item;
        let cut = 1 + cut.index(bytes.len() - 1);
        prop_assume!(cut < bytes.len());
        let mut decoder = Decoder::new(Stamped::Yes, EntryLimits::all());
        let found = decode_all(&mut decoder, &[&bytes[..cut]]);
        prop_assert!(matches!(found, Err(WireError::Cut { .. })), "{found:?}");
    }

    #[test]
    fn random_bytes_never_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..6)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let mut decoder = Decoder::new(Stamped::No, EntryLimits::all());
        let _ = decode_all(&mut decoder, &pieces);
    }
}

#[test]
fn body_is_made_of_slices_of_what_was_pushed() {
    let (_, bytes) = entry(Kind::Batch, &[7; 5_000], None);
    let first = bytes.slice(..2_000);
    let second = bytes.slice(2_000..);
    let mut decoder = Decoder::new(Stamped::No, EntryLimits::batches());
    decoder.push(first);
    assert_eq!(decoder.next().unwrap(), None);
    decoder.push(second);
    let Some(Item::Entry(rope)) = decoder.next().unwrap() else {
        panic!("the entry is whole");
    };
    let pointers: Vec<_> = rope.body.iter().map(|piece| piece.as_ptr()).collect();
    assert_eq!(
        pointers,
        [bytes[HEADER_LEN..].as_ptr(), bytes[2_000..].as_ptr()]
    );
}

#[test]
fn single_bytes_are_joined_into_few_pieces() {
    let (_, bytes) = entry(Kind::Batch, &[7; 40_000], None);
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    let mut decoder = Decoder::new(Stamped::No, EntryLimits::batches());
    let items = decode_all(&mut decoder, &bytewise).unwrap();
    let [Item::Entry(rope)] = items.as_slice() else {
        panic!("one entry was sent");
    };
    assert_eq!(rope.body.len(), 3);
}

#[test]
fn claimed_lengths_are_refused_before_any_byte_of_them() {
    let mut frame = vec![FrameType::Open as u8];
    frame.extend(u32::MAX.to_le_bytes());
    let mut decoder = Decoder::new(Stamped::No, EntryLimits::all());
    assert!(matches!(
        decode_all(&mut decoder, &[&frame]),
        Err(WireError::FrameTooLong { frame: "Open", .. })
    ));

    let (_, bytes) = entry(Kind::Batch, &[7; 101], None);
    let limits = EntryLimits {
        batch: Some(100),
        ..EntryLimits::NONE
    };
    let mut decoder = Decoder::new(Stamped::No, limits);
    assert_eq!(
        decode_all(&mut decoder, &[&bytes[..HEADER_LEN]]),
        Err(WireError::EntryTooLong { len: 101, max: 100 })
    );
}

#[test]
fn kinds_that_do_not_belong_are_refused() {
    let (_, bytes) = entry(Kind::Marker, b"x", None);
    let mut decoder = Decoder::new(Stamped::No, EntryLimits::batches());
    assert_eq!(
        decode_all(&mut decoder, &[&bytes]),
        Err(WireError::EntryKind {
            kind: "shard marker"
        })
    );
}

#[test]
fn a_flipped_bit_in_a_body_is_noticed_and_the_error_stays() {
    let (_, bytes) = entry(Kind::Batch, &[7; 1_000], None);
    let mut bytes = bytes.to_vec();
    bytes[500] ^= 1;
    let mut decoder = Decoder::new(Stamped::No, EntryLimits::batches());
    let error = decode_all(&mut decoder, &[&bytes]).unwrap_err();
    assert!(matches!(
        error,
        WireError::Entry(EntryError::Checksum { .. })
    ));
    decoder.push(entry(Kind::Batch, b"good", None).1);
    assert_eq!(decoder.next(), Err(error.clone()));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn an_unstamped_entry_is_refused_where_stamps_are_due() {
    let (_, bytes) = entry(Kind::Batch, b"x", None);
    let mut decoder = Decoder::new(Stamped::Yes, EntryLimits::all());
    assert!(matches!(
        decode_all(&mut decoder, &[&bytes]),
        Err(WireError::Entry(EntryError::HeaderChecksum { .. }))
    ));
}

#[test]
fn an_unknown_first_byte_is_named() {
    let mut decoder = Decoder::new(Stamped::No, EntryLimits::all());
    assert_eq!(
        decode_all(&mut decoder, &[b"GET / HTTP/1.1"]),
        Err(WireError::FrameType(b'G'))
    );
}

#[test]
fn an_entry_without_body_is_whole_with_its_header() {
    let (header, bytes) = entry(Kind::Marker, b"", Some(1));
    let mut decoder = Decoder::new(Stamped::Yes, EntryLimits::all());
    let rope = EntryRope {
        header,
        body: Vec::new(),
    };
    assert_eq!(
        decode_all(&mut decoder, &[&bytes]),
        Ok(vec![Item::Entry(rope)])
    );
}
