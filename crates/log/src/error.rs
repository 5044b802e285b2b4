//! What can go wrong: precise reasons inside, `afflux_types::Error` at the boundary.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_entry::{EntryError, Header};
use afflux_types::{Error, ErrorKind, Position};
use bytes::Bytes;
use rustix::io::Errno;

use crate::LogKey;

/// Why an entry was not accepted. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The next segment is not ready or the queue is full: wait for
    /// [`Observer::ready`](crate::Observer::ready) and append the same entry again.
    #[error("the log is busy; append again when it is ready")]
    Busy(Box<Header>, Vec<Bytes>),
    /// The disk has no room for the next segment. Appends succeed again once it has.
    #[error(transparent)]
    Full(Error),
    /// The shard has stopped for good, or the volume is closed.
    #[error(transparent)]
    Stopped(Error),
    /// The entry's header does not fit its body or the entry is larger than a log can hold.
    #[error(transparent)]
    Invalid(Error),
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Busy(..) => Self::new(ErrorKind::Throttled, error.to_string()),
            AppendError::Full(error)
            | AppendError::Stopped(error)
            | AppendError::Invalid(error) => error,
        }
    }
}

/// Why a range was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The position was deleted by retention, or trimmed.
    #[error("the position is below the trim horizon {horizon}")]
    Trimmed {
        /// The first position that can be read.
        horizon: Position,
    },
    /// The position is beyond the end of the durable log.
    #[error("the position is beyond the durable end {durable}")]
    Beyond {
        /// The exclusive end of what can be read.
        durable: Position,
    },
    /// Stored bytes are damaged; the message names shard, segment, offset and what was expected.
    #[error(transparent)]
    Corrupt(Error),
    /// The disk or the operating system refused.
    #[error(transparent)]
    Io(Error),
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Trimmed { .. } | ReadError::Beyond { .. } => {
                Self::new(ErrorKind::Expired, error.to_string())
            }
            ReadError::Corrupt(error) | ReadError::Io(error) => error,
        }
    }
}

/// A file system call that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub(crate) struct FileError {
    operation: &'static str,
    path: PathBuf,
    #[source]
    cause: Arc<io::Error>,
}

impl FileError {
    pub(crate) fn is_full(&self) -> bool {
        matches!(
            Errno::from_io_error(&self.cause),
            Some(Errno::NOSPC | Errno::DQUOT)
        )
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.cause.kind() == io::ErrorKind::NotFound
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        let kind = if error.is_full() {
            ErrorKind::Unavailable
        } else {
            ErrorKind::Internal
        };
        Self::new(kind, error.to_string()).with_source(error.cause)
    }
}

/// Adds the operation and the path to an I/O error.
pub(crate) trait Context<T> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|cause| FileError {
            operation,
            path: path.to_owned(),
            cause: Arc::new(cause),
        })
    }
}

/// Bytes that are not what they must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} segment {ordinal:016x} offset {offset}: {fault}")]
pub(crate) struct Damage {
    pub(crate) key: LogKey,
    pub(crate) ordinal: u64,
    pub(crate) offset: u64,
    pub(crate) fault: Fault,
}

/// What is wrong at the place that [`Damage`] names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Entry(#[from] EntryError),
    #[error("expected position {expected}, found {found}")]
    Position { expected: Position, found: Position },
    #[error("arrival time {found} ms is before the previous entry's {previous} ms")]
    Arrival { previous: i64, found: i64 },
    #[error("segment header: {0}")]
    Header(String),
    #[error("expected an entry at offset {offset}, found zeros up to bytes at {written}")]
    Hole { offset: u64, written: u64 },
    #[error("expected segment {expected:016x} after the previous one, found none")]
    Missing { expected: u64 },
    #[error("expected entries up to offset {durable_to}, which were durable, found none")]
    Short { durable_to: u64 },
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::new(ErrorKind::DataLoss, damage.to_string())
    }
}

/// A failed read inside the crate.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Damage(#[from] Damage),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File(error) => Self::Io(error.into()),
            StoreError::Damage(damage) => Self::Corrupt(damage.into()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File(error) => error.into(),
            StoreError::Damage(damage) => damage.into(),
        }
    }
}
