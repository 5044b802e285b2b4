//! What an API over the engine knows of streams beyond what the engine knows.
//!
//! # Shape
//! One row of the settings for each stream of which something is known; a stream that another door
//! made has none. Rows are found by the stream's id, which is never reused, so that nothing inherits
//! from a stream that had its name. Everything is in memory too: reads look at no disk.
//!
//! # Invariants
//! - A change is visible once it is durable, and changes happen one after another.
//! - What a stream is meant to have is durable before the stream is made: a crash in between loses
//!   nothing, and leaves nothing to the next stream of that name.
//! - Rows of streams that other doors deleted are removed at open.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use afflux_types::{Result, StreamName};
use parking_lot::RwLock;

use crate::settings::{Row, Settings, read_row};
use crate::{Engine, StreamSummary};

const STREAM: &str = "stream/";
const INTENT: &str = "intent/";

/// What is known of each stream.
pub struct StreamBook<A> {
    settings: Settings,
    namespace: &'static str,
    streams: RwLock<BTreeMap<u64, Arc<A>>>,
    /// Held while something changes, until it is durable and visible.
    turns: tokio::sync::Mutex<()>,
}

impl<A: Row + Clone + Default + PartialEq> StreamBook<A> {
    /// Takes the rows of streams among `rows`, which are those of the namespace, and removes those of
    /// streams that are no more.
    ///
    /// # Errors
    /// `DataLoss` for a row that cannot be read; as [`Settings::put`].
    pub async fn open(
        engine: &Engine,
        namespace: &'static str,
        rows: &[(String, Vec<u8>)],
    ) -> Result<Self> {
        let here = engine.list_streams(None, usize::MAX);
        let book = Self {
            settings: engine.settings(),
            namespace,
            streams: RwLock::default(),
            turns: tokio::sync::Mutex::default(),
        };
        let rows: BTreeMap<&str, &[u8]> = rows
            .iter()
            .map(|(key, row)| (key.as_str(), row.as_slice()))
            .collect();
        let (mut ids, mut names) = (BTreeMap::new(), BTreeMap::new());
        for StreamSummary { id, name, .. } in &here {
            ids.insert(stream_key(*id), *id);
            names.insert(intent_key(name), *id);
        }
        for (key, row) in &rows {
            if key.starts_with(STREAM) {
                match ids.get(*key) {
                    Some(id) => book.take(*id, key, row)?,
                    None => book.delete(key).await?,
                }
            } else if key.starts_with(INTENT) {
                let made = names.get(*key).copied();
                if let Some(id) = made.filter(|id| !rows.contains_key(&*stream_key(*id))) {
                    // The program ended after it had made the stream, before it could note the rest.
                    let noted = stream_key(id);
                    book.settings.put(namespace, &noted, row).await?;
                    book.take(id, key, row)?;
                }
                book.delete(key).await?;
            }
        }
        Ok(book)
    }

    /// What is known of the stream of an id; what is known of one of which nothing is.
    pub fn of(&self, stream: u64) -> Arc<A> {
        self.get(stream).unwrap_or_default()
    }

    /// What is known of the stream of an id, if anything is.
    pub fn get(&self, stream: u64) -> Option<Arc<A>> {
        self.streams.read().get(&stream).cloned()
    }

    /// The streams of which something is known that `wanted` takes, by their ids.
    pub fn all(&self, wanted: impl Fn(&A) -> bool) -> BTreeMap<u64, Arc<A>> {
        let streams = self.streams.read();
        let streams = streams.iter().filter(|(_, known)| wanted(known));
        streams
            .map(|(id, known)| (*id, Arc::clone(known)))
            .collect()
    }

    /// Changes what is known of a stream; if `change` refuses, nothing is, and the inner result says so.
    ///
    /// # Errors
    /// As [`Settings::put_row`]; nothing is changed.
    pub async fn change<T, E>(
        &self,
        stream: u64,
        change: impl FnOnce(&mut A) -> Result<T, E>,
    ) -> Result<Result<T, E>> {
        let _turn = self.turns.lock().await;
        let before = self.of(stream);
        let mut after = A::clone(&before);
        let answer = match change(&mut after) {
            Ok(answer) => answer,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if after != *before {
            self.put(&stream_key(stream), &after).await?;
            self.streams.write().insert(stream, Arc::new(after));
        }
        Ok(Ok(answer))
    }

    /// Notes what a stream is to have before it is made, so that a crash in between loses nothing.
    ///
    /// # Errors
    /// As [`Settings::put_row`].
    pub async fn intend(&self, name: &StreamName, new: &A) -> Result<()> {
        if *new == A::default() {
            return Ok(());
        }
        self.put(&intent_key(name), new).await
    }

    /// Ends what [`StreamBook::intend`] began: with the stream of an id, or without one.
    ///
    /// # Errors
    /// As [`Settings::put_row`].
    pub async fn settle(&self, name: &StreamName, new: A, made: Option<u64>) -> Result<()> {
        if new == A::default() {
            return Ok(());
        }
        if let Some(stream) = made {
            let _turn = self.turns.lock().await;
            self.put(&stream_key(stream), &new).await?;
            self.streams.write().insert(stream, Arc::new(new));
        }
        self.delete(&intent_key(name)).await
    }

    /// Forgets a stream that was deleted.
    ///
    /// # Errors
    /// As [`Settings::delete`].
    pub async fn forget(&self, stream: u64) -> Result<()> {
        let _turn = self.turns.lock().await;
        let known = self.streams.write().remove(&stream).is_some();
        match known {
            true => self.delete(&stream_key(stream)).await,
            false => Ok(()),
        }
    }

    fn take(&self, stream: u64, key: &str, row: &[u8]) -> Result<()> {
        let known = read_row(self.namespace, key, row)?;
        self.streams.write().insert(stream, Arc::new(known));
        Ok(())
    }

    async fn put(&self, key: &str, known: &A) -> Result<()> {
        self.settings.put_row(self.namespace, key, known).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.settings.delete(self.namespace, key).await
    }
}

impl<A> fmt::Debug for StreamBook<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBook")
            .field("namespace", &self.namespace)
            .field("streams", &self.streams.read().len())
            .finish_non_exhaustive()
    }
}

fn stream_key(id: u64) -> String {
    format!("{STREAM}{id:016x}")
}

fn intent_key(name: &StreamName) -> String {
    format!("{INTENT}{name}")
}
