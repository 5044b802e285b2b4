//! Errors with more than a sentence: where a shard went, and how long to wait.
//!
//! [`Error`] carries a kind and a message. Two kinds need facts that a program acts on: they ride as
//! the error's source, and a caller takes them out with [`Moved::of`] and [`Throttled::of`].

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use afflux_types::{Error, ErrorKind};

use crate::stream::Child;

/// The shards that took over from a closed one; the source of a [`ErrorKind::ShardMoved`] error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Two after a split, one after a merge.
    pub children: Vec<Child>,
}

impl Moved {
    /// The children that an error names, if it is about a closed shard.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.source()?.downcast_ref()
    }

    pub(crate) fn error(message: String, children: Vec<Child>) -> Error {
        Error::new(ErrorKind::ShardMoved, message).with_source(Self { children })
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its range went to")?;
        for (i, child) in self.children.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma} {}", child.id)?;
        }
        Ok(())
    }
}

impl StdError for Moved {}

/// How long a producer must wait; the source of a [`ErrorKind::Throttled`] error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("retry after {} ms", retry_after.as_millis())]
pub struct Throttled {
    /// When the quota will have room.
    pub retry_after: Duration,
}

impl Throttled {
    /// How long to wait, if an error is about a quota.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.source()?.downcast_ref()
    }

    pub(crate) fn error(message: String, retry_after: Duration) -> Error {
        Error::new(ErrorKind::Throttled, message).with_source(Self { retry_after })
    }
}

/// The same kind and text as `error`, for one more listener.
pub(crate) fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.chain())
}

/// The engine takes no more work.
pub(crate) fn stopping() -> Error {
    Error::unavailable("the server is stopping")
}
