"""Aggregated records of the Kinesis Producer Library, made by AWS's own package for them: they pass
untouched, and `afflux tail` and archives take them apart."""

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
    """What a line of `afflux tail` or of an archive says of its record."""
    data = line["data"].encode() if "data" in line else line["data_base64"]
    return line["partition_key"], data, line.get("explicit_hash_key"), line.get("sub_sequence_number")


def add(server, directory, file_bytes):
    settings = ["--compression", "none", "--file-bytes", str(file_bytes), "--file-seconds", "1"]
    server.afflux("archive", "add", "s", directory, *settings)


def archived(server, directory, records):
    """The archive's lines once it has `records` of the stream, and its manifest is true."""

    def count():
        [status] = json.loads(server.afflux("archive", "list", "--output", "json"))
        return status["records"]

    eventually(lambda: count() >= records, f"{records} records are archived")
    assert count() == records
    [manifest] = pathlib.Path(directory).glob("s/*/manifest.jsonl")
    found = []
    for listed in map(json.loads, manifest.read_text().splitlines()):
        assert "gap" not in listed
        if file := listed.get("file"):
            content = (manifest.parent / file["path"]).read_bytes()
            assert hashlib.md5(content).hexdigest() == file["md5"]
            assert len(content) == file["bytes"] == file["uncompressed_bytes"]
            lines = [json.loads(line) for line in content.splitlines()]
            assert len(lines) == file.get("lines", file["records"])
            numbers = [line["sequence_number"] for line in lines]
            assert len(set(numbers)) == file["records"]
            assert (numbers[0], numbers[-1]) == (file["first_sequence_number"], file["last_sequence_number"])
            found += lines
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

    directory = tmp_path / "archive"
    directory.mkdir()
    add(own_server, directory, 1 << 20)
    found = [seen(line) for line in archived(own_server, directory, len(put))]
    assert found == [seen(line) for line in lines]


def test_archived_parts_survive_kills_exactly_once(own_server, tmp_path):
    own_server.client().create_stream(StreamName="s", ShardCount=1)
    directory = tmp_path / "archive"
    directory.mkdir()
    add(own_server, directory, 2_000)
    expected = []
    for number in range(ROUNDS * 10):
        parts = [(f"k{number}", f"{number}/{place}/{'x' * 300}".encode(), None) for place in range(1 + number % 5)]
        own_server.client().put_record(StreamName="s", PartitionKey="a", Data=aggregate(*parts))
        expected += [(key, data, None, place) for place, (key, data, _) in enumerate(parts)]
        if number % 10 == 9:
            own_server.restart()
    found = [seen(line) for line in archived(own_server, directory, ROUNDS * 10)]
    assert found == expected
