//! What failed on the way, and the line that an error object has for it.
//!
//! # Shape
//! One JSON object and a line feed, with the members in the order in which Firehose writes them: the payload
//! in base64, code and message, the number of attempts, times in milliseconds, and the transformer's ARN if
//! it was the transformer that failed, or the place in the cluster that the record was to have. A record that was
//! not converted has the code and the message of the last attempt, and its payload behind them.

use std::borrow::Cow;

use afflux_types::{Error, ServerTime};
use serde::Serialize;

use crate::{Document, Record};

/// The code of a record whose partition cannot be found.
pub(crate) const PARTITION_CODE: &str = "DynamicPartitioning.MetadataExtractionFailed";

/// A record that cannot be delivered, with everything that the error object says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The record as it was when it failed.
    pub record: Record,
    /// Under which part of the error prefix it goes.
    pub output: ErrorOutput,
    /// The code, such as `DynamicPartitioning.MetadataExtractionFailed`, or the status that a cluster gave.
    pub code: Cow<'static, str>,
    /// A sentence that says why.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The transformer, if it failed there.
    pub transformer: Option<String>,
    /// The place in a cluster that it was to have, if it failed on the way there.
    pub document: Option<Document>,
}

impl Failed {
    /// A record that has no place under the prefix: see [`Prefix::partition`](crate::Prefix::partition).
    #[must_use]
    pub fn without_partition(record: Record, error: &Error) -> Self {
        Self {
            record,
            output: ErrorOutput::Processing,
            code: PARTITION_CODE.into(),
            message: error.message().to_owned(),
            attempts: 1,
            transformer: None,
            document: None,
        }
    }
}

/// Which step failed: the values of `!{firehose:error-output-type}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorOutput {
    /// A processor or the transformer failed.
    Processing,
    /// A compressed record could not be decompressed.
    Decompression,
    /// A record does not fit the schema of the converted format.
    FormatConversion,
    /// An HTTP endpoint did not take the record.
    HttpEndpoint,
    /// An `OpenSearch` or Elasticsearch cluster did not take the record.
    OpenSearch,
    /// A topic of Kafka cannot take the record.
    Kafka,
    /// A record does not fit the schema of an Iceberg table.
    Iceberg,
}

impl ErrorOutput {
    /// The word in keys of error objects.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing-failed",
            Self::Decompression => "decompression-failed",
            Self::FormatConversion => "format-conversion-failed",
            Self::HttpEndpoint => "http-endpoint-failed",
            Self::OpenSearch => "AmazonOpenSearchService-failed",
            Self::Kafka => "kafka-failed",
            Self::Iceberg => "iceberg-failed",
        }
    }
}

/// The members of all failures, in their order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    raw_data: String,
    error_code: &'a str,
    error_message: &'a str,
    attempts_made: u32,
    arrival_timestamp: i64,
    attempt_ending_timestamp: i64,
    #[serde(rename = "lambdaARN", skip_serializing_if = "Option::is_none")]
    lambda_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    es_document_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    es_index_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    es_type_name: Option<&'a str>,
}

/// Those of failed conversions, without what the Glue catalog would say of the table.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConversionLine<'a> {
    attempts_made: u32,
    arrival_timestamp: i64,
    last_error_code: &'a str,
    last_error_message: &'a str,
    attempt_ending_timestamp: i64,
    raw_data: String,
}

/// Appends the line of an error object for a failed record, with its line feed.
pub fn failed_line(failed: &Failed, attempt_end: ServerTime, out: &mut Vec<u8>) {
    let raw_data = base64_simd::STANDARD.encode_to_string(failed.record.raw());
    if failed.output == ErrorOutput::FormatConversion {
        let line = ConversionLine {
            attempts_made: failed.attempts,
            arrival_timestamp: failed.record.arrival.as_millis(),
            last_error_code: &failed.code,
            last_error_message: &failed.message,
            attempt_ending_timestamp: attempt_end.as_millis(),
            raw_data,
        };
        return write(&line, out);
    }
    let document = failed.document.as_ref();
    let line = Line {
        raw_data,
        error_code: &failed.code,
        error_message: &failed.message,
        attempts_made: failed.attempts,
        arrival_timestamp: failed.record.arrival.as_millis(),
        attempt_ending_timestamp: attempt_end.as_millis(),
        lambda_arn: failed.transformer.as_deref(),
        es_document_id: document.and_then(|document| document.id.as_deref()),
        es_index_name: document.map(|document| &*document.index),
        es_type_name: document.and_then(|document| document.type_name.as_deref()),
    };
    write(&line, out);
}

fn write(line: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line).expect("text and numbers have a JSON form");
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use afflux_types::{Position, ShardId};
    use bytes::Bytes;

    use super::*;
    use crate::Origin;

    fn failed(transformer: Option<&str>) -> Failed {
        let origin = Origin {
            shard: ShardId::new(0),
            position: Position::new(7),
            sub_sequence: None,
        };
        let data = Bytes::from_static(b"FAIL this one\n");
        let arrival = ServerTime::from_millis(1_789_014_240_448);
        Failed {
            record: Record::new(data, arrival, origin, None),
            output: ErrorOutput::Processing,
            code: "Lambda.ProcessingFailedStatus".into(),
            message: "ProcessingFailed status set for record".to_owned(),
            attempts: 1,
            transformer: transformer.map(str::to_owned),
            document: None,
        }
    }

    fn line(failed: &Failed) -> String {
        let mut out = Vec::new();
        failed_line(failed, ServerTime::from_millis(1_789_014_301_529), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_the_members_of_a_line_that_was_captured() {
        let arn = "arn:aws:lambda:us-west-2:123456789012:function:probe";
        assert_eq!(
            line(&failed(Some(arn))),
            "{\"rawData\":\"RkFJTCB0aGlzIG9uZQo=\",\"errorCode\":\"Lambda.ProcessingFailedStatus\",\
             \"errorMessage\":\"ProcessingFailed status set for record\",\"attemptsMade\":1,\
             \"arrivalTimestamp\":1789014240448,\"attemptEndingTimestamp\":1789014301529,\
             \"lambdaARN\":\"arn:aws:lambda:us-west-2:123456789012:function:probe\"}\n"
        );
    }

    #[test]
    fn a_line_without_a_transformer_names_none() {
        assert!(line(&failed(None)).ends_with("\"attemptEndingTimestamp\":1789014301529}\n"));
    }

    #[test]
    fn a_record_that_a_cluster_refused_says_where_it_was_to_go() {
        let mut failed = failed(None);
        failed.document = Some(Document {
            index: "clicks-2026-11".into(),
            type_name: None,
            id: Some("a-7".into()),
        });
        let end = ",\"esDocumentId\":\"a-7\",\"esIndexName\":\"clicks-2026-11\"}\n";
        assert!(line(&failed).ends_with(end));
    }

    #[test]
    fn a_record_that_was_not_converted_has_the_members_of_the_documented_line() {
        let mut failed = failed(None);
        failed.output = ErrorOutput::FormatConversion;
        failed.code = "DataFormatConversion.ParseError".into();
        assert_eq!(
            line(&failed),
            "{\"attemptsMade\":1,\"arrivalTimestamp\":1789014240448,\
             \"lastErrorCode\":\"DataFormatConversion.ParseError\",\
             \"lastErrorMessage\":\"ProcessingFailed status set for record\",\
             \"attemptEndingTimestamp\":1789014301529,\"rawData\":\"RkFJTCB0aGlzIG9uZQo=\"}\n"
        );
    }

    #[test]
    fn a_decompressed_record_is_shown_as_it_came() {
        let mut failed = failed(None);
        failed.record.compressed = Some(Bytes::from_static(b"\x1f\x8b"));
        assert!(line(&failed).starts_with("{\"rawData\":\"H4s=\","));
    }
}
