//! One error for every crate boundary: a kind that says what to do, a message, and the cause.

use std::error::Error as StdError;
use std::fmt;

/// Shorthand for a result with Afflux's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller should do about an error.
///
/// The numbers are part of the wire protocol: never reuse a retired one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ErrorKind {
    /// Change the request.
    Invalid = 1,
    /// Change the credentials or their rights.
    Denied = 2,
    /// Create the thing first, or fix its name.
    NotFound = 3,
    /// Wait for the other change, or choose another name.
    InUse = 4,
    /// Stay under the limit named in the message.
    LimitExceeded = 5,
    /// Retry later, with back-off.
    Throttled = 6,
    /// Take a new position, iterator or token.
    Expired = 7,
    /// Retry later or elsewhere: the server is stopping, or its disk is full.
    Unavailable = 8,
    /// Restore from a copy; a retry will not help. Stored bytes are damaged.
    DataLoss = 9,
    /// Report a bug.
    Internal = 10,
    /// Fetch the shard map again: the shard was split or merged.
    ShardMoved = 11,
}

impl ErrorKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::Invalid,
        Self::Denied,
        Self::NotFound,
        Self::InUse,
        Self::LimitExceeded,
        Self::Throttled,
        Self::Expired,
        Self::Unavailable,
        Self::DataLoss,
        Self::Internal,
        Self::ShardMoved,
    ];

    /// The number that stands for this kind on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The kind behind a wire number; an unknown number is [`ErrorKind::Internal`].
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        Self::ALL
            .into_iter()
            .find(|kind| kind.code() == code)
            .unwrap_or(Self::Internal)
    }

    /// Whether the same request may succeed when it is sent again later.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }

    /// The kind in words, as logs and JSON show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::InUse => "in_use",
            Self::LimitExceeded => "limit_exceeded",
            Self::Throttled => "throttled",
            Self::Expired => "expired",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data_loss",
            Self::Internal => "internal",
            Self::ShardMoved => "shard_moved",
        }
    }
}

/// An error with a prescriptive kind, a sentence, and optionally a cause.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause. The message is a sentence without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds the cause, which [`StdError::source`] returns.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller should do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence, without the cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The sentence followed by every cause, joined by colons.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.chain())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable() {
        let codes: Vec<(u8, &str)> = ErrorKind::ALL
            .iter()
            .map(|kind| (kind.code(), kind.name()))
            .collect();
        assert_eq!(
            codes,
            [
                (1, "invalid"),
                (2, "denied"),
                (3, "not_found"),
                (4, "in_use"),
                (5, "limit_exceeded"),
                (6, "throttled"),
                (7, "expired"),
                (8, "unavailable"),
                (9, "data_loss"),
                (10, "internal"),
                (11, "shard_moved"),
            ]
        );
        assert_eq!(ErrorKind::from_code(200), ErrorKind::Internal);
    }

    #[test]
    fn chain_names_every_cause() {
        let inner = Error::not_found("stream \"a\" does not exist");
        let outer = Error::unavailable("open subscription").with_source(inner);
        assert_eq!(
            outer.chain(),
            "open subscription: stream \"a\" does not exist"
        );
    }
}
