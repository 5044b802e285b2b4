//! What can go wrong inside a delivery, with the values that explain it.

use std::io;
use std::path::{Path, PathBuf};

use afflux_types::{Error, ErrorKind, Position, ShardId};

/// Shorthand for a result with a [`Fault`].
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// Why a delivery cannot go on, or not now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{verb} {}", path.display())]
    Io {
        verb: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "{} is in the way: it is none of this delivery's, which never overwrites a file",
        path.display()
    )]
    InTheWay { path: PathBuf },
    #[error("entry of {shard} at position {position} cannot be read: {reason}")]
    Entry {
        shard: ShardId,
        position: Position,
        reason: String,
    },
    #[error("an object cannot be named: {reason}")]
    Name { reason: String },
    #[error("file {} is damaged: {reason}", path.display())]
    File { path: PathBuf, reason: String },
}

impl Fault {
    /// A map for `io::Error`s: verb and path make the sentence.
    pub(crate) fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { verb, path, source }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    ErrorKind::Denied
                }
                _ => ErrorKind::Unavailable,
            },
            Self::InTheWay { .. } => ErrorKind::InUse,
            Self::Entry { .. } | Self::File { .. } => ErrorKind::DataLoss,
            Self::Name { .. } => ErrorKind::Invalid,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let (kind, message) = (fault.kind(), fault.to_string());
        match fault {
            Fault::Io { source, .. } => Self::new(kind, message).with_source(source),
            _ => Self::new(kind, message),
        }
    }
}
