//! Reads CBOR as the protocol uses it: definite and indefinite lengths, tag 1 for times.
//!
//! Text keys only; integers to 64 bits, larger ones stand at the nearest end; tags other than 1 are
//! passed over. Simple values other than false, true, null and undefined are refused.

use std::borrow::Cow;

use bytes::Bytes;

use super::{DEPTH_MAX, Error, VALUES_MAX, Value, duplicate_key};

const MAJOR_UNSIGNED: u8 = 0;
const MAJOR_NEGATIVE: u8 = 1;
const MAJOR_BYTES: u8 = 2;
const MAJOR_TEXT: u8 = 3;
const MAJOR_LIST: u8 = 4;
const MAJOR_MAP: u8 = 5;
const MAJOR_TAG: u8 = 6;
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;
const TAG_TIME: u64 = 1;

pub(super) fn decode(body: &Bytes) -> Result<Value<'_>, Error> {
    let mut reader = Reader {
        body,
        at: 0,
        budget: VALUES_MAX,
    };
    let value = reader.value(0)?;
    if reader.at != body.len() {
        return Err(reader.broken("bytes after the end"));
    }
    Ok(value)
}

struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
    budget: u32,
}

/// A value's first byte and what follows it.
struct Head {
    major: u8,
    minor: u8,
    /// The argument; absent for an indefinite length.
    argument: Option<u64>,
}

impl<'a> Reader<'a> {
    fn broken(&self, what: &'static str) -> Error {
        Error::Cbor { at: self.at, what }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or_else(|| self.broken("cut short"))?;
        self.at += count;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.broken("cut short"))
    }

    fn head(&mut self) -> Result<Head, Error> {
        let [first] = self.fixed()?;
        let minor = first & 0x1f;
        let argument = match minor {
            0..=23 => Some(u64::from(minor)),
            24 => Some(u64::from(u8::from_be_bytes(self.fixed()?))),
            25 => Some(u64::from(u16::from_be_bytes(self.fixed()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.fixed()?))),
            27 => Some(u64::from_be_bytes(self.fixed()?)),
            INDEFINITE => None,
            _ => return Err(self.broken("reserved length")),
        };
        Ok(Head {
            major: first >> 5,
            minor,
            argument,
        })
    }

    /// Whether the break that ends an indefinite length stands here; passes over it.
    fn at_break(&mut self) -> bool {
        let found = self.body.get(self.at) == Some(&BREAK);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: u32) -> Result<Value<'a>, Error> {
        let left = self.budget.checked_sub(1);
        self.budget = left.ok_or_else(|| self.broken("too many values"))?;
        let head = self.head()?;
        match (head.major, head.argument) {
            (MAJOR_UNSIGNED, Some(value)) => {
                Ok(Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
            }
            (MAJOR_NEGATIVE, Some(value)) => {
                let value = i64::try_from(value).map_or(i64::MIN, |value| -1 - value);
                Ok(Value::Int(value))
            }
            (MAJOR_BYTES, length) => self.bytes(length),
            (MAJOR_TEXT, length) => self.text(length).map(Value::Str),
            (MAJOR_LIST, length) => self.list(length, self.deeper(depth)?),
            (MAJOR_MAP, length) => self.map(length, self.deeper(depth)?),
            (MAJOR_TAG, Some(tag)) => {
                let inner = self.deeper(depth)?;
                let value = self.value(inner)?;
                if tag == TAG_TIME {
                    return self.time(&value);
                }
                Ok(value)
            }
            (_, argument) => self.simple(head.minor, argument),
        }
    }

    fn deeper(&self, depth: u32) -> Result<u32, Error> {
        if depth == DEPTH_MAX {
            return Err(self.broken("too many levels"));
        }
        Ok(depth + 1)
    }

    /// The bytes of a string of known length. The claim is compared with what is there before
    /// anything is made of it.
    fn definite(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let length = usize::try_from(length).map_err(|_| self.broken("cut short"))?;
        self.take(length)
    }

    /// A string in pieces, each of a known length and of the same major type.
    fn pieces(&mut self, major: u8) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        while !self.at_break() {
            let head = self.head()?;
            let (true, Some(length)) = (head.major == major, head.argument) else {
                return Err(self.broken("wrong piece of a string"));
            };
            let piece = self.definite(length)?;
            if major == MAJOR_TEXT {
                std::str::from_utf8(piece).map_err(|_| self.broken("text is not UTF-8"))?;
            }
            whole.extend_from_slice(piece);
        }
        Ok(whole)
    }

    fn bytes(&mut self, length: Option<u64>) -> Result<Value<'a>, Error> {
        Ok(Value::Blob(match length {
            Some(length) => {
                let piece = self.definite(length)?;
                self.body.slice_ref(piece)
            }
            None => self.pieces(MAJOR_BYTES)?.into(),
        }))
    }

    fn text(&mut self, length: Option<u64>) -> Result<Cow<'a, str>, Error> {
        let not_utf8 = |reader: &Self| reader.broken("text is not UTF-8");
        match length {
            Some(length) => {
                let piece = self.definite(length)?;
                let text = std::str::from_utf8(piece).map_err(|_| not_utf8(self))?;
                Ok(Cow::Borrowed(text))
            }
            None => {
                let whole = self.pieces(MAJOR_TEXT)?;
                let text = String::from_utf8(whole).map_err(|_| not_utf8(self))?;
                Ok(Cow::Owned(text))
            }
        }
    }

    /// Whether a list or map of `length` has ended after `count` entries.
    fn ended(&mut self, length: Option<u64>, count: u64) -> bool {
        match length {
            Some(length) => count >= length,
            None => self.at_break(),
        }
    }

    fn list(&mut self, length: Option<u64>, depth: u32) -> Result<Value<'a>, Error> {
        let mut list = Vec::new();
        let mut count = 0;
        while !self.ended(length, count) {
            list.push(self.value(depth)?);
            count += 1;
        }
        Ok(Value::List(list))
    }

    fn map(&mut self, length: Option<u64>, depth: u32) -> Result<Value<'a>, Error> {
        let mut map = Vec::new();
        let mut count = 0;
        while !self.ended(length, count) {
            let head = self.head()?;
            if head.major != MAJOR_TEXT {
                return Err(self.broken("a key is not text"));
            }
            let key = self.text(head.argument)?;
            map.push((key, self.value(depth)?));
            count += 1;
        }
        match duplicate_key(&map) {
            Some(_) => Err(self.broken("a key stands twice")),
            None => Ok(Value::Map(map)),
        }
    }

    /// The value under tag 1: whole milliseconds by this protocol, seconds with a fraction by the
    /// standard.
    fn time(&self, value: &Value<'_>) -> Result<Value<'a>, Error> {
        match value {
            Value::Int(millis) => Ok(Value::Timestamp(*millis)),
            Value::Float(seconds) => Ok(Value::Timestamp(super::millis(*seconds))),
            _ => Err(self.broken("a time is not a number")),
        }
    }

    fn simple(&self, minor: u8, argument: Option<u64>) -> Result<Value<'a>, Error> {
        let bits = argument.ok_or_else(|| self.broken("a break without a start"))?;
        match minor {
            20 => Ok(Value::Bool(false)),
            21 => Ok(Value::Bool(true)),
            22 | 23 => Ok(Value::Null),
            25 => Ok(Value::Float(half(u16::try_from(bits).unwrap_or(0)))),
            26 => Ok(Value::Float(f64::from(f32::from_bits(
                u32::try_from(bits).unwrap_or(0),
            )))),
            27 => Ok(Value::Float(f64::from_bits(bits))),
            _ => Err(self.broken("unknown simple value")),
        }
    }
}

/// Widens an IEEE 754 half.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction / 1_024.0 + 1.0) * 2_f64.powi(exponent - 15),
    }
}
