"""Requests that are signed rightly, wrongly, and not at all."""

import datetime

import botocore
import botocore.config

from support.expect import refused
from support.server import READER, SECRET


def test_a_right_signature_passes(closed):
    kinesis = closed.client(aws_secret_access_key=SECRET)
    kinesis.create_stream(StreamName="public-1", ShardCount=1)
    put = kinesis.put_record(StreamName="public-1", PartitionKey="k", Data="größe".encode())
    assert put["ShardId"] == "shardId-000000000000"


def test_a_wrong_secret_is_refused(closed):
    refused("InvalidSignatureException", closed.client(aws_secret_access_key="wrong").list_streams)


def test_an_unknown_key_is_refused(closed):
    client = closed.client(aws_access_key_id="AKIDNOBODY", aws_secret_access_key=SECRET)
    refused("UnrecognizedClientException", client.list_streams)


def test_another_region_is_refused(closed):
    client = closed.client(aws_secret_access_key=SECRET, region_name="eu-central-1")
    refused("InvalidSignatureException", client.list_streams)


def test_an_unsigned_request_is_refused(closed):
    config = botocore.config.Config(signature_version=botocore.UNSIGNED)
    client = closed.client(config=config)
    refused("MissingAuthenticationTokenException", client.list_streams)


def test_a_stale_date_is_refused(closed, monkeypatch):
    client = closed.client(aws_secret_access_key=SECRET)
    stale = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=16)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: stale.replace(tzinfo=None))
    refused("InvalidSignatureException", client.list_streams)


def test_a_policy_limits_actions_and_streams(closed):
    owner = closed.client(aws_secret_access_key=SECRET)
    owner.create_stream(StreamName="public-2", ShardCount=1)
    owner.create_stream(StreamName="private", ShardCount=1)
    reader = closed.client(**READER)
    reader.describe_stream(StreamName="public-2")
    refused("AccessDeniedException", reader.describe_stream, StreamName="private")
    refused("AccessDeniedException", reader.put_record, StreamName="public-2", PartitionKey="k", Data=b"")
