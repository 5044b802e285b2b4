//! What a function is told: the event that Firehose gives to Lambda, as JSON.

use afflux_types::{PartitionKey, SequenceNumber, ShardId};
use serde::Serialize;
use uuid::Builder;

use crate::Record;

/// Bytes of a request without its records, at most: three names and an id.
pub(super) const ENVELOPE_BYTES: usize = 2_048;
/// Bytes of a record in a request without its payload and its partition key, at most.
const RECORD_BYTES: usize = 512;
/// A byte of a partition key may have to be written as `\u0000`.
const ESCAPED_BYTES: usize = 6;

/// Who asks: what every request of a delivery stream says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// The ARN of the delivery stream.
    pub delivery_stream_arn: String,
    /// The ARN of the stream whose records they are; none if they were put to the delivery stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_kinesis_stream_arn: Option<String>,
    /// The region of both.
    pub region: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    invocation_id: String,
    #[serde(flatten)]
    caller: &'a Caller,
    records: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    record_id: String,
    approximate_arrival_timestamp: i64,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinesis_record_metadata: Option<Metadata<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    sequence_number: String,
    subsequence_number: u64,
    partition_key: &'a str,
    shard_id: ShardText,
    approximate_arrival_timestamp: i64,
}

/// Writes a shard as the APIs do.
struct ShardText(ShardId);

impl Serialize for ShardText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

pub(super) fn write(caller: &Caller, invocation: [u8; 16], records: &[Record]) -> Vec<u8> {
    let event = Event {
        invocation_id: Builder::from_random_bytes(invocation)
            .into_uuid()
            .to_string(),
        caller,
        records: records.iter().enumerate().map(Item::of).collect(),
    };
    serde_json::to_vec(&event).expect("text and numbers have a JSON form")
}

/// The id of the record at `index` in its call. Parts of one stored record share all of it but the index.
pub(super) fn record_id(index: usize, record: &Record) -> String {
    format!("{}{index:06}", sequence_number(record))
}

/// Bytes of a record in a request, at most.
pub(super) fn len_max(record: &Record) -> usize {
    let key = record
        .partition_key
        .as_ref()
        .map_or("", PartitionKey::as_str);
    base64_simd::STANDARD.encoded_length(record.data.len())
        + key.len() * ESCAPED_BYTES
        + RECORD_BYTES
}

fn sequence_number(record: &Record) -> SequenceNumber {
    SequenceNumber::new(record.origin.shard, record.origin.position)
}

impl<'a> Item<'a> {
    fn of((index, record): (usize, &'a Record)) -> Self {
        let arrival = record.arrival.as_millis();
        Self {
            record_id: record_id(index, record),
            approximate_arrival_timestamp: arrival,
            data: base64_simd::STANDARD.encode_to_string(&record.data),
            kinesis_record_metadata: record.partition_key.as_ref().map(|key| Metadata {
                sequence_number: sequence_number(record).to_string(),
                subsequence_number: record.origin.sub_sequence.unwrap_or(0),
                partition_key: key.as_str(),
                shard_id: ShardText(record.origin.shard),
                approximate_arrival_timestamp: arrival,
            }),
        }
    }
}
