//! What the members of a request may hold, and the sentences that say they do not.
//!
//! # Shape
//! A [`Shape`] is a constant table: the type of a value, its bounds, the members of a structure. A
//! document is held against it in two steps, as the service does it. [`coerce()`] gives every value its
//! type (base64 becomes bytes, numbers become times) or answers a `SerializationException`;
//! [`check()`] then collects the broken constraints, up to ten, into one `ValidationException`.
//!
//! # Source
//! The grammar is the service's own: `2 validation errors detected: Value '0' at 'limit' failed to
//! satisfy constraint: Member must have value greater than or equal to 1; Value null at …`.

mod check;
mod coerce;
pub mod pattern;

use bytes::Bytes;

pub use check::{VIOLATIONS_MAX, Violations, check};
pub use coerce::coerce;

use crate::document::{self, Format, Value};
use pattern::Pattern;

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    kind: Kind,
    min: Option<i64>,
    max: Option<i64>,
    pattern: Option<&'static Pattern>,
    values: &'static [&'static str],
}

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A number that may have a fraction.
    Double,
    /// Text.
    String,
    /// Bytes.
    Blob,
    /// A time.
    Timestamp,
    /// Values of one shape.
    List(&'static Shape),
    /// Text keys of one shape, values of another.
    Map(&'static Shape, &'static Shape),
    /// Named members.
    Structure(&'static str, &'static [Member]),
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The name in the document.
    pub name: &'static str,
    /// What it holds.
    pub shape: &'static Shape,
    /// Whether it must be there.
    pub required: bool,
}

impl Shape {
    /// A value of `kind` without constraints.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            min: None,
            max: None,
            pattern: None,
            values: &[],
        }
    }

    /// At least this: the length of text, bytes, lists and maps, the value of a number.
    #[must_use]
    pub const fn min(self, min: i64) -> Self {
        Self {
            min: Some(min),
            ..self
        }
    }

    /// At most this, of what [`Shape::min`] counts.
    #[must_use]
    pub const fn max(self, max: i64) -> Self {
        Self {
            max: Some(max),
            ..self
        }
    }

    /// Text of this form.
    #[must_use]
    pub const fn pattern(self, pattern: &'static Pattern) -> Self {
        Self {
            pattern: Some(pattern),
            ..self
        }
    }

    /// One of these texts, in the order in which the service lists them.
    #[must_use]
    pub const fn values(self, values: &'static [&'static str]) -> Self {
        Self { values, ..self }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The lower and the upper bound.
    #[must_use]
    pub const fn bounds(&self) -> (Option<i64>, Option<i64>) {
        (self.min, self.max)
    }

    /// The texts that are allowed; empty if any is.
    #[must_use]
    pub const fn allowed(&self) -> &'static [&'static str] {
        self.values
    }

    /// The form of the text.
    #[must_use]
    pub const fn form(&self) -> Option<&'static Pattern> {
        self.pattern
    }
}

/// Why a body is not the input of an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body is broken, or a member has the wrong type: `SerializationException`.
    #[error(transparent)]
    Document(#[from] document::Error),
    /// Constraints are broken: `ValidationException`.
    #[error(transparent)]
    Invalid(#[from] Violations),
}

/// Reads a body and holds it against a shape.
///
/// Members that the shape does not name are dropped, as are members that hold null.
///
/// # Errors
/// See [`Error`].
pub fn read<'a>(format: Format, body: &'a Bytes, shape: &Shape) -> Result<Value<'a>, Error> {
    let mut value = document::decode(format, body)?;
    coerce(&mut value, shape, body.len())?;
    check(&value, shape)?;
    Ok(value)
}

#[cfg(test)]
pub(crate) mod tests;
