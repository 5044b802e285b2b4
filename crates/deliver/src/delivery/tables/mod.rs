//! Tables of Apache Iceberg, to which a delivery stream appends its records instead of writing objects.
//!
//! # Shape
//! The records of a batch are converted when it ends, into Parquet files whose columns have the ids that the fields
//! of the table have then ([`open`]): a table that changes is followed from the next batch on. The files are objects
//! of the intent as all others, in the table's data location, under names that follow from the delivery stream, the
//! batch and the part. Once they are there, one commit of the catalog makes all of them part of the table
//! ([`append`]), and the batch counts as delivered. What does not fit goes to the error prefix.
//!
//! # Exactly once
//! A commit adds the files, and sets the property `afflux.delivery.ID` of the table to the batch's number: both
//! happen, or neither. It is made on a state of the table that was seen without that number, and catalogs refuse it
//! (409) if the table's main branch has moved from that state. So the number is looked for before every attempt, in
//! the same state on which the attempt is made:
//!
//! - Nothing was sent, or the catalog refused: the number is not there, and the same files are committed again.
//! - The answer was lost, by a timeout, a status of 5xx or the end of this process: if the commit was made the
//!   number is there. If it is still on its way, either it comes first and the next attempt is refused, or that one
//!   comes first and it is.
//! - The process ends after the commit, before the places are noted: the intent is found, the files are there or are
//!   put there as they were, the number is found, and the places are noted.
//! - The process ends between files, or before the first: they are the intent's, and the commit follows them.
//!
//! A property and not the snapshot's summary decides (which has delivery stream and batch too, for whoever looks),
//! since snapshots expire, by anybody's rules and within minutes, and after a rollback would have to be looked for
//! off the main branch; what somebody rolled back must not come again. A property stays, costs one look, and is one
//! row for each delivery stream however long it runs.
//!
//! A table that is replaced by another of the same name between intent and commit gets nothing: its id is not the
//! intent's. One that is partitioned in between neither. Both are said as the delivery's last error until somebody
//! puts the table right, or deletes the delivery stream.
//!
//! # What stays behind
//! Manifests of attempts that were refused, which nothing refers to, as other writers leave them. Data files never:
//! those of an attempt that failed are those of the next one.
//!
//! Without the feature `iceberg` settings are understood and refused.

#[cfg(not(feature = "iceberg"))]
mod absent;
mod catalogs;
#[cfg(feature = "iceberg")]
mod iceberg;

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_transform::{ColumnFacts, Schema};
use afflux_types::{Error, Result};
use serde::{Deserialize, Serialize};

#[cfg(not(feature = "iceberg"))]
pub(crate) use absent::{append, open};
pub use catalogs::{CatalogLogin, CatalogSettings, Catalogs};
#[cfg(feature = "iceberg")]
pub(crate) use iceberg::{append, open};

use super::settings::Place;
use super::stores::Stores;
use crate::fs::FileSystem;

/// Characters of the parts of a table's name.
const NAME_CHARS_MAX: usize = 255;

/// The table that a delivery stream appends to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSettings {
    /// Its catalog, among those of the server's configuration.
    pub catalog: String,
    /// Its namespace, the outermost part first.
    pub namespace: Vec<String>,
    /// Its name in the namespace.
    pub name: String,
}

impl TableSettings {
    /// A table by its name with its namespace, such as `shop.orders`.
    ///
    /// # Errors
    /// `Invalid` for a name without a namespace.
    pub fn new(catalog: &str, name: &str) -> Result<Self> {
        let mut namespace: Vec<String> = name.split('.').map(str::to_owned).collect();
        let table = Self {
            catalog: catalog.to_owned(),
            name: namespace.pop().unwrap_or_default(),
            namespace,
        };
        table.check()?;
        Ok(table)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let mut parts = self.namespace.iter().chain([&self.name]);
        let fits = |part: &String| (1..=NAME_CHARS_MAX).contains(&part.chars().count());
        if self.namespace.is_empty() || !parts.all(fits) {
            return Err(Error::invalid(format!(
                "{:?} is not the name of a table: it has a namespace and a name, such as shop.orders, of 1 to \
                 {NAME_CHARS_MAX} characters each",
                self.full_name()
            )));
        }
        Ok(())
    }

    /// Its name with its namespace.
    #[must_use]
    pub fn full_name(&self) -> String {
        let parts = self.namespace.iter().chain([&self.name]);
        parts.cloned().collect::<Vec<_>>().join(".")
    }
}

/// What tables are reached through; a cheap handle.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "iceberg"),
    expect(dead_code, reason = "nobody reaches a table without the feature")
)]
pub(crate) struct Access {
    pub(crate) catalogs: Catalogs,
    pub(crate) stores: Stores,
    pub(crate) fs: Arc<dyn FileSystem>,
}

/// What a batch needs to know of its table when it ends.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) table: TableSettings,
    /// The id that the table has had since it was made.
    pub(crate) uuid: String,
    pub(crate) schema: Schema,
    /// Where its data files are.
    pub(crate) place: Place,
    /// What their names in that place begin with, and their names in the table.
    pub(crate) prefix: String,
    pub(crate) location: String,
}

/// Data files that a batch adds to a table, all at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) table: TableSettings,
    pub(crate) uuid: String,
    pub(crate) files: Vec<NewFile>,
}

/// A data file and what the table keeps of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewFile {
    /// Its name in the table.
    pub(crate) location: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// By the ids of fields.
    pub(crate) columns: BTreeMap<i32, ColumnFacts>,
    /// Where its row groups begin.
    pub(crate) offsets: Vec<i64>,
}

/// The batch that a commit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The id of the delivery stream.
    pub(crate) delivery: u64,
    pub(crate) number: u64,
}

/// The name of a data file: the same whenever it is asked for, and no other file's.
pub(crate) fn file_name(delivery: u64, batch: u64, part: u32) -> String {
    format!("{delivery:016x}-{batch:016x}-{part:06}.parquet")
}

#[cfg(test)]
mod tests;
