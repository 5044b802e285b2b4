//! Columns that grow by one value at a time, and give back what a record that fails has put into them.
//!
//! # Shape
//! A tree of the schema's form. Leaves hold plain vectors, so that cutting off the values of a row and handing
//! all of them to Arrow cost no copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow_schema::{DataType, FieldRef, Fields};

use super::hive::Type;
use super::leaf::{Leaf, Slots, leaf, nulls};
use super::schema::Reading;

/// A column, or a part of one.
pub(super) enum Column {
    Leaf(Box<dyn Leaf>),
    List(List),
    Map(Map),
    Struct(Struct),
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
            Type::Marked(_, kind) => Self::new(kind, reading),
            simple => Self::Leaf(leaf(simple, reading)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::List(List { slots, .. }) | Self::Map(Map { slots, .. }) => slots.len(),
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
    /// Whether an element may be missing.
    pub(super) fn may_lack(&self) -> bool {
        self.field.is_nullable()
    }

    /// Closes a list with all elements that were put behind the one before.
    pub(super) fn close(&mut self) {
        let end = self.elements.len();
        self.slots.push(end, true);
    }
}

impl Map {
    /// Whether a value may be missing.
    pub(super) fn may_lack(&self) -> bool {
        self.entry.last().is_none_or(|value| value.is_nullable())
    }

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

    /// Whether a field's value may be missing.
    pub(super) fn may_lack(&self, field: usize) -> bool {
        self.fields
            .get(field)
            .is_none_or(|field| field.is_nullable())
    }

    /// Closes a structure: fields without a value have none. Gives the first one that must have one.
    pub(super) fn close(&mut self) -> Result<(), usize> {
        let row = self.valid.len();
        let children = self.children.iter_mut().zip(&self.fields);
        for (index, (child, field)) in children.enumerate() {
            match child.len() == row {
                true if !field.is_nullable() => return Err(index),
                true => child.push_null(),
                false => {}
            }
        }
        self.valid.append(true);
        Ok(())
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
