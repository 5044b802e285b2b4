//! Why an activity stopped, and whether it is worth another try.

use std::time::Duration;

use afflux_types::{Error, ErrorKind};
use afflux_wire::message::Failure;
use afflux_wire::{Frame, WireError};

/// Why an activity on a QUIC stream stopped.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection could not be made, or broke. Another one may go on.
    Lost(Error),
    /// The server said no.
    Refused(Failure),
    /// Nothing will make it better.
    Fatal(Error),
}

impl Trouble {
    pub(crate) fn lost(what: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Lost(Error::unavailable(what).with_source(cause))
    }

    /// The server sent something that does not belong.
    pub(crate) fn unexpected(frame: &Frame, state: &'static str) -> Self {
        frame.unexpected(state).into()
    }

    /// Whether the same may work later, and after how long at the earliest.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Lost(_) => Some(Duration::ZERO),
            Self::Refused(failure) if failure.error_kind().is_retriable() => {
                Some(Duration::from_millis(u64::from(failure.retry_after_ms)))
            }
            Self::Refused(_) | Self::Fatal(_) => None,
        }
    }

    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Lost(error) | Self::Fatal(error) => error,
            Self::Refused(failure) => failure.to_error(),
        }
    }
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        let kind = match &error {
            WireError::Cut { .. } => return Self::lost("the server broke off", error),
            WireError::Entry(_) | WireError::Position { .. } => ErrorKind::DataLoss,
            _ => ErrorKind::Internal,
        };
        let message = format!("the server sent what it may not: {error}");
        Self::Fatal(Error::new(kind, message).with_source(error))
    }
}

impl From<quinn::WriteError> for Trouble {
    fn from(error: quinn::WriteError) -> Self {
        Self::lost("write to the server", error)
    }
}

impl From<quinn::ReadError> for Trouble {
    fn from(error: quinn::ReadError) -> Self {
        Self::lost("read from the server", error)
    }
}
