//! What can be wrong with the bytes and the order of frames that a peer sends.

use afflux_entry::EntryError;

/// A reason why a QUIC stream cannot go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A first byte that starts neither a frame nor an entry.
    #[error("frame type {0:#04x} is unknown")]
    FrameType(u8),
    /// A frame whose length is above the limit for its type.
    #[error("{frame} frame has {len} bytes; the limit is {max}")]
    FrameTooLong {
        /// The frame's name.
        frame: &'static str,
        /// Bytes that the frame claims.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A frame whose bytes are not the message of its type.
    #[error("{frame} frame is malformed: {reason}")]
    Malformed {
        /// The frame's name.
        frame: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// An entry whose header or checksum is wrong.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// An entry of a kind that does not belong on this stream.
    #[error("an entry of kind {kind} does not belong here")]
    EntryKind {
        /// The entry's kind.
        kind: &'static str,
    },
    /// An entry above the limit of this stream.
    #[error("entry body has {len} bytes; the limit of this stream is {max}")]
    EntryTooLong {
        /// Bytes that the header claims.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The stream ended inside a frame or an entry.
    #[error("the stream ended inside {what}")]
    Cut {
        /// What was being read.
        what: &'static str,
    },
    /// A frame that may not come now.
    #[error("{frame} may not come {state}")]
    Unexpected {
        /// What came.
        frame: &'static str,
        /// What went before.
        state: &'static str,
    },
    /// An acknowledgement that does not fit what was sent.
    #[error("acknowledgement of {found} records; the oldest unacknowledged entry has {expected}")]
    Acknowledgement {
        /// Records that the peer acknowledged.
        found: u32,
        /// Records of the oldest entry; zero if there is none.
        expected: u32,
    },
    /// Records are missing or come twice.
    #[error("entry starts at position {found}; {expected} is next")]
    Position {
        /// Where the entry starts.
        found: u64,
        /// Where it should start.
        expected: u64,
    },
    /// A fragment out of order.
    #[error("fragment {found} came; fragment {expected} is next")]
    FragmentNumber {
        /// The number that came.
        found: u64,
        /// The number that is next.
        expected: u64,
    },
    /// A fragment above the limit.
    #[error("fragment {number} has more than {max} bytes")]
    FragmentTooLong {
        /// Its number in the session.
        number: u64,
        /// The limit.
        max: u64,
    },
}

impl From<WireError> for afflux_types::Error {
    fn from(error: WireError) -> Self {
        let message = format!("peer broke the protocol: {error}");
        Self::invalid(message).with_source(error)
    }
}
