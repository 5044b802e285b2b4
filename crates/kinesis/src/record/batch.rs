//! Records as clients put them, and the entry that a shard gets of them.

use afflux_entry::{Header, NewRecord, batch_in_pieces};
use afflux_types::{HashKey, PartitionKey};
use bytes::Bytes;

/// A record to be taken, its members checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    /// Absent only where the service distributes the records.
    pub(super) key: Option<&'a PartitionKey>,
    pub(super) explicit_hash_key: Option<HashKey>,
    pub(super) data: &'a Bytes,
}

impl<'a> Item<'a> {
    pub(super) fn key_bytes(&self) -> &'a [u8] {
        self.key.map_or(NewRecord::NO_KEY, PartitionKey::as_bytes)
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

/// An entry of `items`; all of them get the hash key `pinned`, if there is one: the start of their shard's
/// range, where the service distributes the records.
pub(super) fn entry<'a>(
    items: impl Iterator<Item = Item<'a>> + Clone,
    pinned: Option<HashKey>,
) -> (Header, Vec<Bytes>) {
    batch_in_pieces(items.map(move |item| NewRecord {
        key: item.key_bytes(),
        explicit_hash_key: pinned.or(item.explicit_hash_key),
        data: item.data,
    }))
}
