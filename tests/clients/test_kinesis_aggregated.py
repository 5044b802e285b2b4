"""Aggregated records of the Kinesis Producer Library, made by AWS's own package for them: they pass
untouched, and `afflux tail` and deliveries take them apart."""

import hashlib
import json
import pathlib

from aws_kinesis_agg.aggregator import RecordAggregator

from support.expect import eventually
from support.records import read

MAGIC = bytes.fromhex("f3899ac2")
ROUNDS = 6


def aggregate(*parts):
    """One record of the stream that holds `parts`: (partition key, data, explicit hash key or None)."""
    aggregator = RecordAggregator()
    for key, data, hash_key in parts:
        assert aggregator.add_user_record(key, data, hash_key) is None
    return aggregator.clear_and_get().get_contents()[2]


def tail(server, *arguments):
    start = ["--from", "trim-horizon", "--no-follow", "--output", "json"]
    return [json.loads(line) for line in server.afflux("tail", "s", *start, *arguments).splitlines()]


def seen(line):
    """What a line of `afflux tail` or of an envelope says of its record."""
    data = line["data"].encode() if "data" in line else line["data_base64"]
    return line["partition_key"], data, line.get("explicit_hash_key"), line.get("sub_sequence_number")


def add(server, directory):
    how = ["--interval", "1", "--envelope", "--manifest"]
    server.afflux("delivery", "create", "lake", "--stream", "s", "--to", directory, *how)


def delivered(server, directory, records):
    """The lines of all objects once they have `records` of the stream, and their manifests are true."""

    def count():
        [status] = json.loads(server.afflux("delivery", "list", "--output", "json"))
        return status["records"]

    eventually(lambda: count() >= records, f"{records} records are delivered")
    assert count() == records
    found, position = [], 0
    for path in sorted(pathlib.Path(directory).glob("_manifests/*/*.json")):
        manifest = json.loads(path.read_text())
        [shard] = manifest["shards"]
        assert (shard["from_position"], shard["to_position"]) == (position, position + manifest["records"])
        position = shard["to_position"]
        numbers = set()
        for listed in manifest["objects"]:
            content = (directory / listed["key"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == listed["sha256"]
            assert len(content) == listed["bytes"] == listed["uncompressed_bytes"]
            lines = [json.loads(line) for line in content.splitlines()]
            assert (listed["holds"], listed["records"]) == ("envelopes", len(lines))
            numbers |= {line["sequence_number"] for line in lines}
            found += lines
        assert len(numbers) == manifest["records"]
    return found


def test_aggregates_pass_untouched_and_are_taken_apart(own_server, tmp_path):
    inside = [("k1", b"one", "42"), ("k2", b"two\n", None), ("k1", b"", None)]
    whole = aggregate(*inside)
    many = [("k" * 256, b"%d" % number, None) for number in range(3000)]
    wrong_sum = whole[:-1] + bytes([whole[-1] ^ 1])
    message = b"\x0a\x01k\x1a\x7f"
    wrong_message = MAGIC + message + hashlib.md5(message).digest()
    put = [b"before", whole, wrong_sum, wrong_message, MAGIC, aggregate(*many), b"after"]
    kinesis = own_server.client()
    kinesis.create_stream(StreamName="s", ShardCount=1)
    for data in put:
        kinesis.put_record(StreamName="s", PartitionKey="a", Data=data)
    got = read(kinesis, "s", "shardId-000000000000")
    assert [record["Data"] for record in got] == put

    lines = tail(own_server)
    parts = [(key, data, hash_key, place) for place, (key, data, hash_key) in enumerate(inside)]
    assert seen(lines[0]) == ("a", b"before", None, None)
    assert [seen(line) for line in lines[1:4]] == parts
    assert len({line["sequence_number"] for line in lines[1:4]}) == 1
    for line in lines[4:7]:
        assert line["partition_key"] == "a" and "data_base64" in line and "sub_sequence_number" not in line
    assert [seen(line) for line in lines[7:-1]] == [(k, data, None, place) for place, (k, data, _) in enumerate(many)]
    assert seen(lines[-1]) == ("a", b"after", None, None)
    # The limit counts what is printed.
    assert tail(own_server, "--limit", "3") == lines[:3]
    text = ["tail", "s", "--from", "trim-horizon", "--no-follow", "--limit", "4"]
    assert own_server.afflux(*text) == b"before\none\ntwo\n\n\n"

    directory = tmp_path / "lake"
    directory.mkdir()
    add(own_server, directory)
    found = [seen(line) for line in delivered(own_server, directory, len(put))]
    assert found == [seen(line) for line in lines]


def test_delivered_parts_survive_kills_exactly_once(own_server, tmp_path):
    own_server.client().create_stream(StreamName="s", ShardCount=1)
    directory = tmp_path / "lake"
    directory.mkdir()
    add(own_server, directory)
    expected = []
    for number in range(ROUNDS * 10):
        parts = [(f"k{number}", f"{number}/{place}/{'x' * 300}".encode(), None) for place in range(1 + number % 5)]
        own_server.client().put_record(StreamName="s", PartitionKey="a", Data=aggregate(*parts))
        expected += [(key, data, None, place) for place, (key, data, _) in enumerate(parts)]
        if number % 10 == 9:
            own_server.restart()
    found = [seen(line) for line in delivered(own_server, directory, ROUNDS * 10)]
    assert found == expected
