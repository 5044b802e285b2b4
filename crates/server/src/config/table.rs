//! The tables of a configuration file: the columns of converted records.

use std::path::PathBuf;

use afflux_firehose::{Table as Known, TableColumn};
use afflux_types::{Error, Result};
use serde::Deserialize;

/// A table that delivery streams find the columns of Parquet files in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The database, as delivery streams name it.
    pub database: String,
    /// The table's name.
    pub name: String,
    /// The columns themselves.
    pub columns: Option<Vec<TableColumn>>,
    /// A file with the columns: a list as JSON.
    pub file: Option<PathBuf>,
}

impl Table {
    /// What the service is told.
    ///
    /// # Errors
    /// `Invalid` if the table has no columns, or has them twice, or they cannot be read.
    pub(crate) fn settings(&self) -> Result<Known> {
        let Self { database, name, .. } = self;
        let columns = match (&self.columns, &self.file) {
            (Some(columns), None) => columns.clone(),
            (None, Some(file)) => {
                let unread = || format!("read {}, the columns of table {name:?}", file.display());
                let text = std::fs::read_to_string(file)
                    .map_err(|error| Error::invalid(unread()).with_source(error))?;
                Known::columns_from_json(&text)
                    .map_err(|error| Error::invalid(unread()).with_source(error))?
            }
            _ => {
                return Err(Error::invalid(format!(
                    "table {name:?} of the database {database:?} needs exactly one of columns and file"
                )));
            }
        };
        Known::new(database.clone(), name.clone(), columns)
    }
}

/// What the generated file says about tables.
pub(super) const DOCUMENTATION: &str = r#"# Tables: the columns that delivery streams of the Firehose API convert their records to, in place of the
# tables of a Glue catalog. A delivery stream keeps the columns that its table had when it was made or changed.
#
# database  as SchemaConfiguration of the API names it.
# name      the table's name.
# columns   each with a name and a type of Hive, such as { name = "price", type = "decimal(10,2)" }; or
# file      a file with such a list as JSON: [{"name": "price", "type": "decimal(10,2)"}].
#
#[[tables]]
#database = "shop"
#name = "orders"
#columns = [{ name = "id", type = "bigint" }, { name = "tags", type = "array<string>" }]
"#;
