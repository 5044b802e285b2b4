//! The storage that the catalog needs, as a trait of three operations.
//!
//! Problem: one machine keeps the catalog in a file, a cluster keeps the same facts in etcd. Both
//! offer ordered keys, prefix scans, and transactions of puts, deletes and comparisons, so the trait
//! asks for nothing else. What a row means is known only to [`super::row`] and [`super::key`].

use afflux_types::Result;

/// A group of rows with one meaning; keys order within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// The catalog's format and counters.
    Meta,
    /// Stream id to what was configured.
    Streams,
    /// Stream id and shard id to range and lineage.
    Shards,
    /// Stream id and consumer name to the registration.
    Consumers,
    /// Stream id, consumer name and shard id to a position.
    Checkpoints,
    /// Namespace and key to bytes that belong to others.
    Settings,
    /// Logs whose shard is gone from the catalog but may still be on disk.
    Removals,
}

impl Table {
    /// Every table.
    pub(crate) const ALL: [Self; 7] = [
        Self::Meta,
        Self::Streams,
        Self::Shards,
        Self::Consumers,
        Self::Checkpoints,
        Self::Settings,
        Self::Removals,
    ];

    /// The name in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Streams => "streams",
            Self::Shards => "shards",
            Self::Consumers => "consumers",
            Self::Checkpoints => "checkpoints",
            Self::Settings => "settings",
            Self::Removals => "removals",
        }
    }
}

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Inserts or replaces a row.
    Put {
        table: Table,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    /// Inserts a row, or replaces one whose value is smaller, byte by byte.
    Raise {
        table: Table,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    /// Deletes a row, if it exists.
    Delete { table: Table, key: Vec<u8> },
    /// Deletes every row whose key starts with `prefix`.
    DeletePrefix { table: Table, prefix: Vec<u8> },
}

impl Write {
    /// The table that the change is in.
    pub(crate) fn table(&self) -> Table {
        match self {
            Self::Put { table, .. }
            | Self::Raise { table, .. }
            | Self::Delete { table, .. }
            | Self::DeletePrefix { table, .. } => *table,
        }
    }
}

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// An ordered, durable, transactional table store.
pub(crate) trait Store: Send + Sync {
    /// The value of one row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// At most `limit` rows whose key starts with `prefix` and is greater than `after`, in order.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>>;

    /// Applies all writes, in their order within each table, as one transaction, durable when this returns.
    fn commit(&self, writes: &[Write]) -> Result<()>;
}

/// The first key after every key that starts with `prefix`; `None` if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_the_next_key_outside() {
        assert_eq!(prefix_end(b"a"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255]), None);
        assert_eq!(prefix_end(b""), None);
    }
}
