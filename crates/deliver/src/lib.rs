//! The archive: follows streams as an ordinary consumer and writes them to directories, each record
//! exactly once.
//!
//! ```text
//!  engine ──subscription──► follow ──blocking threads──► write ──► fs
//!                             │     one task per shard      │ Lane: few open files
//!                             │     parents first           │ ShardWriter: entries to files
//!  Archives ── add, remove,   │     back off, start anew    │ Policy: where a file ends
//!              list, shutdown └──► status                   └ Journal: intent, rename, manifest
//! ```
//!
//! [`Archives`] belongs to a server; [`verify()`] and [`records()`] need only the directory. The deciding
//! parts (policy, names, manifest lines, JSON) do no I/O; the writing parts are synchronous and run
//! over a trait, so that tests end them at every single operation.
//!
#![doc = include_str!("../ARCHIVE.md")]
#![forbid(unsafe_code)]

mod archives;
mod blocking;
mod delivery;
mod entries;
mod fault;
mod follow;
mod fs;
mod inits;
mod json;
mod manifest;
mod names;
mod settings;
mod source;
mod status;
mod verify;
mod write;

pub use archives::Archives;
pub use delivery::{
    AllowedEndpoint, BUFFER_BYTES_DEFAULT, BUFFER_BYTES_MAX, BUFFER_BYTES_MIN,
    BUFFER_SECONDS_DEFAULT, BUFFER_SECONDS_MAX, BucketHome, BucketReport, BucketSettings,
    BucketState, CatalogLogin, CatalogSettings, Catalogs, ClusterSettings, ContentEncoding,
    Deliveries, DeliveryDescription, DeliveryOptions, DeliverySettings, DeliverySource,
    DeliveryStatus, DeliveryTotals, EndpointSettings, Endpoints, FunctionSettings, Functions,
    LastObject, Login, ObjectSettings, Owner, Place, Receiver, Start, StoreSettings, Stores,
    TableSettings,
};
pub use follow::Limits;
pub use manifest::{GapReason, Totals};
pub use settings::{
    ArchiveSettings, Compression, FILE_AGE_DEFAULT, FILE_AGE_MAX, FILE_BYTES_DEFAULT,
    FILE_BYTES_MAX, FILE_BYTES_MIN,
};
pub use status::ArchiveStatus;
pub use verify::{ArchivedGap, ArchivedRecord, Records, ShardSummary, Summary, records, verify};
