"""The quick start of the AWS CLI, as it is written everywhere."""

import base64


def aws(server, *arguments):
    return server.aws("kinesis", *arguments)


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
