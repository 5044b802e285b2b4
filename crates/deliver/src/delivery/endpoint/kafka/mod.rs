//! Kafka: records become messages of a topic, each exactly once for consumers that read what is committed.
//!
//! ```text
//!  sending ──one request at a time──► producer ──► thread ──► client ──► librdkafka
//!                                     opens, waits  named,     transactions, marker
//!                                                   blocks
//! ```
//! # Shape
//! A message has the record's partition key as its key (or none), what came out of the processors as its value, the
//! arrival time as its timestamp, and where the record stands as the headers `afflux-sequence-number` and
//! `afflux-shard-id`; records that were put into the delivery stream stand nowhere and have neither key nor
//! headers. Keys find their partition as with Kafka's own clients (murmur2).
//!
//! # Exactly once
//! A request is a transaction of a producer whose `transactional.id` is `afflux-` and the delivery stream's id, in
//! hexadecimal; no other delivery stream ever has it. The transaction commits the request's `marker` too: an offset
//! of the consumer group of that name. Requests go one after the other, in the order of their records. A client
//! that is opened first has Kafka end whatever transaction was left open, which also keeps an older process of that
//! id from going on, and then reads the marker, which cannot change any more. Whatever fails, the client is dropped
//! and one is opened anew: there is one way back, and it is that after a crash. So, a crash
//!
//! - *before the intent is durable*: nothing was sent; the records are read again.
//! - *before or within the transaction*: the next client has it aborted; the marker is that of the request
//!   before, and the request is sent. Consumers that read what is committed see nothing of the first attempt.
//! - *while it is committed, or after that and before its answer came*: Kafka ends the commit before it lets the
//!   next client begin; the marker is the request's, and it is not sent again.
//! - *before the error object of records that were refused is durable*: the marker says which those are, and the
//!   error object is written then, if without the reason.
//! - *before the state of the delivery stream is durable*: its intent is found, the marker is that of its last
//!   request, and nothing is sent.
//!
//! Consumers have to read with `isolation.level=read_committed`. And it holds for as long as Kafka keeps the marker: `offsets.retention.minutes`, seven days unless set, and only
//! matters for the one batch that was under way when the server stopped. A marker that is ahead of the server, or is of
//! another batch with the same number, is an error, and nothing is sent: the server works with an older copy of its
//! data, or besides one that works with a copy. The group has no members; what tools say of its
//! lag means nothing. When a delivery stream is deleted the group goes as Kafka lets it.
//!
//! # What fails
//! Brokers that are down, a topic that is not there, a missing right: the request is sent again, after longer and
//! longer waits, for ever; the log keeps the records until then. A record that Kafka never takes, because it is too
//! large, or is not what the topic wants, becomes an error object, and the others go without it.
//!
//! # Memory
//! A request is a file of the spool with at most 36 MiB and 10,000 records before its last one. Its bytes, librdkafka's copy of
//! them and the batches that it makes have room among those of all delivery streams
//! ([`room`](crate::delivery::room)) until the transaction has ended; with a cluster that is down none is taken.

#[cfg(feature = "kafka")]
mod client;
mod cluster;
#[cfg(feature = "kafka")]
mod connection;
#[cfg(feature = "kafka")]
mod marker;
mod message;
#[cfg(feature = "kafka")]
mod producer;
mod settings;
#[cfg(test)]
#[cfg(feature = "kafka")]
mod tests;
#[cfg(not(feature = "kafka"))]
mod unbuilt;

use afflux_transform::object_id;
use bytes::Bytes;

use crate::delivery::spool::Intent;

pub use cluster::{KafkaCluster, KafkaClusters};
pub use settings::{KafkaSettings, MessageKey};

pub(crate) use message::Message;
#[cfg(feature = "kafka")]
pub(crate) use producer::Producer;
#[cfg(not(feature = "kafka"))]
pub(crate) use unbuilt::Producer;

/// A request that is to be a transaction.
#[cfg_attr(
    not(feature = "kafka"),
    expect(dead_code, reason = "nobody sends it in a build without Kafka")
)]
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) settings: KafkaSettings,
    pub(super) batch: BatchId,
    /// Its place in the batch's intent.
    pub(super) object: usize,
    /// The file.
    pub(super) frames: Bytes,
    /// Its records that are to be sent.
    pub(super) ordinals: Vec<usize>,
}

/// Which batch of a delivery stream something is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchId {
    number: u64,
    /// Follows from where the batch ends and when its newest record arrived: a copy of the server's data that was
    /// taken before has another batch of this number.
    fingerprint: u64,
}

impl BatchId {
    pub(super) fn of(intent: &Intent) -> Self {
        let mut bytes = intent.newest_arrival.to_be_bytes().to_vec();
        for (shard, place) in intent.places.iter() {
            bytes.extend(shard.get().to_be_bytes());
            bytes.extend(place.next.to_be_bytes());
        }
        let id = u128::from_be_bytes(object_id(&[&bytes]));
        Self {
            number: intent.batch,
            fingerprint: u64::try_from(id >> 64).unwrap_or_default(),
        }
    }
}
