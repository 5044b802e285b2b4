//! What a scanner finds.

use bytes::Bytes;

use crate::mkv::header::Header;
use crate::mkv::tags::Tags;

/// Something that a [`Scanner`](super::Scanner) found in its input.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Everything before the first Cluster of a document.
    Header(Header),
    /// A Cluster and its timestamp.
    ClusterStarted(ClusterStart),
    /// A frame of the Cluster that has started.
    Frame(Frame),
    /// Tags: of the Cluster before them, or of the first one if there is none before.
    Tags(Tags),
    /// The Cluster that had started is complete.
    ClusterEnded,
}

/// The start of a Cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterStart {
    /// Where the Cluster starts in the input.
    pub position: u64,
    /// Its timestamp as sent, in ticks of the header's scale.
    pub timecode: u64,
    /// Its timestamp in milliseconds, rounded down.
    pub time_ms: i64,
}

/// A coded picture or a packet of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The number of its track.
    pub track: u64,
    /// When its block is shown, in ticks of the header's scale from its zero.
    pub time: i64,
    /// How many frames of the same block come before it.
    pub lace: u32,
    /// Whether decoding can start here.
    pub key: bool,
    /// How long the whole block plays, in ticks, if that is said.
    pub duration: Option<u64>,
    /// The frame, as slices of the input.
    pub data: Vec<Bytes>,
}
