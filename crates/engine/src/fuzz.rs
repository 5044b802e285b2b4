//! Doors for the fuzz targets to the parsers and state machines that are private otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_entry::{Batch, HEADER_LEN, Header, Kind, Producer, Stamp};
use afflux_log::Slice;
use afflux_types::{Position, ServerTime, ShardId};
use bytes::Bytes;

use crate::catalog::{ShardFacts, StreamFacts};
use crate::seal::{self, DataKey, Place, Sealer};
use crate::shard::check::check_batch;
use crate::shard::marker;
use crate::shard::producers::{ProducerTable, Taken, Verdict};

/// A marker's body from anywhere; what is accepted is written and read again the same.
///
/// # Panics
/// If it is not.
pub fn marker(body: &[u8]) {
    if let Ok(table) = marker::decode(body) {
        let again = marker::encode(&table);
        let table = marker::decode(&again).expect("a written marker reads");
        assert_eq!(marker::encode(&table), again);
    }
}

/// Rows of a catalog from anywhere.
pub fn catalog_rows(row: &[u8]) {
    let _ = StreamFacts::decode(1, row);
    let _ = ShardFacts::decode(ShardId::new(1), row);
}

/// A batch in pieces gets the verdict of the whole.
///
/// # Panics
/// If it does not.
pub fn batch_in_pieces(body: &[u8], piece_len: u8, count: u16, limit: u16) {
    let (count, limit) = (u32::from(count), usize::from(limit));
    let pieces: Vec<Bytes> = body
        .chunks(usize::from(piece_len).max(1))
        .map(Bytes::copy_from_slice)
        .collect();
    let whole = Batch::new(body, count).check(limit);
    assert_eq!(check_batch(&pieces, count, limit).map(drop), whole);
}

/// Stored entries from anywhere: what opens is plain, and readers can read it.
///
/// # Panics
/// If they cannot.
pub fn stored_entries(bytes: &[u8]) {
    let key = Arc::new(DataKey::random(1).expect("there are random numbers"));
    let opened = seal::open(slice(bytes), PLACE, |number| {
        (number == 1).then(|| Arc::clone(&key))
    });
    let mut rest: &[u8] = match &opened {
        Ok(slice) => &slice.bytes[..],
        Err(stuck) => &stuck.before.bytes[..],
    };
    while !rest.is_empty() {
        let header = Header::decode(rest).expect("what was opened reads");
        rest = &rest[header.entry_len()..];
    }
}

/// A sealed body with one bit changed and its checksums made to fit does not open.
///
/// # Panics
/// If it does.
pub fn sealed_body(plain: &[u8], bit: u32) {
    let key = Arc::new(DataKey::random(1).expect("there are random numbers"));
    let body = [Bytes::copy_from_slice(plain)];
    let header = Header::for_body(Kind::Batch, 1, None, None, &body);
    let sealed = Sealer::default().seal(&key, PLACE, &header, &body);
    let sealed = sealed.expect("an entry of this size is sealed");
    let mut body = sealed.body.to_vec();
    let at = bit as usize % (body.len() * 8);
    body[at / 8] ^= 1 << (at % 8);
    let mut header = sealed.header.with_body(true, &body);
    header.stamp = Some(Stamp {
        position: Position::new(1),
        arrival: ServerTime::from_millis(0),
        unsynced: 0,
    });
    let mut entry = header.encode().to_vec();
    assert_eq!(entry.len(), HEADER_LEN);
    entry.extend(&body);
    seal::open(slice(&entry), PLACE, |number| {
        (number == 1).then(|| Arc::clone(&key))
    })
    .expect_err("what was changed does not open");
}

const PLACE: Place = Place {
    stream: 1,
    shard: 0,
};

fn slice(bytes: &[u8]) -> Slice {
    Slice {
        bytes: Bytes::copy_from_slice(bytes),
        first: Position::ZERO,
        end: Position::ZERO,
    }
}

/// Producers' sequences against a model: each is taken once, in order, and retries are known.
///
/// # Panics
/// If the table and the model differ.
pub fn producers(operations: &[(u8, u8, u8)]) {
    let mut table = ProducerTable::default();
    let mut model: BTreeMap<u64, Vec<Taken>> = BTreeMap::new();
    for (i, &(id, sequence, checksum)) in (0_u64..).zip(operations) {
        let producer = Producer {
            id: u64::from(id) + 1,
            sequence: u64::from(sequence),
        };
        let sent = model.entry(producer.id).or_default();
        let next = u8::try_from(sent.len() + 1).ok();
        let verdict = table.judge(producer, u32::from(checksum));
        let original = sequence
            .checked_sub(1)
            .and_then(|i| sent.get(usize::from(i)));
        match original {
            None if Some(sequence) == next => {
                assert_eq!(verdict, Ok(Verdict::Next));
                let taken = Taken {
                    position: Position::new(i),
                    arrival: ServerTime::from_millis(0),
                    serial: 0,
                    record_count: 1,
                    checksum: u32::from(checksum),
                    key: 0,
                };
                table.record(producer, taken);
                sent.push(taken);
            }
            Some(original) if original.checksum == u32::from(checksum) => {
                assert_eq!(verdict, Ok(Verdict::Known(*original)));
            }
            _ => assert!(verdict.is_err(), "{producer:?} {verdict:?}"),
        }
        if i % 16 == 15 {
            table = marker::decode(&marker::encode(&table)).expect("a written marker reads");
        }
    }
}
