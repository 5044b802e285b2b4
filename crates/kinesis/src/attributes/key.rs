//! The names of rows that are not of streams, and what they are about.

use std::collections::BTreeSet;

use afflux_engine::{ConsumerDescription, Engine};

/// The row of the account.
pub(super) const ACCOUNT: &str = "account";
/// The row of the key of paging tokens and iterators.
pub(super) const TOKEN: &str = "token-key";
const CONSUMER: &str = "consumer/";

/// A consumer, told apart from others that had its name: the stream, the name, and when it was registered.
pub(super) type ConsumerKey = (u64, String, i64);

/// The consumers that exist.
pub(super) struct Consumers(BTreeSet<ConsumerKey>);

impl Consumers {
    pub(super) fn of(engine: &Engine) -> Self {
        let streams = engine.list_streams(None, usize::MAX).into_iter();
        let consumers = streams.flat_map(|stream| {
            // A stream that was deleted meanwhile has none.
            let consumers = engine.list_consumers(&stream.name).unwrap_or_default();
            let id = stream.id;
            consumers
                .into_iter()
                .map(move |consumer| consumer_of(id, &consumer))
        });
        Self(consumers.collect())
    }

    /// The consumer that the row of a key is about, or nothing if it is no more; none for other rows.
    pub(super) fn find(&self, key: &str) -> Option<Option<ConsumerKey>> {
        let consumer = parse(key.strip_prefix(CONSUMER)?);
        Some(consumer.filter(|consumer| self.0.contains(consumer)))
    }
}

fn parse(key: &str) -> Option<ConsumerKey> {
    let mut parts = key.split('/');
    let id = u64::from_str_radix(parts.next()?, 16).ok()?;
    let name = parts.next()?.to_owned();
    Some((id, name, parts.next()?.parse().ok()?))
}

pub(super) fn consumer_of(stream: u64, consumer: &ConsumerDescription) -> ConsumerKey {
    let ConsumerDescription { name, created } = consumer;
    (stream, name.to_string(), created.as_millis())
}

pub(super) fn consumer_key((stream, name, created): &ConsumerKey) -> String {
    format!("{CONSUMER}{stream:016x}/{name}/{created}")
}
