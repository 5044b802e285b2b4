//! Matroska, as Kinesis Video Streams uses it: what PutMedia brings becomes stored fragments, and
//! stored fragments become what GetMedia answers.
//!
//! ```text
//!  body of PutMedia ──► Scanner ──► Header, Clusters, frames, tags
//!                          └──► Assembler ──► Init and Fragment ──► log
//!  log ──► StoredFragment ──► Writer ──► Cluster of SimpleBlocks ──► answer of GetMedia
//! ```
//!
//! The producer's header is kept verbatim in the [`Init`](crate::Init), and the Cluster's timestamp
//! can be computed from the fragment, so that a reader gets what the producer sent. Samples are
//! copied nowhere.
#![doc = include_str!("../../MATROSKA.md")]

mod assembled;
mod assembler;
mod block;
pub(crate) mod clock;
mod codec;
mod ebml;
mod error;
mod header;
mod lanes;
mod made;
mod scanner;
mod tags;
mod writer;

pub use assembled::{Assembled, Assembly, Closed, Coalesce, FragmentStart, Settings};
pub use assembler::Assembler;
pub use ebml::Id;
pub use error::{Error, error_id};
pub use header::{Header, Track};
pub use scanner::{ClusterStart, Event, Frame, Scanner};
pub use tags::{END_OF_FRAGMENT, Scope, Tag, Tags, tags};
pub use writer::{Cluster, Writer, cluster, header};
