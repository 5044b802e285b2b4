//! Why bytes were refused: every error names what was found and, if there is one, the limit.

use afflux_types::ErrorKind;

use crate::bmff::FourCc;
use crate::init::InitId;

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong with an input, a stored fragment or a clip.
///
/// # Units
/// Offsets and sizes are in bytes; offsets count from the start of the input, or of the fragment
/// where a fragment was parsed by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Error {
    #[error(transparent)]
    Matroska(#[from] crate::mkv::Error),

    // The input as a whole.
    #[error("the input starts with {kind}, which is not MP4; send fragmented MP4 (CMAF)")]
    NotMp4 { kind: FourCc },
    #[error(
        "the input is a plain MP4 ({found}); send fragmented MP4, which ffmpeg writes with \
         -movflags frag_keyframe+empty_moov+default_base_moof"
    )]
    NotFragmented { found: &'static str },
    #[error(
        "{kind} at offset {offset} comes before any moov; send ftyp and moov first (of a plain \
         MP4 file, ffmpeg makes fragmented MP4 with -c copy \
         -movflags frag_keyframe+empty_moov+default_base_moof)"
    )]
    MediaBeforeInit { kind: FourCc, offset: u64 },
    #[error("there is no moov, so nothing says how the media is coded")]
    NoInit,
    #[error("mdat at offset {offset} has no moof before it")]
    MdatWithoutMoof { offset: u64 },
    #[error("moof at offset {offset} has no mdat after it")]
    MoofWithoutMdat { offset: u64 },
    #[error(
        "the input ends inside {} at offset {offset}, after {actual} of {expected} bytes",
        box_name(*kind)
    )]
    Truncated {
        kind: Option<FourCc>,
        offset: u64,
        expected: u64,
        actual: u64,
    },

    // Boxes.
    #[error("{kind} at offset {offset} claims {bytes} bytes, which is impossible")]
    BoxSize {
        kind: FourCc,
        offset: u64,
        bytes: u64,
    },
    #[error("{kind} at offset {offset} has no size; write the size of every box")]
    BoxWithoutSize { kind: FourCc, offset: u64 },
    #[error("{kind} at offset {offset} has {bytes} bytes; the limit is {limit}")]
    BoxTooLarge {
        kind: FourCc,
        offset: u64,
        bytes: u64,
        limit: u64,
    },
    #[error("{kind} has no place in {place}")]
    UnexpectedBox { kind: FourCc, place: &'static str },
    #[error("{parent} has no {kind}")]
    MissingBox { kind: FourCc, parent: FourCc },
    #[error("{kind} is damaged: {reason}")]
    Malformed { kind: FourCc, reason: String },
    #[error("{kind} has version {version}; the newest that is known is {newest}")]
    UnknownVersion {
        kind: FourCc,
        version: u8,
        newest: u8,
    },
    #[error("the media is encrypted ({kind}), which cannot be taken apart")]
    Encrypted { kind: FourCc },

    // Tracks.
    #[error("there are more than {limit} tracks, which is the limit")]
    TooManyTracks { limit: usize },
    #[error("{parent} has track {track_id} twice")]
    DuplicateTrack { track_id: u32, parent: FourCc },
    #[error("a fragment has track {track_id}, which the moov does not describe")]
    UnknownTrack { track_id: u32 },
    #[error("track {track_id} uses sample description {index} of {count}")]
    DescriptionIndex {
        track_id: u32,
        index: u32,
        count: u32,
    },

    // Fragments.
    #[error("the fragment has at least {bytes} bytes; the limit is {limit}")]
    FragmentTooLarge { bytes: u64, limit: u64 },
    #[error("track {track_id} plays {duration_ms} ms in one fragment; the limit is {limit_ms}")]
    FragmentTooLong {
        track_id: u32,
        duration_ms: u64,
        limit_ms: u64,
    },
    #[error("the fragment has no samples")]
    NoSamples,
    #[error(
        "track {track_id} brings {samples} samples, which makes more than {limit} in the \
         fragment, the limit"
    )]
    TooManySamples {
        track_id: u32,
        samples: u32,
        limit: usize,
    },
    #[error(
        "track {track_id} starts at {base_decode_time} and plays {duration} ticks, which is \
         beyond what a time can be"
    )]
    TimeOverflow {
        track_id: u32,
        base_decode_time: u64,
        duration: u64,
    },
    #[error(
        "a sample of track {track_id} is shown {offset} ticks after it is decoded; the limit is \
         2147483647"
    )]
    CompositionOffset { track_id: u32, offset: u32 },
    #[error(
        "track {track_id} has {bytes} bytes of samples at offset {offset}, which are not in an \
         mdat of the fragment"
    )]
    DataOutsideMdat {
        track_id: u32,
        offset: u64,
        bytes: u64,
    },
    #[error(
        "samples at offset {offset} overlap with others that end at {end}; each byte belongs to \
         one sample"
    )]
    OverlappingData { offset: u64, end: u64 },
    #[error("the moof describes {declared} bytes of samples; the mdat has {present}")]
    UnusedData { declared: u64, present: u64 },
    #[error(
        "track {track_id} places its data at byte {offset} of the file, which cannot be found in \
         a stream; ffmpeg avoids it with -movflags default_base_moof"
    )]
    AbsoluteOffset { track_id: u32, offset: u64 },

    // Tags.
    #[error("{tags} tags; the limit is {limit} on one fragment")]
    TooManyTags { tags: usize, limit: usize },
    #[error("a tag has no name")]
    TagWithoutName,
    #[error("the {what} of a tag has {bytes} bytes; the limit is {limit}")]
    TagTooLong {
        what: &'static str,
        bytes: usize,
        limit: usize,
    },
    #[error("a tag is not UTF-8 text")]
    TagNotText,

    // Stored fragments.
    #[error("the stored body ends after {actual} bytes; {needed} are needed")]
    StoredCut { needed: usize, actual: usize },
    #[error("the stored body has version {version}; the newest that is known is {newest}")]
    StoredVersion { version: u8, newest: u8 },
    #[error("the stored fragment has {tracks} tracks; there are 1 to {limit}")]
    StoredTracks { tracks: usize, limit: usize },
    #[error("the stored fragment has unknown flags {flags:#04x}")]
    StoredFlags { flags: u8 },
    #[error("the stored {what} claims {declared} bytes and has {actual}")]
    StoredLength {
        what: &'static str,
        declared: u64,
        actual: u64,
    },
    #[error("line {line} of the stored table of tracks (track {track_id}) is impossible")]
    StoredPlace { line: usize, track_id: u32 },
    #[error("the boxes of stored track {track_id} (line {line}) are not what its line says")]
    StoredBoxes { line: usize, track_id: u32 },
    #[error("the stored header does not fit its tracks: flags {actual:#04x}, not {expected:#04x}")]
    StoredHeader { expected: u8, actual: u8 },
    #[error("the stored bytes name init {declared}, but this is init {actual}")]
    StoredInitId { declared: InitId, actual: InitId },

    // Playback and clips.
    #[error(
        "track {track_id} at {base_decode_time} ticks cannot be moved by {shift}: times are 0 to \
         9223372036854775807"
    )]
    ShiftOutOfRange {
        track_id: u32,
        base_decode_time: u64,
        shift: i64,
    },
    #[error("the configuration of track {track_id}'s codec cannot be used: {reason}")]
    CodecConfig { track_id: u32, reason: &'static str },
    #[error("a sample of track {track_id} is damaged: {reason}")]
    SampleDamaged { track_id: u32, reason: &'static str },
    #[error("the clip has init {clip}, the fragment needs {fragment}; start another clip")]
    InitChanged { clip: InitId, fragment: InitId },
    #[error("the clip would have {bytes} bytes of media; the limit is {limit}")]
    ClipTooLarge { bytes: u64, limit: u64 },
    #[error("the clip would have {samples} samples; the limit is {limit}")]
    ClipTooManySamples { samples: u64, limit: u64 },
    #[error("the clip has no fragments")]
    ClipEmpty,
}

fn box_name(kind: Option<FourCc>) -> String {
    kind.map_or_else(|| "a box header".to_owned(), |kind| kind.to_string())
}

impl Error {
    /// What the caller should do about it.
    ///
    /// Damage in stored bytes is [`ErrorKind::DataLoss`]: the log's checksums were right, so the
    /// bytes were never good, or the log is not what it was.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BoxTooLarge { .. }
            | Self::TooManyTracks { .. }
            | Self::FragmentTooLarge { .. }
            | Self::FragmentTooLong { .. }
            | Self::TooManySamples { .. }
            | Self::TooManyTags { .. }
            | Self::TagTooLong { .. }
            | Self::ClipTooLarge { .. }
            | Self::ClipTooManySamples { .. } => ErrorKind::LimitExceeded,
            Self::StoredCut { .. }
            | Self::StoredVersion { .. }
            | Self::StoredTracks { .. }
            | Self::StoredFlags { .. }
            | Self::StoredLength { .. }
            | Self::StoredPlace { .. }
            | Self::StoredBoxes { .. }
            | Self::StoredHeader { .. }
            | Self::StoredInitId { .. } => ErrorKind::DataLoss,
            Self::ClipEmpty => ErrorKind::NotFound,
            Self::Matroska(error) => error.kind(),
            _ => ErrorKind::Invalid,
        }
    }
}

impl From<Error> for afflux_types::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}
