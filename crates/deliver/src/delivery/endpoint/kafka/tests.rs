//! A producer and a cluster in memory, librdkafka's own. It keeps no offsets of transactions, so that markers are
//! put there by hand, and shows what is not committed too.

use std::time::Duration;

use afflux_transform::{Origin, Record};
use afflux_types::{Clock, PartitionKey, Position, ServerTime, ShardId};
use bytes::Bytes;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Headers as _, Message as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::super::refusal::{Outcome, Refusal};
use super::marker::Marker;
use super::*;
use crate::delivery::frames::frame;

const TOPIC: &str = "orders";
const DELIVERY: u64 = 0xab;
const GROUP: &str = "afflux-00000000000000ab";
/// Of messages.
const BYTES_MAX: u32 = 1_000;
const ARRIVAL: i64 = 1_789_014_240_000;
const LONG: Duration = Duration::from_secs(60);

struct World {
    mock: MockCluster<'static, DefaultProducerContext>,
    clusters: KafkaClusters,
}

impl World {
    /// With a topic of one partition.
    fn new() -> Self {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic(TOPIC, 1, 1).unwrap();
        let clusters = clusters(mock.bootstrap_servers(), LONG);
        Self { mock, clusters }
    }

    /// What a process of the delivery stream has.
    fn producer(&self) -> Producer {
        Producer::new(DELIVERY, self.clusters.clone(), Clock::system())
    }

    fn consumer(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", self.mock.bootstrap_servers())
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .create()
            .unwrap()
    }

    /// Everything that is in the topic.
    fn messages(&self) -> Vec<OwnedMessage> {
        let consumer = self.consumer();
        let (first, end) = consumer.fetch_watermarks(TOPIC, 0, LONG).unwrap();
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(TOPIC, 0, Offset::Offset(first))
            .unwrap();
        consumer.assign(&from).unwrap();
        let mut messages = Vec::new();
        while first + i64::try_from(messages.len()).unwrap() < end {
            if let Some(message) = consumer.poll(LONG) {
                messages.push(message.unwrap().detach());
            }
        }
        messages
    }

    fn payloads(&self) -> Vec<String> {
        let messages = self.messages();
        let payload =
            |message: &OwnedMessage| message.payload_view::<str>().unwrap().unwrap().to_owned();
        messages.iter().map(payload).collect()
    }

    /// Leaves what a transaction leaves that is committed.
    fn mark(&self, marker: &Marker) {
        let mut offsets = TopicPartitionList::new();
        let mut element = offsets.add_partition(TOPIC, 0);
        element.set_offset(Offset::Offset(marker.offset())).unwrap();
        element.set_metadata(marker.metadata());
        self.consumer().commit(&offsets, CommitMode::Sync).unwrap();
    }

    /// Lets the next requests of a kind fail.
    fn fail(&self, kind: RDKafkaApiKey, errors: &[RDKafkaRespErr]) {
        self.mock.request_errors(kind, errors);
    }
}

fn clusters(brokers: String, timeout: Duration) -> KafkaClusters {
    let cluster = KafkaCluster {
        name: "events".into(),
        brokers: brokers.split(',').map(str::to_owned).collect(),
        timeout,
        message_bytes_max: BYTES_MAX,
        login: None,
    };
    KafkaClusters::new(&[cluster]).unwrap()
}

fn settings() -> KafkaSettings {
    KafkaSettings::new("events".into(), TOPIC.into())
}

fn kept(position: u64, key: Option<&str>, payload: &str) -> Vec<u8> {
    let origin = Origin {
        shard: ShardId::new(3),
        position: Position::new(position),
        sub_sequence: None,
    };
    let key = key.map(|key| PartitionKey::new(key).unwrap());
    let data = Bytes::copy_from_slice(payload.as_bytes());
    let arrival = ServerTime::from_millis(ARRIVAL);
    let record = Record::new(data, arrival, origin, key);
    frame(arrival, &Message::keep(&record, &record.data))
}

/// A request of a batch.
fn transaction(number: u64, payloads: &[&str]) -> Transaction {
    let records = (0..).zip(payloads);
    let frames: Vec<_> = records
        .map(|(position, payload)| kept(position, Some("k"), payload))
        .collect();
    Transaction {
        settings: settings(),
        batch: batch(number),
        object: 0,
        frames: frames.concat().into(),
        ordinals: (0..payloads.len()).collect(),
    }
}

fn batch(number: u64) -> BatchId {
    BatchId {
        number,
        fingerprint: 0xab,
    }
}

fn marker(number: u64, refused: &[usize]) -> Marker {
    Marker {
        batch: batch(number),
        object: 0,
        refused: refused.iter().copied().collect(),
    }
}

/// The codes of those that are refused for good.
fn codes(outcome: Outcome) -> Vec<Option<String>> {
    let Outcome::Each(refusals) = outcome else {
        panic!("{outcome:?}")
    };
    let code = |refusal: Refusal| {
        assert!(refusal.is_final);
        refusal.code.into_owned()
    };
    refusals
        .into_iter()
        .map(|refusal| refusal.map(code))
        .collect()
}

fn temporary(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) if !refusal.is_final => refusal,
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn messages_say_what_is_known_of_their_records_and_keep_their_order() {
    let world = World::new();
    let producer = world.producer();
    let with_key = transaction(1, &["one", "two"]);
    assert_eq!(producer.deliver(with_key).await.unwrap(), Outcome::Taken);
    let mut without = transaction(2, &["three"]);
    without.settings.key = MessageKey::None;
    assert_eq!(producer.deliver(without).await.unwrap(), Outcome::Taken);
    let direct = Transaction {
        frames: kept(0, None, "four").into(),
        ..transaction(3, &[""])
    };
    assert_eq!(producer.deliver(direct).await.unwrap(), Outcome::Taken);
    assert_eq!(world.payloads(), ["one", "two", "three", "four"]);
    let messages = world.messages();
    let keys: Vec<_> = messages.iter().map(|message| message.key()).collect();
    assert_eq!(keys, [Some(&b"k"[..]), Some(b"k"), None, None]);
    let said: Vec<_> = messages[1].headers().unwrap().iter().collect();
    let said: Vec<_> = said
        .iter()
        .map(|header| (header.key, header.value.unwrap()))
        .collect();
    let number = format!("490000000003{:020}{:024}", 1, 0);
    assert_eq!(
        said,
        [
            ("afflux-sequence-number", number.as_bytes()),
            ("afflux-shard-id", b"shardId-000000000003"),
        ]
    );
    assert!(messages[3].headers().is_none());
    assert_eq!(messages[0].timestamp().to_millis(), Some(ARRIVAL));
}

#[tokio::test]
async fn what_a_process_committed_before_it_ended_is_not_sent_again() {
    let world = World::new();
    let payloads = ["one", "two", "three"];
    let sent = world.producer().deliver(transaction(5, &payloads)).await;
    assert_eq!(sent.unwrap(), Outcome::Taken);
    world.mark(&marker(5, &[]));
    let producer = world.producer();
    let again = producer.deliver(transaction(5, &payloads)).await;
    assert_eq!(again.unwrap(), Outcome::Taken);
    let next = Transaction {
        object: 1,
        ..transaction(5, &["four"])
    };
    assert_eq!(producer.deliver(next).await.unwrap(), Outcome::Taken);
    assert_eq!(world.payloads(), ["one", "two", "three", "four"]);
}

#[tokio::test]
async fn records_that_were_refused_by_what_was_committed_are_still_known() {
    let world = World::new();
    world.mark(&marker(5, &[1]));
    let producer = world.producer();
    let again = producer.deliver(transaction(5, &["one", "two"]));
    let refused = Some("Kafka.Refused".to_owned());
    assert_eq!(codes(again.await.unwrap()), [None, refused]);
    assert_eq!(world.payloads(), [""; 0]);
}

#[tokio::test]
async fn a_server_that_works_with_a_copy_of_the_data_sends_nothing() {
    let world = World::new();
    world.mark(&marker(9, &[]));
    let producer = world.producer();
    let mut other = transaction(9, &["one"]);
    other.batch.fingerprint = 0xcd;
    for foreign in [transaction(8, &["one"]), other] {
        let sent = producer.deliver(foreign).await;
        let refusal = temporary(sent.unwrap());
        assert_eq!(refusal.code, "Kafka.OtherServer");
        assert!(refusal.message.contains("has batch 9"), "{refusal:?}");
    }
    assert_eq!(world.payloads(), [""; 0]);
}

#[tokio::test]
async fn an_offset_that_is_no_marker_is_an_error() {
    let world = World::new();
    let mut foreign = TopicPartitionList::new();
    foreign
        .add_partition_offset(TOPIC, 0, Offset::Offset(7))
        .unwrap();
    world.consumer().commit(&foreign, CommitMode::Sync).unwrap();
    let sent = world.producer().deliver(transaction(8, &["one"])).await;
    assert_eq!(temporary(sent.unwrap()).code, "Kafka.ForeignOffset");
    assert_eq!(world.payloads(), [""; 0]);
}

#[tokio::test]
async fn a_process_that_another_one_replaced_sends_nothing_before_it_has_begun_anew() {
    let world = World::new();
    let fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    let producer = world.producer();
    assert_eq!(producer.open(&settings()).await.unwrap(), None);
    world.fail(RDKafkaApiKey::AddPartitionsToTxn, &[fenced]);
    let late = producer.deliver(transaction(1, &["one"])).await;
    let refusal = temporary(late.unwrap());
    assert!(refusal.message.contains("fenced"), "{refusal:?}");
    assert_eq!(world.payloads(), [""; 0]);
    world.mark(&marker(1, &[]));
    let again = producer.deliver(transaction(1, &["one"])).await;
    assert_eq!(again.unwrap(), Outcome::Taken);
    assert_eq!(world.payloads(), [""; 0]);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_made_of_messages_that_are_sent_again() {
    let world = World::new();
    let lost = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT;
    world.fail(RDKafkaApiKey::EndTxn, &[lost]);
    let sent = world.producer().deliver(transaction(1, &["one"])).await;
    assert_eq!(sent.unwrap(), Outcome::Taken);
    assert_eq!(world.payloads(), ["one"]);
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_and_the_others_go() {
    let world = World::new();
    let large = "x".repeat(1_001);
    let producer = world.producer();
    let sent = producer.deliver(transaction(1, &["one", &large, "two"]));
    let refused = Some("Kafka.MessageSizeTooLarge".to_owned());
    assert_eq!(codes(sent.await.unwrap()), [None, refused, None]);
    assert_eq!(world.payloads(), ["one", "two"]);
}

#[tokio::test]
async fn records_that_are_too_large_together_go_alone_so_that_it_is_known_which_are() {
    let world = World::new();
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    let producer = world.producer();
    world.fail(RDKafkaApiKey::Produce, &[too_large]);
    let sent = producer.deliver(transaction(1, &["one", "two"])).await;
    assert_eq!(sent.unwrap(), Outcome::Taken);
    assert_eq!(world.payloads(), ["one", "two"]);
    world.fail(RDKafkaApiKey::Produce, &[too_large, too_large]);
    let sizes = ["large", "small", "larger"];
    let sent = producer.deliver(transaction(2, &sizes)).await;
    // Those of the size that was refused first, and what is larger.
    let Outcome::Each(refusals) = sent.unwrap() else {
        panic!("everything was taken")
    };
    let message = "the record has 6 bytes with its key; the topic refused one of 6";
    assert_eq!(refusals[0].as_ref().unwrap().message, message);
    assert!(refusals.iter().flatten().all(|refusal| refusal.is_final));
    assert_eq!(refusals.iter().flatten().count(), 3);
    assert_eq!(world.payloads(), ["one", "two"]);
}

#[tokio::test]
async fn a_record_that_the_topic_does_not_want_is_refused() {
    let world = World::new();
    let invalid = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    world.fail(RDKafkaApiKey::Produce, &[invalid]);
    let sent = world.producer().deliver(transaction(1, &["one"])).await;
    let refused = Some("Kafka.InvalidRecord".to_owned());
    assert_eq!(codes(sent.unwrap()), [refused]);
}

#[tokio::test]
async fn a_missing_right_is_an_error_that_may_pass() {
    let world = World::new();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    world.fail(RDKafkaApiKey::InitProducerId, &[denied]);
    let producer = world.producer();
    let refusal = producer.open(&settings()).await.unwrap().unwrap();
    assert_eq!(refusal.code, "Kafka.TransactionalIdAuthorizationFailed");
    assert!(!refusal.is_final);
    let sent = producer.deliver(transaction(1, &["one"])).await;
    assert_eq!(sent.unwrap(), Outcome::Taken);
}

#[tokio::test]
async fn brokers_that_nobody_finds_are_an_error_that_says_why() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap().to_string();
    drop(unused);
    let clusters = clusters(address.clone(), Duration::from_secs(1));
    let producer = Producer::new(DELIVERY, clusters, Clock::system());
    let refusal = producer.open(&settings()).await.unwrap().unwrap();
    assert!(refusal.message.contains(&address), "{refusal:?}");
    assert!(
        refusal.message.contains("Connection refused"),
        "{refusal:?}"
    );
}
