//! The entry: the unit of storage, of the wire, and of the index.
//!
//! The bytes that a producer sends are the bytes on disk are the bytes that a consumer gets. A
//! producer frames its records as an entry and covers it with a checksum; the server verifies that
//! once, stamps position and arrival time into the header, and stores and pushes the bytes as they
//! are. Consumers verify the producer's checksum again: it holds from end to end. Where a stream is
//! encrypted, the server seals the body on its way to the disk and opens it on its way out.
//!
#![doc = include_str!("../ENTRY.md")]
#![forbid(unsafe_code)]

pub mod aggregate;
mod batch;
mod checksum;
mod error;
mod header;
mod pieces;
mod sealed;

pub use batch::{Batch, BatchBuilder, BatchRecord, RECORD_OVERHEAD, record_len};
pub use checksum::{Checksum, crc32c};
pub use error::EntryError;
pub use header::{HEADER_LEN, Header, Kind, Producer, Stamp};
pub use pieces::{NewRecord, batch_in_pieces};
pub use sealed::{SEALED_HEAD_LEN, SEALED_OVERHEAD, SEALED_TAG_LEN, SealedHead};
