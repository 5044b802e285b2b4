use proptest::prelude::*;

use super::*;

fn record(key: &str, hash: Option<u128>, data: &'static [u8]) -> Record {
    Record {
        partition_key: PartitionKey::new(key).unwrap(),
        explicit_hash_key: hash.map(HashKey::new),
        data: Bytes::from_static(data),
    }
}

fn parts(data: &Bytes) -> Option<Vec<Record>> {
    split(data).map(Iterator::collect)
}

#[test]
fn ordinary_records_are_left_alone() {
    let aggregated = join(&[record("key", None, b"data")]);
    assert!(split(&aggregated).is_some());
    let mut wrong_sum = aggregated.to_vec();
    wrong_sum[6] ^= 1;
    let cut = &aggregated[..aggregated.len() - 1];
    for data in [&b""[..], b"hello", &MAGIC, &wrong_sum, cut] {
        assert_eq!(parts(&Bytes::copy_from_slice(data)), None, "{data:?}");
    }
}

/// Made by `RecordAggregator` of the Python package `aws_kinesis_agg` 1.2.3.
const FOREIGN: &[u8] =
    b"\xf3\x89\x9a\xc2\x0a\x05key-1\x0a\x05key-2\x12\x0242\x1a\x09\x08\x00\x10\x00\
    \x1a\x03one\x1a\x07\x08\x01\x1a\x03two\x1a\x09\x08\x00\x1a\x05three\
    \x80\x0f\x84\xd4\x5f\x69\xd0\xf5\x8b\x6a\xfc\x9e\xd8\x32\xde\xbf";

#[test]
fn a_foreign_aggregate_is_taken_apart() {
    let expected = [
        record("key-1", Some(42), b"one"),
        record("key-2", None, b"two"),
        record("key-1", None, b"three"),
    ];
    let parts = split(&Bytes::from_static(FOREIGN)).unwrap();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts.collect::<Vec<_>>(), expected);
}

#[test]
fn keys_are_shared_and_may_follow_the_records() {
    // Two records of key 0, the second with hash key 0, a tag and an unknown field; then the tables.
    let message = b"\x1a\x05\x08\x00\x1a\x01a\x1a\x0e\x08\x00\x10\x00\x1a\x01b\x22\x03\x0a\x01t\x78\x01\x0a\x01k\x12\x0242";
    let expected = [record("k", None, b"a"), record("k", Some(42), b"b")];
    assert_eq!(parts(&seal(message)).unwrap(), expected);
    assert_eq!(expected[1].hash_key(), HashKey::new(42));
}

#[test]
fn broken_messages_are_ordinary_records() {
    const WHOLE: &[u8] = b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01d";
    assert!(split(&seal(WHOLE)).is_some());
    let behind = |message: &[u8]| seal(&[WHOLE, message].concat());
    let cases: [(&str, Bytes); 11] = [
        ("nothing inside", seal(b"")),
        ("a key alone", seal(b"\x0a\x01k")),
        ("no such key", behind(b"\x1a\x04\x08\x01\x1a\x00")),
        (
            "no such hash key",
            behind(b"\x1a\x06\x08\x00\x10\x05\x1a\x00"),
        ),
        ("no key", behind(b"\x1a\x02\x1a\x00")),
        ("no payload", behind(b"\x1a\x02\x08\x00")),
        ("an empty key", seal(b"\x0a\x00\x1a\x04\x08\x00\x1a\x00")),
        (
            "a hash key with a sign",
            behind(b"\x12\x02+1\x1a\x06\x08\x00\x10\x00\x1a\x00"),
        ),
        ("a field that is cut", behind(b"\x1a\x7f")),
        ("a field without a number", behind(b"\x02\x00")),
        ("a group", behind(b"\x0b")),
    ];
    for (what, data) in cases {
        assert_eq!(parts(&data), None, "{what}");
    }
}

#[test]
fn parts_that_share_a_key_share_its_memory() {
    let key = "k".repeat(256);
    let mut message = Vec::new();
    write_bytes(&mut message, 1, key.as_bytes());
    for _ in 0..20_000 {
        write_bytes(&mut message, 3, b"\x08\x00\x1a\x01d");
    }
    let data = seal(&message);
    let inside = data.as_ptr_range();
    let parts = split(&data).unwrap();
    assert_eq!((parts.keys.len(), parts.len()), (1, 20_000));
    for part in parts {
        assert_eq!(part.partition_key.as_str(), key);
        assert!(inside.contains(&part.partition_key.as_bytes().as_ptr()));
        assert!(inside.contains(&part.data.as_ptr()));
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    ("\\PC{1,20}", any::<Option<u128>>(), any::<Vec<u8>>()).prop_map(|(key, hash, data)| Record {
        data: data.into(),
        ..record(&key, hash, b"")
    })
}

proptest! {
    #[test]
    fn parts_come_back(records in prop::collection::vec(any_record(), 1..20)) {
        prop_assert_eq!(parts(&join(&records)), Some(records));
    }

    #[test]
    fn hostile_messages_never_panic_and_keep_their_word(message: Vec<u8>) {
        if let Some(parts) = split(&seal(&message)) {
            let promised = parts.len();
            prop_assert_eq!(parts.count(), promised);
        }
    }

    #[test]
    fn damaged_messages_never_panic_and_keep_their_word(
        records in prop::collection::vec(any_record(), 1..5), at: prop::sample::Index, byte: u8,
    ) {
        let whole = join(&records);
        let mut message = message(&whole).unwrap().to_vec();
        let at = at.index(message.len());
        message[at] = byte;
        if let Some(parts) = split(&seal(&message)) {
            let promised = parts.len();
            prop_assert_eq!(parts.count(), promised);
        }
    }
}
