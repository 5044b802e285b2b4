//! What a delivery stream does to records on their way from a stream to objects.
//!
//! Nothing here does I/O, reads a clock or rolls dice: times, random numbers and writers come in as
//! arguments, so that a delivery that is done again gives the same bytes under the same keys.
//!
//! In the order in which a record meets them: [`Steps::before`] takes records apart (decompression, log
//! messages, aggregated records), a transformer, which is another program, changes those of a [`Call`],
//! [`Steps::after`] finds their partition and adds a delimiter, an [`Encoder`] compresses what goes into one
//! object or a [`Converter`] makes a Parquet file of it, and a [`Prefix`] and [`object_name`] say what the object
//! is called; or it becomes a [`Document`] of a search cluster. What failed on the way becomes a line of an error
//! object by [`failed_line`].
#![forbid(unsafe_code)]

mod bulk;
mod convert;
mod encode;
mod failed;
mod fault;
mod name;
mod prefix;
mod record;
mod steps;
mod transformer;

pub use bulk::{
    BULK_DOCUMENTS_MAX, BulkAnswer, BulkAnswerError, BulkError, Document, DocumentIds,
    IndexSettings, Indexed, NotADocument, Rotation,
};
pub use convert::{
    Column, ColumnFacts, Conversion, Converted, Converter, JsonReading, Misfit, ParquetCompression,
    ParquetSettings, ParquetVersion, Schema, TableField, TableType,
};
pub use encode::{Compression, Encoder};
pub use failed::{ErrorOutput, Failed, failed_line};
pub use name::{
    Delivery, check_extension, hour_name, hour_start, object_id, object_name, time_zone,
};
pub use prefix::{Partitioning, Prefix, Values};
pub use record::{Origin, PartitionKeys, Record};
pub use steps::{Processor, RecordFormat, Steps, SubRecords};
pub use transformer::{
    Answer, CALL_BYTES_MAX, Call, Caller, TransformerError, TransformerSettings,
};

use fault::Fault;
