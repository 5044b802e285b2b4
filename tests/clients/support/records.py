"""Records of a stream, read with boto3."""


def shards(kinesis, stream):
    return kinesis.list_shards(StreamName=stream)["Shards"]


def iterator(kinesis, stream, shard, kind="TRIM_HORIZON", **more):
    return kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType=kind, **more
    )["ShardIterator"]


def read(kinesis, stream, shard, kind="TRIM_HORIZON", **more):
    """Every record of a shard that is there now."""
    at = iterator(kinesis, stream, shard, kind, **more)
    records = []
    while at:
        answer = kinesis.get_records(ShardIterator=at)
        records += answer["Records"]
        at = answer.get("NextShardIterator")
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            break
    return records
