//! Bodies of requests, made before the clock starts, and what of an answer is looked at.

use afflux_aws::document::{self, Encoder, Format, Value};
use anyhow::{Context, Result};
use bytes::Bytes;

use crate::bench::load;

/// Bytes of data in each record.
pub(super) const RECORD_BYTES: usize = 1 << 10;
/// Records of one `PutRecords`: as many as the API takes.
pub(super) const BATCH_RECORDS: usize = 500;
/// Partition keys, as if from so many devices.
const KEYS: usize = 1_000;

/// A body: a map with what `write` adds.
pub(super) fn body(format: Format, write: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut encoder = Encoder::new(format, 256);
    encoder.begin_map();
    write(&mut encoder);
    encoder.end_map();
    encoder.finish()
}

/// `PutRecords` with records that do not compress; `number` sets its keys apart from other bodies.
pub(super) fn put_records(format: Format, stream: &str, number: usize) -> Bytes {
    body(format, |to| {
        to.member("StreamName", stream);
        to.name("Records");
        to.begin_list();
        for record in 0..BATCH_RECORDS {
            to.begin_map();
            to.member("Data", load::payload(RECORD_BYTES).as_slice());
            to.member("PartitionKey", &key(number * BATCH_RECORDS + record));
            to.end_map();
        }
        to.end_list();
    })
}

/// `PutRecord` with `data`.
pub(super) fn put_record(format: Format, stream: &str, number: usize, data: &[u8]) -> Bytes {
    body(format, |to| {
        to.member("StreamName", stream);
        to.member("Data", data);
        to.member("PartitionKey", &key(number));
    })
}

fn key(number: usize) -> String {
    format!("device-{}", number % KEYS)
}

/// Reads an answer.
pub(super) fn read(format: Format, body: &Bytes) -> Result<Value<'_>> {
    document::decode(format, body).context("read an answer")
}

/// A member of a structure.
pub(super) fn member<'v, 'b>(value: &'v Value<'b>, name: &str) -> Result<&'v Value<'b>> {
    let members = match value {
        Value::Map(members) => members.as_slice(),
        _ => &[],
    };
    let found = members.iter().find(|(key, _)| key == name);
    let (_, value) = found.with_context(|| format!("an answer has no {name}"))?;
    Ok(value)
}

/// A member of a structure that is text.
pub(super) fn text<'v>(value: &'v Value<'_>, name: &str) -> Result<&'v str> {
    match member(value, name)? {
        Value::Str(text) => Ok(text),
        other => anyhow::bail!("{name} is {other:?} and not text"),
    }
}

/// A member of a structure that is a list.
pub(super) fn list<'v, 'b>(value: &'v Value<'b>, name: &str) -> Result<&'v [Value<'b>]> {
    match member(value, name)? {
        Value::List(items) => Ok(items),
        other => anyhow::bail!("{name} is {other:?} and not a list"),
    }
}

/// How many records of a `PutRecords` failed, read without the cost of reading the whole answer.
pub(super) fn failed_records(format: Format, body: &Bytes) -> Result<u64> {
    const NAME: &[u8] = b"FailedRecordCount";
    let at = body
        .windows(NAME.len())
        .position(|window| window == NAME)
        .context("an answer has no FailedRecordCount")?;
    let rest = body.get(at + NAME.len()..).unwrap_or_default();
    let digits: Vec<u8> = match format {
        Format::Json => {
            let value = rest.iter().skip_while(|b| b"\": ".contains(b));
            value.copied().take_while(u8::is_ascii_digit).collect()
        }
        // Up to 23 it is the byte itself; more is read with the rest of the answer.
        Format::Cbor => match rest.first() {
            Some(count @ 0..=23) => return Ok(u64::from(*count)),
            _ => Vec::new(),
        },
    };
    if let Some(count) = std::str::from_utf8(&digits)
        .ok()
        .and_then(|d| d.parse().ok())
    {
        return Ok(count);
    }
    match member(&read(format, body)?, "FailedRecordCount")? {
        Value::Int(count) => u64::try_from(*count).context("a count below zero"),
        other => anyhow::bail!("FailedRecordCount is {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use afflux_aws::kinesis::{Operation, Request};

    use super::*;

    #[test]
    fn bodies_are_what_the_service_takes() {
        for format in [Format::Json, Format::Cbor] {
            let many = put_records(format, "s", 3);
            let Ok(Request::PutRecords(many)) =
                Request::decode(Operation::PutRecords, format, &many)
            else {
                panic!("{format:?}")
            };
            assert_eq!(many.records.len(), BATCH_RECORDS);
            assert!(many.records.iter().all(|r| r.data.len() == RECORD_BYTES));
            let one = put_record(format, "s", 3, b"data");
            let Ok(Request::PutRecord(one)) = Request::decode(Operation::PutRecord, format, &one)
            else {
                panic!("{format:?}")
            };
            assert_eq!(one.data, "data");
        }
    }

    #[test]
    fn failed_records_are_counted_in_either_format() {
        for format in [Format::Json, Format::Cbor] {
            for count in [0, 7, 23, 24, 500] {
                let answer = body(format, |to| {
                    to.member("EncryptionType", "NONE");
                    to.member("FailedRecordCount", &count);
                });
                assert_eq!(failed_records(format, &answer).unwrap(), count);
            }
            assert!(failed_records(format, &body(format, |_| {})).is_err());
        }
        let spaced = Bytes::from_static(b"{ \"FailedRecordCount\": 12 }");
        assert_eq!(failed_records(Format::Json, &spaced).unwrap(), 12);
    }
}
