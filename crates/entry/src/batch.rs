//! The body of a record batch: built by producers, read by whoever must see single records.

use afflux_types::limits::{BATCH_BODY_BYTES_MAX, ENTRY_RECORDS_MAX};
use afflux_types::{HashKey, PartitionKey, Record};
use bytes::{BufMut, Bytes, BytesMut};

use crate::error::EntryError;

/// Bytes that a record takes in a batch beside its key and its data.
pub const RECORD_OVERHEAD: usize = 8;

const EXPLICIT_HASH_KEY_LEN: usize = 16;
const FLAG_EXPLICIT_HASH_KEY: u8 = 0x01;

/// Bytes that a record takes in a batch.
#[must_use]
pub fn record_len(key_len: usize, data_len: usize, explicit_hash_key: Option<HashKey>) -> usize {
    let hash_len = if explicit_hash_key.is_some() {
        EXPLICIT_HASH_KEY_LEN
    } else {
        0
    };
    RECORD_OVERHEAD + hash_len + key_len + data_len
}

/// Collects records into the body of a batch.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    body: BytesMut,
    count: u32,
}

impl BatchBuilder {
    /// An empty batch with room for `bytes` of body.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            body: BytesMut::with_capacity(bytes),
            count: 0,
        }
    }

    /// Whether a record of `record_len` bytes still fits under the limits of a batch.
    #[must_use]
    pub fn fits(&self, record_len: usize) -> bool {
        self.body.len() + record_len <= BATCH_BODY_BYTES_MAX
            && (self.count as usize) < ENTRY_RECORDS_MAX
    }

    /// Appends a record whose key and size the caller has checked.
    ///
    /// # Panics
    /// If the key is longer than 65,535 bytes or the data longer than 4 GiB, which
    /// [`PartitionKey`] and the record limit exclude.
    pub fn push(&mut self, key: &[u8], explicit_hash_key: Option<HashKey>, data: &[u8]) {
        self.body
            .reserve(record_len(key.len(), data.len(), explicit_hash_key));
        put_head(&mut self.body, key, explicit_hash_key, data.len());
        self.body.put_slice(data);
        self.count += 1;
    }

    /// Records so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether the batch has no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The body and its record count; the builder is empty afterwards and keeps spare capacity.
    pub fn take(&mut self) -> (Bytes, u32) {
        (self.body.split().freeze(), std::mem::take(&mut self.count))
    }
}

/// Writes a record up to its payload.
pub(crate) fn put_head(
    to: &mut BytesMut,
    key: &[u8],
    explicit_hash_key: Option<HashKey>,
    data_len: usize,
) {
    to.put_u32_le(u32::try_from(data_len).expect("a record is bounded to 10 MiB"));
    to.put_u16_le(u16::try_from(key.len()).expect("a key is bounded to 1 KiB"));
    to.put_u8(explicit_hash_key.map_or(0, |_| FLAG_EXPLICIT_HASH_KEY));
    to.put_u8(0);
    if let Some(hash_key) = explicit_hash_key {
        to.put_u128_le(hash_key.get());
    }
    to.put_slice(key);
}

/// A record inside a batch's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRecord<'a> {
    /// The UTF-8 bytes of the partition key. Checked by [`Batch::check`], not by iterating.
    pub partition_key: &'a [u8],
    /// Overrides the hash of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// The payload.
    pub data: &'a [u8],
}

impl BatchRecord<'_> {
    /// The key that decides the shard.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of(self.partition_key))
    }
}

/// Reads the body of a batch.
///
/// Iterating yields the records, or one error and then the end.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    body: &'a [u8],
    offset: usize,
    index: u32,
    count: u32,
}

impl<'a> Batch<'a> {
    /// A reader of `body`, which is to hold `count` records.
    #[must_use]
    pub fn new(body: &'a [u8], count: u32) -> Self {
        Self {
            body,
            offset: 0,
            index: 0,
            count,
        }
    }

    /// The bytes behind the records that were read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.body.get(self.offset..).unwrap_or_default()
    }

    /// Checks every record: framing, partition key, and size against `record_bytes_max`.
    ///
    /// # Errors
    /// `Record` with the first offending record and the reason.
    pub fn check(self, record_bytes_max: usize) -> Result<(), EntryError> {
        let mut rest = self;
        loop {
            let (index, offset) = (rest.index, rest.offset);
            let Some(record) = rest.next() else {
                return Ok(());
            };
            let record = record?;
            let fail = |reason: String| {
                Err(EntryError::Record {
                    index,
                    offset,
                    reason,
                })
            };
            if let Err(error) = PartitionKey::check(record.partition_key) {
                return fail(error.message().to_owned());
            }
            let len = record.partition_key.len() + record.data.len();
            if len > record_bytes_max {
                return fail(format!(
                    "key and data have {len} bytes; the limit is {record_bytes_max}"
                ));
            }
        }
    }

    fn parse(&mut self) -> Result<BatchRecord<'a>, &'static str> {
        let mut rest = self
            .body
            .get(self.offset..)
            .ok_or("starts beyond the body")?;
        let mut take = |len: usize, what: &'static str| -> Result<&'a [u8], &'static str> {
            let (head, tail) = rest.split_at_checked(len).ok_or(what)?;
            rest = tail;
            Ok(head)
        };
        let fixed = take(RECORD_OVERHEAD, "its header reaches beyond the body")?;
        let &[d0, d1, d2, d3, k0, k1, flags, reserved] = fixed else {
            return Err("its header reaches beyond the body");
        };
        if flags & !FLAG_EXPLICIT_HASH_KEY != 0 || reserved != 0 {
            return Err("it has unknown flags");
        }
        let explicit_hash_key = if flags & FLAG_EXPLICIT_HASH_KEY == 0 {
            None
        } else {
            let bytes = take(
                EXPLICIT_HASH_KEY_LEN,
                "its explicit hash key reaches beyond the body",
            )?;
            let bytes = bytes
                .try_into()
                .map_err(|_| "its explicit hash key is cut")?;
            Some(HashKey::new(u128::from_le_bytes(bytes)))
        };
        let partition_key = take(
            usize::from(u16::from_le_bytes([k0, k1])),
            "its partition key reaches beyond the body",
        )?;
        let data = take(
            u32::from_le_bytes([d0, d1, d2, d3]) as usize,
            "its data reaches beyond the body",
        )?;
        self.offset = self.body.len() - rest.len();
        self.index += 1;
        Ok(BatchRecord {
            partition_key,
            explicit_hash_key,
            data,
        })
    }
}

impl<'a> Iterator for Batch<'a> {
    type Item = Result<BatchRecord<'a>, EntryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (index, offset) = (self.index, self.offset);
        let parsed = if index < self.count {
            self.parse()
        } else if offset < self.body.len() {
            Err("bytes follow the last record")
        } else {
            return None;
        };
        Some(parsed.map_err(|reason| {
            // Ends the iteration: nothing after a malformed record can be trusted.
            self.count = 0;
            self.index = 0;
            self.offset = self.body.len();
            EntryError::Record {
                index,
                offset,
                reason: reason.to_owned(),
            }
        }))
    }
}

impl Batch<'_> {
    /// The records of `body` as owned values that share its memory.
    ///
    /// Yields one error and then ends if the body is malformed or a key is not valid.
    pub fn records(
        body: &Bytes,
        count: u32,
    ) -> impl Iterator<Item = Result<Record, EntryError>> + use<> {
        let body = body.clone();
        let (mut index, mut offset, mut failed) = (0, 0, false);
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let mut batch = Batch {
                body: &body,
                offset,
                index,
                count,
            };
            let at = (index, offset);
            let item = batch.next()?;
            (index, offset) = (batch.index, batch.offset);
            let record = item.and_then(|record| own(&body, record, at));
            failed = record.is_err();
            Some(record)
        })
    }
}

/// The record as an owned value that shares the memory of `body`; `at` is its index and offset.
fn own(body: &Bytes, record: BatchRecord<'_>, at: (u32, usize)) -> Result<Record, EntryError> {
    let partition_key =
        PartitionKey::from_bytes(body.slice_ref(record.partition_key)).map_err(|error| {
            EntryError::Record {
                index: at.0,
                offset: at.1,
                reason: error.message().to_owned(),
            }
        })?;
    Ok(Record {
        partition_key,
        explicit_hash_key: record.explicit_hash_key,
        data: body.slice_ref(record.data),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (String, Option<u128>, Vec<u8>);

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let row = (
            "[a-zäß]{1,20}",
            proptest::option::of(any::<u128>()),
            proptest::collection::vec(any::<u8>(), 0..50),
        );
        proptest::collection::vec(row, 1..20)
    }

    fn build(rows: &[Row]) -> (Bytes, u32) {
        let mut builder = BatchBuilder::default();
        for (key, hash, data) in rows {
            builder.push(key.as_bytes(), hash.map(HashKey::new), data);
        }
        let (body, count) = builder.take();
        let lens = rows
            .iter()
            .map(|(key, hash, data)| record_len(key.len(), data.len(), hash.map(HashKey::new)));
        assert_eq!(body.len(), lens.sum::<usize>());
        (body, count)
    }

    proptest! {
        #[test]
        fn batch_reads_what_it_writes(rows in rows()) {
            let (body, count) = build(&rows);
            let read: Vec<Row> = Batch::records(&body, count)
                .map(|record| {
                    let record = record.unwrap();
                    (record.partition_key.to_string(), record.explicit_hash_key.map(HashKey::get), record.data.to_vec())
                })
                .collect();
            prop_assert_eq!(read, rows);
            prop_assert!(Batch::new(&body, count).check(1 << 20).is_ok());
        }

        #[test]
        fn a_batch_cut_anywhere_or_with_a_wrong_count_is_refused(rows in rows(), cut: prop::sample::Index, more in 1_u32..3) {
            let (body, count) = build(&rows);
            let cut = cut.index(body.len());
            prop_assert!(Batch::new(&body[..cut], count).check(1 << 20).is_err());
            prop_assert!(Batch::new(&body, count + more).check(1 << 20).is_err());
            prop_assert!(Batch::new(&body, count - 1).check(1 << 20).is_err());
        }

        #[test]
        fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200), count in 0_u32..20) {
            let results = Batch::new(&body, count).collect::<Vec<_>>();
            prop_assert!(results.iter().rev().skip(1).all(Result::is_ok));
            let _ = Batch::records(&Bytes::from(body), count).count();
        }
    }

    #[test]
    fn records_over_the_limit_are_named() {
        let (body, count) = build(&[
            ("k".into(), None, vec![0; 9]),
            ("k".into(), None, vec![0; 10]),
        ]);
        let error = Batch::new(&body, count).check(10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "record 1 of the batch at body offset 18 is malformed: key and data have 11 bytes; the limit is 10"
        );
    }
}
