use proptest::prelude::*;

use super::*;

#[test]
fn ordinary_records_are_left_alone() {
    let aggregated = seal(b"");
    let mut wrong_sum = aggregated.to_vec();
    wrong_sum[6] ^= 1;
    for data in [&b""[..], b"hello", &MAGIC, &wrong_sum] {
        assert_eq!(split(&Bytes::copy_from_slice(data)), Ok(None));
        assert!(!is_aggregated(data));
    }
    assert_eq!(split(&aggregated), Ok(Some(Vec::new())));
}

/// Made by `RecordAggregator` of the Python package `aws_kinesis_agg` 1.2.3.
const FOREIGN: &[u8] =
    b"\xf3\x89\x9a\xc2\x0a\x05key-1\x0a\x05key-2\x12\x0242\x1a\x09\x08\x00\x10\x00\
    \x1a\x03one\x1a\x07\x08\x01\x1a\x03two\x1a\x09\x08\x00\x1a\x05three\
    \x80\x0f\x84\xd4\x5f\x69\xd0\xf5\x8b\x6a\xfc\x9e\xd8\x32\xde\xbf";

#[test]
fn a_foreign_aggregate_is_taken_apart() {
    let parts = split(&Bytes::from_static(FOREIGN)).unwrap().unwrap();
    let part = |key, hash: Option<u128>, data| Part {
        partition_key: PartitionKey::new(key).unwrap(),
        explicit_hash_key: hash.map(HashKey::new),
        data: Bytes::from_static(data),
    };
    let expected = [
        part("key-1", Some(42), b"one"),
        part("key-2", None, b"two"),
        part("key-1", None, b"three"),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn keys_are_shared_and_may_follow_the_records() {
    // Two records of key 0, the second with hash key 0, a tag and an unknown field; then the tables.
    let message = b"\x1a\x05\x08\x00\x1a\x01a\x1a\x0e\x08\x00\x10\x00\x1a\x01b\x22\x03\x0a\x01t\x78\x01\x0a\x01k\x12\x0242";
    let parts = split(&seal(message)).unwrap().unwrap();
    let key = PartitionKey::new("k").unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].partition_key, key);
    assert_eq!(parts[0].hash_key(), HashKey::of(b"k"));
    assert_eq!(parts[1].hash_key(), HashKey::new(42));
    assert_eq!(parts[1].data, "b");
}

#[test]
fn broken_messages_are_told() {
    let cases: [(&[u8], Error); 6] = [
        (b"\x1a\x02\x08\x00", Error::NoSuchKey(0)),
        (b"\x0a\x01k\x1a\x04\x08\x00\x10\x05", Error::NoSuchKey(5)),
        (b"\x0a\x00", Error::BadKey(0)),
        (b"\x12\x01x", Error::BadKey(0)),
        (b"\x1a\x7f", Error::Broken(2)),
        (b"\x0b", Error::Broken(1)),
    ];
    for (message, error) in cases {
        assert_eq!(split(&seal(message)), Err(error), "{message:?}");
    }
    let many = b"\x1a\x00".repeat(PARTS_MAX + 1);
    assert_eq!(split(&seal(&many)), Err(Error::TooMany));
}

fn part() -> impl Strategy<Value = Part> {
    ("\\PC{1,20}", any::<Option<u128>>(), any::<Vec<u8>>()).prop_map(|(key, hash, data)| Part {
        partition_key: PartitionKey::new(&key).unwrap(),
        explicit_hash_key: hash.map(HashKey::new),
        data: data.into(),
    })
}

proptest! {
    #[test]
    fn parts_come_back(parts in prop::collection::vec(part(), 0..20)) {
        prop_assert_eq!(split(&join(&parts)), Ok(Some(parts)));
    }

    #[test]
    fn hostile_messages_never_panic(message: Vec<u8>) {
        let _ = split(&seal(&message));
    }
}
