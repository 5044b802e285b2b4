//! The body of a shard marker: a snapshot of the producers that a shard remembers.
//!
//! Near the start of every segment stands a marker, so that a shard is opened by reading its last
//! segment or two, however long its log is, and so that retention never deletes what a producer's
//! next retry is judged by.
//!
//! # Shape
//! Protocol Buffers, message [`Snapshot`]: fields are never renumbered. Producers stand in the order
//! of their last use, the longest unused first. Positions and arrivals are differences from the entry
//! before, the first from zero.

use std::collections::VecDeque;

use afflux_types::{Position, ServerTime};
use bytes::Bytes;
use prost::Message;

use super::producers::{ProducerTable, Row, Taken};

#[derive(Clone, PartialEq, Message)]
struct Snapshot {
    #[prost(message, repeated, tag = "1")]
    producers: Vec<ProducerRow>,
}

/// A producer; the lists are as long as each other.
#[derive(Clone, PartialEq, Message)]
struct ProducerRow {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    last_sequence: u64,
    #[prost(sint64, repeated, tag = "3")]
    positions: Vec<i64>,
    #[prost(sint64, repeated, tag = "4")]
    arrivals: Vec<i64>,
    #[prost(uint32, repeated, tag = "5")]
    record_counts: Vec<u32>,
    #[prost(fixed32, repeated, tag = "6")]
    checksums: Vec<u32>,
    /// Data keys; empty if all are zero.
    #[prost(uint64, repeated, tag = "7")]
    keys: Vec<u64>,
}

/// Why a marker's body is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MarkerError {
    #[error("decode the marker's message")]
    Message(#[source] prost::DecodeError),
    #[error("the lists of producer {id:#018x} differ in length")]
    Lists { id: u64 },
}

/// Writes a table as the body of a marker.
pub(crate) fn encode(table: &ProducerTable) -> Bytes {
    let snapshot = Snapshot {
        producers: table.iter().map(|(id, row)| encode_row(id, row)).collect(),
    };
    Bytes::from(snapshot.encode_to_vec())
}

fn encode_row(id: u64, row: &Row) -> ProducerRow {
    let window = &row.window;
    ProducerRow {
        id,
        last_sequence: row.last,
        positions: differences(
            window
                .iter()
                .map(|taken| taken.position.get().cast_signed()),
        ),
        arrivals: differences(window.iter().map(|taken| taken.arrival.as_millis())),
        record_counts: window.iter().map(|taken| taken.record_count).collect(),
        checksums: window.iter().map(|taken| taken.checksum).collect(),
        keys: if window.iter().all(|taken| taken.key == 0) {
            Vec::new()
        } else {
            window.iter().map(|taken| taken.key).collect()
        },
    }
}

/// Reads the body of a marker.
pub(crate) fn decode(body: &[u8]) -> Result<ProducerTable, MarkerError> {
    let snapshot = Snapshot::decode(body).map_err(MarkerError::Message)?;
    let mut table = ProducerTable::default();
    for row in snapshot.producers {
        let len = row.positions.len();
        let lens = [
            row.arrivals.len(),
            row.record_counts.len(),
            row.checksums.len(),
        ];
        let keys_fit = row.keys.is_empty() || row.keys.len() == len;
        if !keys_fit || lens.iter().any(|&other| other != len) {
            return Err(MarkerError::Lists { id: row.id });
        }
        let window: VecDeque<Taken> = sums(&row.positions)
            .zip(sums(&row.arrivals))
            .zip(row.record_counts.iter().zip(&row.checksums))
            .zip(row.keys.iter().copied().chain(std::iter::repeat(0)))
            .map(
                |(((position, arrival), (&record_count, &checksum)), key)| Taken {
                    position: Position::new(position.cast_unsigned()),
                    arrival: ServerTime::from_millis(arrival),
                    serial: 0,
                    record_count,
                    checksum,
                    key,
                },
            )
            .collect();
        table.restore(row.id, row.last_sequence, window);
    }
    Ok(table)
}

fn differences(values: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut before = 0_i64;
    values
        .map(|value| value.wrapping_sub(std::mem::replace(&mut before, value)))
        .collect()
}

fn sums(differences: &[i64]) -> impl Iterator<Item = i64> {
    differences.iter().scan(0_i64, |sum, &difference| {
        *sum = sum.wrapping_add(difference);
        Some(*sum)
    })
}

#[cfg(test)]
mod tests {
    use afflux_entry::Producer;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marker_reads_what_it_writes(entries in proptest::collection::vec((1_u64..5, any::<u64>(), any::<i64>(), any::<u32>(), any::<u32>(), 0_u64..3), 0..50)) {
            let mut table = ProducerTable::default();
            for (id, position, arrival, record_count, checksum, key) in entries {
                let sequence = table.last_sequence(id) + 1;
                table.record(Producer { id, sequence }, Taken {
                    position: Position::new(position),
                    arrival: ServerTime::from_millis(arrival),
                    serial: 0,
                    record_count,
                    checksum,
                    key,
                });
            }
            let read = decode(&encode(&table)).unwrap();
            let rows = |table: &ProducerTable| -> Vec<_> {
                table.iter().map(|(id, row)| (id, row.last, row.window.clone())).collect()
            };
            prop_assert_eq!(rows(&read), rows(&table));
        }

        #[test]
        fn random_bytes_never_panic(body: Vec<u8>) {
            let _ = decode(&body);
        }
    }

    #[test]
    fn lists_of_different_lengths_are_refused() {
        let row = ProducerRow {
            id: 3,
            last_sequence: 1,
            positions: vec![1],
            ..ProducerRow::default()
        };
        let body = Snapshot {
            producers: vec![row],
        };
        let error = decode(&body.encode_to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the lists of producer 0x0000000000000003 differ in length"
        );
    }
}
