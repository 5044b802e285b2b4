"""The quick start of the AWS CLI, as it is written everywhere."""

import base64
import json
import os
import subprocess
import sys

from conftest import ACCESS_KEY, SECRET


def aws(server, *arguments):
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_KINESIS": f"http://{server.http}",
    }
    command = [os.path.join(os.path.dirname(sys.executable), "aws"), "kinesis", *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout) if ran.stdout.strip() else None


def test_the_quick_start_runs_as_written(either):
    aws(either, "create-stream", "--stream-name", "Foo", "--shard-count", "1")
    aws(either, "wait", "stream-exists", "--stream-name", "Foo")
    described = aws(either, "describe-stream", "--stream-name", "Foo")
    assert described["StreamDescription"]["StreamStatus"] == "ACTIVE"
    assert "Foo" in aws(either, "list-streams")["StreamNames"]
    data = base64.b64encode(b"testdata").decode()
    put = aws(either, "put-record", "--stream-name", "Foo", "--partition-key", "123", "--data", data)
    assert put["ShardId"] == "shardId-000000000000"
    at = aws(either, "get-shard-iterator", "--shard-id", "shardId-000000000000",
             "--shard-iterator-type", "TRIM_HORIZON", "--stream-name", "Foo")
    got = aws(either, "get-records", "--shard-iterator", at["ShardIterator"])
    [record] = got["Records"]
    assert (base64.b64decode(record["Data"]) in (b"testdata", data.encode()), record["PartitionKey"]) == (True, "123")
    aws(either, "delete-stream", "--stream-name", "Foo")
    aws(either, "wait", "stream-not-exists", "--stream-name", "Foo")
