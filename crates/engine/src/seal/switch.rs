//! Switching a stream's encryption on and off.

use std::sync::Arc;

use afflux_types::limits::STREAM_DATA_KEYS_MAX;
use afflux_types::{Error, ErrorKind, Result, StreamName};

use super::SealFacts;
use super::data_key::DataKey;
use super::error::KeyFault;
use super::keyring::Keyring;
use crate::catalog::{Outcome, StreamFacts, needs_data_keys};
use crate::engine::Engine;
use crate::registry::Stream;

impl Engine {
    /// Has a stream's entries encrypted from now on, under a new data key that `key` wraps, or no
    /// longer. What is stored already stays as it is and can be read.
    ///
    /// `key` is the id of a key in the keyring, an alias `alias/<name>`, or an ARN of either. Nothing
    /// happens if the stream is encrypted with that key already, or not encrypted.
    ///
    /// # Errors
    /// With [`KeyFault`]: `NotFound` if there is no such key or no keyring, `Invalid` for what is not
    /// a key's name, `Unavailable` if the key cannot be used. `NotFound` if the stream does not exist;
    /// `LimitExceeded` if it has had too many data keys.
    ///
    /// # Cancel safety
    /// A dropped future has switched or not; entries that are on their way may be stored either way.
    pub async fn set_encryption(&self, name: &StreamName, key: Option<&str>) -> Result<()> {
        self.inner.check_running()?;
        let stream = self.stream(name)?;
        let changes = Arc::clone(&stream.changes).lock_owned().await;
        if stream.is_deleted() {
            return Err(stream.deleted_error());
        }
        let before = stream.sealing.facts();
        let change = match key {
            Some(key) => {
                let (keyring, key) = (self.inner.keyring.clone(), key.to_owned());
                let id = stream.facts.id;
                let change = self
                    .inner
                    .pool
                    .run(move || switch_on(before, keyring.as_ref(), key, id))
                    .await?;
                change.map_err(|refused| refused.error(name))?
            }
            None => switch_off(before),
        };
        let Some((sealing, key)) = change else {
            return Ok(());
        };
        let facts = StreamFacts {
            sealing: sealing.clone(),
            ..stream.facts(changes.shard_next, stream.retention())
        };
        let published = Arc::clone(&stream);
        self.inner
            .catalog
            .commit(vec![facts.put(), needs_data_keys()], move |outcome| {
                if outcome == Outcome::Committed {
                    published.sealing.set(sealing, key);
                }
                drop(changes);
            })
            .await?;
        pass(&stream);
        Ok(())
    }
}

/// The new facts and the new key, unless there is nothing to change.
type Change = Option<(SealFacts, Option<DataKey>)>;

enum Refused {
    Key(KeyFault),
    TooMany,
    NoRandom,
}

impl Refused {
    fn error(self, stream: &StreamName) -> Error {
        match self {
            Self::Key(fault) => fault.refuse(format!("stream {stream} cannot be encrypted")),
            Self::TooMany => Error::new(
                ErrorKind::LimitExceeded,
                format!("stream {stream} has {STREAM_DATA_KEYS_MAX} data keys, which is the limit"),
            ),
            Self::NoRandom => Error::internal("the system has no random numbers"),
        }
    }
}

fn switch_on(
    before: SealFacts,
    keyring: Option<&Keyring>,
    name: String,
    stream: u64,
) -> Result<Change, Refused> {
    let keyring = keyring.ok_or(Refused::Key(KeyFault::NoKeyring))?;
    let master = keyring.find(&name).map_err(Refused::Key)?;
    let same_master = before
        .keys
        .last()
        .is_some_and(|key| key.master == master.id);
    if before.on.as_ref() == Some(&name) && same_master {
        return Ok(None);
    }
    let number = before.next_key().ok_or(Refused::TooMany)?;
    let key = DataKey::random(number).ok_or(Refused::NoRandom)?;
    let wrapped = key.wrap(&master, stream).ok_or(Refused::NoRandom)?;
    let mut keys = before.keys;
    keys.push(wrapped);
    let facts = SealFacts {
        keys,
        on: Some(name),
    };
    Ok(Some((facts, Some(key))))
}

fn switch_off(before: SealFacts) -> Change {
    before.on.as_ref()?;
    let facts = SealFacts { on: None, ..before };
    Some((facts, None))
}

/// Waits for appends that may have seen the stream as it was.
fn pass(stream: &Stream) {
    for cell in stream.cells() {
        if let Some(live) = cell.live() {
            live.pass();
        }
    }
}
