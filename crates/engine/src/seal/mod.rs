//! Encryption of what is on disk: one stream at a time, from the moment it is switched on.
//!
//! # Shape
//! ```text
//! keyring (a directory of its own)   catalog                     segments
//!   master key ──── wraps ────► data key n of the stream ─ seals ─► entries, each with n
//! ```
//! Each time encryption is switched on the stream gets a new random data key, which the catalog keeps
//! wrapped by a master key and forgets with the stream. Entries are sealed after they have been checked
//! and before the log sees them, and opened before a reader sees them: the log, its recovery and its
//! checks need no keys, and readers need not know. The bytes are in `crates/entry/ENTRY.md`.
//!
//! # Invariants
//! - Once [`Engine::set_encryption`](crate::Engine::set_encryption) has returned, whatever is appended
//!   is sealed under the new key, or plain after it was switched off.
//! - Without its key an entry is neither served nor appended; what is plain can be read.
//! - Nothing about a sealed record that is not keyed reaches the disk, but what its header says: the
//!   kind, the length, the number of records, the producer and the times.
//! - A stream that never was encrypted pays one load of an atomic for each append and each read.

mod data_key;
mod error;
mod keyring;
mod open;
mod sealer;
mod switch;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use afflux_types::limits::STREAM_DATA_KEYS_MAX;
use parking_lot::RwLock;

pub use error::KeyFault;
pub use keyring::Keyring;

pub(crate) use data_key::{DataKey, Wrapped};
pub(crate) use open::{Place, Stuck, Why, open};
pub(crate) use sealer::{Sealed, Sealer};

/// How a stream's entries are encrypted from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The master key, as it was named when encryption was switched on.
    pub key: String,
}

/// What the catalog keeps about a stream's encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SealFacts {
    /// Every data key that entries may have been sealed with, the newest last.
    pub(crate) keys: Vec<Wrapped>,
    /// The name of the master key, while encryption is on; the newest data key is in use.
    pub(crate) on: Option<String>,
}

/// A stream's data keys and whether they are in use.
pub(crate) struct Sealing {
    /// The number of the data key that seals; zero while encryption is off.
    current: AtomicU64,
    /// Whether there may be sealed entries.
    used: AtomicBool,
    state: RwLock<State>,
}

struct State {
    facts: SealFacts,
    open: BTreeMap<u64, Arc<DataKey>>,
}

impl SealFacts {
    fn current(&self) -> u64 {
        let newest = self.keys.last().map_or(0, |key| key.number);
        if self.on.is_some() { newest } else { 0 }
    }

    /// The number of the next data key, if there may be one more.
    pub(crate) fn next_key(&self) -> Option<u64> {
        if self.keys.len() >= STREAM_DATA_KEYS_MAX {
            return None;
        }
        self.keys.last().map_or(0, |key| key.number).checked_add(1)
    }
}

impl Sealing {
    pub(crate) fn new(facts: SealFacts) -> Self {
        Self {
            current: AtomicU64::new(facts.current()),
            used: AtomicBool::new(!facts.keys.is_empty()),
            state: RwLock::new(State {
                facts,
                open: BTreeMap::new(),
            }),
        }
    }

    /// The number of the data key that seals now; zero: entries are stored plain.
    pub(crate) fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// Whether entries may have been sealed.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// As the catalog has it.
    pub(crate) fn facts(&self) -> SealFacts {
        self.state.read().facts.clone()
    }

    pub(crate) fn describe(&self) -> Option<Encryption> {
        let key = self.state.read().facts.on.clone()?;
        Some(Encryption { key })
    }

    /// Makes durable facts known; `key` is the new data key, opened.
    pub(crate) fn set(&self, facts: SealFacts, key: Option<DataKey>) {
        let mut state = self.state.write();
        if let Some(key) = key {
            state.open.insert(key.number(), Arc::new(key));
        }
        state.facts = facts;
        // First, so that nobody takes a sealed entry for a plain one.
        if !state.facts.keys.is_empty() {
            self.used.store(true, Ordering::Release);
        }
        self.current.store(state.facts.current(), Ordering::Release);
    }

    /// A data key, if it is open.
    pub(crate) fn key(&self, number: u64) -> Option<Arc<DataKey>> {
        self.state.read().open.get(&number).cloned()
    }

    /// Opens a data key with its master key. May block.
    pub(crate) fn open_key(
        &self,
        keyring: Option<&Keyring>,
        stream: u64,
        number: u64,
    ) -> Result<Arc<DataKey>, KeyFault> {
        let wrapped = {
            let state = self.state.read();
            if let Some(key) = state.open.get(&number) {
                return Ok(Arc::clone(key));
            }
            let mut keys = state.facts.keys.iter();
            keys.find(|key| key.number == number).cloned()
        };
        let wrapped = wrapped.ok_or(KeyFault::Unknown { number })?;
        let master = keyring.ok_or(KeyFault::NoKeyring)?.key(&wrapped.master)?;
        let key = Arc::new(DataKey::unwrap(&wrapped, &master, stream)?);
        let mut state = self.state.write();
        Ok(Arc::clone(state.open.entry(number).or_insert(key)))
    }
}
