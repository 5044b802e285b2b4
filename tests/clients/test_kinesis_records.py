"""Records in and out with boto3."""

import base64
import hashlib
import time

import pytest

from support.expect import refused
from support.records import iterator, read, shards


def test_records_come_back_in_order_from_the_shard_of_their_hash(kinesis, stream):
    put = [
        kinesis.put_record(StreamName=stream, PartitionKey=f"key-{i % 7}", Data=f"record {i}".encode())
        for i in range(50)
    ]
    ranges = {shard["ShardId"]: shard["HashKeyRange"] for shard in shards(kinesis, stream)}
    for i, answer in enumerate(put):
        key = int(hashlib.md5(f"key-{i % 7}".encode()).hexdigest(), 16)
        its = ranges[answer["ShardId"]]
        assert int(its["StartingHashKey"]) <= key <= int(its["EndingHashKey"])
    for shard in ranges:
        expected = [(a["SequenceNumber"], f"record {i}".encode()) for i, a in enumerate(put) if a["ShardId"] == shard]
        found = [(record["SequenceNumber"], record["Data"]) for record in read(kinesis, stream, shard)]
        assert found == expected
        numbers = [int(number) for number, _ in found]
        assert numbers == sorted(set(numbers))


def test_put_records_answers_each_record_in_order(kinesis, stream):
    records = [{"PartitionKey": f"k{i}", "Data": bytes([i % 256]) * 100} for i in range(500)]
    answer = kinesis.put_records(StreamName=stream, Records=records)
    assert answer["FailedRecordCount"] == 0
    assert len(answer["Records"]) == 500
    where = {entry["SequenceNumber"]: i for i, entry in enumerate(answer["Records"])}
    found = {}
    for shard in shards(kinesis, stream):
        for record in read(kinesis, stream, shard["ShardId"]):
            found[where[record["SequenceNumber"]]] = (record["PartitionKey"], record["Data"])
    assert found == {i: (r["PartitionKey"], r["Data"]) for i, r in enumerate(records)}


def test_an_explicit_hash_key_overrides_the_partition_key(kinesis, stream):
    for shard in shards(kinesis, stream):
        edge = shard["HashKeyRange"]["EndingHashKey"]
        answer = kinesis.put_record(StreamName=stream, PartitionKey="any", ExplicitHashKey=edge, Data=b"x")
        assert answer["ShardId"] == shard["ShardId"]


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 1000, "größe".encode(), b"a" * (1024 * 1024 - 1)])
def test_any_bytes_come_back_unchanged(kinesis, stream, data):
    answer = kinesis.put_record(StreamName=stream, PartitionKey="k", Data=data)
    [record] = read(
        kinesis, stream, answer["ShardId"], "AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=answer["SequenceNumber"],
    )
    assert record["Data"] == data


def test_iterators_of_every_kind(kinesis, stream):
    before = time.time()
    put = [kinesis.put_record(StreamName=stream, PartitionKey="k", Data=str(i).encode()) for i in range(5)]
    shard, numbers = put[0]["ShardId"], [answer["SequenceNumber"] for answer in put]
    latest = iterator(kinesis, stream, shard, "LATEST")

    def data(kind, **more):
        return [record["Data"] for record in read(kinesis, stream, shard, kind, **more)]

    assert data("TRIM_HORIZON") == [b"0", b"1", b"2", b"3", b"4"]
    assert data("AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2]) == [b"2", b"3", b"4"]
    assert data("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2]) == [b"3", b"4"]
    assert data("AT_TIMESTAMP", Timestamp=before - 5) == [b"0", b"1", b"2", b"3", b"4"]
    assert data("LATEST") == []
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"later")
    # Pinned when it was made, and good for as many calls as one likes.
    for _ in range(2):
        [record] = kinesis.get_records(ShardIterator=latest)["Records"]
        assert record["Data"] == b"later"


def test_a_limit_pages_without_loss(kinesis, stream):
    put = kinesis.put_records(
        StreamName=stream, Records=[{"PartitionKey": "k", "Data": str(i).encode()} for i in range(10)]
    )
    at = iterator(kinesis, stream, put["Records"][0]["ShardId"])
    pages = []
    for _ in range(4):
        answer = kinesis.get_records(ShardIterator=at, Limit=3)
        pages.append([int(record["Data"]) for record in answer["Records"]])
        assert answer["NextShardIterator"] != at
        at = answer["NextShardIterator"]
    assert pages == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_bad_requests_say_what_is_wrong(kinesis, stream):
    shard = shards(kinesis, stream)[0]["ShardId"]
    assert "not found" in refused(
        "ResourceNotFoundException", kinesis.put_record, StreamName="none", PartitionKey="k", Data=b""
    ).message
    refused("ResourceNotFoundException", kinesis.get_shard_iterator,
            StreamName=stream, ShardId="shardId-000000009999", ShardIteratorType="LATEST")
    refused("InvalidArgumentException", kinesis.get_records, ShardIterator="A" * 200)
    at = iterator(kinesis, stream, shard)
    raw = bytearray(base64.b64decode(at))
    raw[len(raw) // 2] ^= 1
    refused("InvalidArgumentException", kinesis.get_records, ShardIterator=base64.b64encode(bytes(raw)).decode())
    long = "k" * 257
    message = refused(
        "ValidationException", kinesis.put_record, StreamName=stream, PartitionKey=long, Data=b""
    ).message
    assert "1 validation error detected" in message and "'partitionKey'" in message
    refused("ValidationException", kinesis.put_record, StreamName=stream, PartitionKey="k", Data=b"a" * (10485760 + 1))


def test_dry_runs_change_nothing(kinesis, stream):
    refused("DryRunOperationException", kinesis.put_record, StreamName=stream, PartitionKey="k", Data=b"x", DryRun=True)
    for shard in shards(kinesis, stream):
        assert read(kinesis, stream, shard["ShardId"]) == []


def test_records_survive_a_kill(own_server):
    kinesis = own_server.client()
    kinesis.create_stream(StreamName="s", ShardCount=1)
    written = []
    for round in range(5):
        for i in range(20):
            answer = kinesis.put_record(StreamName="s", PartitionKey="k", Data=f"{round}/{i}".encode())
            written.append((answer["SequenceNumber"], f"{round}/{i}".encode()))
        own_server.restart()
        kinesis = own_server.client()
    found = [(record["SequenceNumber"], record["Data"]) for record in read(kinesis, "s", "shardId-000000000000")]
    assert found == written


def test_a_split_ends_the_parent_and_names_its_children(kinesis, request):
    name = request.node.name
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"before")
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    after = kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"after")
    assert after["ShardId"] != "shardId-000000000000"
    at = iterator(kinesis, name, "shardId-000000000000")
    answer = kinesis.get_records(ShardIterator=at)
    assert [record["Data"] for record in answer["Records"]] == [b"before"]
    while answer.get("NextShardIterator"):
        answer = kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    children = answer["ChildShards"]
    assert [child["ParentShards"] for child in children] == [["shardId-000000000000"]] * 2
    assert [child["ShardId"] for child in children] == ["shardId-000000000001", "shardId-000000000002"]
    [parent, low, high] = shards(kinesis, name)
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    assert low["ParentShardId"] == high["ParentShardId"] == parent["ShardId"]
    kinesis.merge_shards(StreamName=name, ShardToMerge=low["ShardId"], AdjacentShardToMerge=high["ShardId"])
    merged = shards(kinesis, name)[-1]
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == (low["ShardId"], high["ShardId"])
    kinesis.delete_stream(StreamName=name)


def test_a_subscription_is_pushed_what_is_put(kinesis, stream):
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="one")["Consumer"]
    first = kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"1")
    events = kinesis.subscribe_to_shard(
        ConsumerARN=consumer["ConsumerARN"], ShardId=first["ShardId"],
        StartingPosition={"Type": "TRIM_HORIZON"},
    )["EventStream"]
    seen, ends = [], []
    for event in events:
        event = event["SubscribeToShardEvent"]
        seen += [record["Data"] for record in event["Records"]]
        ends.append(event["ContinuationSequenceNumber"])
        assert event["MillisBehindLatest"] >= 0
        if seen == [b"1"] and event["Records"]:
            kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"2")
        if b"2" in seen:
            break
    events.close()
    assert seen == [b"1", b"2"]
    assert [int(end) for end in ends] == sorted(int(end) for end in ends)
