//! How librdkafka is set up for a topic, what it tells meanwhile, and what was committed there last.

use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::request::{FRAMES_BYTES_MAX, RECORDS_MAX};
use super::producer::Target;

/// The partition whose offset marks a transaction: every topic has it.
pub(super) const MARKED: i32 = 0;

/// Which messages of a partition are sent together, and taken or refused together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batching {
    Together,
    /// None: so it is known which one is too large.
    Alone,
}

/// What librdkafka tells.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Messages that did not arrive, by the places of their records.
    lost: Vec<(usize, RDKafkaErrorCode)>,
    /// Of connections.
    trouble: Option<String>,
}

impl Reports {
    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.0.lock() = Told::default();
    }

    pub(super) fn has_lost(&self) -> bool {
        !self.0.lock().lost.is_empty()
    }

    /// Messages that did not arrive, by the places of their records.
    pub(super) fn take_lost(&self) -> Vec<(usize, RDKafkaErrorCode)> {
        std::mem::take(&mut self.0.lock().lost)
    }

    /// What is the matter with the connections, if anything was.
    pub(super) fn trouble(&self) -> Option<String> {
        self.0.lock().trouble.clone()
    }
}

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That follows the reason of each, and says less.
        let is_sum = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !is_sum {
            self.0.lock().trouble = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Reports {}

impl ProducerContext for Reports {
    /// The place of the record.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ordinal: usize) {
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code();
            let code = code.unwrap_or(RDKafkaErrorCode::Fail);
            self.0.lock().lost.push((ordinal, code));
        }
    }
}

fn config(target: &Target) -> ClientConfig {
    let cluster = &target.cluster;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.brokers.join(","))
        .set("client.id", "afflux")
        .set("message.max.bytes", cluster.message_bytes_max.to_string());
    if let Some(login) = &cluster.login {
        config
            .set("security.protocol", "sasl_plaintext")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", &login.username)
            .set("sasl.password", &login.password);
    }
    config
}

/// A producer of transactions with this id.
pub(super) fn producer(
    target: &Target,
    id: &str,
    batching: Batching,
) -> KafkaResult<BaseProducer<Reports>> {
    // A request's records, and one more behind them.
    let queue_bytes = FRAMES_BYTES_MAX.saturating_add(target.cluster.message_bytes_max.into());
    let mut config = config(target);
    config
        .set("transactional.id", id)
        .set("acks", "all")
        .set(
            "transaction.timeout.ms",
            target.cluster.timeout.as_millis().to_string(),
        )
        // A topic that is not there is an error soon.
        .set("topic.metadata.propagation.max.ms", "5000")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", RECORDS_MAX.to_string())
        .set(
            "queue.buffering.max.kbytes",
            queue_bytes.div_ceil(1 << 10).to_string(),
        );
    if batching == Batching::Alone {
        config.set("batch.num.messages", "1");
    }
    config.create_with_context(Reports::default())
}

/// A consumer group, and the offset that it has, with what stands beside it.
pub(super) type Committed = (ConsumerGroupMetadata, Option<(i64, String)>);

/// Asks for the group with this id.
pub(super) fn committed(target: &Target, id: &str, timeout: Duration) -> KafkaResult<Committed> {
    let mut config = config(target);
    config
        .set("group.id", id)
        .set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Reports> = config.create_with_context(Reports::default())?;
    let mut wanted = TopicPartitionList::with_capacity(1);
    wanted.add_partition(&target.settings.topic, MARKED);
    let offsets = consumer.committed_offsets(wanted, timeout)?;
    let mut committed = None;
    for element in offsets.elements() {
        match element.error() {
            // No topic, no transaction in it.
            Err(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            error => error?,
        }
        if let Offset::Offset(offset) = element.offset() {
            committed = Some((offset, element.metadata().to_owned()));
        }
    }
    let group = consumer.group_metadata();
    let group = group.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownGroup))?;
    Ok((group, committed))
}
