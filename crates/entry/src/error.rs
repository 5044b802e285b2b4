//! What can be wrong with the bytes of an entry.

/// A reason why bytes are not an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Fewer bytes than the header says.
    #[error("entry has {len} bytes; {needed} are needed")]
    Short {
        /// Bytes at hand.
        len: usize,
        /// Bytes that the entry needs.
        needed: usize,
    },
    /// The first four bytes are not `AFXE`.
    #[error("entry starts with {0:02x?}, not with the magic AFXE")]
    Magic([u8; 4]),
    /// A format version that this program does not know.
    #[error("entry has format version {0}; version 1 is known")]
    Version(u8),
    /// A kind that this program does not know.
    #[error("entry has the unknown kind {0}")]
    Kind(u8),
    /// Flag bits that this program does not know.
    #[error("entry has the unknown flags {0:#06x}")]
    Flags(u16),
    /// A body above the limit for its kind.
    #[error("entry body has {len} bytes; the limit is {max}")]
    BodyTooLong {
        /// Bytes that the header claims.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A sealed body that cannot hold its own framing.
    #[error("sealed entry body has {len} bytes; {min} are needed", min = crate::SEALED_OVERHEAD)]
    SealedTooShort {
        /// Bytes of the body.
        len: usize,
    },
    /// A record count that does not fit the kind.
    #[error("entry of kind {kind} has a record count of {count}")]
    RecordCount {
        /// The entry's kind.
        kind: &'static str,
        /// The count in the header.
        count: u32,
    },
    /// The producer's checksum does not match.
    #[error("entry checksum is {found:#010x}; the bytes give {computed:#010x}")]
    Checksum {
        /// In the header.
        found: u32,
        /// Of the bytes at hand.
        computed: u32,
    },
    /// The stamped header's checksum does not match.
    #[error("header checksum is {found:#010x}; the bytes give {computed:#010x}")]
    HeaderChecksum {
        /// In the header.
        found: u32,
        /// Of the bytes at hand.
        computed: u32,
    },
    /// A record of a batch reaches beyond the body, or bytes follow the last record.
    #[error("record {index} of the batch at body offset {offset} is malformed: {reason}")]
    Record {
        /// Counted from zero.
        index: u32,
        /// Where the record starts in the body.
        offset: usize,
        /// What is wrong.
        reason: String,
    },
}

impl From<EntryError> for afflux_types::Error {
    fn from(error: EntryError) -> Self {
        Self::invalid(error.to_string()).with_source(error)
    }
}
