//! Why a setting of a delivery stream is refused, in the words of Firehose where its words are known.
//!
//! It leaves the crate as an [`Error`] of the kind `Invalid`.

use afflux_types::Error;

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "Invalid expression usage: {field} has a \"!{{\" that opens no expression !{{namespace:value}}"
    )]
    Expression { field: &'static str },
    #[error("Namespace to the left of colon ({namespace}) is an invalid keyword!")]
    Namespace { namespace: String },
    #[error(
        "Invalid conversion character used in the value of the expression in {field}: {reason}"
    )]
    Value { field: &'static str, reason: String },
    #[error("Prefix must not contain any occurrence of !{{firehose:error-output-type}}")]
    ErrorTypeInPrefix,
    #[error(
        "ErrorOutputPrefix must contain at least one occurrence of !{{firehose:error-output-type}}"
    )]
    ErrorTypeMissing,
    #[error("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions")]
    ErrorPrefixMissing,
    #[error("Dynamic Partitioning Namespaces can't be part of an error prefix expression")]
    PartitionInErrorPrefix,
    #[error(
        "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning is enabled."
    )]
    PartitionDisabled,
    #[error(
        "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled"
    )]
    PartitionMissing,
    #[error("Length of evaluated {field} cannot be greater than {max}")]
    TooLong { field: &'static str, max: usize },
    #[error("{what} has {bytes} bytes; {max} are the most")]
    TooManyBytes {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    #[error(
        "{field} gives names such as {sample:?}, which no object can have: a name between slashes is empty, a dot, \
         or two dots, or there is a control character"
    )]
    Name { field: &'static str, sample: String },
    #[error(
        "the partition key {value:?} cannot be in the name of an object: nothing between its slashes may be empty \
         or consist of dots, and no character may be a control character"
    )]
    KeyValue { value: String },
    #[error("the record has no value for the partition key {name:?} of the prefix")]
    KeyMissing { name: String },
    #[error("{name:?} is not a time zone")]
    TimeZone { name: String },
    #[error(
        "FileExtension {extension:?} is not a period and then some of 0-9a-z!-_.*'(), {max} characters at most"
    )]
    Extension { extension: String, max: usize },
    #[error("Cannot have more than 1 {processor} processor.")]
    Twice { processor: &'static str },
    #[error("CloudWatchLogProcessingProcessor can only be enabled with DecompressionProcessor")]
    LogsWithoutDecompression,
    #[error("Delimiter should be present for DELIMITED")]
    DelimiterMissing,
    #[error("{name} of the transformer is {value}; allowed are {least} to {most}")]
    Transformer {
        name: &'static str,
        value: u64,
        least: u64,
        most: u64,
    },
    #[error(
        "{name:?} cannot be the name of an index: it has 1 to {max} characters, none of them a capital letter, \
         white space or one of \\/*?\"<>|,#:, and does not begin with -, _ or +"
    )]
    Index { name: String, max: usize },
    #[error(
        "{name:?} cannot be the type of documents: it has at most {max} characters in one line"
    )]
    DocumentType { name: String, max: usize },
    #[error("the column {name:?} is not converted: {reason}")]
    Column { name: String, reason: String },
    #[error("{name} of the conversion is {value}; allowed are {least} to {most}")]
    Conversion {
        name: &'static str,
        value: u64,
        least: u64,
        most: u64,
    },
    #[error("the timestamp format {format:?} is not understood: {reason}")]
    TimestampFormat { format: String, reason: String },
    #[error("the metadata extraction query cannot be used: {reason}")]
    Query { reason: String },
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::invalid(fault.to_string())
    }
}
