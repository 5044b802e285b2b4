//! Aggregated records of the Kinesis Producer Library: several records of a user in one of a stream.
//!
//! # Shape
//! Four bytes of magic, a protobuf message, and its MD5. The message is a table of partition keys (field
//! 1), a table of explicit hash keys (2), and records (3) that point into the tables: index of the
//! partition key (1), index of the explicit hash key (2), payload (3), and tags (4), which nobody reads.
//!
//! # Invariants
//! - What lacks the magic or the right sum is an ordinary record.
//! - Payloads are slices of the input; nothing is allocated for what a length merely claims.

use afflux_types::{HashKey, PartitionKey};
use bytes::Bytes;
use md5::{Digest, Md5};

/// The first bytes of an aggregated record.
pub const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// Records in an aggregated one, and entries in each of its tables. The library makes at most 50 KiB,
/// some producers 1 MiB; this leaves eight bytes for each of the records of 1 MiB.
pub const PARTS_MAX: usize = 131_072;

const SUM_LEN: usize = 16;

/// A record inside an aggregated one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The key that its producer gave it.
    pub partition_key: PartitionKey,
    /// Overrides the hash of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// The payload.
    pub data: Bytes,
}

impl Part {
    /// The key that would have decided the shard. Consumers drop parts whose key lies outside the
    /// shard's range: the producer's map was out of date, and sends them again.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of(self.partition_key.as_bytes()))
    }
}

/// Why the inside of an aggregated record cannot be read, although its sum is right. Consumers hand on
/// such a record whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a protobuf message of this kind.
    #[error("the message is broken at byte {0}")]
    Broken(usize),
    /// Too many records or keys.
    #[error("more than {PARTS_MAX} records or keys")]
    TooMany,
    /// A record points behind the end of a table.
    #[error("key {0} is not in its table")]
    NoSuchKey(u64),
    /// A key is not one.
    #[error("key {0} of its table is not a key")]
    BadKey(usize),
}

/// Whether a record is aggregated: the magic, room for the sum, and the right sum.
#[must_use]
pub fn is_aggregated(data: &[u8]) -> bool {
    message(data).is_some()
}

/// Takes an aggregated record apart; `None` for an ordinary one. The place of a part in the list is its
/// sub-sequence number.
///
/// # Errors
/// See [`Error`].
pub fn split(data: &Bytes) -> Result<Option<Vec<Part>>, Error> {
    message(data).map(|message| read(data, message)).transpose()
}

/// Puts records together.
#[must_use]
pub fn join(parts: &[Part]) -> Bytes {
    let mut message = Vec::new();
    for part in parts {
        write_bytes(&mut message, 1, part.partition_key.as_bytes());
        if let Some(key) = part.explicit_hash_key {
            write_bytes(&mut message, 2, key.to_string().as_bytes());
        }
    }
    let mut explicit = 0_u64;
    for (index, part) in (0_u64..).zip(parts) {
        let mut record = vec![1 << 3];
        write_varint(&mut record, index);
        if part.explicit_hash_key.is_some() {
            record.push(2 << 3);
            write_varint(&mut record, explicit);
            explicit += 1;
        }
        write_bytes(&mut record, 3, &part.data);
        write_bytes(&mut message, 3, &record);
    }
    seal(&message)
}

/// Puts the magic before a message and its sum behind it.
pub(crate) fn seal(message: &[u8]) -> Bytes {
    let mut whole = MAGIC.to_vec();
    whole.extend_from_slice(message);
    whole.extend_from_slice(&Md5::digest(message));
    whole.into()
}

/// The message between the magic and the sum.
fn message(data: &[u8]) -> Option<&[u8]> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, sum) = rest.split_at_checked(rest.len().checked_sub(SUM_LEN)?)?;
    let found: [u8; SUM_LEN] = Md5::digest(message).into();
    (found == *sum).then_some(message)
}

fn read(data: &Bytes, message: &[u8]) -> Result<Vec<Part>, Error> {
    let mut keys = Vec::new();
    let mut hash_keys = Vec::new();
    let mut records = Vec::new();
    let mut reader = Reader { message, at: 0 };
    while let Some((field, value)) = reader.field()? {
        let table = match (field, value) {
            (1, Field::Bytes(bytes)) => {
                let key = PartitionKey::from_bytes(data.slice_ref(bytes));
                keys.push(key.map_err(|_| Error::BadKey(keys.len()))?);
                keys.len()
            }
            (2, Field::Bytes(bytes)) => {
                let key = decimal(bytes).ok_or(Error::BadKey(hash_keys.len()))?;
                hash_keys.push(key);
                hash_keys.len()
            }
            (3, Field::Bytes(bytes)) => {
                records.push(bytes);
                records.len()
            }
            _ => continue,
        };
        if table > PARTS_MAX {
            return Err(Error::TooMany);
        }
    }
    // The tables may stand behind the records that point into them.
    records
        .into_iter()
        .map(|record| part(data, record, &keys, &hash_keys))
        .collect()
}

fn part(
    data: &Bytes,
    record: &[u8],
    keys: &[PartitionKey],
    hash_keys: &[HashKey],
) -> Result<Part, Error> {
    let (mut key, mut hash_key, mut payload) = (0, None, Bytes::new());
    let mut reader = Reader {
        message: record,
        at: 0,
    };
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Field::Number(index)) => key = index,
            (2, Field::Number(index)) => hash_key = Some(index),
            (3, Field::Bytes(bytes)) => payload = data.slice_ref(bytes),
            _ => {}
        }
    }
    let partition_key = entry(keys, key).ok_or(Error::NoSuchKey(key))?;
    let explicit = hash_key.map(|index| entry(hash_keys, index).ok_or(Error::NoSuchKey(index)));
    Ok(Part {
        partition_key: partition_key.clone(),
        explicit_hash_key: explicit.transpose()?.copied(),
        data: payload,
    })
}

fn entry<T>(table: &[T], index: u64) -> Option<&T> {
    table.get(usize::try_from(index).ok()?)
}

fn decimal(bytes: &[u8]) -> Option<HashKey> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let key = digits.then(|| text.parse().ok()).flatten();
    key.map(HashKey::new)
}

/// Reads the fields of a protobuf message.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let rest = self.message.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(Error::Broken(self.at))?;
        self.at += length;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?.first().copied().unwrap_or(0);
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds one bit.
            if shift == 63 && bits > 1 {
                return Err(Error::Broken(self.at));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::Broken(self.at))
    }

    fn field(&mut self) -> Result<Option<(u64, Field<'a>)>, Error> {
        if self.at == self.message.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| Error::Broken(self.at))?;
                Field::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return Err(Error::Broken(self.at)),
        };
        Ok(Some((key >> 3, value)))
    }
}

fn write_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    to.push(u8::try_from(value).unwrap_or(0));
}

fn write_bytes(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    to.push(field << 3 | 2);
    write_varint(to, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
