//! How simple values are written: those of documents, of Rust and of `afflux_types`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Encode, Encoder, Value};

impl Encode for Value<'_> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Null => to.null(),
            Self::Bool(value) => to.boolean(*value),
            Self::Int(value) => to.integer(*value),
            Self::Float(value) => to.float(*value),
            Self::Str(value) => to.text(value),
            Self::Blob(value) => to.blob(value),
            Self::Timestamp(value) => to.timestamp(*value),
            Self::List(items) => items.encode(to),
            Self::Map(members) => {
                to.begin_map();
                for (key, value) in members {
                    to.key(key);
                    value.encode(to);
                }
                to.end_map();
            }
        }
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, to: &mut Encoder) {
        to.begin_list();
        for item in self {
            item.encode(to);
        }
        to.end_list();
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, to: &mut Encoder) {
        self.as_slice().encode(to);
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, to: &mut Encoder) {
        self.as_ref().encode(to);
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Some(value) => value.encode(to),
            None => to.null(),
        }
    }

    fn is_absent(&self) -> bool {
        self.as_ref().is_none_or(Encode::is_absent)
    }
}

impl<T: Encode> Encode for BTreeMap<String, T> {
    fn encode(&self, to: &mut Encoder) {
        to.begin_map();
        for (key, value) in self {
            to.key(key);
            value.encode(to);
        }
        to.end_map();
    }
}

impl Encode for bool {
    fn encode(&self, to: &mut Encoder) {
        to.boolean(*self);
    }
}

impl Encode for i64 {
    fn encode(&self, to: &mut Encoder) {
        to.integer(*self);
    }
}

impl Encode for i32 {
    fn encode(&self, to: &mut Encoder) {
        to.integer((*self).into());
    }
}

impl Encode for u32 {
    fn encode(&self, to: &mut Encoder) {
        to.integer(i64::from(*self));
    }
}

impl Encode for u64 {
    fn encode(&self, to: &mut Encoder) {
        to.integer(i64::try_from(*self).unwrap_or(i64::MAX));
    }
}

impl Encode for f64 {
    fn encode(&self, to: &mut Encoder) {
        to.float(*self);
    }
}

impl Encode for str {
    fn encode(&self, to: &mut Encoder) {
        to.text(self);
    }
}

impl Encode for &str {
    fn encode(&self, to: &mut Encoder) {
        to.text(self);
    }
}

impl Encode for String {
    fn encode(&self, to: &mut Encoder) {
        to.text(self);
    }
}

impl Encode for Bytes {
    fn encode(&self, to: &mut Encoder) {
        to.blob(self);
    }
}

impl Encode for afflux_types::ProducerTime {
    fn encode(&self, to: &mut Encoder) {
        to.timestamp(self.as_millis());
    }
}

impl Encode for afflux_types::ServerTime {
    fn encode(&self, to: &mut Encoder) {
        to.timestamp(self.as_millis());
    }
}

impl Encode for afflux_types::ShardId {
    fn encode(&self, to: &mut Encoder) {
        // As `Display` writes it, without its cost: every record of a put is answered with one.
        let mut text = *b"shardId-000000000000";
        let mut rest = self.get();
        for digit in text.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        to.plain_text(std::str::from_utf8(&text).unwrap_or_default());
    }
}

impl Encode for afflux_types::HashKey {
    fn encode(&self, to: &mut Encoder) {
        to.plain_text(&self.to_string());
    }
}

impl Encode for [u8] {
    fn encode(&self, to: &mut Encoder) {
        to.blob(self);
    }
}

impl Encode for &[u8] {
    fn encode(&self, to: &mut Encoder) {
        to.blob(self);
    }
}

impl Encode for std::borrow::Cow<'_, str> {
    fn encode(&self, to: &mut Encoder) {
        to.text(self);
    }
}
