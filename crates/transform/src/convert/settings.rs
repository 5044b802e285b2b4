//! What a user may choose about the conversion of a delivery stream's records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Columns with their parts, at most.
pub(super) const FIELDS_MAX: usize = 2_000;
/// Characters of the name of a column, as in the Glue catalog.
pub(super) const NAME_CHARS_MAX: usize = 255;
/// Formats of times.
pub(super) const TIMESTAMP_FORMATS_MAX: usize = 64;

/// Records of JSON into Parquet files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// The columns of the files.
    pub columns: Vec<Column>,
    /// How records are read.
    #[serde(default)]
    pub json: JsonReading,
    /// How files are written.
    #[serde(default)]
    pub parquet: ParquetSettings,
}

impl Conversion {
    /// Files with these columns, with every default.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            json: JsonReading::default(),
            parquet: ParquetSettings::default(),
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    #[serde(alias = "Name")]
    pub name: String,
    /// Its type as Hive writes it, such as `array<decimal(10,2)>`.
    #[serde(rename = "type", alias = "Type")]
    pub kind: String,
}

/// How JSON is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum JsonReading {
    /// As the library of `OpenX` does: strings may stand for numbers and truth values, and objects and arrays for
    /// their text.
    OpenX {
        /// Keys are made lower case before a column is looked for, names of columns too.
        #[serde(default = "yes")]
        case_insensitive: bool,
        /// Dots in keys become underscores.
        #[serde(default)]
        dots_to_underscores: bool,
        /// Keys of columns that are called otherwise, by the names of the columns.
        #[serde(default)]
        mappings: BTreeMap<String, String>,
    },
    /// As the library of Hive does: numbers are numbers, and keys are compared without their case.
    Hive {
        /// How times are written, as Joda-Time writes it, or `millis`; if there are none, as JDBC has them.
        #[serde(default)]
        timestamp_formats: Vec<String>,
    },
}

impl Default for JsonReading {
    fn default() -> Self {
        Self::OpenX {
            case_insensitive: true,
            dots_to_underscores: false,
            mappings: BTreeMap::new(),
        }
    }
}

fn yes() -> bool {
    true
}

/// How Parquet files are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParquetSettings {
    /// How pages are compressed.
    pub compression: ParquetCompression,
    /// Bytes of a row group, about; none gets larger than 64 MiB.
    pub block_bytes: u64,
    /// Bytes of a page before compression, about.
    pub page_bytes: u64,
    /// Whether values that repeat are looked up in a dictionary.
    pub dictionary: bool,
    /// The version of pages and encodings.
    pub version: ParquetVersion,
}

impl Default for ParquetSettings {
    fn default() -> Self {
        Self {
            compression: ParquetCompression::Snappy,
            block_bytes: 64 << 20,
            page_bytes: 1 << 20,
            dictionary: true,
            version: ParquetVersion::V1,
        }
    }
}

/// How pages of Parquet files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParquetCompression {
    /// Not at all.
    Uncompressed,
    /// gzip.
    Gzip,
    /// Snappy.
    #[default]
    Snappy,
    /// Zstandard, which Firehose does not have.
    Zstd,
}

/// The version of a Parquet file's pages and encodings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParquetVersion {
    /// What every reader knows.
    #[default]
    V1,
    /// Smaller where values grow steadily.
    V2,
}
