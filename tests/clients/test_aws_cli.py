"""The quick start of the AWS CLI, as it is written everywhere."""

import base64
import json
import os
import subprocess
import sys


def aws(server, *arguments):
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_KINESIS": f"http://{server.http}",
    }
    command = [os.path.join(os.path.dirname(sys.executable), "aws"), "kinesis", *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout) if ran.stdout.strip() else None


def test_the_quick_start_runs_as_written(server):
    aws(server, "create-stream", "--stream-name", "Foo", "--shard-count", "1")
    aws(server, "wait", "stream-exists", "--stream-name", "Foo")
    described = aws(server, "describe-stream", "--stream-name", "Foo")
    assert described["StreamDescription"]["StreamStatus"] == "ACTIVE"
    assert "Foo" in aws(server, "list-streams")["StreamNames"]
    data = base64.b64encode(b"testdata").decode()
    put = aws(server, "put-record", "--stream-name", "Foo", "--partition-key", "123", "--data", data)
    assert put["ShardId"] == "shardId-000000000000"
    at = aws(server, "get-shard-iterator", "--shard-id", "shardId-000000000000",
             "--shard-iterator-type", "TRIM_HORIZON", "--stream-name", "Foo")
    got = aws(server, "get-records", "--shard-iterator", at["ShardIterator"])
    [record] = got["Records"]
    assert (base64.b64decode(record["Data"]) in (b"testdata", data.encode()), record["PartitionKey"]) == (True, "123")
    aws(server, "delete-stream", "--stream-name", "Foo")
    aws(server, "wait", "stream-not-exists", "--stream-name", "Foo")
