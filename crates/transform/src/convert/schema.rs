//! A conversion that was checked: which key goes into which column, and how the file is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use afflux_types::Result;
use arrow_schema::SchemaRef;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

use super::column::Struct;
use super::hive::Type;
use super::settings::{
    Column, Conversion, FIELDS_MAX, JsonReading, NAME_CHARS_MAX, ParquetCompression,
    ParquetSettings, ParquetVersion, TIMESTAMP_FORMATS_MAX,
};
use super::table::{BOUND_BYTES, TableField, types};
use super::time::{Format, Times};
use crate::Fault;

const BLOCK_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 30;
const PAGE_BYTES: RangeInclusive<u64> = 8 << 10..=64 << 20;
/// Bytes of a row group, about: what of it is encoded waits in memory until it is complete.
const ROW_GROUP_BYTES_MAX: u64 = 64 << 20;

/// A [`Conversion`] that was checked; a cheap handle.
#[derive(Clone, Debug)]
pub struct Schema {
    fields: Arc<[(String, Type)]>,
    /// What each field is called in JSON.
    keys: Arc<[String]>,
    pub(super) reading: Arc<Reading>,
    pub(super) arrow: SchemaRef,
    pub(super) properties: WriterProperties,
}

/// How values and keys are understood.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Whether strings are no numbers.
    pub(super) is_strict: bool,
    keys: Folding,
    pub(super) times: Times,
}

/// What is done to a key before it is looked for.
#[derive(Clone, Copy, Debug)]
struct Folding {
    is_lowered: bool,
    is_undotted: bool,
}

impl Schema {
    /// Checks a conversion.
    ///
    /// # Errors
    /// `Invalid`, naming the setting, its value and why it is refused.
    pub fn of(conversion: &Conversion) -> Result<Self> {
        let Conversion {
            columns,
            json,
            parquet,
        } = conversion;
        let reading = Reading::of(json)?;
        let fields = fields(columns)?;
        let mut keys: Vec<String> = Vec::new();
        let nothing = BTreeMap::new();
        let mappings = match json {
            JsonReading::OpenX { mappings, .. } => mappings,
            JsonReading::Hive { .. } => &nothing,
        };
        if let Some(stray) = mappings.keys().find(|name| !has(columns, name)) {
            return Err(refused(
                stray,
                "a mapping names it, and the schema does not have it",
            ));
        }
        for Column { name, .. } in columns {
            let key = mappings.get(name).unwrap_or(name);
            reading.put_key(&mut keys, name, key)?;
        }
        Self::assemble(fields, keys, reading, properties(parquet)?.build())
    }

    /// The columns of a table whose fields have ids; keys are compared without their case.
    ///
    /// # Errors
    /// `Invalid`, naming the field and why it is refused.
    pub fn of_table(fields: &[TableField], compression: ParquetCompression) -> Result<Self> {
        let reading = Reading::of(&JsonReading::default())?;
        let fields = types(fields)?;
        let mut keys: Vec<String> = Vec::new();
        for (name, _) in &fields {
            reading.put_key(&mut keys, name, name)?;
        }
        let parquet = ParquetSettings {
            compression,
            ..ParquetSettings::default()
        };
        // What a table keeps of each file's columns is as short.
        let builder = properties(&parquet)?.set_statistics_truncate_length(Some(BOUND_BYTES));
        Self::assemble(fields, keys, reading, builder.build())
    }

    fn assemble(
        fields: Vec<(String, Type)>,
        keys: Vec<String>,
        reading: Reading,
        properties: WriterProperties,
    ) -> Result<Self> {
        for (name, kind) in &fields {
            reading.check(name, kind)?;
        }
        let arrow = fields.iter().map(|(name, kind)| kind.field(name));
        Ok(Self {
            arrow: Arc::new(arrow_schema::Schema::new(arrow.collect::<Vec<_>>())),
            properties,
            fields: fields.into(),
            keys: keys.into(),
            reading: Arc::new(reading),
        })
    }

    /// Its columns, without values.
    pub(super) fn columns(&self) -> Struct {
        Struct::new(&self.fields, self.keys.to_vec(), &self.reading)
    }
}

impl Reading {
    fn of(json: &JsonReading) -> Result<Self> {
        Ok(match json {
            JsonReading::OpenX {
                case_insensitive,
                dots_to_underscores,
                ..
            } => Self {
                is_strict: false,
                keys: Folding {
                    is_lowered: *case_insensitive,
                    is_undotted: *dots_to_underscores,
                },
                times: Times::OpenX,
            },
            JsonReading::Hive { timestamp_formats } => {
                let (number, most) = (timestamp_formats.len(), TIMESTAMP_FORMATS_MAX);
                if number > most {
                    let name = "the number of timestamp_formats";
                    return Err(outside(name, count(number), 0, count(most)));
                }
                let formats = timestamp_formats.iter().map(|text| Format::parse(text));
                Self {
                    is_strict: true,
                    keys: Folding {
                        is_lowered: true,
                        is_undotted: false,
                    },
                    times: Times::Hive(formats.collect::<Result<_>>()?),
                }
            }
        })
    }

    /// Adds the key of a column, which no other column has.
    fn put_key(&self, keys: &mut Vec<String>, column: &str, key: &str) -> Result<()> {
        let key = self.fold(key).into_owned();
        if keys.contains(&key) {
            let reason = format!("another column has the values of the key {key:?}");
            return Err(refused(column, &reason));
        }
        keys.push(key);
        Ok(())
    }

    /// The same, but that strings may be numbers.
    pub(super) fn lenient(&self) -> Self {
        Self {
            is_strict: false,
            ..self.clone()
        }
    }

    /// A key as it is looked for.
    pub(super) fn fold<'a>(&self, key: &'a str) -> Cow<'a, str> {
        let Folding {
            is_lowered,
            is_undotted,
        } = self.keys;
        let changes = |c: u8| match c {
            b'.' => is_undotted,
            _ => is_lowered && (c.is_ascii_uppercase() || !c.is_ascii()),
        };
        if !key.bytes().any(changes) {
            return Cow::Borrowed(key);
        }
        let mut key = key.to_owned();
        if is_lowered {
            key = key.to_lowercase();
        }
        if is_undotted {
            key = key.replace('.', "_");
        }
        Cow::Owned(key)
    }

    /// Checks that no two fields of a structure have the same key.
    fn check(&self, column: &str, kind: &Type) -> Result<()> {
        match kind {
            Type::List(element) => self.check(column, element),
            Type::Marked(_, kind) => self.check(column, kind),
            Type::Map(_, value) => self.check(column, value),
            Type::Struct(fields) => {
                let mut keys = std::collections::BTreeSet::new();
                for (name, kind) in fields {
                    if !keys.insert(self.fold(name)) {
                        return Err(refused(
                            column,
                            &format!("the field {name:?} is there twice"),
                        ));
                    }
                    self.check(column, kind)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn has(columns: &[Column], name: &str) -> bool {
    columns.iter().any(|column| column.name == name)
}

fn fields(columns: &[Column]) -> Result<Vec<(String, Type)>> {
    if columns.is_empty() {
        return Err(outside("the number of columns", 0, 1, count(FIELDS_MAX)));
    }
    let mut left = FIELDS_MAX;
    let fields = columns.iter().map(|Column { name, kind }| {
        let chars = name.chars().count();
        if !(1..=NAME_CHARS_MAX).contains(&chars) {
            let (name, most) = ("the length of a column's name", count(NAME_CHARS_MAX));
            return Err(outside(name, count(chars), 1, most));
        }
        let kind = Type::parse(kind, &mut left, FIELDS_MAX)
            .map_err(|error| refused(name, &error.to_string()))?;
        Ok((name.clone(), kind))
    });
    fields.collect()
}

fn properties(parquet: &ParquetSettings) -> Result<WriterPropertiesBuilder> {
    let sizes = [
        ("block_bytes", parquet.block_bytes, BLOCK_BYTES),
        ("page_bytes", parquet.page_bytes, PAGE_BYTES),
    ];
    for (name, value, allowed) in sizes {
        if !allowed.contains(&value) {
            return Err(outside(name, value, *allowed.start(), *allowed.end()));
        }
    }
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let row_group = size(parquet.block_bytes.min(ROW_GROUP_BYTES_MAX));
    let builder = WriterProperties::builder()
        .set_created_by("afflux".to_owned())
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(Some(row_group))
        .set_data_page_size_limit(size(parquet.page_bytes))
        .set_dictionary_enabled(parquet.dictionary)
        .set_writer_version(match parquet.version {
            ParquetVersion::V1 => WriterVersion::PARQUET_1_0,
            ParquetVersion::V2 => WriterVersion::PARQUET_2_0,
        })
        .set_compression(match parquet.compression {
            ParquetCompression::Uncompressed => Compression::UNCOMPRESSED,
            ParquetCompression::Gzip => Compression::GZIP(GzipLevel::default()),
            ParquetCompression::Snappy => Compression::SNAPPY,
            ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
        });
    Ok(builder)
}

pub(super) fn refused(column: &str, reason: &str) -> afflux_types::Error {
    Fault::Column {
        name: column.to_owned(),
        reason: reason.to_owned(),
    }
    .into()
}

pub(super) fn outside(
    name: &'static str,
    value: u64,
    least: u64,
    most: u64,
) -> afflux_types::Error {
    Fault::Conversion {
        name,
        value,
        least,
        most,
    }
    .into()
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
