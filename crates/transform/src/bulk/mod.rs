//! The bulk API of `OpenSearch` and Elasticsearch: records as documents of an index.
//!
//! # Shape
//! A body has two lines for each document: what is to be done, which names the index, the type and the id, and
//! the document itself. [`IndexSettings::document`] says where a record goes, [`Document::write`] writes both
//! lines, and [`BulkAnswer::read`] understands what the cluster says of each.
//!
//! ```text
//! {"index":{"_index":"clicks-2026-11-21","_id":"0b5c…-17"}}
//! {"user":"ann"}
//! ```
//!
//! # Invariants
//! - A line holds nothing but one JSON object, whatever a record holds, so that no record says what is done with
//!   another.
//! - An answer is understood as a whole or not at all, in memory that follows from the documents that were sent.

mod answer;
mod document;
mod index;

pub use answer::{BULK_DOCUMENTS_MAX, BulkAnswer, BulkAnswerError, BulkError, Indexed};
pub use document::{Document, NotADocument};
pub use index::{DocumentIds, IndexSettings, Rotation};

#[cfg(test)]
mod tests;
