//! Records of JSON into one Parquet file, with the columns of a table.
//!
//! # Shape
//! A record is parsed once, straight into columns (`json`, `column`, `leaf`, `scalar`, `time`); `hive` reads the types of
//! columns, and a [`Schema`] is what a user chose, checked. The columns go to the writer in bunches.
//!
//! The fields of a table of Apache Iceberg have ids and may be required, which Hive knows nothing of: `table` makes
//! a [`Schema`] of them, and says of a file's columns what such a table keeps.
//!
//! Columns are found by the names of keys: keys that are no column are passed over, columns without a key are null.
//! So records of several versions of a schema stand in one file.
//!
//! # Invariants
//! - A record is in the file with all of its objects, or with none: one that fails costs no other.
//! - What does not fit a column fails its record. Nothing is cut off, made null or guessed; only a decimal's digits
//!   behind its scale, and of a time those behind microseconds, are rounded.
//! - Memory is bounded by a bunch, one record and a row group, whatever the records are.

mod column;
mod hive;
mod json;
mod leaf;
mod scalar;
mod schema;
mod settings;
mod table;
mod time;

use std::io::{self, Write};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use serde::de::DeserializeSeed as _;
use serde_json::error::Category;

pub use schema::Schema;
pub use settings::{
    Column, Conversion, JsonReading, ParquetCompression, ParquetSettings, ParquetVersion,
};
pub use table::{ColumnFacts, TableField, TableType};

use column::Struct;
use json::{Context, Row, VALUES_MAX};

/// Rows that are handed to the writer at once, at most.
const BUNCH_ROWS: usize = 4_096;
/// Values of them, unless one record has more.
const BUNCH_VALUES: usize = 1 << 20;
/// Bytes of their records, unless one has more.
const BUNCH_BYTES: usize = 1 << 20;
/// Bytes of one record: its texts have offsets of 31 bits.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// Why a record is not in the file, as its error object says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Of Firehose.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
}

/// A complete Parquet file.
#[derive(Debug)]
pub struct Converted {
    /// Rows of the file.
    pub rows: u64,
    metadata: ParquetMetaData,
}

/// Writes records into a Parquet file.
pub struct Converter<W: Write + Send> {
    schema: Schema,
    columns: Struct,
    context: Context,
    /// Of the bunch.
    values: usize,
    /// Of the bunch.
    bytes: usize,
    rows: u64,
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> std::fmt::Debug for Converter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converter").finish_non_exhaustive()
    }
}

impl<W: Write + Send> Converter<W> {
    /// Opens a file.
    ///
    /// # Errors
    /// If the writer does not take its beginning.
    pub fn new(schema: &Schema, writer: W) -> io::Result<Self> {
        let options = ArrowWriterOptions::new()
            .with_properties(schema.properties.clone())
            .with_skip_arrow_metadata(true);
        let arrow = schema.arrow.clone();
        let writer = ArrowWriter::try_new_with_options(writer, arrow, options);
        Ok(Self {
            columns: schema.columns(),
            context: Context::new(schema.reading.clone()),
            schema: schema.clone(),
            values: 0,
            bytes: 0,
            rows: 0,
            writer: writer.map_err(unwritten)?,
        })
    }

    /// Takes a record: one object or several, each of which becomes a row. A record that does not fit is left out.
    ///
    /// # Errors
    /// If the writer does not take what was to be written before.
    pub fn push(&mut self, record: &[u8]) -> io::Result<Result<(), Misfit>> {
        let before = self.columns.len();
        self.context.left = VALUES_MAX;
        match self.read(record) {
            Ok(()) => {
                self.values += VALUES_MAX - self.context.left;
                self.bytes += record.len();
            }
            Err(misfit) => {
                self.columns.truncate(before);
                return Ok(Err(misfit));
            }
        }
        let is_full = self.columns.len() >= BUNCH_ROWS
            || self.values >= BUNCH_VALUES
            || self.bytes >= BUNCH_BYTES;
        if is_full {
            self.write_bunch()?;
        }
        Ok(Ok(()))
    }

    /// Writes what is left; gives what the file has.
    ///
    /// # Errors
    /// If the writer does not take it.
    pub fn finish(mut self) -> io::Result<Converted> {
        self.write_bunch()?;
        let metadata = self.writer.finish().map_err(unwritten)?;
        Ok(Converted {
            rows: self.rows,
            metadata,
        })
    }

    fn read(&mut self, record: &[u8]) -> Result<(), Misfit> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(Misfit::unfit(&format!(
                "it has {} bytes; {RECORD_BYTES_MAX} are converted at most",
                record.len()
            )));
        }
        if record.trim_ascii().is_empty() {
            return Err(Misfit::malformed("there is no object in the record"));
        }
        let mut json = serde_json::Deserializer::from_slice(record);
        loop {
            let row = Row {
                columns: &mut self.columns,
                context: &mut self.context,
            };
            row.deserialize(&mut json)
                .map_err(|error| Misfit::of(&error, &mut self.context.path))?;
            if json.end().is_ok() {
                return Ok(());
            }
        }
    }

    fn write_bunch(&mut self) -> io::Result<()> {
        let rows = self.columns.len();
        if rows == 0 {
            return Ok(());
        }
        let (_, columns, _) = self.columns.finish().into_parts();
        let batch = RecordBatch::try_new(self.schema.arrow.clone(), columns);
        let batch = batch.map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(unwritten)?;
        self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        (self.values, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Misfit {
    fn of(error: &serde_json::Error, path: &mut Vec<String>) -> Self {
        let path: Vec<String> = path.drain(..).rev().collect();
        match error.classify() {
            Category::Data if path.is_empty() => Self::unfit(&error.to_string()),
            Category::Data => Self::unfit(&format!("{}: {error}", path.join("."))),
            Category::Io | Category::Syntax | Category::Eof => Self::malformed(&error.to_string()),
        }
    }

    fn malformed(reason: &str) -> Self {
        Self {
            code: "DataFormatConversion.ParseError",
            message: format!("Encountered malformed JSON. {reason}"),
        }
    }

    fn unfit(reason: &str) -> Self {
        Self {
            code: "DataFormatConversion.MalformedData",
            message: format!("Data does not match the schema. {reason}"),
        }
    }
}

/// The error of the writer below, where it is one.
fn unwritten(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests;
