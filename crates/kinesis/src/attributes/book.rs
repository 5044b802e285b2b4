//! All attributes: in memory, and durably in the engine's settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_aws::kinesis::Error;
use afflux_aws::kinesis::values::StreamMode;
use afflux_engine::{ConsumerDescription, Engine, Settings, StreamDescription};
use afflux_types::{ErrorKind, Result, StreamName};
use parking_lot::RwLock;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::key::{
    ACCOUNT, ConsumerKey, Found, Here, TOKEN, consumer_key, consumer_of, intent_key, stream_key,
};
use super::{Account, Attributes, ConsumerAttributes};
use crate::context::service_error;
use crate::resource::Kept;

const NAMESPACE: &str = "kinesis";
/// Rows that are read at once.
const PAGE: usize = 1_000;

/// All attributes.
#[derive(Debug)]
pub(crate) struct Book {
    settings: Settings,
    streams: RwLock<BTreeMap<u64, Arc<Attributes>>>,
    consumers: RwLock<BTreeMap<ConsumerKey, Arc<ConsumerAttributes>>>,
    account: RwLock<Account>,
    /// Held while something changes, until it is durable and visible.
    turns: tokio::sync::Mutex<()>,
}

impl Book {
    /// Reads all rows, and removes those of what is no more.
    pub(crate) async fn open(engine: &Engine) -> Result<Self> {
        let here = Here::of(engine);
        let book = Self {
            streams: RwLock::default(),
            consumers: RwLock::default(),
            account: RwLock::default(),
            turns: tokio::sync::Mutex::default(),
            settings: engine.settings(),
        };
        let rows = book.rows()?;
        for (key, row) in &rows {
            let mut found = here.find(key);
            if let Found::Intent(id) = found {
                let noted = stream_key(id);
                if rows.iter().any(|(key, _)| *key == noted) {
                    found = Found::Orphan;
                } else {
                    // The program ended after it had made the stream, before it could note the rest.
                    book.settings.put(NAMESPACE, &noted, row).await?;
                }
            }
            book.take(&found, key, row)?;
            if matches!(found, Found::Orphan | Found::Intent(_)) {
                book.settings.delete(NAMESPACE, key).await?;
            }
        }
        Ok(book)
    }

    /// What is known of a stream.
    pub(crate) fn of(&self, stream: &StreamDescription) -> Arc<Attributes> {
        self.of_id(stream.id)
    }

    /// What is known of a consumer of a stream.
    pub(crate) fn of_consumer(
        &self,
        stream: &StreamDescription,
        consumer: &ConsumerDescription,
    ) -> Arc<ConsumerAttributes> {
        let consumers = self.consumers.read();
        let found = consumers.get(&consumer_of(stream.id, consumer));
        found.cloned().unwrap_or_default()
    }

    pub(crate) fn account(&self) -> Account {
        *self.account.read()
    }

    /// Changes what is known of a stream; if `change` refuses, nothing is.
    pub(crate) async fn change<T>(
        &self,
        stream: &StreamDescription,
        change: impl FnOnce(&mut Attributes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _turn = self.turns.lock().await;
        let before = self.of_id(stream.id);
        let mut after = Attributes::clone(&before);
        let answer = change(&mut after)?;
        if after != *before {
            self.put(&stream_key(stream.id), after.to_row()).await?;
            self.streams.write().insert(stream.id, Arc::new(after));
        }
        Ok(answer)
    }

    /// Changes what is known of a consumer; if `change` refuses, nothing is.
    pub(crate) async fn change_consumer<T>(
        &self,
        stream: &StreamDescription,
        consumer: &ConsumerDescription,
        change: impl FnOnce(&mut ConsumerAttributes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _turn = self.turns.lock().await;
        let before = self.of_consumer(stream, consumer);
        let mut after = ConsumerAttributes::clone(&before);
        let answer = change(&mut after)?;
        if after != *before {
            let key = consumer_of(stream.id, consumer);
            self.put(&consumer_key(&key), after.to_row()).await?;
            self.consumers.write().insert(key, Arc::new(after));
        }
        Ok(answer)
    }

    /// Changes what is known of the account; if `change` refuses, nothing is.
    pub(crate) async fn change_account<T>(
        &self,
        change: impl FnOnce(&mut Account) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _turn = self.turns.lock().await;
        let before = self.account();
        let mut after = before;
        let answer = change(&mut after)?;
        if after != before {
            self.put(ACCOUNT, after.to_row()).await?;
            *self.account.write() = after;
        }
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
            self.change(stream, |attributes| {
                *attributes = new;
                Ok(())
            })
            .await?;
        }
        self.delete(&intent_key(name)).await
    }

    /// Forgets a stream that was deleted, and its consumers.
    pub(crate) async fn forget(&self, stream: &StreamDescription) -> Result<(), Error> {
        let _turn = self.turns.lock().await;
        if self.streams.write().remove(&stream.id).is_some() {
            self.delete(&stream_key(stream.id)).await?;
        }
        let consumers: Vec<ConsumerKey> = {
            let consumers = self.consumers.read();
            let of_stream = (stream.id, String::new(), i64::MIN)..;
            let of_stream = consumers.range(of_stream).map(|(key, _)| key);
            of_stream
                .take_while(|key| key.0 == stream.id)
                .cloned()
                .collect()
        };
        for key in consumers {
            self.consumers.write().remove(&key);
            self.delete(&consumer_key(&key)).await?;
        }
        Ok(())
    }

    /// Forgets a consumer that was deregistered.
    pub(crate) async fn forget_consumer(
        &self,
        stream: &StreamDescription,
        consumer: &ConsumerDescription,
    ) -> Result<(), Error> {
        let _turn = self.turns.lock().await;
        let key = consumer_of(stream.id, consumer);
        if self.consumers.write().remove(&key).is_some() {
            self.delete(&consumer_key(&key)).await?;
        }
        Ok(())
    }

    /// The streams in on-demand mode, by their ids.
    pub(crate) fn on_demand(&self) -> BTreeMap<u64, Arc<Attributes>> {
        let streams = self.streams.read();
        let on_demand = streams
            .iter()
            .filter(|(_, attributes)| attributes.mode == StreamMode::OnDemand);
        on_demand
            .map(|(id, known)| (*id, Arc::clone(known)))
            .collect()
    }

    /// The policy of the stream of an id.
    pub(crate) fn policy_of(&self, stream: u64) -> Option<Kept> {
        self.streams.read().get(&stream)?.policy.clone()
    }

    /// What is known of the stream of an id.
    pub(crate) fn of_id(&self, stream: u64) -> Arc<Attributes> {
        let streams = self.streams.read();
        streams.get(&stream).cloned().unwrap_or_default()
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

    /// Takes a row into memory.
    fn take(&self, found: &Found, key: &str, row: &[u8]) -> Result<()> {
        match found {
            Found::Stream(id) | Found::Intent(id) => {
                let attributes = Arc::new(read(key, Attributes::from_row(row))?);
                self.streams.write().insert(*id, attributes);
            }
            Found::Consumer(consumer) => {
                let attributes = Arc::new(read(key, ConsumerAttributes::from_row(row))?);
                self.consumers.write().insert(consumer.clone(), attributes);
            }
            Found::Account => *self.account.write() = read(key, Account::from_row(row))?,
            Found::Orphan | Found::Other => {}
        }
        Ok(())
    }
}

fn read<T>(key: &str, row: serde_json::Result<T>) -> Result<T> {
    row.map_err(|error| {
        let message = format!("the setting {key:?} of {NAMESPACE} is damaged");
        afflux_types::Error::new(ErrorKind::DataLoss, message).with_source(error)
    })
}

/// What seals iterators and paging tokens of this data directory; made the first time.
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
