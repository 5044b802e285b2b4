//! Gives every value the type that its shape asks for.
//!
//! # Source
//! The sentences are those that the service's framework answers, with their articles and their
//! spelling.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::{Kind, Member, Shape};
use crate::document::{self, Error, Value};

/// Characters of a value that an error message repeats.
pub(super) const QUOTED_CHARS_MAX: usize = 65_536;

/// Turns the values of a document into those of `shape`, in place.
///
/// `body_len` bounds the bytes that base64 can yield. All of a document's blobs share one buffer.
///
/// # Errors
/// [`Error::Type`] with the service's sentence for the first value of a wrong type.
pub fn coerce(value: &mut Value<'_>, shape: &Shape, body_len: usize) -> Result<(), Error> {
    let mut blobs = Blobs {
        buffer: BytesMut::new(),
        left: body_len / 4 * 3 + 3,
    };
    blobs.coerce(value, shape)
}

/// Decodes base64 into one buffer, taken on first need.
struct Blobs {
    buffer: BytesMut,
    /// Bytes that the rest of the body can still yield.
    left: usize,
}

impl Blobs {
    fn coerce(&mut self, value: &mut Value<'_>, shape: &Shape) -> Result<(), Error> {
        if matches!(value, Value::Null) {
            return Ok(());
        }
        match shape.kind {
            Kind::Boolean => boolean(value),
            Kind::Integer => number(value, "Integer", i32::MIN.into(), i32::MAX.into()),
            Kind::Long => number(value, "Long", i64::MIN, i64::MAX),
            Kind::Double => double(value),
            Kind::String => match value {
                Value::Str(_) => Ok(()),
                other => Err(refused(other, "an String")),
            },
            Kind::Blob => self.blob(value),
            Kind::Timestamp => timestamp(value),
            Kind::List(inner) => match value {
                Value::List(items) => items
                    .iter_mut()
                    .try_for_each(|item| self.coerce(item, inner)),
                Value::Map(_) => Err(structure_found()),
                _ => Err(type_error("Expected list or null")),
            },
            Kind::Map(_, inner) => match value {
                Value::Map(entries) => entries
                    .iter_mut()
                    .try_for_each(|(_, value)| self.coerce(value, inner)),
                Value::List(_) => Err(list_found()),
                _ => Err(type_error("Expected map or null")),
            },
            Kind::Structure(_, members) => match value {
                Value::Map(entries) => self.structure(entries, members),
                Value::List(_) => Err(list_found()),
                _ => Err(type_error("Expected null")),
            },
        }
    }

    fn structure(
        &mut self,
        entries: &mut Vec<(Cow<'_, str>, Value<'_>)>,
        members: &[Member],
    ) -> Result<(), Error> {
        let shape_of = |name: &str| members.iter().find(|member| member.name == name);
        entries.retain(|(name, value)| !matches!(value, Value::Null) && shape_of(name).is_some());
        for (name, value) in entries {
            if let Some(member) = shape_of(name) {
                self.coerce(value, member.shape)?;
            }
        }
        Ok(())
    }

    fn blob(&mut self, value: &mut Value<'_>) -> Result<(), Error> {
        let text = match value {
            Value::Blob(_) => return Ok(()),
            Value::Str(text) => text,
            other => return Err(refused(other, "a Blob")),
        };
        *value = Value::Blob(self.base64(text)?);
        Ok(())
    }

    fn base64(&mut self, text: &str) -> Result<Bytes, Error> {
        if text.is_empty() {
            return Ok(Bytes::new());
        }
        let length = base64_simd::STANDARD
            .decoded_length(text.as_bytes())
            .map_err(|_| broken_base64(text))?;
        if self.buffer.capacity() < length {
            self.buffer = BytesMut::with_capacity(self.left.max(length));
        }
        self.left = self.left.saturating_sub(length);
        self.buffer.resize(length, 0);
        let room = base64_simd::Out::from_slice(&mut self.buffer);
        base64_simd::STANDARD
            .decode(text.as_bytes(), room)
            .map_err(|_| broken_base64(text))?;
        Ok(self.buffer.split().freeze())
    }
}

fn type_error(text: impl Into<String>) -> Error {
    Error::Type(text.into())
}

fn list_found() -> Error {
    type_error("Start of list found where not expected")
}

fn structure_found() -> Error {
    type_error("Start of structure or map found where not expected.")
}

/// The sentence for a value that cannot become `wanted`.
fn refused(value: &Value<'_>, wanted: &str) -> Error {
    let class = match value {
        Value::List(_) => return list_found(),
        Value::Map(_) => return structure_found(),
        Value::Null | Value::Bool(_) => "java.lang.Boolean",
        Value::Int(_) | Value::Float(_) => {
            "com.amazon.coral.value.json.numbers.TruncatingBigNumber"
        }
        Value::Str(_) => "java.lang.String",
        Value::Blob(_) => "java.nio.HeapByteBuffer",
        Value::Timestamp(_) => "java.util.Date",
    };
    type_error(format!("class {class} can not be converted to {wanted}"))
}

fn boolean(value: &mut Value<'_>) -> Result<(), Error> {
    let truth = match value {
        Value::Bool(_) => return Ok(()),
        Value::Str(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => true,
            "false" | "no" | "0" => false,
            _ => {
                let text = quoted(text).to_uppercase();
                return Err(type_error(format!(
                    "'{text}' can not be converted to an Boolean"
                )));
            }
        },
        other => return Err(refused(other, "an Boolean")),
    };
    *value = Value::Bool(truth);
    Ok(())
}

/// Numbers are cut to what the member can hold, as the service does; the bounds come later.
fn number(value: &mut Value<'_>, name: &str, min: i64, max: i64) -> Result<(), Error> {
    let whole = match value {
        Value::Int(whole) => *whole,
        Value::Float(number) => document::floor(*number),
        other => return Err(refused(other, &format!("an {name}"))),
    };
    *value = Value::Int(whole.clamp(min, max));
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a double holds what a double can"
)]
fn double(value: &mut Value<'_>) -> Result<(), Error> {
    let number = match value {
        Value::Float(_) => return Ok(()),
        Value::Int(whole) => *whole as f64,
        other => return Err(refused(other, "an Double")),
    };
    *value = Value::Float(number);
    Ok(())
}

fn timestamp(value: &mut Value<'_>) -> Result<(), Error> {
    let millis = match value {
        Value::Timestamp(_) => return Ok(()),
        Value::Int(seconds) => seconds.saturating_mul(1_000),
        Value::Float(seconds) => document::millis(*seconds),
        other => return Err(refused(other, "milliseconds since epoch")),
    };
    *value = Value::Timestamp(millis);
    Ok(())
}

fn broken_base64(text: &str) -> Error {
    let reason = if !text.len().is_multiple_of(4) {
        format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        )
    } else if let Some(character) = stray_character(text) {
        format!("Invalid Base64 character: '{character}'")
    } else {
        // The service's own spelling.
        "Invalid last non-pad Base64 character dectected".to_owned()
    };
    let text = quoted(text);
    type_error(format!("'{text}' can not be converted to a Blob: {reason}"))
}

/// The first character that base64 does not have, or an equals sign before the padding.
fn stray_character(text: &str) -> Option<char> {
    let body = text.strip_suffix("==").or_else(|| text.strip_suffix('='));
    let body = body.unwrap_or(text);
    body.chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/'))
}

/// As much of a value as a message repeats.
pub(super) fn quoted(text: &str) -> &str {
    let end = text.char_indices().nth(QUOTED_CHARS_MAX);
    end.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}
