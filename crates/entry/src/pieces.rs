//! The body of a record batch in pieces, copied only where copying is cheaper than a piece of its own.

use afflux_types::HashKey;
use bytes::{BufMut, Bytes, BytesMut};

use crate::batch::{put_head, record_len};
use crate::header::{Header, Kind};

/// Payloads below this are copied behind their key. A piece of its own costs a reference count, a check
/// and an `iovec` of the write: about as much as copying this.
const COPIED_BYTES_MAX: usize = 4_096;

/// A record for a batch, its key and size checked.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The UTF-8 bytes of the partition key.
    pub key: &'a [u8],
    /// Overrides the hash of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// The payload.
    pub data: &'a Bytes,
}

impl<'a> NewRecord<'a> {
    /// What is stored as the key of a record that has none: an entry has no record without a key.
    pub const NO_KEY: &'static [u8] = b"\0";

    /// A record without a partition key.
    #[must_use]
    pub fn keyless(data: &'a Bytes) -> Self {
        Self {
            key: Self::NO_KEY,
            explicit_hash_key: None,
            data,
        }
    }

    /// An upper bound of what the record adds to the piece that heads and small payloads share.
    fn copied_len(&self) -> usize {
        let data = match self.is_copied() {
            true => self.data.len(),
            false => 0,
        };
        record_len(self.key.len(), data, self.explicit_hash_key)
    }

    fn is_copied(&self) -> bool {
        self.data.len() < COPIED_BYTES_MAX
    }
}

/// An entry of `records` that shares their larger payloads.
///
/// # Panics
/// As [`BatchBuilder::push`](crate::BatchBuilder::push).
pub fn batch_in_pieces<'a>(
    records: impl Iterator<Item = NewRecord<'a>> + Clone,
) -> (Header, Vec<Bytes>) {
    let mut pieces = Vec::new();
    let copied = records.clone().map(|record| record.copied_len()).sum();
    let mut piece = BytesMut::with_capacity(copied);
    let mut count = 0;
    for record in records {
        count += 1;
        put_head(
            &mut piece,
            record.key,
            record.explicit_hash_key,
            record.data.len(),
        );
        if record.is_copied() {
            piece.put_slice(record.data);
        } else {
            pieces.push(piece.split().freeze());
            pieces.push(record.data.clone());
        }
    }
    if !piece.is_empty() {
        pieces.push(piece.freeze());
    }
    let header = Header::for_body(Kind::Batch, count, None, None, &pieces);
    (header, pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, BatchBuilder};

    #[test]
    fn an_entry_in_pieces_is_the_entry_that_producers_build() {
        let sizes = [0, 1, COPIED_BYTES_MAX - 1, COPIED_BYTES_MAX, 100_000, 3];
        let data: Vec<Bytes> = sizes.iter().map(|len| vec![7; *len].into()).collect();
        let explicit = [None, Some(HashKey::new(5))];
        let records = data.iter().zip(explicit.iter().cycle());
        let records = records.map(|(data, explicit)| NewRecord {
            key: "käse".as_bytes(),
            explicit_hash_key: *explicit,
            data,
        });
        let mut builder = BatchBuilder::default();
        for record in records.clone() {
            builder.push(record.key, record.explicit_hash_key, record.data);
        }
        let (header, pieces) = batch_in_pieces(records);
        assert_eq!(pieces.len(), 5);
        assert_eq!(pieces.concat(), builder.take().0);
        assert!(header.verify(&pieces).is_ok());
        let body = pieces.concat();
        assert_eq!(Batch::new(&body, header.record_count).count(), sizes.len());
    }
}
