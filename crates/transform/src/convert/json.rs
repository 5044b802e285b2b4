//! Reads JSON into columns, value by value, as it is parsed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::column::{Column, List, Map, Struct};
use super::hive::shown;
use super::scalar::Scalar;
use super::schema::Reading;

/// Values that a record fills at most. Two bytes of JSON, an empty object in an array, fill as many as the object
/// has fields: without a bound a record of 10 MiB would need gigabytes.
pub(super) const VALUES_MAX: usize = 4 << 20;

/// What is said of a value that must be there.
const LACKING: &str = "it is required, and there is none";

/// Reads one object into the columns of a row.
pub(super) struct Row<'a> {
    pub(super) columns: &'a mut Struct,
    pub(super) context: &'a mut Context,
}

/// What all values of a record share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) reading: Arc<Reading>,
    /// Values that the record may still have, those that are null counted.
    pub(super) left: usize,
    /// The keys that lead to what does not fit, the outermost last.
    pub(super) path: Vec<String>,
}

impl Context {
    pub(super) fn new(reading: Arc<Reading>) -> Self {
        Self {
            reading,
            left: VALUES_MAX,
            path: Vec::new(),
        }
    }

    fn spend<E: Error>(&mut self, values: usize) -> Result<(), E> {
        let left = self.left.checked_sub(values);
        self.left = left
            .ok_or_else(|| E::custom(format_args!("a record fills {VALUES_MAX} values at most")))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        read_struct(self.columns, self.context, map)
    }
}

/// Reads one value into a column.
struct Value<'a> {
    column: &'a mut Column,
    context: &'a mut Context,
    may_lack: bool,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Column::Leaf(leaf) = self.column else {
            return json.deserialize_any(self);
        };
        let raw: &RawValue = serde::Deserialize::deserialize(json)?;
        match Scalar::of(raw).map_err(Error::custom)? {
            None if !self.may_lack => return Err(Error::custom(LACKING)),
            None => leaf.push_null(),
            Some(value) if leaf.push(&value) => {}
            Some(_) => {
                let value = shown(raw.get());
                return Err(Error::custom(format_args!("{value} does not fit")));
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.column {
            Column::List(_) => "an array",
            Column::Leaf(_) | Column::Map(_) | Column::Struct(_) => "an object",
        })
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if !self.may_lack {
            return Err(E::custom(LACKING));
        }
        self.context.spend(self.column.leaves())?;
        self.column.push_null();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        match self.column {
            Column::List(list) => read_list(list, self.context, seq),
            _ => Err(Error::invalid_type(serde::de::Unexpected::Seq, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        match self.column {
            Column::Struct(structure) => read_struct(structure, self.context, entries),
            Column::Map(map) => read_map(map, self.context, entries),
            _ => Err(Error::invalid_type(serde::de::Unexpected::Map, &self)),
        }
    }
}

fn read_list<'de, A: SeqAccess<'de>>(
    list: &mut List,
    context: &mut Context,
    mut seq: A,
) -> Result<(), A::Error> {
    let may_lack = list.may_lack();
    loop {
        // Structures pay for their fields, and everything else is one value.
        context.spend(1)?;
        let value = Value {
            column: &mut list.elements,
            context,
            may_lack,
        };
        if seq.next_element_seed(value)?.is_none() {
            break;
        }
    }
    list.close();
    Ok(())
}

fn read_map<'de, A: MapAccess<'de>>(
    map: &mut Map,
    context: &mut Context,
    mut entries: A,
) -> Result<(), A::Error> {
    let may_lack = map.may_lack();
    while let Some(Text(key)) = entries.next_key()? {
        context.spend(1)?;
        if !map.keys.push(&Scalar::key(&key)) {
            let key = shown(&key);
            return Err(Error::custom(format_args!("the key {key:?} does not fit")));
        }
        let value = Value {
            column: &mut map.values,
            context,
            may_lack,
        };
        entries.next_value_seed(value)?;
    }
    map.close();
    Ok(())
}

fn read_struct<'de, A: MapAccess<'de>>(
    structure: &mut Struct,
    context: &mut Context,
    mut entries: A,
) -> Result<(), A::Error> {
    let row = structure.len();
    // Before it is known which are missing: those are filled too.
    context.spend(structure.leaves)?;
    let mut expected = 0;
    loop {
        let key = Key {
            structure: &*structure,
            reading: &context.reading,
            expected,
        };
        let Some(found) = entries.next_key_seed(key)? else {
            break;
        };
        let Some(field) = found else {
            entries.next_value::<IgnoredAny>()?;
            continue;
        };
        expected = field + 1;
        let may_lack = structure.may_lack(field);
        let Some(column) = structure.children.get_mut(field) else {
            continue;
        };
        let read = match column.len() > row {
            true => Err(Error::custom("its key is there twice")),
            false => entries.next_value_seed(Value {
                column,
                context,
                may_lack,
            }),
        };
        if let Err(error) = read {
            context.path.extend(structure.keys.get(field).cloned());
            return Err(error);
        }
    }
    structure.close().map_err(|field| {
        context.path.extend(structure.keys.get(field).cloned());
        Error::custom(LACKING)
    })
}

/// Finds the field of a key, which is most often the one behind the field before.
struct Key<'a> {
    structure: &'a Struct,
    reading: &'a Reading,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let expected = self.structure.keys.get(self.expected);
        if expected.is_some_and(|expected| expected == key) {
            return Ok(Some(self.expected));
        }
        Ok(self.structure.field(&self.reading.fold(key)))
    }
}

/// A string, borrowed where it stands as it is.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
