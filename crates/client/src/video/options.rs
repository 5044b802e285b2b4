//! How a camera's video is sent, and where it waits.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use afflux_media::Continuity;
use afflux_types::ProducerTime;
use afflux_wire::message::{FragmentAck, Tag};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Names one run of a camera, so that its fragments are recognised after a reconnect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// A new name.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The name for what these bytes stand for, for instance the name and size of a file.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            <[u8; 32]>::from(Sha256::digest(bytes));
        Self(id)
    }

    /// Wraps an existing name.
    #[must_use]
    pub fn new(id: [u8; 16]) -> Self {
        Self(id)
    }

    pub(super) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl fmt::Display for SessionId {
    /// Writes 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for SessionId {
    type Err = afflux_types::Error;

    /// Reads 32 hexadecimal digits.
    fn from_str(text: &str) -> afflux_types::Result<Self> {
        let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        plain
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(|id| Self(id.to_be_bytes()))
            .ok_or_else(|| {
                afflux_types::Error::invalid(format!(
                    "{text:?} is not a session id of 32 hexadecimal digits"
                ))
            })
    }
}

/// What the input is, seen after a restart of the uploader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It goes on: a camera. What was not durable before the restart is sent from the spool, and
    /// the session is chosen by the uploader.
    Live(Spool),
    /// It comes again from its beginning: a file. Fragments that the server has are passed over.
    Replay(SessionId),
}

/// Where fragments wait until they are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spool {
    /// In memory: lost with the process.
    Memory,
    /// In this directory, synced, one file for each fragment. It belongs to one uploader at a time.
    Directory(PathBuf),
}

/// What the zero of the input's timeline means by the producer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeOrigin {
    /// The first fragment is being made now.
    FirstIsNow,
    /// The timeline's zero was at this time.
    At(ProducerTime),
}

/// A fragment whose maker knows its place in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedFragment {
    /// What a player needs before it: `ftyp` and `moov`.
    pub init: Bytes,
    /// When its first frame was made.
    pub producer_time: ProducerTime,
    /// Whether it goes on where the one before ended.
    pub continuity: Continuity,
    /// One `moof` and its `mdat`, in pieces.
    pub boxes: Vec<Bytes>,
}

/// How video is sent.
#[derive(Clone)]
pub struct UploaderOptions {
    /// What the input is.
    pub source: Source,
    /// When it was made.
    pub origin: TimeOrigin,
    /// Bytes of fragments that are not durable, in memory and in the spool together; beyond,
    /// [`Uploader::push`](super::Uploader::push) waits. One fragment may always be held.
    pub spool_bytes_max: u64,
    /// Written to every fragment.
    pub tags: Vec<Tag>,
    /// Is told of every new state of a fragment. It must be quick.
    pub on_state: Option<StateHook>,
}

/// What is told of the states of fragments.
pub type StateHook = Arc<dyn Fn(&FragmentAck) + Send + Sync>;

impl Default for UploaderOptions {
    fn default() -> Self {
        Self {
            source: Source::Live(Spool::Memory),
            origin: TimeOrigin::FirstIsNow,
            spool_bytes_max: 256 << 20,
            tags: Vec::new(),
            on_state: None,
        }
    }
}

impl fmt::Debug for UploaderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploaderOptions")
            .field("source", &self.source)
            .field("origin", &self.origin)
            .field("spool_bytes_max", &self.spool_bytes_max)
            .field("tags", &self.tags)
            .field("on_state", &self.on_state.is_some())
            .finish()
    }
}
