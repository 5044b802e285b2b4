//! Data Firehose over the engine and its delivery streams: every operation, without HTTP.
//!
//! A server authenticates a request, decodes it with `afflux-aws` and gives it to [`Firehose::call`]; it
//! gets a body. A delivery stream that is made here is one of `afflux-deliver`: the command line shows it,
//! and a delivery stream that the command line made is described here. What only this API knows of one,
//! its tags and its destination in the API's own words, stands beside it as its document.
//!
//! Read in this order: `service.rs`, `context.rs`, `document.rs`, then `settings/`, which says the API's
//! destinations in the words of the delivery and back, then the operations: `stream/`, `tag.rs`,
//! `record.rs`.
#![forbid(unsafe_code)]

mod context;
mod document;
mod options;
mod service;
mod settings;
mod table;

mod record;
mod stream;
mod tag;

pub use options::Options;
pub use service::Firehose;
pub use table::{Table, TableColumn};
