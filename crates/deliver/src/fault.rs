//! What can go wrong inside an archive, with the values that explain it.

use std::io;
use std::path::{Path, PathBuf};

use afflux_types::{Error, ErrorKind, Position, ShardId};

/// Shorthand for a result with a [`Fault`].
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// Why an archive cannot go on, or not now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{verb} {}", path.display())]
    Io {
        verb: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("manifest {} is damaged at byte {offset}: {reason}", path.display())]
    Manifest {
        path: PathBuf,
        offset: u64,
        reason: String,
    },
    #[error(
        "{} is the archive of stream {found}, which had the same name as stream {expected}; move it \
         away, or archive this stream to another directory",
        path.display()
    )]
    OtherStream {
        path: PathBuf,
        found: String,
        expected: String,
    },
    #[error(
        "{} is in the way: it is not in the manifest, and the archive never overwrites a file",
        path.display()
    )]
    InTheWay { path: PathBuf },
    #[error("another process writes to {}", path.display())]
    Locked { path: PathBuf },
    #[error("{} has changed under the archive: {reason}", path.display())]
    Changed { path: PathBuf, reason: String },
    #[error("entry of {shard} at position {position} cannot be read: {reason}")]
    Entry {
        shard: ShardId,
        position: Position,
        reason: String,
    },
    #[error("an object cannot be named: {reason}")]
    Name { reason: String },
    #[error("archived file {} is damaged: {reason}", path.display())]
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
            Self::OtherStream { .. } | Self::InTheWay { .. } | Self::Locked { .. } => {
                ErrorKind::InUse
            }
            Self::Manifest { .. }
            | Self::Changed { .. }
            | Self::Entry { .. }
            | Self::File { .. } => ErrorKind::DataLoss,
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
