//! The tables that say which columns converted records have, as the Glue catalog would.

use afflux_transform::{Conversion, Schema};
use afflux_types::{Error, Result};

pub use afflux_transform::Column as TableColumn;

/// A table with its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<TableColumn>,
}

impl Table {
    /// The table `name` of a database.
    ///
    /// # Errors
    /// `Invalid` for columns that records cannot be converted to.
    pub fn new(database: String, name: String, columns: Vec<TableColumn>) -> Result<Self> {
        let table = format!("table {name:?} of the database {database:?}");
        Schema::of(&Conversion::new(columns.clone()))
            .map_err(|error| Error::invalid(format!("{table}: {}", error.message())))?;
        Ok(Self {
            database,
            name,
            columns,
        })
    }

    /// Reads a list of columns, each of which has a `name` and a `type`, as JSON.
    ///
    /// # Errors
    /// `Invalid` if it is none.
    pub fn columns_from_json(text: &str) -> Result<Vec<TableColumn>> {
        serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("this is no list of columns: {error}")))
    }
}
