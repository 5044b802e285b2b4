//! Why Matroska was refused: every error names what was found and, if there is one, the limit.

use afflux_types::ErrorKind;

use super::ebml::Id;

/// What was wrong with a Matroska input.
///
/// # Units
/// Offsets and sizes are in bytes; offsets count from the start of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Error {
    // Elements.
    #[error(
        "the input starts with the byte {byte:#04x}, which is not Matroska; an EBML head comes first"
    )]
    NotMatroska { byte: u8 },
    #[error("the document type is {found:?}; it must be matroska or webm")]
    DocumentType { found: String },
    #[error("the document needs EBML with {what} of {bytes} bytes; the limit is {limit}")]
    EbmlVersion {
        what: &'static str,
        bytes: u64,
        limit: u64,
    },
    #[error("there is no element id at offset {offset}: the byte is {byte:#04x}")]
    ElementId { byte: u8, offset: u64 },
    #[error("the size of {id} at offset {offset} is not a number of at most 8 bytes")]
    ElementSize { id: Id, offset: u64 },
    #[error(
        "{id} at offset {offset} has no known size, which only a Segment and a Cluster may lack"
    )]
    UnknownSize { id: Id, offset: u64 },
    #[error("{id} at offset {offset} has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        id: Id,
        offset: u64,
        bytes: u64,
        limit: u64,
    },
    #[error("{id} at offset {offset} runs past the end of its {parent}")]
    Overrun { id: Id, parent: Id, offset: u64 },
    #[error("{id} at offset {offset} has no place in {place}")]
    Misplaced {
        id: Id,
        place: &'static str,
        offset: u64,
    },
    #[error("{id} is damaged: {reason}")]
    Malformed { id: Id, reason: &'static str },
    #[error("the input ends inside {place} at offset {offset}")]
    Truncated { place: Id, offset: u64 },
    #[error("the input ends before the Tracks, so nothing says how the media is coded")]
    NoTracks,

    // Tracks.
    #[error("the Segment has more than {limit} tracks, which is the limit")]
    TooManyTracks { limit: usize },
    #[error("track number {number} is not a number from 1 to 4294967295")]
    TrackNumber { number: u64 },
    #[error("track {number} is declared twice")]
    DuplicateTrack { number: u64 },
    #[error("a frame belongs to track {number}, which the Tracks do not declare")]
    UnknownTrack { number: u64 },
    #[error("track {number} is compressed or encrypted (ContentEncodings); send plain frames")]
    Encoded { number: u64 },
    #[error("the timestamp scale is {scale} ns; it must be from 1 to 1000000000")]
    TimestampScale { scale: u64 },

    // Clusters and frames.
    #[error("a frame at offset {offset} comes before its Cluster's timestamp")]
    FrameBeforeTimestamp { offset: u64 },
    #[error("a time of Cluster {timecode} is beyond what a time can be")]
    TimeOverflow { timecode: u64 },
    #[error("{codec} frame of track {number} is damaged: {reason}")]
    Frame {
        number: u64,
        codec: String,
        reason: &'static str,
    },

    // Tags.
    #[error("more than {limit} tags belong to one fragment, which is the limit")]
    TooManyTags { limit: usize },
}

impl Error {
    /// What the caller should do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } | Self::TooManyTracks { .. } | Self::TooManyTags { .. } => {
                ErrorKind::LimitExceeded
            }
            _ => ErrorKind::Invalid,
        }
    }
}

/// The error id with which Kinesis Video Streams refuses an upload for `error`.
///
/// Whatever it has no number of its own for is 4006, `INVALID_MKV_DATA`.
#[must_use]
pub fn error_id(error: &crate::Error) -> u16 {
    match error {
        crate::Error::FragmentTooLarge { .. }
        | crate::Error::TooManySamples { .. }
        | crate::Error::Matroska(Error::TooLarge {
            id: Id::SIMPLE_BLOCK | Id::BLOCK_GROUP,
            ..
        }) => 4001,
        crate::Error::FragmentTooLong { .. } => 4002,
        crate::Error::Matroska(Error::TooManyTags { .. }) => 4009,
        crate::Error::Matroska(Error::UnknownTrack { .. }) => 4010,
        crate::Error::Matroska(Error::TooManyTracks { .. }) => 4012,
        _ => 4006,
    }
}
