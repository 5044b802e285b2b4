//! Columns that grow by one value at a time, and give back what a record that fails has put into them.
//!
//! # Shape
//! A tree of the schema's form. Leaves hold plain vectors, so that cutting off the values of a row and handing
//! all of them to Arrow cost no copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray,
    StringArray, StructArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields};

use super::Reading;
use super::hive::Type;
use super::scalar::{Rest, Scalar, decimal, integer};

/// A column, or a part of one.
pub(super) enum Column {
    Leaf(Box<dyn Leaf>),
    List(List),
    Map(Map),
    Struct(Struct),
}

/// The values of a simple type.
pub(super) trait Leaf: Send {
    /// Takes a value; false if it is none of the type.
    fn push(&mut self, value: &Scalar<'_>) -> bool;
    fn push_null(&mut self);
    fn len(&self) -> usize;
    fn truncate(&mut self, len: usize);
    /// Everything that was taken; nothing is left.
    fn finish(&mut self) -> ArrayRef;
}

/// Lists, all of whose elements stand in one column.
pub(super) struct List {
    field: FieldRef,
    slots: Slots,
    pub(super) elements: Box<Column>,
}

/// Maps, all of whose entries stand in two columns.
pub(super) struct Map {
    field: FieldRef,
    entry: Fields,
    slots: Slots,
    pub(super) keys: Box<dyn Leaf>,
    pub(super) values: Box<Column>,
}

/// Structures with a column for each field.
pub(super) struct Struct {
    fields: Fields,
    valid: BooleanBufferBuilder,
    pub(super) children: Vec<Column>,
    /// What the fields are called in JSON, and which has that key.
    pub(super) keys: Vec<String>,
    index: BTreeMap<String, usize>,
    /// Values that one structure has at least.
    pub(super) leaves: usize,
}

/// Where the elements of each list end, and which lists are there.
struct Slots {
    ends: Vec<i32>,
    valid: BooleanBufferBuilder,
}

impl Column {
    pub(super) fn new(kind: &Type, reading: &Arc<Reading>) -> Self {
        match kind {
            Type::List(element) => Self::List(List {
                field: Arc::new(element.field("element")),
                slots: Slots::new(),
                elements: Box::new(Self::new(element, reading)),
            }),
            Type::Map(key, value) => {
                let (field, entry) = entries(kind);
                // Keys are strings in JSON, whatever they stand for.
                let lenient = Arc::new(reading.lenient());
                Self::Map(Map {
                    field,
                    entry,
                    slots: Slots::new(),
                    keys: leaf(key, &lenient),
                    values: Box::new(Self::new(value, reading)),
                })
            }
            Type::Struct(fields) => {
                let keys = fields
                    .iter()
                    .map(|(name, _)| reading.fold(name).into_owned());
                Self::Struct(Struct::new(fields, keys.collect(), reading))
            }
            simple => Self::Leaf(leaf(simple, reading)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::List(List { slots, .. }) | Self::Map(Map { slots, .. }) => slots.ends.len(),
            Self::Struct(structure) => structure.valid.len(),
        }
    }

    /// Values that one value of the column has at least.
    pub(super) fn leaves(&self) -> usize {
        match self {
            Self::Leaf(_) | Self::List(_) | Self::Map(_) => 1,
            Self::Struct(structure) => structure.leaves,
        }
    }

    pub(super) fn push_null(&mut self) {
        match self {
            Self::Leaf(leaf) => leaf.push_null(),
            Self::List(List { slots, .. }) | Self::Map(Map { slots, .. }) => {
                slots.push(slots.end(), false);
            }
            Self::Struct(structure) => {
                structure.children.iter_mut().for_each(Self::push_null);
                structure.valid.append(false);
            }
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        match self {
            Self::Leaf(leaf) => leaf.truncate(len),
            Self::List(list) => {
                let end = list.slots.truncate(len);
                list.elements.truncate(end);
            }
            Self::Map(map) => {
                let end = map.slots.truncate(len);
                map.keys.truncate(end);
                map.values.truncate(end);
            }
            Self::Struct(structure) => structure.truncate(len),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Leaf(leaf) => leaf.finish(),
            Self::List(list) => {
                let elements = list.elements.finish();
                let (offsets, nulls) = list.slots.finish();
                Arc::new(ListArray::new(list.field.clone(), offsets, elements, nulls))
            }
            Self::Map(map) => {
                let columns = vec![map.keys.finish(), map.values.finish()];
                let entries = StructArray::new(map.entry.clone(), columns, None);
                let (offsets, nulls) = map.slots.finish();
                Arc::new(MapArray::new(
                    map.field.clone(),
                    offsets,
                    entries,
                    nulls,
                    false,
                ))
            }
            Self::Struct(structure) => Arc::new(structure.finish()),
        }
    }
}

impl List {
    /// Closes a list with all elements that were put behind the one before.
    pub(super) fn close(&mut self) {
        let end = self.elements.len();
        self.slots.push(end, true);
    }
}

impl Map {
    /// As [`List::close`].
    pub(super) fn close(&mut self) {
        let end = self.values.len();
        self.slots.push(end, true);
    }
}

impl Struct {
    /// Structures whose fields have these keys in JSON.
    pub(super) fn new(
        fields: &[(String, Type)],
        keys: Vec<String>,
        reading: &Arc<Reading>,
    ) -> Self {
        let columns = fields.iter().map(|(_, kind)| Column::new(kind, reading));
        let children: Vec<Column> = columns.collect();
        let index = keys.iter().cloned().zip(0..).collect();
        Self {
            fields: fields.iter().map(|(name, kind)| kind.field(name)).collect(),
            valid: BooleanBufferBuilder::new(0),
            leaves: children.iter().map(Column::leaves).sum::<usize>() + 1,
            children,
            keys,
            index,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    /// The field of a key that is folded already.
    pub(super) fn field(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// Closes a structure: fields without a value have none.
    pub(super) fn close(&mut self) {
        let row = self.valid.len();
        for child in &mut self.children {
            if child.len() == row {
                child.push_null();
            }
        }
        self.valid.append(true);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        for child in &mut self.children {
            child.truncate(len);
        }
        self.valid.truncate(len);
    }

    pub(super) fn finish(&mut self) -> StructArray {
        let columns = self.children.iter_mut().map(Column::finish).collect();
        let nulls = nulls(&mut self.valid);
        StructArray::new(self.fields.clone(), columns, nulls)
    }
}

impl Slots {
    fn new() -> Self {
        Self {
            ends: Vec::new(),
            valid: BooleanBufferBuilder::new(0),
        }
    }

    fn end(&self) -> usize {
        self.ends
            .last()
            .map_or(0, |end| usize::try_from(*end).unwrap_or(0))
    }

    fn push(&mut self, end: usize, is_there: bool) {
        self.ends
            .push(i32::try_from(end).expect("a bunch has fewer values"));
        self.valid.append(is_there);
    }

    /// Gives the number of elements that are left.
    fn truncate(&mut self, len: usize) -> usize {
        self.ends.truncate(len);
        self.valid.truncate(len);
        self.end()
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        (offsets(&mut self.ends), nulls(&mut self.valid))
    }
}

/// The field of a map's entries in Arrow, and the two in it.
fn entries(map: &Type) -> (FieldRef, Fields) {
    if let DataType::Map(field, _) = map.arrow()
        && let DataType::Struct(entry) = field.data_type()
    {
        let entry = entry.clone();
        return (field, entry);
    }
    unreachable!("a map has entries")
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let len = ends.len();
    let mut offsets = Vec::with_capacity(len + 1);
    offsets.push(0);
    offsets.append(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn nulls(valid: &mut BooleanBufferBuilder) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(valid.finish());
    (nulls.null_count() > 0).then_some(nulls)
}

fn leaf(kind: &Type, reading: &Arc<Reading>) -> Box<dyn Leaf> {
    let (times, is_strict) = (Arc::clone(reading), reading.is_strict);
    match *kind {
        Type::Boolean => Box::new(Booleans {
            is_strict,
            values: BooleanBufferBuilder::new(0),
            valid: BooleanBufferBuilder::new(0),
        }),
        Type::TinyInt => fixed::<Int8Type>(kind, move |it| integer(it.number(is_strict)?)),
        Type::SmallInt => fixed::<Int16Type>(kind, move |it| integer(it.number(is_strict)?)),
        Type::Int => fixed::<Int32Type>(kind, move |it| integer(it.number(is_strict)?)),
        Type::BigInt => fixed::<Int64Type>(kind, move |it| integer(it.number(is_strict)?)),
        Type::Float => fixed::<Float32Type>(kind, move |it| {
            let number: f32 = it.number(is_strict)?.parse().ok()?;
            number.is_finite().then_some(number)
        }),
        Type::Double => fixed::<Float64Type>(kind, move |it| {
            let number: f64 = it.number(is_strict)?.parse().ok()?;
            number.is_finite().then_some(number)
        }),
        Type::Decimal(precision, scale) => fixed::<Decimal128Type>(kind, move |it| {
            decimal(it.number(is_strict)?, precision, scale, Rest::Rounded)
        }),
        Type::Timestamp => {
            fixed::<TimestampMicrosecondType>(kind, move |it| times.times.micros(it))
        }
        Type::Date => fixed::<Date32Type>(kind, move |it| times.times.days(it)),
        Type::Binary => bytes(Content::Base64, is_strict),
        Type::Text(max) => bytes(Content::Text(max), is_strict),
        Type::List(_) | Type::Map(..) | Type::Struct(_) => {
            unreachable!("a column with parts is no leaf")
        }
    }
}

/// Values of one size.
struct Fixed<T: ArrowPrimitiveType, F> {
    kind: DataType,
    read: F,
    values: Vec<T::Native>,
    valid: BooleanBufferBuilder,
}

fn fixed<T: ArrowPrimitiveType>(
    kind: &Type,
    read: impl Fn(&Scalar<'_>) -> Option<T::Native> + Send + 'static,
) -> Box<dyn Leaf> {
    Box::new(Fixed::<T, _> {
        kind: kind.arrow(),
        read,
        values: Vec::new(),
        valid: BooleanBufferBuilder::new(0),
    })
}

impl<T, F> Leaf for Fixed<T, F>
where
    T: ArrowPrimitiveType,
    F: Fn(&Scalar<'_>) -> Option<T::Native> + Send,
{
    fn push(&mut self, value: &Scalar<'_>) -> bool {
        let read = (self.read)(value);
        if let Some(value) = read {
            self.values.push(value);
            self.valid.append(true);
        }
        read.is_some()
    }

    fn push_null(&mut self) {
        self.values.push(T::Native::default());
        self.valid.append(false);
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.valid.truncate(len);
    }

    fn finish(&mut self) -> ArrayRef {
        let empty = Vec::with_capacity(self.values.len());
        let values = std::mem::replace(&mut self.values, empty);
        let array = PrimitiveArray::<T>::new(values.into(), nulls(&mut self.valid));
        Arc::new(array.with_data_type(self.kind.clone()))
    }
}

struct Booleans {
    is_strict: bool,
    values: BooleanBufferBuilder,
    valid: BooleanBufferBuilder,
}

impl Leaf for Booleans {
    fn push(&mut self, value: &Scalar<'_>) -> bool {
        let read = value.boolean(self.is_strict);
        if let Some(value) = read {
            self.values.append(value);
            self.valid.append(true);
        }
        read.is_some()
    }

    fn push_null(&mut self) {
        self.values.append(false);
        self.valid.append(false);
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.valid.truncate(len);
    }

    fn finish(&mut self) -> ArrayRef {
        let values = self.values.finish();
        Arc::new(BooleanArray::new(values, nulls(&mut self.valid)))
    }
}

/// What the bytes of a value are.
#[derive(Clone, Copy)]
enum Content {
    /// Text, with the most characters of a value.
    Text(Option<u32>),
    /// What a string has in base64, because JSON has no bytes.
    Base64,
}

/// Values of any size.
struct Bytes {
    content: Content,
    is_strict: bool,
    bytes: Vec<u8>,
    slots: Slots,
}

fn bytes(content: Content, is_strict: bool) -> Box<dyn Leaf> {
    Box::new(Bytes {
        content,
        is_strict,
        bytes: Vec::new(),
        slots: Slots::new(),
    })
}

impl Bytes {
    fn read(&mut self, value: &Scalar<'_>) -> Option<()> {
        let text = value.text(self.is_strict)?;
        match self.content {
            Content::Text(max) => {
                let fits = |max| text.chars().nth(max).is_none();
                let max = max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
                max.is_none_or(fits).then_some(())?;
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Content::Base64 => {
                let decoded = base64_simd::STANDARD.decode_to_vec(text).ok()?;
                self.bytes.extend_from_slice(&decoded);
            }
        }
        self.slots.push(self.bytes.len(), true);
        Some(())
    }
}

impl Leaf for Bytes {
    fn push(&mut self, value: &Scalar<'_>) -> bool {
        self.read(value).is_some()
    }

    fn push_null(&mut self) {
        self.slots.push(self.bytes.len(), false);
    }

    fn len(&self) -> usize {
        self.slots.ends.len()
    }

    fn truncate(&mut self, len: usize) {
        let end = self.slots.truncate(len);
        self.bytes.truncate(end);
    }

    fn finish(&mut self) -> ArrayRef {
        let empty = Vec::with_capacity(self.bytes.len());
        let bytes = Buffer::from(std::mem::replace(&mut self.bytes, empty));
        let (offsets, nulls) = self.slots.finish();
        match self.content {
            Content::Text(_) => Arc::new(StringArray::new(offsets, bytes, nulls)),
            Content::Base64 => Arc::new(BinaryArray::new(offsets, bytes, nulls)),
        }
    }
}
