//! The fields of a table of Apache Iceberg, and what it keeps of a file's columns.
//!
//! # Shape
//! A table finds the columns of its files by the ids of its fields, not by their names. What it keeps of each column
//! (how large it is, how many values it has, between which bounds they lie) lets readers pass over whole files.
//! Bounds have the form that the specification calls "binary single-value serialization", which is that of
//! Parquet's own statistics but for decimals.
//!
//! # Invariants
//! - Bounds hold for all values of the column: a text that is too long is cut off below, and counted up above.

use std::collections::BTreeMap;

use afflux_types::Result;
use parquet::basic::{LogicalType, Type as Physical};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use serde::{Deserialize, Serialize};

use super::Converted;
use super::hive::{DEPTH_MAX, Mark, PRECISION_MAX, Type};
use super::schema::{count, outside, refused};
use super::settings::FIELDS_MAX;

/// Bytes of a bound, about, as tables keep them unless they say otherwise.
pub(super) const BOUND_BYTES: usize = 16;

/// A field of a table: a column, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableField {
    /// Its id, whatever it is called now.
    pub id: i32,
    /// Its name; that of an element, a key or a value does not matter.
    pub name: String,
    /// Whether no value may be missing.
    pub is_required: bool,
    /// Its type.
    pub kind: TableType,
}

/// The type of a field, of those that JSON can be converted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableType {
    /// `boolean`
    Boolean,
    /// `int`
    Int,
    /// `long`
    Long,
    /// `float`
    Float,
    /// `double`
    Double,
    /// `decimal(P, S)`
    Decimal {
        /// Its digits.
        precision: u32,
        /// Those of them that stand behind the point.
        scale: u32,
    },
    /// `date`
    Date,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    Timestamptz,
    /// `string`
    Text,
    /// `binary`
    Binary,
    /// `list`
    List(Box<TableField>),
    /// `map`, of keys and values.
    Map(Box<TableField>, Box<TableField>),
    /// `struct`
    Struct(Vec<TableField>),
}

/// What a table keeps of one column of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Bytes of the column in the file.
    pub bytes: u64,
    /// Its values, those that are missing among them.
    pub values: u64,
    /// Values that are missing.
    pub nulls: u64,
    /// No value is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<Vec<u8>>,
    /// No value is above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<Vec<u8>>,
}

impl Converted {
    /// What the file has of each field that has an id and no parts.
    #[must_use]
    pub fn columns(&self) -> BTreeMap<i32, ColumnFacts> {
        let mut columns: BTreeMap<i32, ColumnFacts> = BTreeMap::new();
        let groups = self.metadata.row_groups().iter();
        for chunk in groups.flat_map(|group| group.columns()) {
            let info = chunk.column_descr().self_type().get_basic_info();
            if !info.has_id() {
                continue;
            }
            let facts = ColumnFacts::of(chunk);
            match columns.get_mut(&info.id()) {
                Some(others) => others.add(facts, chunk),
                None => {
                    columns.insert(info.id(), facts);
                }
            }
        }
        columns
    }

    /// Where each row group begins in the file.
    #[must_use]
    pub fn offsets(&self) -> Vec<i64> {
        let groups = self.metadata.row_groups().iter();
        groups.filter_map(|group| group.file_offset()).collect()
    }
}

impl ColumnFacts {
    fn of(chunk: &ColumnChunkMetaData) -> Self {
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        let statistics = chunk.statistics();
        // The values of lists and maps have no order that readers could use.
        let bounded = statistics.filter(|_| chunk.column_descr().max_rep_level() == 0);
        Self {
            bytes: positive(chunk.compressed_size()),
            values: positive(chunk.num_values()),
            nulls: statistics.and_then(Statistics::null_count_opt).unwrap_or(0),
            lower: bounded
                .and_then(Statistics::min_bytes_opt)
                .map(|bytes| bound(chunk, bytes)),
            upper: bounded
                .and_then(Statistics::max_bytes_opt)
                .map(|bytes| bound(chunk, bytes)),
        }
    }

    /// Adds those of the same column in another row group.
    fn add(&mut self, other: Self, chunk: &ColumnChunkMetaData) {
        // One of only missing values has no bounds, and changes none.
        let has_values = |facts: &Self| facts.values > facts.nulls;
        let (had, has) = (has_values(self), has_values(&other));
        let choose = |mine: Option<Vec<u8>>, others: Option<Vec<u8>>, wants: Wants| match (had, has)
        {
            (_, false) => mine,
            (false, true) => others,
            (true, true) => {
                let (mine, others) = (mine?, others?);
                let is_less = is_less(chunk, &others, &mine)?;
                Some(if is_less == (wants == Wants::Least) {
                    others
                } else {
                    mine
                })
            }
        };
        self.lower = choose(self.lower.take(), other.lower, Wants::Least);
        self.upper = choose(self.upper.take(), other.upper, Wants::Greatest);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.values = self.values.saturating_add(other.values);
        self.nulls = self.nulls.saturating_add(other.nulls);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Least,
    Greatest,
}

fn is_decimal(chunk: &ColumnChunkMetaData) -> bool {
    let logical = chunk.column_descr().logical_type_ref();
    matches!(logical, Some(LogicalType::Decimal { .. }))
}

/// A bound as tables have it.
fn bound(chunk: &ColumnChunkMetaData, bytes: &[u8]) -> Vec<u8> {
    if !is_decimal(chunk) {
        return bytes.to_vec();
    }
    // Big-endian, with no more bytes than it needs.
    let mut bytes = bytes.to_vec();
    if matches!(chunk.column_type(), Physical::INT32 | Physical::INT64) {
        bytes.reverse();
    }
    let spare = |bytes: &[u8]| match bytes {
        [0x00, next, ..] => next & 0x80 == 0,
        [0xff, next, ..] => next & 0x80 != 0,
        _ => false,
    };
    while spare(&bytes) {
        bytes.remove(0);
    }
    bytes
}

/// Whether one bound is less than another; none if that is not known.
fn is_less(chunk: &ColumnChunkMetaData, one: &[u8], other: &[u8]) -> Option<bool> {
    if is_decimal(chunk) {
        return Some(whole(one)? < whole(other)?);
    }
    let four = |bytes: &[u8]| bytes.try_into().ok();
    let eight = |bytes: &[u8]| bytes.try_into().ok();
    Some(match chunk.column_type() {
        Physical::INT32 => i32::from_le_bytes(four(one)?) < i32::from_le_bytes(four(other)?),
        Physical::INT64 => i64::from_le_bytes(eight(one)?) < i64::from_le_bytes(eight(other)?),
        Physical::FLOAT => f32::from_le_bytes(four(one)?) < f32::from_le_bytes(four(other)?),
        Physical::DOUBLE => f64::from_le_bytes(eight(one)?) < f64::from_le_bytes(eight(other)?),
        Physical::BOOLEAN | Physical::BYTE_ARRAY => one < other,
        Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => return None,
    })
}

/// The number that big-endian bytes are.
fn whole(bytes: &[u8]) -> Option<i128> {
    let is_negative = bytes.first()? & 0x80 != 0;
    let mut all = [if is_negative { 0xff } else { 0 }; 16];
    let start = all.len().checked_sub(bytes.len())?;
    all.get_mut(start..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}

/// The columns of a table.
pub(super) fn types(fields: &[TableField]) -> Result<Vec<(String, Type)>> {
    if fields.is_empty() {
        return Err(outside("the number of columns", 0, 1, count(FIELDS_MAX)));
    }
    let mut left = FIELDS_MAX;
    let mut types = Vec::new();
    for field in fields {
        let kind = field.marked(1, &mut left);
        let kind = kind.map_err(|reason| refused(&field.name, &reason))?;
        types.push((field.name.clone(), kind));
    }
    Ok(types)
}

impl TableField {
    fn marked(&self, depth: usize, left: &mut usize) -> Result<Type, String> {
        if depth > DEPTH_MAX {
            return Err(format!("it nests more than {DEPTH_MAX} deep"));
        }
        *left = left
            .checked_sub(1)
            .ok_or_else(|| format!("the columns and their parts are more than {FIELDS_MAX}"))?;
        let mut part = |field: &Self| field.marked(depth + 1, left).map(Box::new);
        let kind = match &self.kind {
            TableType::Boolean => Type::Boolean,
            TableType::Int => Type::Int,
            TableType::Long => Type::BigInt,
            TableType::Float => Type::Float,
            TableType::Double => Type::Double,
            TableType::Decimal { precision, scale } => decimal(*precision, *scale)?,
            TableType::Date => Type::Date,
            TableType::Timestamp => Type::Timestamp,
            TableType::Timestamptz => Type::Instant,
            TableType::Text => Type::Text(None),
            TableType::Binary => Type::Binary,
            TableType::List(element) => Type::List(part(element)?),
            TableType::Map(key, value) => {
                let is_nested = matches!(
                    key.kind,
                    TableType::List(_) | TableType::Map(..) | TableType::Struct(_)
                );
                if is_nested {
                    return Err("the keys of a map are of a simple type".to_owned());
                }
                Type::Map(part(key)?, part(value)?)
            }
            TableType::Struct(fields) => {
                let mut types = Vec::new();
                for field in fields {
                    types.push((field.name.clone(), *part(field)?));
                }
                Type::Struct(types)
            }
        };
        let mark = Mark {
            id: self.id,
            is_required: self.is_required,
        };
        Ok(Type::Marked(mark, Box::new(kind)))
    }
}

fn decimal(precision: u32, scale: u32) -> Result<Type, String> {
    let numbers = u8::try_from(precision).ok().zip(u8::try_from(scale).ok());
    let fitting = numbers
        .filter(|(precision, scale)| (1..=PRECISION_MAX).contains(precision) && scale <= precision);
    fitting
        .map(|(precision, scale)| Type::Decimal(precision, scale))
        .ok_or_else(|| format!("there is no decimal({precision}, {scale})"))
}

#[cfg(test)]
mod tests;
