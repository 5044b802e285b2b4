//! All attributes: in memory, and durably in the engine's settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_aws::video::Error;
use afflux_engine::{Engine, Settings, StreamDescription};
use afflux_types::{ErrorKind, Result, StreamName};
use parking_lot::RwLock;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::Attributes;
use crate::context::service_error;

const NAMESPACE: &str = "kinesisvideo";
/// The row of the key of tokens.
const TOKEN: &str = "token-key";
const STREAM: &str = "stream/";
const INTENT: &str = "intent/";
/// Rows that are read at once.
const PAGE: usize = 1_000;

/// All attributes.
#[derive(Debug)]
pub(crate) struct Book {
    settings: Settings,
    streams: RwLock<BTreeMap<u64, Arc<Attributes>>>,
    /// Held while something changes, until it is durable and visible.
    turns: tokio::sync::Mutex<()>,
}

impl Book {
    /// Reads all rows, and removes those of what is no more.
    pub(crate) async fn open(engine: &Engine) -> Result<Self> {
        let here = engine.list_streams(None, usize::MAX);
        let here: BTreeMap<String, u64> = here
            .into_iter()
            .map(|stream| (stream.name.to_string(), stream.id))
            .collect();
        let book = Self {
            streams: RwLock::default(),
            turns: tokio::sync::Mutex::default(),
            settings: engine.settings(),
        };
        let rows = book.rows()?;
        for (key, row) in &rows {
            let stream = key.strip_prefix(STREAM).map(|id| {
                let id = u64::from_str_radix(id, 16).ok();
                id.filter(|id| here.values().any(|stream| stream == id))
            });
            let intent = key.strip_prefix(INTENT).map(|name| {
                let id = here.get(name).copied();
                // The program ended after it had made the stream, before it could note the rest.
                id.filter(|id| !rows.iter().any(|(key, _)| *key == stream_key(*id)))
            });
            let Some(found) = stream.or(intent) else {
                continue;
            };
            if let Some(id) = found {
                if intent.is_some() {
                    book.settings.put(NAMESPACE, &stream_key(id), row).await?;
                }
                book.streams.write().insert(id, Arc::new(read(key, row)?));
            }
            if found.is_none() || intent.is_some() {
                book.settings.delete(NAMESPACE, key).await?;
            }
        }
        Ok(book)
    }

    /// What is known of the stream of an id.
    pub(crate) fn of_id(&self, stream: u64) -> Arc<Attributes> {
        let streams = self.streams.read();
        streams.get(&stream).cloned().unwrap_or_default()
    }

    /// Changes what is known of a stream; if `change` refuses, nothing is. The change makes another
    /// version of the stream, whatever it was.
    pub(crate) async fn change<T>(
        &self,
        stream: &StreamDescription,
        change: impl FnOnce(&mut Attributes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _turn = self.turns.lock().await;
        let mut after = Attributes::clone(&self.of_id(stream.id));
        let answer = change(&mut after)?;
        after.changes = after.changes.saturating_add(1);
        self.put(&stream_key(stream.id), after.to_row()).await?;
        self.streams.write().insert(stream.id, Arc::new(after));
        Ok(answer)
    }

    /// Notes what a stream is to have before it is made, so that a crash in between loses nothing.
    pub(crate) async fn intend(&self, name: &StreamName, new: &Attributes) -> Result<(), Error> {
        if *new == Attributes::default() {
            return Ok(());
        }
        self.put(&intent_key(name), new.to_row()).await
    }

    /// Ends what [`Book::intend`] began: with the stream, or without it.
    pub(crate) async fn settle(
        &self,
        name: &StreamName,
        new: Attributes,
        made: Option<&StreamDescription>,
    ) -> Result<(), Error> {
        if new == Attributes::default() {
            return Ok(());
        }
        if let Some(stream) = made {
            let _turn = self.turns.lock().await;
            self.put(&stream_key(stream.id), new.to_row()).await?;
            self.streams.write().insert(stream.id, Arc::new(new));
        }
        self.delete(&intent_key(name)).await
    }

    /// Forgets a stream that was deleted.
    pub(crate) async fn forget(&self, stream: &StreamDescription) -> Result<(), Error> {
        let _turn = self.turns.lock().await;
        let known = self.streams.write().remove(&stream.id).is_some();
        match known {
            true => self.delete(&stream_key(stream.id)).await,
            false => Ok(()),
        }
    }

    async fn put(&self, key: &str, row: serde_json::Result<Vec<u8>>) -> Result<(), Error> {
        let row = row.map_err(|error| {
            service_error(&afflux_types::Error::internal("write attributes").with_source(error))
        })?;
        let put = self.settings.put(NAMESPACE, key, &row).await;
        put.map_err(|error| service_error(&error))
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let delete = self.settings.delete(NAMESPACE, key).await;
        delete.map_err(|error| service_error(&error))
    }

    fn rows(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut rows: Vec<(String, Vec<u8>)> = Vec::new();
        loop {
            let after = rows.last().map(|(key, _)| key.as_str());
            let page = self.settings.list(NAMESPACE, after, PAGE)?;
            if page.is_empty() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }
}

fn read(key: &str, row: &[u8]) -> Result<Attributes> {
    Attributes::from_row(row).map_err(|error| {
        let message = format!("the setting {key:?} of {NAMESPACE} is damaged");
        afflux_types::Error::new(ErrorKind::DataLoss, message).with_source(error)
    })
}

fn stream_key(id: u64) -> String {
    format!("{STREAM}{id:016x}")
}

fn intent_key(name: &StreamName) -> String {
    format!("{INTENT}{name}")
}

/// What seals tokens of this data directory; made the first time.
pub(crate) async fn token_key(engine: &Engine) -> Result<[u8; 32]> {
    let settings = engine.settings();
    let stored = settings.get(NAMESPACE, TOKEN)?;
    if let Some(key) = stored.and_then(|stored| stored.try_into().ok()) {
        return Ok(key);
    }
    let mut key = [0; 32];
    random(&mut key)?;
    settings.put(NAMESPACE, TOKEN, &key).await?;
    Ok(key)
}

/// Fills `bytes` with random ones.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| afflux_types::Error::unavailable("the system has no random bytes"))
}
