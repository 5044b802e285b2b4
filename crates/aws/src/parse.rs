//! Turns validated values into the fields of inputs.
//!
//! Types and constraints hold already, so that `None` stands only for a table that contradicts its
//! field's type; it is answered like a broken body rather than with a panic.

use std::borrow::Cow;
use std::collections::BTreeMap;

use afflux_types::{PartitionKey, ServerTime};
use bytes::Bytes;

use crate::document::{self, Format, Value};
use crate::validate::{self, Shape};

/// A structure with a table of its members.
pub(crate) trait Structure: Parse {
    /// The members and their constraints.
    const SHAPE: Shape;
}

/// A structure that can be read from a document: the other direction of
/// [`Encode`](document::Encode).
pub trait Decode: Sized {
    /// Reads a document and holds it against the constraints.
    ///
    /// # Errors
    /// See [`validate::Error`].
    fn decode(format: Format, body: &Bytes) -> Result<Self, validate::Error>;
}

impl<T: Structure> Decode for T {
    fn decode(format: Format, body: &Bytes) -> Result<Self, validate::Error> {
        let value = validate::read(format, body, &T::SHAPE)?;
        // Unreachable while tables and fields agree.
        T::parse(value, body).ok_or_else(|| document::Error::NotAMap.into())
    }
}

/// A field of an input.
pub(crate) trait Parse: Sized {
    /// Whether the member that this is made from must be there.
    const REQUIRED: bool = true;

    /// Makes the field. Strings and blobs that lie in `body` may go on sharing it.
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self>;

    /// What stands for a member that is not there.
    fn absent() -> Option<Self> {
        None
    }
}

/// The members of a structure, each to be taken once.
pub(crate) struct Members<'v, 'b> {
    entries: Vec<(Cow<'v, str>, Value<'v>)>,
    body: &'b Bytes,
}

impl<'v, 'b> Members<'v, 'b> {
    pub(crate) fn new(value: Value<'v>, body: &'b Bytes) -> Option<Self> {
        match value {
            Value::Map(entries) => Some(Self { entries, body }),
            _ => None,
        }
    }

    pub(crate) fn take<T: Parse>(&mut self, name: &str) -> Option<T> {
        let entry = self.entries.iter_mut().find(|(found, _)| found == name);
        match entry {
            Some((_, value)) => T::parse(std::mem::take(value), self.body),
            None => T::absent(),
        }
    }
}

impl<T: Parse> Parse for Option<T> {
    const REQUIRED: bool = false;

    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        T::parse(value, body).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Parse> Parse for Box<T> {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        T::parse(value, body).map(Self::new)
    }
}

impl Parse for bool {
    fn parse(value: Value<'_>, _: &Bytes) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }
}

impl Parse for i64 {
    fn parse(value: Value<'_>, _: &Bytes) -> Option<Self> {
        match value {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }
}

impl Parse for u32 {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        i64::parse(value, body).and_then(|number| Self::try_from(number).ok())
    }
}

impl Parse for i32 {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        i64::parse(value, body).and_then(|number| Self::try_from(number).ok())
    }
}

impl Parse for f64 {
    fn parse(value: Value<'_>, _: &Bytes) -> Option<Self> {
        match value {
            Value::Float(number) => Some(number),
            _ => None,
        }
    }
}

impl Parse for String {
    fn parse(value: Value<'_>, _: &Bytes) -> Option<Self> {
        match value {
            Value::Str(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

impl Parse for Bytes {
    fn parse(value: Value<'_>, _: &Bytes) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl Parse for PartitionKey {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        let key = match value {
            Value::Str(Cow::Borrowed(text)) => body.slice_ref(text.as_bytes()),
            Value::Str(Cow::Owned(text)) => text.into(),
            _ => return None,
        };
        Self::from_bytes(key).ok()
    }
}

impl Parse for ServerTime {
    fn parse(value: Value<'_>, _: &Bytes) -> Option<Self> {
        match value {
            Value::Timestamp(millis) => Some(Self::from_millis(millis)),
            _ => None,
        }
    }
}

impl<T: Parse> Parse for Vec<T> {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(|item| T::parse(item, body)).collect(),
            _ => None,
        }
    }
}

impl Parse for BTreeMap<String, String> {
    fn parse(value: Value<'_>, body: &Bytes) -> Option<Self> {
        match value {
            Value::Map(entries) => entries
                .into_iter()
                // A key whose value is null is a key without text.
                .map(|(key, value)| match value {
                    Value::Null => Some((key.into_owned(), String::new())),
                    value => Some((key.into_owned(), String::parse(value, body)?)),
                })
                .collect(),
            _ => None,
        }
    }
}
