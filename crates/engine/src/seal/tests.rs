//! Sealing without a log: what opens, and what does not.

use std::sync::Arc;

use afflux_entry::{HEADER_LEN, Header, Kind, Producer, Stamp};
use afflux_log::Slice;
use afflux_types::{Position, ProducerTime, ServerTime};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const PLACE: Place = Place {
    stream: 3,
    shard: 5,
};

fn key(number: u64) -> Arc<DataKey> {
    Arc::new(DataKey::random(number).unwrap())
}

fn only(key: &Arc<DataKey>) -> impl Fn(u64) -> Option<Arc<DataKey>> {
    let key = Arc::clone(key);
    move |number| (number == key.number()).then(|| Arc::clone(&key))
}

/// An entry as the log stores it.
fn stored(header: Header, body: &[u8], position: u64) -> Vec<u8> {
    let stamp = Stamp {
        position: Position::new(position),
        arrival: ServerTime::from_millis(7),
        unsynced: 9,
    };
    let header = Header {
        stamp: Some(stamp),
        ..header
    };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

fn slice(bytes: Vec<u8>, end: u64) -> Slice {
    Slice {
        bytes: Bytes::from(bytes),
        first: Position::ZERO,
        end: Position::new(end),
    }
}

fn entry(body: &'static [u8]) -> (Header, [Bytes; 1]) {
    let body = [Bytes::from_static(body)];
    let producer = Some(Producer { id: 8, sequence: 2 });
    let header = Header::for_body(Kind::Batch, 1, producer, None, &body);
    (header, body)
}

proptest! {
    #[test]
    fn sealing_is_transparent(
        entries in proptest::collection::vec((
            proptest::collection::vec(any::<u8>(), 0..300),
            any::<proptest::sample::Index>(),
            proptest::option::of((1_u64.., 1_u64..)),
            proptest::option::of(0_i64..),
            any::<bool>(),
            0_u64..3,
        ), 1..12),
    ) {
        let keys = [key(1), key(2)];
        let sealer = Sealer::default();
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        for (position, (body, cut, producer, time, key_frame, number)) in (0..).zip(&entries) {
            let cut = cut.index(body.len() + 1);
            let body = [Bytes::copy_from_slice(&body[..cut]), Bytes::copy_from_slice(&body[cut..])];
            let producer = producer.map(|(id, sequence)| Producer { id, sequence });
            let time = time.map(ProducerTime::from_millis);
            let header = Header::for_body(Kind::Fragment, 1, producer, time, &body)
                .with_key_frame(*key_frame, &body);
            plain.extend(stored(header.clone(), &body.concat(), position));
            let key = usize::try_from(*number).unwrap().checked_sub(1).map(|i| &keys[i]);
            match key {
                None => sealed.extend(stored(header, &body.concat(), position)),
                Some(key) => {
                    let entry = sealer.seal(key, PLACE, &header, &body).unwrap();
                    prop_assert!(entry.header.verify(&[&entry.body]).is_ok());
                    sealed.extend(stored(entry.header, &entry.body, position));
                }
            }
        }
        let end = u64::try_from(entries.len()).unwrap();
        let find = |number: u64| keys.iter().find(|key| key.number() == number).cloned();
        let opened = open(slice(sealed, end), PLACE, find).unwrap();
        prop_assert_eq!(opened, slice(plain, end));
    }

    #[test]
    fn a_sealed_body_with_a_changed_bit_and_a_right_checksum_does_not_open(bit in 0..(20 + 56) * 8_usize) {
        let key = key(1);
        let (header, body) = entry(b"twenty bytes of data");
        let sealed = Sealer::default().seal(&key, PLACE, &header, &body).unwrap();
        let mut body = sealed.body.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        let header = sealed.header.with_body(true, &body);
        let stuck = open(slice(stored(header, &body, 0), 1), PLACE, only(&key)).unwrap_err();
        prop_assert!(stuck.before.is_empty());
        // A bit of the key's number names a key that is not there.
        prop_assert_eq!(stuck.why == Why::Damaged, bit >= 64, "{:?}", stuck.why);
    }

    #[test]
    fn random_stored_bytes_never_panic(bytes: Vec<u8>) {
        let _ = open(slice(bytes, 0), PLACE, |_| None);
    }
}

#[test]
fn an_entry_opens_only_where_and_as_it_was_sealed() {
    let (key, other) = (key(1), key(1));
    let (header, body) = entry(b"data");
    let sealed = Sealer::default().seal(&key, PLACE, &header, &body).unwrap();
    let changed = |change: fn(&mut Header)| {
        let mut header = sealed.header.clone();
        change(&mut header);
        let header = header.with_body(true, &sealed.body);
        open(slice(stored(header, &sealed.body, 0), 1), PLACE, only(&key))
    };
    assert!(changed(|_| ()).is_ok());
    for change in [
        (|header| header.kind = Kind::Fragment) as fn(&mut Header),
        |header| header.key_frame = true,
        |header| header.record_count = 2,
        |header| header.producer = None,
        |header| header.producer = Some(Producer { id: 8, sequence: 3 }),
        |header| header.producer_time = Some(ProducerTime::from_millis(1)),
    ] {
        assert_eq!(changed(change).unwrap_err().why, Why::Damaged);
    }
    let bytes = stored(sealed.header.clone(), &sealed.body, 0);
    for place in [Place { stream: 4, ..PLACE }, Place { shard: 6, ..PLACE }] {
        let stuck = open(slice(bytes.clone(), 1), place, only(&key)).unwrap_err();
        assert_eq!(stuck.why, Why::Damaged);
    }
    let stuck = open(slice(bytes, 1), PLACE, only(&other)).unwrap_err();
    assert_eq!(stuck.why, Why::Damaged);
}

#[test]
fn what_stands_before_an_entry_that_does_not_open_is_served() {
    let (one, two) = (key(1), key(2));
    let (header, body) = entry(b"data");
    let sealer = Sealer::default();
    let mut bytes = stored(header.clone(), &body[0], 0);
    for (position, key) in [(1, &one), (2, &two)] {
        let sealed = sealer.seal(key, PLACE, &header, &body).unwrap();
        bytes.extend(stored(sealed.header, &sealed.body, position));
    }
    let stuck = open(slice(bytes, 3), PLACE, only(&one)).unwrap_err();
    assert_eq!(stuck.why, Why::Key(2));
    let mut plain = stored(header.clone(), &body[0], 0);
    plain.extend(stored(header, &body[0], 1));
    assert_eq!(stuck.before, slice(plain, 2));
}

#[test]
fn a_slice_without_sealed_entries_is_not_copied() {
    let (header, body) = entry(b"data");
    let plain = slice(stored(header, &body[0], 0), 1);
    let opened = open(plain.clone(), PLACE, |_| None).unwrap();
    assert_eq!(opened.bytes.as_ptr(), plain.bytes.as_ptr());
}

#[test]
fn equal_entries_are_sealed_differently_and_a_retry_is_keyed() {
    let (one, other) = (key(1), key(1));
    let (header, body) = entry(b"data");
    let sealer = Sealer::default();
    let first = sealer.seal(&one, PLACE, &header, &body).unwrap();
    let second = sealer.seal(&one, PLACE, &header, &body).unwrap();
    assert_ne!(first.body, second.body);
    assert_eq!(first.retry, second.retry);
    assert_ne!(first.retry, header.checksum);
    let producer = header.producer.unwrap();
    assert_eq!(first.retry, one.retry(producer, header.checksum));
    assert_ne!(first.retry, other.retry(producer, header.checksum));
    assert_ne!(first.retry, one.retry(producer, header.checksum ^ 1));
    let next = Producer {
        sequence: producer.sequence + 1,
        ..producer
    };
    assert_ne!(first.retry, one.retry(next, header.checksum));
    assert_eq!(first.header.entry_len(), HEADER_LEN + first.body.len());
}
