//! The processors of a delivery stream, but the transformer: what they are and in which order they run.
//!
//! # Shape
//! Settings list processors in any order; they run in Firehose's: decompression, extraction of log messages,
//! de-aggregation, the transformer (between [`Steps::before`] and [`Steps::after`]), metadata extraction,
//! delimiter. Records that the Kinesis Producer Library aggregated are always taken apart first.
//!
//! # Invariants
//! - Every record that goes in comes out whole or in parts, or as a [`Failed`]; only control messages of
//!   `CloudWatch` Logs and empty parts vanish.
//! - What a record may cost is bounded: see the limits in `decompress`, `json` and `query`.

mod decompress;
mod delimited;
mod json;
mod logs;
mod query;

use afflux_entry::aggregate;
use afflux_types::Result;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::{ErrorOutput, Failed, Fault, Record, TransformerSettings};
use query::Query;
pub(crate) use query::VALUE_BYTES_MAX;

/// Parts of one record; a record with more stays whole.
const PARTS_MAX: usize = 500;

/// A processor as the settings have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Processor {
    /// `Decompression`: payloads arrive compressed.
    Decompression(RecordFormat),
    /// `CloudWatchLogProcessing`: payloads are messages of `CloudWatch` Logs.
    CloudWatchLogs {
        /// Keep nothing but the log lines.
        extract_messages: bool,
    },
    /// `RecordDeAggregation`: payloads hold several records.
    DeAggregation(SubRecords),
    /// `Lambda`: another program changes the records.
    Transformer(TransformerSettings),
    /// `MetadataExtraction`: a jq query finds the partition.
    MetadataExtraction {
        /// The query.
        query: String,
    },
    /// `AppendDelimiterToRecord`.
    AppendDelimiter(Vec<u8>),
}

/// How single records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordFormat {
    /// One or more members of gzip.
    Gzip,
}

/// What tells the records in a payload apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubRecords {
    /// Each JSON object is one.
    Json,
    /// Each part before or behind these bytes is one.
    Delimited(Vec<u8>),
}

/// The processors of a delivery stream, ready to run.
#[derive(Debug, Default)]
pub struct Steps {
    decompression: Option<RecordFormat>,
    extract_messages: bool,
    parts: Option<SubRecords>,
    transformer: Option<TransformerSettings>,
    query: Option<Query>,
    delimiter: Bytes,
}

/// Why a record cannot go on; becomes a [`Failed`].
#[derive(Debug)]
struct Failure {
    output: ErrorOutput,
    code: &'static str,
    message: String,
}

impl Steps {
    /// Checks processors and prepares them. Their order does not matter.
    ///
    /// # Errors
    /// If one stands there twice, lacks another that it needs, or has a value or a query that cannot be used.
    pub fn compile(processors: &[Processor]) -> Result<Self> {
        let mut steps = Self::default();
        let mut logs = false;
        for (index, processor) in processors.iter().enumerate() {
            let kind = std::mem::discriminant(processor);
            let before = processors.iter().take(index);
            if before
                .map(std::mem::discriminant)
                .any(|other| other == kind)
            {
                let processor = processor.name();
                return Err(Fault::Twice { processor }.into());
            }
            match processor {
                Processor::Decompression(format) => steps.decompression = Some(*format),
                Processor::CloudWatchLogs { extract_messages } => {
                    logs = true;
                    steps.extract_messages = *extract_messages;
                }
                Processor::DeAggregation(parts) => steps.parts = Some(parts.clone()),
                Processor::Transformer(settings) => {
                    settings.check()?;
                    steps.transformer = Some(settings.clone());
                }
                Processor::MetadataExtraction { query } => {
                    steps.query = Some(Query::compile(query)?);
                }
                Processor::AppendDelimiter(bytes) => steps.delimiter = bytes.clone().into(),
            }
        }
        if logs && steps.decompression.is_none() {
            return Err(Fault::LogsWithoutDecompression.into());
        }
        if steps.parts == Some(SubRecords::Delimited(Vec::new())) {
            return Err(Fault::DelimiterMissing.into());
        }
        Ok(steps)
    }

    /// What happens to a record before the transformer sees it.
    pub fn before(&self, record: Record, out: &mut Vec<Record>, failed: &mut Vec<Failed>) {
        let Some(parts) = aggregated(&record) else {
            return self.open(record, out, failed);
        };
        for (index, part) in (0_u64..).zip(parts) {
            let mut one = record.part(part.data);
            one.partition_key = Some(part.partition_key);
            one.explicit_hash_key = part.explicit_hash_key;
            one.origin.sub_sequence = Some(index);
            self.open(one, out, failed);
        }
    }

    /// The transformer that stands between [`before`](Self::before) and [`after`](Self::after).
    #[must_use]
    pub fn transformer(&self) -> Option<&TransformerSettings> {
        self.transformer.as_ref()
    }

    /// What happens to a record behind the transformer; `None` if it failed.
    pub fn after(&self, mut record: Record, failed: &mut Vec<Failed>) -> Option<Record> {
        if let Some(query) = &self.query {
            match query.run(&record.data, record.arrival) {
                Ok(keys) => record.keys.query = keys,
                Err(failure) => {
                    failed.push(failure.of(record));
                    return None;
                }
            }
        }
        if !self.delimiter.is_empty() {
            let mut data = BytesMut::with_capacity(record.data.len() + self.delimiter.len());
            data.put_slice(&record.data);
            data.put_slice(&self.delimiter);
            record.data = data.freeze();
        }
        Some(record)
    }

    /// Decompresses a record and takes it apart.
    fn open(&self, mut record: Record, out: &mut Vec<Record>, failed: &mut Vec<Failed>) {
        if let Some(RecordFormat::Gzip) = self.decompression {
            match decompress::gzip(&record.data) {
                Ok(plain) => record.compressed = Some(std::mem::replace(&mut record.data, plain)),
                Err(failure) => return failed.push(failure.of(record)),
            }
        }
        if self.extract_messages {
            match logs::messages(&record.data) {
                Ok(Some(lines)) => record.data = lines,
                Ok(None) => return,
                Err(failure) => return failed.push(failure.of(record)),
            }
        }
        let parts = match &self.parts {
            None => None,
            Some(SubRecords::Json) => json::split(&record.data, PARTS_MAX),
            Some(SubRecords::Delimited(by)) => delimited::split(&record.data, by, PARTS_MAX),
        };
        match parts {
            Some(parts) => out.extend(parts.into_iter().map(|part| record.part(part))),
            None => out.push(record),
        }
    }
}

/// The parts of a data stream's record that the Kinesis Producer Library aggregated.
fn aggregated(record: &Record) -> Option<aggregate::Parts> {
    record.partition_key.as_ref()?;
    aggregate::split(&record.data)
}

impl Processor {
    /// The type as the API has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Decompression(_) => "Decompression",
            Self::CloudWatchLogs { .. } => "CloudWatchLogProcessing",
            Self::DeAggregation(_) => "RecordDeAggregation",
            Self::Transformer(_) => "Lambda",
            Self::MetadataExtraction { .. } => "MetadataExtraction",
            Self::AppendDelimiter(_) => "AppendDelimiterToRecord",
        }
    }
}

impl Failure {
    fn of(self, record: Record) -> Failed {
        Failed {
            record,
            output: self.output,
            code: self.code.into(),
            message: self.message,
            attempts: 1,
            transformer: None,
            document: None,
        }
    }
}

#[cfg(test)]
mod tests;
