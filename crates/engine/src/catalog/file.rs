//! The catalog's store in one file: a `redb` database.
//!
//! Every table maps bytes to bytes; `redb` gives copy-on-write transactions with one sync each and
//! repairs itself after a crash.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use afflux_types::{Error, ErrorKind, Result};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::store::{Row, Store, Table, Write, prefix_end};

/// Bytes of pages kept in memory. A catalog of 10,000 streams has two MiB; `redb` would take a GiB.
const CACHE_BYTES: usize = 16 << 20;

/// A [`Store`] in a file.
#[derive(Debug)]
pub(crate) struct FileStore {
    database: Database,
    path: PathBuf,
}

impl FileStore {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// `InUse` if another process has it open, `DataLoss` if it is damaged, else `Unavailable`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| failed("open", path, error))?;
        let store = Self {
            database,
            path: path.to_owned(),
        };
        store.create_tables()?;
        Ok(store)
    }

    /// Readers fail on a table that was never written, so all are made at once.
    fn create_tables(&self) -> Result<()> {
        let transaction = self
            .database
            .begin_write()
            .map_err(|error| self.failed("begin", error))?;
        for table in Table::ALL {
            transaction
                .open_table(definition(table))
                .map_err(|error| self.failed("create a table in", error))?;
        }
        transaction
            .commit()
            .map_err(|error| self.failed("commit to", error))
    }

    fn failed(&self, operation: &str, error: impl Into<redb::Error>) -> Error {
        failed(operation, &self.path, error)
    }

    fn read<T>(
        &self,
        table: Table,
        work: impl FnOnce(
            &redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
        ) -> Result<T, redb::StorageError>,
    ) -> Result<T> {
        let transaction = self
            .database
            .begin_read()
            .map_err(|error| self.failed("read", error))?;
        let rows = transaction
            .open_table(definition(table))
            .map_err(|error| self.failed("read", error))?;
        work(&rows).map_err(|error| self.failed("read", error))
    }

    /// Applies the writes to one table, in their order. Tables do not depend on each other, so that
    /// each is opened once however long the transaction is.
    fn apply(
        transaction: &redb::WriteTransaction,
        table: Table,
        writes: &[Write],
    ) -> Result<(), redb::Error> {
        let mut writes = writes
            .iter()
            .filter(|write| write.table() == table)
            .peekable();
        if writes.peek().is_none() {
            return Ok(());
        }
        let mut rows = transaction.open_table(definition(table))?;
        for write in writes {
            match write {
                Write::Put { key, value, .. } => {
                    rows.insert(key.as_slice(), value.as_slice())?;
                }
                Write::Raise { key, value, .. } => {
                    let held = rows.get(key.as_slice())?;
                    let is_raised = held.is_none_or(|held| held.value() < value.as_slice());
                    if is_raised {
                        rows.insert(key.as_slice(), value.as_slice())?;
                    }
                }
                Write::Delete { key, .. } => {
                    rows.remove(key.as_slice())?;
                }
                Write::DeletePrefix { prefix, .. } => {
                    let end = prefix_end(prefix);
                    let range = (
                        Bound::Included(prefix.as_slice()),
                        upper_bound(end.as_ref()),
                    );
                    rows.retain_in::<&[u8], _>(range, |_, _| false)?;
                }
            }
        }
        Ok(())
    }
}

impl Store for FileStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(table, |rows| {
            Ok(rows.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let end = prefix_end(prefix);
        let lower = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        if after.is_some_and(|after| end.as_deref().is_some_and(|end| after >= end)) {
            return Ok(Vec::new());
        }
        self.read(table, |rows| {
            rows.range::<&[u8]>((lower, upper_bound(end.as_ref())))?
                .take(limit)
                .map(|row| {
                    let (key, value) = row?;
                    Ok((key.value().to_vec(), value.value().to_vec()))
                })
                .collect()
        })
    }

    fn commit(&self, writes: &[Write]) -> Result<()> {
        let transaction = self
            .database
            .begin_write()
            .map_err(|error| self.failed("begin", error))?;
        for table in Table::ALL {
            Self::apply(&transaction, table, writes)
                .map_err(|error| self.failed("write to", error))?;
        }
        transaction
            .commit()
            .map_err(|error| self.failed("commit to", error))
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

fn upper_bound(end: Option<&Vec<u8>>) -> Bound<&[u8]> {
    end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.as_slice()))
}

fn failed(operation: &str, path: &Path, error: impl Into<redb::Error>) -> Error {
    let error = error.into();
    let kind = match &error {
        redb::Error::DatabaseAlreadyOpen => ErrorKind::InUse,
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. } => ErrorKind::DataLoss,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("{operation} catalog {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &[u8]) -> Write {
        Write::Put {
            table: Table::Settings,
            key: key.to_vec(),
            value: key.to_vec(),
        }
    }

    fn keys(store: &FileStore, prefix: &[u8], after: Option<&[u8]>) -> Vec<Vec<u8>> {
        let rows = store.scan(Table::Settings, prefix, after, 100).unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn rows_survive_and_scan_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog");
        let store = FileStore::open(&path).unwrap();
        store
            .commit(&[put(b"b1"), put(b"a"), put(b"b2"), put(b"c"), put(b"b3")])
            .unwrap();
        drop(store);
        let store = FileStore::open(&path).unwrap();
        assert_eq!(keys(&store, b"b", None), [b"b1", b"b2", b"b3"]);
        assert_eq!(keys(&store, b"b", Some(b"b2")), [b"b3"]);
        assert_eq!(keys(&store, b"b", Some(b"a")).len(), 3);
        assert!(keys(&store, b"b", Some(b"c")).is_empty());
        assert_eq!(keys(&store, b"", None).len(), 5);
        store
            .commit(&[Write::DeletePrefix {
                table: Table::Settings,
                prefix: b"b".to_vec(),
            }])
            .unwrap();
        assert_eq!(keys(&store, b"", None), [b"a", b"c"]);
        assert_eq!(store.get(Table::Settings, b"b1").unwrap(), None);
    }

    #[test]
    fn a_raised_row_never_falls() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::open(&dir.path().join("catalog")).unwrap();
        for (value, kept) in [(2_u32, 2_u32), (3, 3), (2, 3), (300, 300), (299, 300)] {
            let raise = Write::Raise {
                table: Table::Meta,
                key: b"format".to_vec(),
                value: value.to_be_bytes().to_vec(),
            };
            store.commit(&[raise]).unwrap();
            let held = store.get(Table::Meta, b"format").unwrap();
            assert_eq!(held.as_deref(), Some(&kept.to_be_bytes()[..]));
        }
    }

    #[test]
    fn a_second_opener_and_a_file_that_is_no_catalog_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog");
        let store = FileStore::open(&path).unwrap();
        let error = FileStore::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse, "{error:?}");
        drop(store);
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        let error = FileStore::open(&path).unwrap_err();
        assert!(error.message().contains("open catalog"), "{error:?}");
    }
}
