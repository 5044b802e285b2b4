//! Delivery streams to a topic of a Kafka cluster in memory, librdkafka's own, or of a build without Kafka.

use std::path::Path;

use afflux_deliver::{DeliverySettings, KafkaSettings, ObjectSettings, Receiver};
use afflux_transform::Compression;

use crate::delivery::{directory, settings};

/// At once to the topic.
fn to_topic(dir: &Path) -> DeliverySettings {
    let before = settings(directory(dir));
    DeliverySettings {
        processors: Vec::new(),
        objects: ObjectSettings {
            error_prefix: "failed/!{firehose:error-output-type}/".into(),
            compression: Compression::None,
            ..before.objects.clone()
        },
        receiver: Some(Receiver::Kafka(KafkaSettings {
            buffer_seconds: 0,
            ..KafkaSettings::new("events".into(), "orders".into())
        })),
        ..before
    }
}

#[cfg(not(feature = "kafka"))]
mod unbuilt {
    use afflux_deliver::Deliveries;
    use afflux_types::{Clock, ErrorKind};

    use super::*;
    use crate::delivery::{name, options};
    use crate::support::{create_clicks, engine};

    #[tokio::test]
    async fn a_build_without_kafka_says_how_to_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path());
        create_clicks(&engine, 1).await;
        let opened = Deliveries::open(engine, Clock::system(), options(dir.path()));
        let running = opened.await.unwrap();
        let (name, settings) = (name(), to_topic(dir.path()));
        let made = running.create(&name, settings, String::new()).await;
        let error = made.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let message = "this build has no Kafka: build with --features kafka";
        assert_eq!(error.message(), message);
        running.shutdown().await;
    }
}

#[cfg(feature = "kafka")]
mod built {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use afflux_deliver::{Deliveries, DeliveryOptions, KafkaCluster, KafkaClusters};
    use afflux_engine::Engine;
    use afflux_types::{Clock, ErrorKind, ShardId};
    use rdkafka::config::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::message::Message as _;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use serde_json::Value;

    use super::*;
    use crate::delivery::{files, has, name, options, sorted, until};
    use crate::function::text;
    use crate::support::{append, clicks, create_clicks, engine, fill};

    type Mock = MockCluster<'static, DefaultProducerContext>;

    const LONG: Duration = Duration::from_secs(60);
    /// Partitions of the topic.
    const PARTITIONS: i32 = 3;

    fn mock() -> Mock {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("orders", PARTITIONS, 1).unwrap();
        mock
    }

    async fn deliveries(dir: &Path, engine: &Engine, mock: &Mock) -> Deliveries {
        let cluster = KafkaCluster {
            name: "events".into(),
            brokers: vec![mock.bootstrap_servers()],
            timeout: Duration::from_secs(2),
            message_bytes_max: 1_000,
            login: None,
        };
        let options = DeliveryOptions {
            kafka: KafkaClusters::new(&[cluster]).unwrap(),
            ..options(dir)
        };
        let opened = Deliveries::open(engine.clone(), Clock::system(), options);
        opened.await.unwrap()
    }

    /// What every partition has, in its order.
    fn partitions(mock: &Mock) -> BTreeMap<i32, Vec<String>> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", mock.bootstrap_servers())
            .set("group.id", "reader")
            .create()
            .unwrap();
        let (mut from, mut count) = (TopicPartitionList::new(), 0);
        for partition in 0..PARTITIONS {
            let (first, end) = consumer
                .fetch_watermarks("orders", partition, LONG)
                .unwrap();
            count += end - first;
            from.add_partition_offset("orders", partition, Offset::Offset(first))
                .unwrap();
        }
        consumer.assign(&from).unwrap();
        let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        while count > 0 {
            let Some(message) = consumer.poll(LONG) else {
                continue;
            };
            let message = message.unwrap();
            let payload = message.payload_view::<str>().unwrap().unwrap().to_owned();
            partitions
                .entry(message.partition())
                .or_default()
                .push(payload);
            count -= 1;
        }
        partitions
    }

    fn all(mock: &Mock) -> Vec<String> {
        sorted(partitions(mock).into_values().flatten().collect())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn records_are_in_the_topic_once_and_in_order_also_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (first, mock) = (engine(dir.path()), mock());
        create_clicks(&first, 1).await;
        let running = deliveries(dir.path(), &first, &mock).await;
        running
            .create(&name(), to_topic(dir.path()), String::new())
            .await
            .unwrap();
        let mut sent = fill(&first, [0], 20).await;
        until(&running, has(sent.len())).await;
        running.shutdown().await;
        sent.extend(fill(&first, [0], 1).await);
        first.shutdown().await.unwrap();
        let second = engine(dir.path());
        let running = deliveries(dir.path(), &second, &mock).await;
        let described = until(&running, has(sent.len())).await;
        running.shutdown().await;
        assert_eq!(described.status.totals.failed, 0);
        // They have one key.
        let partitions: Vec<_> = partitions(&mock).into_values().collect();
        assert_eq!(partitions, [sent]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_record_that_is_too_large_becomes_an_error_object() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, mock) = (engine(dir.path()), mock());
        create_clicks(&engine, 1).await;
        let shard = engine.shard(&clicks(), ShardId::new(0)).await.unwrap();
        let large = "x".repeat(1_001);
        append(&shard, &["one".into(), large.clone(), "two".into()]).await;
        let running = deliveries(dir.path(), &engine, &mock).await;
        running
            .create(&name(), to_topic(dir.path()), String::new())
            .await
            .unwrap();
        let described = until(&running, has(3)).await;
        running.shutdown().await;
        assert_eq!(all(&mock), ["one", "two"]);
        assert_eq!(described.status.totals.failed, 1);
        let objects = files(&dir.path().join("objects"));
        let [(key, bytes)] = &objects.into_iter().collect::<Vec<_>>()[..] else {
            panic!("not one object")
        };
        assert!(key.starts_with("failed/kafka-failed/"), "{key}");
        let line: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(text(&line["rawData"]), large);
        assert_eq!(line["errorCode"], "Kafka.MessageSizeTooLarge");
        let message = "the record has 1004 bytes with its key; a message may have 1000";
        assert_eq!(line["errorMessage"], message);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cluster_that_is_down_gets_everything_once_it_is_up() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, mock) = (engine(dir.path()), mock());
        create_clicks(&engine, 2).await;
        let running = deliveries(dir.path(), &engine, &mock).await;
        running
            .create(&name(), to_topic(dir.path()), String::new())
            .await
            .unwrap();
        mock.broker_down(-1).unwrap();
        let sent = fill(&engine, [0, 1], 5).await;
        let failing = until(&running, |described| described.status.last_error.is_some()).await;
        let error = failing.status.last_error.unwrap();
        assert!(
            error.contains("topic orders of Kafka cluster events: Kafka."),
            "{error}"
        );
        mock.broker_up(-1).unwrap();
        let described = until(&running, has(sent.len())).await;
        running.shutdown().await;
        assert_eq!(described.status.last_error, None);
        assert_eq!(all(&mock), sorted(sent));
        assert_eq!(files(&dir.path().join("objects")).len(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_topic_that_may_not_be_written_to_keeps_its_records_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, mock) = (engine(dir.path()), mock());
        create_clicks(&engine, 1).await;
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        mock.request_errors(RDKafkaApiKey::AddPartitionsToTxn, &[denied]);
        let running = deliveries(dir.path(), &engine, &mock).await;
        running
            .create(&name(), to_topic(dir.path()), String::new())
            .await
            .unwrap();
        let sent = fill(&engine, [0], 1).await;
        let failing = until(&running, |described| described.status.last_error.is_some()).await;
        let error = failing.status.last_error.unwrap();
        assert!(error.contains("Kafka.TopicAuthorizationFailed"), "{error}");
        until(&running, has(sent.len())).await;
        running.shutdown().await;
        assert_eq!(all(&mock), sorted(sent));
    }

    #[tokio::test]
    async fn only_what_the_operator_allows_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, mock) = (engine(dir.path()), mock());
        create_clicks(&engine, 1).await;
        let running = deliveries(dir.path(), &engine, &mock).await;
        let refused = async |change: fn(&mut KafkaSettings)| {
            let mut settings = to_topic(dir.path());
            let Some(Receiver::Kafka(kafka)) = &mut settings.receiver else {
                panic!("it goes to Kafka")
            };
            change(kafka);
            let made = running.create(&name(), settings, String::new()).await;
            made.unwrap_err()
        };
        let unknown = refused(|kafka| kafka.cluster = "others".into()).await;
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        assert!(unknown.message().contains("[[kafka]]"), "{unknown:?}");
        for topic in ["", "..", "a b", &"x".repeat(250)] {
            let mut settings = to_topic(dir.path());
            let kafka = KafkaSettings::new("events".into(), topic.to_owned());
            settings.receiver = Some(Receiver::Kafka(kafka));
            let made = running.create(&name(), settings, String::new()).await;
            let error = made.unwrap_err();
            assert!(
                error.message().contains("is not the name of a topic"),
                "{error:?}"
            );
        }
        let large = refused(|kafka| kafka.buffer_bytes = (32 << 20) + 1).await;
        let message =
            "buffer_bytes of the Kafka topic is 33554433; allowed are 1048576 to 33554432";
        assert_eq!(large.message(), message);
        running.shutdown().await;
    }
}
