//! All attributes: in memory, and durably in the engine's settings.

use std::sync::Arc;

use afflux_aws::video::Error;
use afflux_engine::{Engine, StreamBook, StreamDescription};
use afflux_types::{Result, StreamName};

use super::Attributes;
use crate::context::service_error;

const NAMESPACE: &str = "kinesisvideo";
/// The row of the key of tokens.
const TOKEN: &str = "token-key";

/// All attributes, with failures in the service's words.
#[derive(Debug)]
pub(crate) struct Book(StreamBook<Attributes>);

impl Book {
    /// Reads all rows, and removes those of what is no more.
    pub(crate) async fn open(engine: &Engine) -> Result<Self> {
        let rows = engine.settings().rows(NAMESPACE)?;
        StreamBook::open(engine, NAMESPACE, &rows).await.map(Self)
    }

    /// What is known of the stream of an id.
    pub(crate) fn of_id(&self, stream: u64) -> Arc<Attributes> {
        self.0.of(stream)
    }

    /// Changes what is known of a stream; if `change` refuses, nothing is. The change makes another
    /// version of the stream, whatever it was.
    pub(crate) async fn change<T>(
        &self,
        stream: &StreamDescription,
        change: impl FnOnce(&mut Attributes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let changed = self.0.change(stream.id, |attributes| {
            let answer = change(attributes)?;
            attributes.changes = attributes.changes.saturating_add(1);
            Ok(answer)
        });
        changed.await.map_err(|error| service_error(&error))?
    }

    /// As [`StreamBook::intend`].
    pub(crate) async fn intend(&self, name: &StreamName, new: &Attributes) -> Result<(), Error> {
        let intended = self.0.intend(name, new).await;
        intended.map_err(|error| service_error(&error))
    }

    /// As [`StreamBook::settle`].
    pub(crate) async fn settle(
        &self,
        name: &StreamName,
        new: Attributes,
        made: Option<&StreamDescription>,
    ) -> Result<(), Error> {
        let settled = self.0.settle(name, new, made.map(|stream| stream.id)).await;
        settled.map_err(|error| service_error(&error))
    }

    /// Forgets a stream that was deleted.
    pub(crate) async fn forget(&self, stream: &StreamDescription) -> Result<(), Error> {
        let forgotten = self.0.forget(stream.id).await;
        forgotten.map_err(|error| service_error(&error))
    }
}

/// What seals tokens of this data directory; made the first time.
pub(crate) async fn token_key(engine: &Engine) -> Result<[u8; 32]> {
    engine.settings().secret(NAMESPACE, TOKEN).await
}
