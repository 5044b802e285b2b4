//! Why a key is not at hand.

use std::error::Error as _;
use std::path::PathBuf;

use afflux_types::{Error, ErrorKind};

/// What is wrong with a key; the source of the error of whoever needs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The server was started without one.
    #[error("no keyring is configured")]
    NoKeyring,
    /// Neither a key id, nor an alias, nor an ARN of one.
    #[error(
        "{name:?} is not the name of a key: a key id, alias/<name>, or an ARN arn:aws:kms:<region>:<account>:key/<key id> is"
    )]
    Name {
        /// As it was given.
        name: String,
    },
    /// The keyring has no such key or alias.
    #[error("key {key} is not in the keyring {}", dir.display())]
    NotFound {
        /// The key id or the alias.
        key: String,
        /// The keyring.
        dir: PathBuf,
    },
    /// Other users of the machine could have read or changed it.
    #[error("{} is open to other users (mode {mode:04o}); a key needs mode 0600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{} does not hold {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// The file cannot be read.
    #[error("read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
    /// The key is there, but it is another one than when the data key was made.
    #[error(
        "key {key} does not open data key {number}: it is not the key that this was wrapped with"
    )]
    Wrong {
        /// The stream's data key.
        number: u64,
        /// The master key.
        key: String,
    },
    /// An entry names a data key that the catalog does not have.
    #[error("data key {number} is not in the catalog")]
    Unknown {
        /// The number in the entry.
        number: u64,
    },
}

impl KeyFault {
    /// What is wrong with a key, if an error is about one.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.source()?.downcast_ref()
    }

    /// What a remote caller may know of it: where the server keeps its keys is not the caller's business.
    #[must_use]
    pub fn outline(&self) -> String {
        match self {
            Self::NoKeyring => "The key is not found: this server has no keyring.".to_owned(),
            Self::NotFound { key, .. } => format!("Key {key} is not found."),
            Self::Name { name } => format!("{name:?} is not the name of a key."),
            Self::Wrong { key, .. } => {
                format!("Key {key} is not the key that the stream was encrypted with.")
            }
            _ => "The key cannot be used; the server's log says why.".to_owned(),
        }
    }

    /// The error for whoever named the key.
    pub(crate) fn refuse(self, message: impl Into<String>) -> Error {
        let kind = match self {
            Self::Name { .. } => ErrorKind::Invalid,
            Self::NoKeyring | Self::NotFound { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, format!("{}: {self}", message.into())).with_source(self)
    }

    /// The error for whoever needs what the key seals. It can be tried again once the key is back.
    pub(crate) fn withhold(self, message: impl Into<String>) -> Error {
        let kind = match self {
            Self::Unknown { .. } => ErrorKind::DataLoss,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, format!("{}: {self}", message.into())).with_source(self)
    }
}
