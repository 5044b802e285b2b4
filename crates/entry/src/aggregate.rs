//! Aggregated records of the Kinesis Producer Library: several records of a user in one of a stream.
//!
//! # Shape
//! Four bytes of magic, a protobuf message, and its MD5. The message is a table of partition keys (field
//! 1), a table of explicit hash keys (2), and records (3) that point into the tables: index of the
//! partition key (1), index of the explicit hash key (2), payload (3), and tags (4), which nobody reads.
//!
//! # Invariants
//! - A record is taken apart only if all of it can be: the magic, the right sum, a whole message, a valid
//!   key for each index, and at least one record inside. Any other is an ordinary record.
//! - Whether it can be is known before the first part is given out, so that none is given out in vain.
//! - Parts are made one at a time and share the memory of the record. What is kept of the tables is
//!   the places of their keys: thousands of parts may share one long key.
//! - Parts are not taken apart again.

use afflux_types::{HashKey, PartitionKey, Record};
use bytes::Bytes;
use md5::{Digest, Md5};

/// The first bytes of an aggregated record.
pub const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

const SUM_LEN: usize = 16;

/// Fields of the message.
const PARTITION_KEYS: u64 = 1;
const EXPLICIT_HASH_KEYS: u64 = 2;
const RECORDS: u64 = 3;

/// The records inside an aggregated one, in order; the place of a part is its sub-sequence number.
///
/// After a split or merge the library may put a part into a shard whose range does not have the part's
/// [`Record::hash_key`], and then sends it again: who counts leaves such parts out.
#[derive(Clone, Debug)]
pub struct Parts {
    message: Bytes,
    keys: Vec<Place>,
    hash_keys: Vec<Place>,
    /// Behind the part that was given out last.
    at: usize,
    left: usize,
}

/// Where bytes stand in the message; half as large as a slice.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    len: u32,
}

/// The message is not what it should be.
#[derive(Debug)]
struct Broken;

/// Takes an aggregated record apart; `None` for an ordinary one.
#[must_use]
pub fn split(data: &Bytes) -> Option<Parts> {
    let message = data.slice_ref(message(data)?);
    let mut parts = Parts::of(message).ok()?;
    parts.left = parts.check().ok()?;
    (parts.left > 0).then_some(parts)
}

/// Puts records together, as a producer does.
#[must_use]
pub fn join(parts: &[Record]) -> Bytes {
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
#[must_use]
pub fn seal(message: &[u8]) -> Bytes {
    let mut whole = MAGIC.to_vec();
    whole.extend_from_slice(message);
    whole.extend_from_slice(&Md5::digest(message));
    whole.into()
}

/// The message between the magic and the sum, if the sum is right.
fn message(data: &[u8]) -> Option<&[u8]> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, sum) = rest.split_at_checked(rest.len().checked_sub(SUM_LEN)?)?;
    let found: [u8; SUM_LEN] = Md5::digest(message).into();
    (found == *sum).then_some(message)
}

impl Parts {
    /// Finds the tables, which may stand behind the records that point into them.
    fn of(message: Bytes) -> Result<Self, Broken> {
        let mut parts = Self {
            keys: Vec::new(),
            hash_keys: Vec::new(),
            at: 0,
            left: 0,
            message: message.clone(),
        };
        let mut reader = Reader::new(&message);
        while let Some((field, value)) = reader.field()? {
            let table = match field {
                PARTITION_KEYS => &mut parts.keys,
                EXPLICIT_HASH_KEYS => &mut parts.hash_keys,
                _ => continue,
            };
            if let Field::Bytes(bytes) = value {
                table.push(Place::before(reader.at, bytes)?);
            }
        }
        Ok(parts)
    }

    /// Checks every part; returns how many there are.
    fn check(&self) -> Result<usize, Broken> {
        let mut reader = Reader::new(&self.message);
        let mut count = 0;
        while let Some((field, value)) = reader.field()? {
            if let (RECORDS, Field::Bytes(record)) = (field, value) {
                self.part(record)?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn part(&self, record: &[u8]) -> Result<Record, Broken> {
        let (mut key, mut hash_key, mut data) = (None, None, None);
        let mut reader = Reader::new(record);
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Field::Number(index)) => key = Some(index),
                (2, Field::Number(index)) => hash_key = Some(index),
                (3, Field::Bytes(bytes)) => data = Some(bytes),
                _ => {}
            }
        }
        // Both are required, even where they are zero or empty.
        let (Some(key), Some(data)) = (key, data) else {
            return Err(Broken);
        };
        let key = self.message.slice_ref(self.entry(&self.keys, key)?);
        let hash_key = hash_key.map(|index| decimal(self.entry(&self.hash_keys, index)?));
        Ok(Record {
            partition_key: PartitionKey::from_bytes(key).map_err(|_| Broken)?,
            explicit_hash_key: hash_key.transpose()?,
            data: self.message.slice_ref(data),
        })
    }

    /// The bytes of an entry of a table.
    fn entry(&self, table: &[Place], index: u64) -> Result<&[u8], Broken> {
        let index = usize::try_from(index).map_err(|_| Broken)?;
        let &Place { start, len } = table.get(index).ok_or(Broken)?;
        let (start, len) = (start as usize, len as usize);
        self.message.get(start..start + len).ok_or(Broken)
    }
}

impl Iterator for Parts {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            let mut reader = Reader {
                message: &self.message,
                at: self.at,
            };
            let (field, value) = reader.field().ok()??;
            let part = match (field, value) {
                (RECORDS, Field::Bytes(record)) => self.part(record).ok(),
                _ => None,
            };
            self.at = reader.at;
            if part.is_some() {
                self.left = self.left.saturating_sub(1);
                return part;
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Parts {}

impl Place {
    /// The place of bytes that end at `end`.
    fn before(end: usize, bytes: &[u8]) -> Result<Self, Broken> {
        let start = end.checked_sub(bytes.len()).ok_or(Broken)?;
        Ok(Self {
            start: u32::try_from(start).map_err(|_| Broken)?,
            len: u32::try_from(bytes.len()).map_err(|_| Broken)?,
        })
    }
}

fn decimal(bytes: &[u8]) -> Result<HashKey, Broken> {
    let text = std::str::from_utf8(bytes).map_err(|_| Broken)?;
    // A sign is a number for `parse`.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let key = digits.then(|| text.parse().ok()).flatten();
    key.map(HashKey::new).ok_or(Broken)
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
    fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let rest = self.message.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(Broken)?;
        self.at += length;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?.first().copied().unwrap_or(0);
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds one bit.
            if shift == 63 && bits > 1 {
                return Err(Broken);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn field(&mut self) -> Result<Option<(u64, Field<'a>)>, Broken> {
        if self.at == self.message.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        if key >> 3 == 0 {
            return Err(Broken);
        }
        let value = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(usize::try_from(length).map_err(|_| Broken)?)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return Err(Broken),
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
