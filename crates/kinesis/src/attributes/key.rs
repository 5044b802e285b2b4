//! The names of rows, and what they are about.

use std::collections::{BTreeMap, BTreeSet};

use afflux_engine::{ConsumerDescription, Engine};
use afflux_types::StreamName;

/// The row of the account.
pub(super) const ACCOUNT: &str = "account";
/// The row of the key of paging tokens and iterators.
pub(super) const TOKEN: &str = "token-key";
const STREAM: &str = "stream/";
const CONSUMER: &str = "consumer/";
const INTENT: &str = "intent/";

/// A consumer, told apart from others that had its name: the stream, the name, and when it was registered.
pub(super) type ConsumerKey = (u64, String, i64);

/// What a row is about.
pub(super) enum Found {
    Stream(u64),
    /// A stream that was made, and whose attributes are still where they stood before.
    Intent(u64),
    Consumer(ConsumerKey),
    Account,
    /// Something that is no more.
    Orphan,
    Other,
}

/// The streams that exist.
pub(super) struct Here(BTreeMap<u64, (StreamName, BTreeSet<(String, i64)>)>);

impl Here {
    pub(super) fn of(engine: &Engine) -> Self {
        let streams = engine.list_streams(None, usize::MAX);
        let ids = streams.into_iter().filter_map(|stream| {
            // A stream that was deleted meanwhile has neither.
            let id = engine.describe_stream(&stream.name).ok()?.id;
            let consumers = engine.list_consumers(&stream.name).ok()?;
            let consumers = consumers
                .iter()
                .map(|consumer| (consumer.name.to_string(), consumer.created.as_millis()));
            Some((id, (stream.name, consumers.collect())))
        });
        Self(ids.collect())
    }

    pub(super) fn find(&self, key: &str) -> Found {
        if let Some(id) = key.strip_prefix(STREAM) {
            return match parse_id(id).filter(|id| self.0.contains_key(id)) {
                Some(id) => Found::Stream(id),
                None => Found::Orphan,
            };
        }
        if let Some(consumer) = key.strip_prefix(CONSUMER) {
            return match self.consumer(consumer) {
                Some(key) => Found::Consumer(key),
                None => Found::Orphan,
            };
        }
        if let Some(name) = key.strip_prefix(INTENT) {
            let mut streams = self.0.iter();
            return match streams.find(|(_, (stream, _))| stream.as_str() == name) {
                Some((id, _)) => Found::Intent(*id),
                None => Found::Orphan,
            };
        }
        match key {
            ACCOUNT => Found::Account,
            _ => Found::Other,
        }
    }

    fn consumer(&self, key: &str) -> Option<ConsumerKey> {
        let mut parts = key.split('/');
        let id = parse_id(parts.next()?)?;
        let name = parts.next()?.to_owned();
        let created = parts.next()?.parse().ok()?;
        let (_, consumers) = self.0.get(&id)?;
        let known = consumers.contains(&(name.clone(), created));
        known.then_some((id, name, created))
    }
}

pub(super) fn consumer_of(stream: u64, consumer: &ConsumerDescription) -> ConsumerKey {
    let ConsumerDescription { name, created } = consumer;
    (stream, name.to_string(), created.as_millis())
}

pub(super) fn stream_key(id: u64) -> String {
    format!("{STREAM}{id:016x}")
}

pub(super) fn consumer_key((stream, name, created): &ConsumerKey) -> String {
    format!("{CONSUMER}{stream:016x}/{name}/{created}")
}

pub(super) fn intent_key(name: &StreamName) -> String {
    format!("{INTENT}{name}")
}

fn parse_id(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}
