//! Doors for the fuzz targets to the parsers and state machines that are private otherwise.

use std::collections::BTreeMap;

use afflux_entry::{Batch, Producer};
use afflux_types::{Position, ServerTime, ShardId};
use bytes::Bytes;

use crate::catalog::{ShardFacts, StreamFacts};
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
