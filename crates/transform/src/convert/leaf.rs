//! Columns of simple types, and where the values of any size end in them.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, PrimitiveArray, StringArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::hive::Type;
use super::scalar::{Rest, Scalar, decimal, integer};
use super::schema::Reading;

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

/// Where the elements of each list end, and which lists are there.
pub(super) struct Slots {
    ends: Vec<i32>,
    valid: BooleanBufferBuilder,
}

/// An empty column of a simple type.
pub(super) fn leaf(kind: &Type, reading: &Arc<Reading>) -> Box<dyn Leaf> {
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
        Type::Timestamp | Type::Instant => {
            fixed::<TimestampMicrosecondType>(kind, move |it| times.times.micros(it))
        }
        Type::Date => fixed::<Date32Type>(kind, move |it| times.times.days(it)),
        Type::Binary => bytes(Content::Base64, is_strict),
        Type::Text(max) => bytes(Content::Text(max), is_strict),
        Type::Marked(_, ref kind) => leaf(kind, reading),
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
        self.slots.len()
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

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            ends: Vec::new(),
            valid: BooleanBufferBuilder::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn end(&self) -> usize {
        self.ends
            .last()
            .map_or(0, |end| usize::try_from(*end).unwrap_or(0))
    }

    pub(super) fn push(&mut self, end: usize, is_there: bool) {
        self.ends
            .push(i32::try_from(end).expect("a bunch has fewer values"));
        self.valid.append(is_there);
    }

    /// Gives the number of elements that are left.
    pub(super) fn truncate(&mut self, len: usize) -> usize {
        self.ends.truncate(len);
        self.valid.truncate(len);
        self.end()
    }

    pub(super) fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        (offsets(&mut self.ends), nulls(&mut self.valid))
    }
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let len = ends.len();
    let mut offsets = Vec::with_capacity(len + 1);
    offsets.push(0);
    offsets.append(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

pub(super) fn nulls(valid: &mut BooleanBufferBuilder) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(valid.finish());
    (nulls.null_count() > 0).then_some(nulls)
}
