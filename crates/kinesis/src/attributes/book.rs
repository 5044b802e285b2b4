//! All attributes: in memory, and durably in the engine's settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_aws::kinesis::Error;
use afflux_aws::kinesis::values::StreamMode;
use afflux_engine::{
    ConsumerDescription, Engine, Row, Settings, StreamBook, StreamDescription, read_row,
};
use afflux_types::{Result, StreamName};
use parking_lot::RwLock;

use super::key::{ACCOUNT, ConsumerKey, Consumers, TOKEN, consumer_key, consumer_of};
use super::{Account, Attributes, ConsumerAttributes};
use crate::context::service_error;
use crate::resource::Kept;

const NAMESPACE: &str = "kinesis";

/// All attributes, with failures in the service's words.
#[derive(Debug)]
pub(crate) struct Book {
    settings: Settings,
    streams: StreamBook<Attributes>,
    consumers: RwLock<BTreeMap<ConsumerKey, Arc<ConsumerAttributes>>>,
    account: RwLock<Account>,
    /// Held while something of a consumer or the account changes, until it is durable and visible.
    turns: tokio::sync::Mutex<()>,
}

impl Book {
    /// Reads all rows, and removes those of what is no more.
    pub(crate) async fn open(engine: &Engine) -> Result<Self> {
        let settings = engine.settings();
        let rows = settings.rows(NAMESPACE)?;
        let here = Consumers::of(engine);
        let (mut consumers, mut account) = (BTreeMap::new(), Account::default());
        for (key, row) in &rows {
            if key == ACCOUNT {
                account = read_row(NAMESPACE, key, row)?;
            }
            match here.find(key) {
                Some(Some(consumer)) => {
                    let known = read_row(NAMESPACE, key, row)?;
                    consumers.insert(consumer, Arc::new(known));
                }
                Some(None) => settings.delete(NAMESPACE, key).await?,
                None => {}
            }
        }
        Ok(Self {
            streams: StreamBook::open(engine, NAMESPACE, &rows).await?,
            settings,
            consumers: RwLock::new(consumers),
            account: RwLock::new(account),
            turns: tokio::sync::Mutex::default(),
        })
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
        let changed = self.streams.change(stream.id, change).await;
        changed.map_err(|error| service_error(&error))?
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
            self.put(&consumer_key(&key), &after).await?;
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
            self.put(ACCOUNT, &after).await?;
            *self.account.write() = after;
        }
        Ok(answer)
    }

    /// As [`StreamBook::intend`].
    pub(crate) async fn intend(&self, name: &StreamName, new: &Attributes) -> Result<(), Error> {
        let intended = self.streams.intend(name, new).await;
        intended.map_err(|error| service_error(&error))
    }

    /// As [`StreamBook::settle`].
    pub(crate) async fn settle(
        &self,
        name: &StreamName,
        new: Attributes,
        made: Option<&StreamDescription>,
    ) -> Result<(), Error> {
        let made = made.map(|stream| stream.id);
        let settled = self.streams.settle(name, new, made).await;
        settled.map_err(|error| service_error(&error))
    }

    /// Forgets a stream that was deleted, and its consumers.
    pub(crate) async fn forget(&self, stream: &StreamDescription) -> Result<(), Error> {
        let forgotten = self.streams.forget(stream.id).await;
        forgotten.map_err(|error| service_error(&error))?;
        let _turn = self.turns.lock().await;
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
        self.streams
            .all(|attributes| attributes.mode == StreamMode::OnDemand)
    }

    /// The policy of the stream of an id.
    pub(crate) fn policy_of(&self, stream: u64) -> Option<Kept> {
        self.streams.get(stream)?.policy.clone()
    }

    /// What is known of the stream of an id.
    pub(crate) fn of_id(&self, stream: u64) -> Arc<Attributes> {
        self.streams.of(stream)
    }

    async fn put(&self, key: &str, row: &impl Row) -> Result<(), Error> {
        let put = self.settings.put_row(NAMESPACE, key, row).await;
        put.map_err(|error| service_error(&error))
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let delete = self.settings.delete(NAMESPACE, key).await;
        delete.map_err(|error| service_error(&error))
    }
}

/// What seals iterators and paging tokens of this data directory; made the first time.
pub(crate) async fn token_key(engine: &Engine) -> Result<[u8; 32]> {
    engine.settings().secret(NAMESPACE, TOKEN).await
}
