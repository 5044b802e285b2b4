"""Deliveries to Kafka, read by Confluent's client from a cluster that its library keeps in memory.

That cluster has no transactions that can be aborted: what Kafka does with those is not seen here.
"""

import json
import subprocess

import confluent_kafka
import pytest

from support.expect import eventually
from support.server import BINARY, PATIENCE_SECONDS, Server, fetch

TOPIC = "orders"
PARTITIONS = 4


@pytest.fixture
def brokers():
    """Addresses of the brokers of a cluster."""
    keeper = confluent_kafka.Producer({"test.mock.num.brokers": 3})
    known = keeper.list_topics(timeout=PATIENCE_SECONDS).brokers.values()
    yield [f"{broker.host}:{broker.port}" for broker in known]


def run(server, *arguments, **more):
    command = [BINARY, *arguments, "--server", server.ready["quic"]]
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def described(server):
    return json.loads(run(server, "delivery", "describe", "out", "--output", "json"))


def until_delivered(server, records):
    def delivered():
        found = described(server)
        assert found["records"] == records, found
        return found

    return eventually(delivered, "everything is delivered")


def committed(brokers):
    """Every message of the topic, by partitions in their order."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": ",".join(brokers),
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(TOPIC, timeout=PATIENCE_SECONDS).topics[TOPIC].partitions
    start = confluent_kafka.OFFSET_BEGINNING
    consumer.assign([confluent_kafka.TopicPartition(TOPIC, number, start) for number in partitions])
    messages, ended = [], set()
    while len(ended) < len(partitions):
        message = consumer.poll(PATIENCE_SECONDS)
        assert message is not None
        if message.error() is None:
            messages.append(message)
        else:
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
    consumer.close()
    return messages


def test_records_become_messages_of_a_topic_once_and_in_order(tmp_path, brokers):
    config = f'[[kafka]]\nname = "events"\nbrokers = {json.dumps(brokers)}\n'
    (tmp_path / "failed").mkdir()
    keys = [f"key-{number % 7}" for number in range(200)]
    with Server(tmp_path, config) as server:
        run(server, "stream", "create", "orders", "--shards", "2")
        to = ["--to", str(tmp_path / "failed"), "--kafka", "events", "--topic", TOPIC, "--interval", "0"]
        made = run(server, "delivery", "create", "out", "--stream", "orders", *to)
        assert made.strip() == "out delivers to topic orders of Kafka cluster events"
        kinesis = server.client()
        put = {}
        for number, key in enumerate(keys):
            data = str(number).encode()
            put[data] = key, kinesis.put_record(StreamName="orders", PartitionKey=key, Data=data)["ShardId"]
        until_delivered(server, len(keys))
        server.restart()
        kinesis = server.client()
        put[b"last"] = "key-0", kinesis.put_record(StreamName="orders", PartitionKey="key-0", Data=b"last")["ShardId"]
        found = until_delivered(server, len(put))
        assert found["failed"] == 0 and found["last_error"] is None
        assert found["settings"]["receiver"]["kafka"]["topic"] == TOPIC
        _, metrics = fetch(f"http://{server.http}/metrics")
        assert f'afflux_delivery_to_kafka_records_total{{delivery_stream="out"}} {len(put)}' in metrics.decode()
        firehose = server.client("firehose")
        told = firehose.describe_delivery_stream(DeliveryStreamName="out")["DeliveryStreamDescription"]
        # The API knows no Kafka; what it can tell is where records go that a topic does not take.
        [destination] = told["Destinations"]
        assert destination["ExtendedS3DestinationDescription"]["BucketARN"] == "arn:aws:s3:::directory"
    messages = committed(brokers)
    assert sorted(message.value() for message in messages) == sorted(put)
    numbers, by_key = set(), {}
    for message in messages:
        key, shard = put[message.value()]
        headers = dict(message.headers())
        assert message.key() == key.encode()
        assert headers["afflux-shard-id"] == shard.encode()
        assert message.timestamp()[0] == confluent_kafka.TIMESTAMP_CREATE_TIME
        numbers.add(headers["afflux-sequence-number"])
        by_key.setdefault(key, []).append((message.partition(), message.value()))
    assert len(numbers) == len(put)
    for key, found in by_key.items():
        assert len({partition for partition, _ in found}) == 1
        assert [value for _, value in found] == [value for value, (of, _) in put.items() if of == key]
