use proptest::prelude::*;

use super::*;

#[test]
fn the_first_frame_has_the_bytes_of_the_format() {
    // Headers of 22, 31 and 33 bytes behind a prelude of 12 and in front of a sum of four.
    let frame = initial_response();
    assert_eq!(frame.len(), 16 + 2 + 86);
    assert_eq!(&frame[..8], &[0, 0, 0, 104, 0, 0, 0, 86]);
    // Sums by binascii.crc32 of Python.
    assert_eq!(&frame[8..12], &[0x4e, 0x68, 0x17, 0x24]);
    assert_eq!(&frame[100..], &[0xfe, 0x94, 0x2c, 0x1d]);
    let read = decode(&frame).unwrap().unwrap();
    assert_eq!(
        read.headers,
        [
            (":message-type", "event"),
            (":event-type", "initial-response"),
            (":content-type", "application/json"),
        ]
    );
    assert_eq!(read.payload, b"{}");
    assert_eq!(read.len, frame.len());
}

#[test]
fn an_exception_names_its_type() {
    let frame = exception(&Error::new(Code::ResourceInUse, "Another one."));
    let read = decode(&frame).unwrap().unwrap();
    assert_eq!(
        read.headers[1],
        (":exception-type", "ResourceInUseException")
    );
    assert_eq!(read.payload, br#"{"message":"Another one."}"#);
    let frame = exception(&Error::bare(Code::InternalFailure));
    let read = decode(&frame).unwrap().unwrap();
    assert_eq!(read.headers[1].1, "InternalFailureException");
}

#[test]
fn the_sum_is_the_one_of_zip_and_ethernet() {
    // echo -n 123456789 | gzip -c | tail -c8 | od -t x4
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn an_event_carries_its_records() {
    let push = SubscribeToShardEvent {
        records: Vec::new(),
        continuation_sequence_number: None,
        millis_behind_latest: 7,
        child_shards: Some(Vec::new()),
    };
    let frame = event(&push);
    let read = decode(&frame).unwrap().unwrap();
    assert_eq!(
        read.payload,
        br#"{"Records":[],"MillisBehindLatest":7,"ChildShards":[]}"#
    );
}

#[test]
fn a_changed_bit_is_noticed() {
    let frame = initial_response();
    for at in 0..frame.len() {
        let mut broken = frame.to_vec();
        broken[at] ^= 0x10;
        assert!(decode(&broken).is_err(), "byte {at}");
        assert_eq!(decode(&frame[..at]), Ok(None), "cut at {at}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }

    #[test]
    fn hostile_lengths_with_true_sums_never_panic(total in 0_u32..64, headers: u32, rest: Vec<u8>) {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend(crc32(&bytes).to_be_bytes());
        bytes.extend(rest);
        let length = usize::try_from(total).unwrap();
        if let Some(at) = length.checked_sub(4).filter(|at| *at >= 12 && length <= bytes.len()) {
            let sum = crc32(&bytes[..at]).to_be_bytes();
            bytes[at..length].copy_from_slice(&sum);
        }
        let _ = decode(&bytes);
    }
}
