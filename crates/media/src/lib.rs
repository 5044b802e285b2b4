//! Video containers and fragments, as parsers and writers that do no I/O.
//!
//! A producer sends fragmented MP4 or Matroska (H.264, H.265, AV1, AAC, Opus, one or more tracks).
//! It is cut into fragments while it arrives, each fragment is checked and brought into one stored
//! form, and from the stored form come players' segments, clips and Matroska. The bytes of samples
//! are never copied: every output is a list of [`bytes::Bytes`], of which the large ones are slices
//! of the input.
//!
//! ```text
//!  Matroska ──► mkv::Assembler ──► Init, Fragment ──► encode ───────► log
//!  MP4 ──► Splitter ──► Init ────────────────► encode ───────────► log
//!               └─ moof, mdat ──► Fragment ──► encode ────────────► log
//!                                   Timeline ──► producer time ─┘
//!  log ──► StoredFragment ──► playback ──► fragmented MP4: live tail, archive
//!                        ├──► clip ──────► progressive MP4: a file to keep
//!                        └──► mkv::Writer ─► Matroska: what GetMedia answers
//! ```
//!
//! A camera's bytes become a clip:
//!
//! ```
//! # use afflux_media::*;
//! # use afflux_types::ProducerTime;
//! # use bytes::Bytes;
//! # fn main() -> Result<()> {
//! let input = Bytes::from_static(include_bytes!("../../../fixtures/video/h264.mp4"));
//! let mut splitter = Splitter::new(Limits::default());
//! let mut timeline = Timeline::new(ProducerTime::from_millis(1_795_255_200_000));
//! let (mut init, mut pieces, mut log) = (None, Vec::new(), Vec::new());
//! splitter.push(input);
//! while let Some(event) = splitter.poll()? {
//!     match event {
//!         Event::Init(new) => init = Some(new),
//!         Event::Started(_) => pieces.clear(),
//!         Event::Data(data) => pieces.push(data),
//!         Event::Finished { .. } => {
//!             let init = init.as_ref().expect("an init comes first");
//!             let received = std::mem::take(&mut pieces);
//!             let fragment = Fragment::parse(init, received, &Limits::default())?;
//!             let placement = timeline.place(fragment.reference());
//!             let body = fragment.encode(&Facts {
//!                 session_id: 1,
//!                 sequence: u32::try_from(log.len()).unwrap_or(u32::MAX),
//!                 producer_time: placement.producer_time,
//!                 continuity: placement.continuity,
//!                 tags: vec![Tag::new("camera", "north")?],
//!             })?;
//!             log.push(Bytes::from(body.concat()));
//!         }
//!     }
//! }
//! splitter.finish()?;
//!
//! let mut clip = Clip::builder(init.expect("an init came first"));
//! for body in log {
//!     clip.push(&StoredFragment::decode(body)?)?;
//! }
//! let file: Vec<Bytes> = clip.finish()?.into_iter().collect();
//! assert_eq!(file.len(), 4, "the tables, and a slice of each fragment");
//! # Ok(())
//! # }
//! ```
//!
//! Untrusted bytes never panic, never recurse deeper than the code is written, and never make room
//! for more than is there: [`Limits`] holds what an input may ask for.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod bmff;
mod error;
mod fragment;
mod head;
mod init;
mod input;
mod limits;
mod moof;
mod nal;
mod rope;
mod timeline;

pub mod annexb;
pub mod clip;
pub mod fmp4;
pub mod frames;
pub mod layout;
pub mod mkv;
pub mod part;
pub mod playback;
pub mod segment;
pub mod ts;

pub use bmff::FourCc;
pub use clip::Clip;
pub use error::{Error, Result};
pub use fmp4::{Event, Splitter, Started, StartedTrack};
pub use fragment::{
    Continuity, Facts, Flags, Fragment, Meta, StoredFragment, StoredTrack, TAG_NAME_BYTES_MAX,
    TAG_VALUE_BYTES_MAX, TAGS_MAX, Tag, TrackFlags, TrackMeta,
};
pub use init::build;
pub use init::{Init, InitId, Track, TrackKind};
pub use limits::Limits;
pub use moof::Sample;
pub use timeline::{Placement, Timeline};
