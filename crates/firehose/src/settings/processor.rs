//! Processors with their parameters, from the API's words and back.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use afflux_aws::firehose::Error;
use afflux_aws::firehose::destination::{self, ProcessorParameter};
use afflux_aws::firehose::values::{ProcessorParameterName as Name, ProcessorType};
use afflux_transform::{Processor, RecordFormat, SubRecords, TransformerSettings};
use base64_simd::STANDARD;

use crate::context::invalid;

/// The only language of queries.
const ENGINE: &str = "JQ-1.6";
const MEBIBYTE: f64 = 1_048_576.0;
/// Calls of a function that may follow a failed one.
const RETRIES_MAX: u32 = 300;

/// What a processor does.
pub(super) fn read(given: &destination::Processor) -> Result<Processor, Error> {
    let mut parameters = Parameters {
        kind: given.kind,
        rest: given.parameters.iter().flatten().collect(),
    };
    let processor = match given.kind {
        ProcessorType::Lambda => Processor::Transformer(function(&mut parameters)?),
        ProcessorType::RecordDeAggregation => {
            Processor::DeAggregation(sub_records(&mut parameters)?)
        }
        ProcessorType::Decompression => {
            parameters.take_word(Name::CompressionFormat, &["GZIP"])?;
            Processor::Decompression(RecordFormat::Gzip)
        }
        ProcessorType::CloudWatchLogProcessing => {
            let extract = parameters.take_word(Name::DataMessageExtraction, &["true", "false"])?;
            Processor::CloudWatchLogs {
                extract_messages: extract == Some("true"),
            }
        }
        ProcessorType::MetadataExtraction => {
            let query = parameters.take(Name::MetadataExtractionQuery);
            let query = query.ok_or_else(|| parameters.lacks(Name::MetadataExtractionQuery))?;
            let engine = parameters.take_word(Name::JsonParsingEngine, &[ENGINE])?;
            engine.ok_or_else(|| parameters.lacks(Name::JsonParsingEngine))?;
            Processor::MetadataExtraction {
                query: query.to_owned(),
            }
        }
        ProcessorType::AppendDelimiterToRecord => {
            let delimiter = parameters.take(Name::Delimiter);
            Processor::AppendDelimiter(unescaped(delimiter.unwrap_or(r"\n")))
        }
    };
    parameters.end()?;
    Ok(processor)
}

/// A processor in the API's words.
pub(super) fn write(processor: &Processor) -> destination::Processor {
    let parameter = |name, value: &str| ProcessorParameter {
        name,
        value: value.to_owned(),
    };
    let (kind, parameters) = match processor {
        Processor::Decompression(RecordFormat::Gzip) => (
            ProcessorType::Decompression,
            vec![parameter(Name::CompressionFormat, "GZIP")],
        ),
        Processor::CloudWatchLogs { extract_messages } => {
            let extract = extract_messages.to_string();
            (
                ProcessorType::CloudWatchLogProcessing,
                vec![parameter(Name::DataMessageExtraction, &extract)],
            )
        }
        Processor::DeAggregation(SubRecords::Json) => (
            ProcessorType::RecordDeAggregation,
            vec![parameter(Name::SubRecordType, "JSON")],
        ),
        Processor::DeAggregation(SubRecords::Delimited(delimiter)) => (
            ProcessorType::RecordDeAggregation,
            vec![
                parameter(Name::SubRecordType, "DELIMITED"),
                parameter(Name::Delimiter, &STANDARD.encode_to_string(delimiter)),
            ],
        ),
        Processor::AppendDelimiter(delimiter) => (
            ProcessorType::AppendDelimiterToRecord,
            vec![parameter(Name::Delimiter, &escaped(delimiter))],
        ),
        Processor::MetadataExtraction { query } => (
            ProcessorType::MetadataExtraction,
            vec![
                parameter(Name::MetadataExtractionQuery, query),
                parameter(Name::JsonParsingEngine, ENGINE),
            ],
        ),
        Processor::Transformer(settings) => (
            ProcessorType::Lambda,
            vec![
                parameter(Name::LambdaArn, &settings.arn),
                parameter(Name::NumberOfRetries, &settings.retries.to_string()),
                parameter(Name::BufferSizeInMbs, &mebibytes(settings.buffer_bytes)),
                parameter(
                    Name::BufferIntervalInSeconds,
                    &settings.buffer_seconds.to_string(),
                ),
            ],
        ),
    };
    destination::Processor {
        kind,
        parameters: Some(parameters),
    }
}

/// A function, with what the service assumes where nothing is said.
fn function(parameters: &mut Parameters<'_>) -> Result<TransformerSettings, Error> {
    let arn = parameters.take(Name::LambdaArn);
    let arn = arn.ok_or_else(|| parameters.lacks(Name::LambdaArn))?;
    // Nobody is impersonated here.
    parameters.take(Name::RoleArn);
    let size = parameters.take_number(Name::BufferSizeInMbs, 0.2..=3.0, 1.0)?;
    Ok(TransformerSettings {
        arn: arn.to_owned(),
        retries: parameters.take_number(Name::NumberOfRetries, 0..=RETRIES_MAX, 3)?,
        buffer_bytes: bytes(size),
        buffer_seconds: parameters.take_number(Name::BufferIntervalInSeconds, 0..=900, 60)?,
    })
}

fn sub_records(parameters: &mut Parameters<'_>) -> Result<SubRecords, Error> {
    let kind = parameters.take_word(Name::SubRecordType, &["JSON", "DELIMITED"])?;
    let kind = kind.ok_or_else(|| parameters.lacks(Name::SubRecordType))?;
    let delimiter = parameters.take(Name::Delimiter);
    match (kind, delimiter) {
        ("JSON", _) => Ok(SubRecords::Json),
        (_, Some(delimiter)) => {
            let delimiter = STANDARD.decode_to_vec(delimiter).map_err(|_| {
                invalid(format!(
                    "The Delimiter {delimiter:?} of the RecordDeAggregation processor is not base64."
                ))
            })?;
            Ok(SubRecords::Delimited(delimiter))
        }
        (_, None) => Err(parameters.lacks(Name::Delimiter)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number between 0.2 and 3, times a mebibyte"
)]
fn bytes(mebibytes: f64) -> u64 {
    (mebibytes * MEBIBYTE).ceil() as u64
}

fn mebibytes(bytes: u64) -> String {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    format!("{:.2}", f64::from(bytes) / MEBIBYTE)
}

/// Parameters of a processor, each to be taken once.
struct Parameters<'a> {
    kind: ProcessorType,
    rest: Vec<&'a ProcessorParameter>,
}

impl<'a> Parameters<'a> {
    fn take(&mut self, name: Name) -> Option<&'a str> {
        let place = self.rest.iter().position(|it| it.name == name)?;
        Some(&self.rest.remove(place).value)
    }

    fn take_word(&mut self, name: Name, words: &[&str]) -> Result<Option<&'a str>, Error> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        if words.contains(&value) {
            return Ok(Some(value));
        }
        Err(invalid(format!(
            "{value:?} is not a {} of the {} processor; allowed are: {}.",
            name,
            self.kind,
            words.join(", ")
        )))
    }

    fn take_number<N>(
        &mut self,
        name: Name,
        allowed: RangeInclusive<N>,
        assumed: N,
    ) -> Result<N, Error>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(value) = self.take(name) else {
            return Ok(assumed);
        };
        let number = value.parse().ok();
        number
            .filter(|number| allowed.contains(number))
            .ok_or_else(|| {
                invalid(format!(
                    "{value:?} is not a {name} of the {} processor; allowed are {} to {}.",
                    self.kind,
                    allowed.start(),
                    allowed.end()
                ))
            })
    }

    fn lacks(&self, name: Name) -> Error {
        invalid(format!(
            "The {} processor needs the parameter {}.",
            self.kind, name
        ))
    }

    /// Refuses what was not taken.
    fn end(self) -> Result<(), Error> {
        match self.rest.first() {
            None => Ok(()),
            Some(parameter) => Err(invalid(format!(
                "The {} processor has no parameter {}, or has it once.",
                self.kind, parameter.name
            ))),
        }
    }
}

/// A delimiter, in which the model allows no line break, so that clients write `\n`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes().peekable();
    while let Some(byte) = rest.next() {
        let meant = match (byte, rest.peek()) {
            (b'\\', Some(b'n')) => b'\n',
            (b'\\', Some(b'r')) => b'\r',
            (b'\\', Some(b't')) => b'\t',
            (b'\\', Some(b'\\')) => b'\\',
            _ => {
                bytes.push(byte);
                continue;
            }
        };
        rest.next();
        bytes.push(meant);
    }
    bytes
}

fn escaped(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.replace('\\', r"\\")
        .replace('\n', r"\n")
        .replace('\r', r"\r")
        .replace('\t', r"\t")
}
