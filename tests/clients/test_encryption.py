"""Encryption at rest through boto3: what is on the disk, and what a missing or wrong key costs."""

import os

import pytest

import support.records
from support.expect import refused
from support.server import Server

STREAM = "sealed"


@pytest.fixture
def keyring(tmp_path):
    """A directory with the key `one`, and the alias that AWS's own key has."""
    directory = tmp_path / "keys"
    directory.mkdir()
    write_key(directory, "one", "1" * 64)
    (directory / "aliases").write_text("alias/aws/kinesis one\n")
    return directory


def write_key(directory, name, digits):
    path = directory / f"{name}.key"
    path.write_text(digits)
    path.chmod(0o600)


@pytest.fixture
def server(tmp_path, keyring):
    with Server(tmp_path, environment={"AFFLUX_ENCRYPTION_KEYRING": str(keyring)}) as server:
        yield server


def put(client, first, count):
    """Puts records that compress badly and are found easily."""
    records = [
        {"Data": f"secret-{number}-".encode() * 20, "PartitionKey": f"key-{number}"}
        for number in range(first, first + count)
    ]
    return client.put_records(StreamName=STREAM, Records=records)


def read(client):
    """The numbers of all records from the trim horizon, and their kinds of encryption."""
    found = []
    for record in support.records.read(client, STREAM, "shardId-000000000000"):
        text = record["Data"].decode()
        number = int(text.split("-")[1])
        assert text == f"secret-{number}-" * 20
        found.append((number, record.get("EncryptionType")))
    return found


def on_disk(server, text):
    """Whether any file of the data directory holds `text`."""
    files = [path for path in (server.directory / "data").rglob("*") if path.is_file()]
    assert files
    return any(text in path.read_bytes() for path in files)


def test_from_the_switch_on_nothing_plain_reaches_the_disk_and_the_past_stays_readable(server):
    client = server.client()
    client.create_stream(StreamName=STREAM, ShardCount=1)
    plain = put(client, 0, 10)
    assert plain.get("EncryptionType") in (None, "NONE")
    client.start_stream_encryption(
        StreamName=STREAM, EncryptionType="KMS", KeyId="alias/aws/kinesis"
    )
    assert put(client, 10, 10)["EncryptionType"] == "KMS"
    assert client.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"][
        "KeyId"
    ] == "alias/aws/kinesis"

    server.restart()
    # What is looked for is what a plain record looks like.
    assert on_disk(server, b"secret-3-secret-3-")
    for number in range(10, 20):
        assert not on_disk(server, f"secret-{number}-".encode())
        assert not on_disk(server, f"key-{number}".encode())
    kinds = dict(read(client))
    assert list(kinds) == list(range(20))
    assert all(kinds[number] == "KMS" for number in range(10, 20))

    client.stop_stream_encryption(
        StreamName=STREAM, EncryptionType="KMS", KeyId="alias/aws/kinesis"
    )
    put(client, 20, 1)
    assert on_disk(server, b"secret-20-")
    assert [number for number, _ in read(client)] == list(range(21))


def test_a_missing_or_wrong_key_is_a_clear_error_and_never_plain_data(server, keyring):
    client = server.client()
    client.create_stream(StreamName=STREAM, ShardCount=1)
    client.start_stream_encryption(StreamName=STREAM, EncryptionType="KMS", KeyId="one")
    put(client, 0, 3)

    server.kill()
    os.rename(keyring / "one.key", keyring / "elsewhere")
    server.start(server.http)
    refused("KMSNotFoundException", read, client)
    refused("KMSNotFoundException", client.put_record, StreamName=STREAM, Data=b"x", PartitionKey="k")

    server.kill()
    write_key(keyring, "one", "2" * 64)
    server.start(server.http)
    refused("KMSInvalidStateException", read, client)

    server.kill()
    os.rename(keyring / "elsewhere", keyring / "one.key")
    server.start(server.http)
    assert [number for number, _ in read(client)] == [0, 1, 2]


def test_keys_that_do_not_exist_are_refused(server):
    client = server.client()
    client.create_stream(StreamName=STREAM, ShardCount=1)
    start = client.start_stream_encryption
    members = dict(StreamName=STREAM, EncryptionType="KMS")
    refused("KMSNotFoundException", start, **members, KeyId="two")
    refused("InvalidArgumentException", start, **members, KeyId="../one")
