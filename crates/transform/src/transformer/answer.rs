//! What a function says: bytes from a program that nobody here knows.
//!
//! Records of an answer are not collected but matched with those of the call while they are read, so that an
//! answer of three million empty ones takes no more memory than one without any.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{TransformerError, request};
use crate::Record;
use crate::steps::VALUE_BYTES_MAX;

/// Partition keys of one record; a prefix can hold no more.
const KEYS_MAX: usize = 50;

/// What an answer says of each record of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(Vec<Option<Said>>);

/// What an answer says of a record: what it became, that it is dropped, or why it failed.
type Said = Result<Option<Changed>, TransformerError>;

/// What a record became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) data: Bytes,
    /// The values of `!{partitionKeyFromLambda:…}`.
    pub(super) keys: BTreeMap<String, String>,
}

impl Answer {
    /// One for each record of the call, in its order.
    pub(super) fn into_said(self) -> impl Iterator<Item = Said> {
        let missing = || Err(TransformerError::Missing);
        self.0
            .into_iter()
            .map(move |said| said.unwrap_or_else(missing))
    }
}

pub(super) fn read(body: &[u8], records: &[Record]) -> Result<Answer, TransformerError> {
    let mut reading = Reading {
        records,
        said: vec![None; records.len()],
        has_records: false,
        has_error: false,
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_map(&mut reading).and_then(|()| json.end());
    match (read, reading.has_records, reading.has_error) {
        (Err(_), ..) => Err(TransformerError::Unreadable),
        (Ok(()), false, true) => Err(TransformerError::Function),
        (Ok(()), ..) => Ok(Answer(reading.said)),
    }
}

/// An answer that is being read.
struct Reading<'a> {
    records: &'a [Record],
    said: Vec<Option<Said>>,
    has_records: bool,
    /// Lambda runtimes answer so when the function failed.
    has_error: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Records,
    ErrorMessage,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for &mut Reading<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with records")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Records => {
                    self.has_records = true;
                    map.next_value_seed(Items(self))?;
                }
                Field::ErrorMessage => {
                    self.has_error = true;
                    map.next_value::<IgnoredAny>()?;
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The records of an answer that is being read.
struct Items<'r, 'a>(&'r mut Reading<'a>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Item<'de>>()? {
            self.0.take(item);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    record_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    partition_keys: Option<Keys>,
}

impl Reading<'_> {
    /// Notes what is said of a record; nothing, if it is none of the call's.
    fn take(&mut self, item: Item<'_>) {
        let Some(index) = self.index(item.record_id.as_deref()) else {
            return;
        };
        let Some(said) = self.said.get_mut(index) else {
            return;
        };
        *said = Some(match said {
            None => item.said(),
            Some(_) => Err(TransformerError::Duplicated),
        });
    }

    /// Which record of the call has this id.
    fn index(&self, id: Option<&str>) -> Option<usize> {
        let (_, digits) = id?.split_at_checked(id?.len().checked_sub(6)?)?;
        let index: usize = digits.parse().ok()?;
        let record = self.records.get(index)?;
        (id? == request::record_id(index, record)).then_some(index)
    }
}

impl Item<'_> {
    fn said(self) -> Said {
        match self.result.as_deref() {
            Some("Ok") => {}
            Some("Dropped") => return Ok(None),
            Some("ProcessingFailed") => return Err(TransformerError::ProcessingFailed),
            _ => return Err(TransformerError::Form),
        }
        let data = self.data.ok_or(TransformerError::NoData)?;
        let data = base64_simd::STANDARD.decode_to_vec(data.as_bytes());
        let keys = self.metadata.and_then(|metadata| metadata.partition_keys);
        let keys = keys.map_or(Ok(BTreeMap::new()), |Keys(keys)| keys)?;
        Ok(Some(Changed {
            data: data.map_err(|_| TransformerError::Form)?.into(),
            keys,
        }))
    }
}

/// Partition keys, or why they cannot be used.
struct Keys(Result<BTreeMap<String, String>, TransformerError>);

/// The value of a partition key.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Truth(bool),
    Number(serde_json::Number),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of partition keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Ok(BTreeMap::new());
        while let Some((name, value)) = map.next_entry::<String, Scalar>()? {
            keys = keys.and_then(|mut keys: BTreeMap<String, String>| {
                let value = value.text().ok_or(TransformerError::PartitionKeys)?;
                keys.insert(name, value);
                match keys.len() > KEYS_MAX {
                    true => Err(TransformerError::PartitionKeys),
                    false => Ok(keys),
                }
            });
        }
        Ok(Keys(keys))
    }
}

impl Scalar {
    fn text(self) -> Option<String> {
        let text = match self {
            Self::Text(text) => text,
            Self::Truth(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Other(IgnoredAny) => return None,
        };
        (1..=VALUE_BYTES_MAX).contains(&text.len()).then_some(text)
    }
}
