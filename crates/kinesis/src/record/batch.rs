//! Records as the body of an entry, copied only where copying is cheaper than a piece of its own.

use afflux_entry::{Header, Kind, RECORD_OVERHEAD};
use afflux_types::{HashKey, PartitionKey};
use bytes::{BufMut, Bytes, BytesMut};

/// Payloads below this are copied behind their key. A piece of its own costs a reference count, a check
/// and an `iovec` of the write: about as much as copying this.
const COPIED_BYTES_MAX: usize = 4_096;

const FLAG_EXPLICIT_HASH_KEY: u8 = 0x01;

/// What is stored for a record without a partition key, together with the start of its shard's range
/// as the explicit hash key. An entry has no record without a key.
pub(super) const NO_KEY: &[u8] = b"\0";

/// A record to be taken, its members checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    /// Absent only where the service distributes the records.
    pub(super) key: Option<&'a PartitionKey>,
    pub(super) explicit_hash_key: Option<HashKey>,
    pub(super) data: &'a Bytes,
}

impl Item<'_> {
    pub(super) fn key_bytes(&self) -> &[u8] {
        self.key.map_or(NO_KEY, PartitionKey::as_bytes)
    }

    /// The key that decides the shard.
    pub(super) fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of(self.key_bytes()))
    }

    /// Bytes that limits count.
    pub(super) fn len(&self) -> usize {
        self.key.map_or(0, |key| key.as_bytes().len()) + self.data.len()
    }
}

/// An entry of `items`; all of them get the hash key `pinned`, if there is one.
pub(super) fn entry<'a>(
    items: impl Iterator<Item = Item<'a>> + Clone,
    pinned: Option<HashKey>,
) -> (Header, Vec<Bytes>) {
    let mut pieces = Vec::new();
    let mut piece = BytesMut::with_capacity(items.clone().map(copied_len).sum());
    let mut count = 0;
    for item in items {
        count += 1;
        put_head(&mut piece, item, pinned.or(item.explicit_hash_key));
        if item.data.len() < COPIED_BYTES_MAX {
            piece.put_slice(item.data);
        } else {
            pieces.push(piece.split().freeze());
            pieces.push(item.data.clone());
        }
    }
    if !piece.is_empty() {
        pieces.push(piece.freeze());
    }
    let header = Header::for_body(Kind::Batch, count, None, None, &pieces);
    (header, pieces)
}

/// An upper bound of what an item adds to the buffer that heads and small payloads share.
fn copied_len(item: Item<'_>) -> usize {
    let data = match item.data.len() {
        len if len < COPIED_BYTES_MAX => len,
        _ => 0,
    };
    RECORD_OVERHEAD + size_of::<u128>() + item.key_bytes().len() + data
}

/// Writes a record up to its payload.
fn put_head(to: &mut BytesMut, item: Item<'_>, hash_key: Option<HashKey>) {
    let key = item.key_bytes();
    to.put_u32_le(u32::try_from(item.data.len()).expect("a record is bounded to 10 MiB"));
    to.put_u16_le(u16::try_from(key.len()).expect("a key is bounded to 1 KiB"));
    to.put_u8(hash_key.map_or(0, |_| FLAG_EXPLICIT_HASH_KEY));
    to.put_u8(0);
    if let Some(hash_key) = hash_key {
        to.put_u128_le(hash_key.get());
    }
    to.put_slice(key);
}

#[cfg(test)]
mod tests {
    use afflux_entry::{Batch, BatchBuilder};

    use super::*;

    #[test]
    fn an_entry_in_pieces_is_the_entry_that_producers_build() {
        let key = PartitionKey::new("käse").unwrap();
        let sizes = [0, 1, COPIED_BYTES_MAX - 1, COPIED_BYTES_MAX, 100_000, 3];
        let data: Vec<Bytes> = sizes.iter().map(|len| vec![7; *len].into()).collect();
        let explicit = [None, Some(HashKey::new(5))];
        for pinned in [None, Some(HashKey::new(9))] {
            let items = data.iter().zip(explicit.iter().cycle());
            let items = items.map(|(data, explicit)| Item {
                key: Some(&key),
                explicit_hash_key: *explicit,
                data,
            });
            let mut builder = BatchBuilder::default();
            for item in items.clone() {
                let hash_key = pinned.or(item.explicit_hash_key);
                builder.push(key.as_bytes(), hash_key, item.data);
            }
            let (header, pieces) = entry(items, pinned);
            assert_eq!(pieces.len(), 5);
            assert_eq!(pieces.concat(), builder.take().0);
            assert!(header.verify(&pieces).is_ok());
            let body = pieces.concat();
            assert_eq!(Batch::new(&body, header.record_count).count(), sizes.len());
        }
    }
}
