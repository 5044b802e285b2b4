//! A connection to a topic: transactions, and what marks them.

use std::collections::BTreeMap;
use std::time::Duration;

use afflux_types::Clock;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::refusal::Refusal;
use super::super::request::{Framed, pick};
use super::connection::{Batching, MARKED, Reports, committed, producer};
use super::marker::{Marker, Standing};
use super::producer::Target;
use super::{Message, MessageKey, Transaction};

/// What librdkafka is waited for at a time; then it is looked whether anybody still waits for it.
const SLICE: Duration = Duration::from_millis(500);
/// How often it is looked whether all messages have arrived.
const POLL: Duration = Duration::from_millis(5);

const TOO_LARGE: KafkaError = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);

/// A connection to a topic. One that has failed is of no more use.
pub(super) struct Client {
    pub(super) target: Target,
    producer: BaseProducer<Reports>,
    group: ConsumerGroupMetadata,
    pub(super) batching: Batching,
    /// What was committed last.
    marker: Option<Marker>,
}

/// How an attempt ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Committed,
    /// Nothing is committed, and it is known better how to go on.
    Wiser,
}

/// What attempts to send a transaction have found out.
pub(super) struct Findings {
    /// Records that are refused for good, by their places.
    pub(super) refused: BTreeMap<usize, Refusal>,
    pub(super) batching: Batching,
    /// Bytes of the smallest message that the topic found too large.
    too_large: Option<usize>,
}

/// How long something may take.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    clock: &'a Clock,
    timeout: Duration,
    /// By the clock's elapsed time.
    deadline: Duration,
    /// Whether anybody waits for it.
    is_wanted: &'a dyn Fn() -> bool,
}

impl Client {
    /// Connects, ends what another client left open, and finds out what was committed last.
    pub(super) fn open(
        target: &Target,
        delivery: u64,
        batching: Batching,
        patience: Patience<'_>,
    ) -> Result<Self, Refusal> {
        let id = format!("afflux-{delivery:016x}");
        let producer = producer(target, &id, batching);
        let producer = producer.map_err(|error| refusal("connect", &error, None))?;
        let fails = |what: &str, error: KafkaError| refusal(what, &error, Some(producer.context()));
        patience
            .repeat(&producer, || producer.init_transactions(SLICE))
            .map_err(|error| fails("begin as a producer of transactions", error))?;
        let (group, committed) = committed(target, &id, patience.left())
            .map_err(|error| fails("read what was committed last", error))?;
        let marker = match committed {
            None => None,
            Some((offset, metadata)) => {
                let marker = Marker::read(offset, &metadata);
                Some(marker.ok_or_else(|| temporary(
                    "ForeignOffset",
                    format!("consumer group {id} has the offset {offset} {metadata:?}, which is not of this delivery stream"),
                ))?)
            }
        };
        Ok(Self {
            target: target.clone(),
            producer,
            group,
            batching,
            marker,
        })
    }

    /// Takes what librdkafka has to tell while nothing is sent.
    pub(super) fn serve(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Sends the records of a transaction but those that are refused, and commits it, unless that was done before.
    pub(super) fn deliver(
        &mut self,
        transaction: &Transaction,
        findings: &mut Findings,
        patience: Patience<'_>,
    ) -> Result<Ended, Refusal> {
        let Transaction { batch, object, .. } = *transaction;
        let marker = self.marker.as_ref();
        match marker.map_or(Standing::Ahead, |marker| marker.standing(batch, object)) {
            Standing::Ahead => {}
            Standing::Committed(others) => {
                let (topic, batch) = (&self.target.settings.topic, batch.number);
                tracing::info!(topic, batch, object, "a request is in the topic already");
                let refused = &mut findings.refused;
                for ordinal in others {
                    refused.entry(ordinal).or_insert_with(forgotten);
                }
                return Ok(Ended::Committed);
            }
            Standing::Foreign => {
                let found = marker.map_or(0, |marker| marker.batch.number);
                let message = format!(
                    "the topic has batch {found} of this delivery stream from a server with other data, and this one \
                     is at batch {}: one of them works with a copy of older data",
                    batch.number
                );
                return Err(temporary("OtherServer", message));
            }
        }
        self.send_all(transaction, findings, patience)?;
        let marker = Marker {
            batch,
            object,
            refused: findings.refused.keys().copied().collect(),
        };
        let lost = self.producer.context().take_lost();
        if lost.is_empty() {
            self.commit(&marker, patience)?;
            self.marker = Some(marker);
            return Ok(Ended::Committed);
        }
        let cause = match self.judge(transaction, &lost, findings) {
            Ok(()) => return Ok(Ended::Wiser),
            Err(cause) => cause,
        };
        // Of a transaction that failed as a whole librdkafka tells why when it is to go on; it cannot.
        let error = self.mark(&marker, patience).err();
        let error = error.unwrap_or(KafkaError::MessageProduction(cause));
        Err(self.failed("send the messages of a transaction", &error))
    }

    /// Begins a transaction and sends its messages, until each has arrived or one is lost.
    fn send_all(
        &self,
        transaction: &Transaction,
        findings: &mut Findings,
        patience: Patience<'_>,
    ) -> Result<(), Refusal> {
        let (reports, limit) = (self.producer.context(), findings.too_large);
        reports.clear();
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| self.failed("begin a transaction", &error))?;
        for record in pick(transaction.frames.clone(), &transaction.ordinals) {
            if findings.refused.contains_key(&record.ordinal) {
                continue;
            }
            let Some(message) = Message::read(record.data.clone()) else {
                return Err(temporary("BadFile", "a record of the spool is no message"));
            };
            let bytes = self.bytes(&message);
            let sent = match limit.is_some_and(|limit| bytes >= limit) {
                true => Err(TOO_LARGE),
                false => self.send(&record, &message, patience),
            };
            match sent {
                Ok(()) => {}
                Err(TOO_LARGE) => {
                    let refusal = self.too_large(bytes, limit);
                    findings.refused.insert(record.ordinal, refusal);
                }
                Err(error) => return Err(self.failed("send a message", &error)),
            }
        }
        // Once one is lost, those behind it wait for the end of the transaction.
        while self.producer.in_flight_count() > 0 && !reports.has_lost() {
            if patience.is_over() {
                let error = KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut);
                return Err(self.failed("send the messages of a transaction", &error));
            }
            self.producer.poll(POLL);
        }
        Ok(())
    }

    /// Puts a message into librdkafka's queue, when there is room for it.
    fn send(&self, record: &Framed, message: &Message, patience: Patience<'_>) -> KafkaResult<()> {
        let mut sending = BaseRecord::with_opaque_to(&self.target.settings.topic, record.ordinal)
            .payload(&message.payload[..])
            .timestamp(record.arrival.as_millis());
        if let Some(key) = self.key(message) {
            sending = sending.key(key);
        }
        if let Some((number, _)) = &message.origin {
            let (shard, number) = (number.shard().to_string(), number.to_string());
            let header = |key, value| Header {
                key,
                value: Some(value),
            };
            let headers = OwnedHeaders::new_with_capacity(2)
                .insert(header("afflux-sequence-number", &number))
                .insert(header("afflux-shard-id", &shard));
            sending = sending.headers(headers);
        }
        loop {
            match self.producer.send(sending) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if !patience.is_over() =>
                {
                    sending = back;
                    self.producer.poll(POLL);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Finds out what messages that did not arrive tell of their records, or else which error they tell of.
    fn judge(
        &self,
        transaction: &Transaction,
        lost: &[(usize, RDKafkaErrorCode)],
        findings: &mut Findings,
    ) -> Result<(), RDKafkaErrorCode> {
        let (mut is_wiser, mut cause) = (false, RDKafkaErrorCode::Fail);
        for (ordinal, code) in lost {
            let reason = match code {
                RDKafkaErrorCode::InvalidRecord => {
                    "the topic takes no such record: it may want keys"
                }
                RDKafkaErrorCode::InvalidTimestamp => "the topic takes no record of that time",
                RDKafkaErrorCode::MessageSizeTooLarge => {
                    self.learn_size(transaction, *ordinal, findings);
                    is_wiser = true;
                    continue;
                }
                // They only were in the company of others.
                RDKafkaErrorCode::PurgeQueue
                | RDKafkaErrorCode::PurgeInflight
                | RDKafkaErrorCode::InvalidDifferentRecord => continue,
                other => {
                    cause = *other;
                    continue;
                }
            };
            let refusal = permanent(*code, reason.to_owned());
            findings.refused.insert(*ordinal, refusal);
            is_wiser = true;
        }
        match is_wiser {
            true => Ok(()),
            false => Err(cause),
        }
    }

    /// Notes what a message tells that was too large: of itself, if it was sent alone; or else of its company.
    fn learn_size(&self, transaction: &Transaction, ordinal: usize, findings: &mut Findings) {
        if self.batching == Batching::Together {
            findings.batching = Batching::Alone;
            return;
        }
        let records = pick(transaction.frames.clone(), &[ordinal]);
        let messages = records
            .iter()
            .map(|record| Message::read(record.data.clone()));
        let sizes = messages.flatten().map(|message| self.bytes(&message));
        findings.too_large = findings.too_large.into_iter().chain(sizes).min();
    }

    /// Puts what marks a transaction into it.
    fn mark(&self, marker: &Marker, patience: Patience<'_>) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::with_capacity(1);
        let mut element = offsets.add_partition(&self.target.settings.topic, MARKED);
        element.set_metadata(marker.metadata());
        element.set_offset(Offset::Offset(marker.offset()))?;
        let (producer, group) = (&self.producer, &self.group);
        patience.repeat(producer, || {
            producer.send_offsets_to_transaction(&offsets, group, SLICE)
        })
    }

    /// Commits the transaction, with what marks it.
    fn commit(&self, marker: &Marker, patience: Patience<'_>) -> Result<(), Refusal> {
        let producer = &self.producer;
        let marked = self.mark(marker, patience);
        let committed =
            marked.and_then(|()| patience.repeat(producer, || producer.commit_transaction(SLICE)));
        committed.map_err(|error| self.failed("commit a transaction", &error))
    }

    fn failed(&self, what: &str, error: &KafkaError) -> Refusal {
        refusal(what, error, Some(self.producer.context()))
    }

    /// Why a message is not sent: of this size, or because the topic refused one that has `limit`.
    fn too_large(&self, bytes: usize, limit: Option<usize>) -> Refusal {
        let why = match limit {
            Some(limit) => format!("the topic refused one of {limit}"),
            None => format!(
                "a message may have {}",
                self.target.cluster.message_bytes_max
            ),
        };
        let message = format!("the record has {bytes} bytes with its key; {why}");
        permanent(RDKafkaErrorCode::MessageSizeTooLarge, message)
    }

    /// Bytes of a message as its limit counts them.
    fn bytes(&self, message: &Message) -> usize {
        let key = self.key(message).map_or(0, <[u8]>::len);
        message.payload.len() + key
    }

    fn key<'a>(&self, message: &'a Message) -> Option<&'a [u8]> {
        let (_, key) = message.origin.as_ref()?;
        match self.target.settings.key {
            MessageKey::PartitionKey => Some(key),
            MessageKey::None => None,
        }
    }
}

impl Findings {
    pub(super) fn new() -> Self {
        Self {
            refused: BTreeMap::new(),
            batching: Batching::Together,
            too_large: None,
        }
    }
}

impl<'a> Patience<'a> {
    pub(super) fn new(
        clock: &'a Clock,
        timeout: Duration,
        is_wanted: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            clock,
            timeout,
            deadline: clock.elapsed().saturating_add(timeout),
            is_wanted,
        }
    }

    /// As long as at its beginning.
    pub(super) fn anew(self) -> Self {
        Self::new(self.clock, self.timeout, self.is_wanted)
    }

    fn is_over(&self) -> bool {
        self.left().is_zero() || !(self.is_wanted)()
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.clock.elapsed())
    }

    /// Calls what goes on when it is called again, until it has ended.
    fn repeat(
        &self,
        producer: &BaseProducer<Reports>,
        call: impl Fn() -> KafkaResult<()>,
    ) -> KafkaResult<()> {
        loop {
            let ended = call();
            match &ended {
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !self.is_over() => {
                    producer.poll(POLL);
                }
                _ => return ended,
            }
        }
    }
}

/// What failed, in a sentence, with what is known of the connections.
fn refusal(what: &str, error: &KafkaError, context: Option<&Reports>) -> Refusal {
    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
    let said = match error {
        KafkaError::Transaction(error) => error.string(),
        _ => error.to_string(),
    };
    let trouble = context.and_then(Reports::trouble);
    let trouble = trouble.map(|trouble| format!(" ({trouble})"));
    let message = format!("{what}: {said}{}", trouble.unwrap_or_default());
    temporary(&format!("{code:?}"), message)
}

fn temporary(code: &str, message: impl Into<String>) -> Refusal {
    Refusal {
        code: format!("Kafka.{code}").into(),
        message: message.into(),
        is_final: false,
    }
}

fn permanent(code: RDKafkaErrorCode, message: String) -> Refusal {
    Refusal {
        code: format!("Kafka.{code:?}").into(),
        message,
        is_final: true,
    }
}

/// Why a record was refused by a topic that another process sent it to.
fn forgotten() -> Refusal {
    Refusal {
        code: "Kafka.Refused".into(),
        message: "the topic did not take the record; the server ended before it could note why"
            .to_owned(),
        is_final: true,
    }
}
