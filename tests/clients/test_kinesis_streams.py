"""Streams, shards, consumers and tags with boto3."""

import json

import pytest
from botocore.exceptions import ClientError

from support.expect import refused


def summary(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def test_a_stream_from_creation_to_deletion(kinesis):
    kinesis.create_stream(StreamName="life", ShardCount=3, Tags={"team": "a"})
    kinesis.get_waiter("stream_exists").wait(StreamName="life")
    described = kinesis.describe_stream(StreamName="life")["StreamDescription"]
    assert described["StreamStatus"] == "ACTIVE"
    assert len(described["Shards"]) == 3 and not described["HasMoreShards"]
    assert described["RetentionPeriodHours"] == 24
    assert described["StreamARN"] == "arn:aws:kinesis:us-east-1:000000000000:stream/life"
    starts = [int(shard["HashKeyRange"]["StartingHashKey"]) for shard in described["Shards"]]
    assert starts == [i * 2**128 // 3 for i in range(3)]
    short = summary(kinesis, "life")
    assert (short["OpenShardCount"], short["ConsumerCount"]) == (3, 0)
    assert "StreamId" not in short and "StreamId" not in described
    assert "life" in kinesis.list_streams()["StreamNames"]
    refused("ResourceInUseException", kinesis.create_stream, StreamName="life", ShardCount=1)
    kinesis.delete_stream(StreamName="life")
    kinesis.get_waiter("stream_not_exists").wait(StreamName="life")
    refused("ResourceNotFoundException", kinesis.describe_stream, StreamName="life")


def test_an_arn_does_what_a_name_does(kinesis, stream):
    arn = summary(kinesis, stream)["StreamARN"]
    assert kinesis.describe_stream(StreamARN=arn)["StreamDescription"]["StreamName"] == stream
    assert len(kinesis.list_shards(StreamARN=arn)["Shards"]) == 2
    put = kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"x")
    at = kinesis.get_shard_iterator(StreamARN=arn, ShardId=put["ShardId"], ShardIteratorType="TRIM_HORIZON")
    assert kinesis.get_records(StreamARN=arn, **{"ShardIterator": at["ShardIterator"]})["Records"]
    refused("InvalidArgumentException", kinesis.describe_stream_summary)


def test_streams_are_listed_in_pages(kinesis):
    names = [f"page-{i}" for i in range(5)]
    for name in names:
        kinesis.create_stream(StreamName=name, ShardCount=1)
    found = [
        name
        for page in kinesis.get_paginator("list_streams").paginate(Limit=2)
        for name in page["StreamNames"]
    ]
    assert [name for name in found if name.startswith("page-")] == names
    assert len(found) == len(set(found))
    for name in names:
        kinesis.delete_stream(StreamName=name)


def test_shards_are_listed_in_pages_and_by_filter(kinesis):
    kinesis.create_stream(StreamName="filters", ShardCount=4)
    kinesis.split_shard(
        StreamName="filters", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**100)
    )

    def ids(**asked):
        found = []
        page = kinesis.list_shards(StreamName="filters", **asked)
        while True:
            found += [int(shard["ShardId"][8:]) for shard in page["Shards"]]
            if "NextToken" not in page:
                return found
            # The service refuses a token together with what it stands for.
            refused("InvalidArgumentException", kinesis.list_shards, StreamName="filters", NextToken=page["NextToken"])
            most = {"MaxResults": asked["MaxResults"]} if "MaxResults" in asked else {}
            page = kinesis.list_shards(NextToken=page["NextToken"], **most)

    assert ids() == [0, 1, 2, 3, 4, 5]
    assert ids(MaxResults=2) == [0, 1, 2, 3, 4, 5]
    assert ids(ShardFilter={"Type": "AT_LATEST"}) == [1, 2, 3, 4, 5]
    assert ids(ShardFilter={"Type": "AT_TRIM_HORIZON"}) == [0, 1, 2, 3]
    assert ids(ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000003"}) == [4, 5]
    kinesis.delete_stream(StreamName="filters")


def test_retention_goes_up_and_down_within_its_limits(kinesis, stream):
    kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=48)
    assert summary(kinesis, stream)["RetentionPeriodHours"] == 48
    refused("InvalidArgumentException", kinesis.increase_stream_retention_period,
            StreamName=stream, RetentionPeriodHours=24)
    kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=24)
    for hours in (23, 8761):
        with pytest.raises(ClientError):
            kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=hours)


def test_consumers_come_and_go(kinesis, stream):
    arn = summary(kinesis, stream)["StreamARN"]
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]
    assert made["ConsumerARN"].startswith(f"{arn}/consumer/c:")
    described = kinesis.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])["ConsumerDescription"]
    assert (described["ConsumerStatus"], described["StreamARN"]) == ("ACTIVE", arn)
    refused("ResourceInUseException", kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="c")
    assert [c["ConsumerName"] for c in kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]] == ["c"]
    refused("ResourceInUseException", kinesis.delete_stream, StreamName=stream)
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="c")
    refused("ResourceNotFoundException", kinesis.describe_stream_consumer, StreamARN=arn, ConsumerName="c")


def test_tags_by_name_and_by_arn(kinesis, stream):
    arn = summary(kinesis, stream)["StreamARN"]
    kinesis.add_tags_to_stream(StreamName=stream, Tags={"a": "1", "b": "2"})
    kinesis.tag_resource(ResourceARN=arn, Tags={"c": ""})
    tags = {tag["Key"]: tag.get("Value", "") for tag in kinesis.list_tags_for_stream(StreamName=stream)["Tags"]}
    assert tags == {"a": "1", "b": "2", "c": ""}
    kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=["a"])
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["b"])
    assert [tag["Key"] for tag in kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]] == ["c"]


def test_a_resource_policy_is_kept(kinesis, stream):
    arn = summary(kinesis, stream)["StreamARN"]
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == "{}"
    statement = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "kinesis:PutRecord", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == policy
    kinesis.delete_resource_policy(ResourceARN=arn)
    refused("ResourceNotFoundException", kinesis.delete_resource_policy, ResourceARN=arn)


def test_the_number_of_shards_follows_its_target(kinesis):
    kinesis.create_stream(StreamName="scaled", ShardCount=2)
    answer = kinesis.update_shard_count(StreamName="scaled", TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (2, 4)
    assert summary(kinesis, "scaled")["OpenShardCount"] == 4
    refused("InvalidArgumentException", kinesis.update_shard_count,
            StreamName="scaled", TargetShardCount=9, ScalingType="UNIFORM_SCALING")
    kinesis.update_shard_count(StreamName="scaled", TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    opened = [
        shard for shard in kinesis.list_shards(StreamName="scaled")["Shards"]
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    ]
    ranges = sorted((int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in opened)
    assert ranges == [(0, 2**127 - 1), (2**127, 2**128 - 1)]
    kinesis.delete_stream(StreamName="scaled")


def test_settings_of_a_stream(kinesis, stream):
    arn = summary(kinesis, stream)["StreamARN"]
    on = kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["IncomingBytes"])
    assert on["DesiredShardLevelMetrics"] == ["IncomingBytes"]
    off = kinesis.disable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    assert off["DesiredShardLevelMetrics"] == []
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=2048)
    assert summary(kinesis, stream)["MaxRecordSizeInKiB"] == 2048
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x" * 2_000_000)
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert summary(kinesis, stream)["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    refused("ValidationException", kinesis.merge_shards, StreamName=stream,
            ShardToMerge="shardId-000000000000", AdjacentShardToMerge="shardId-000000000001")


def test_limits_and_account(kinesis, stream):
    limits = kinesis.describe_limits()
    assert limits["OpenShardCount"] >= 2 and limits["ShardLimit"] > limits["OpenShardCount"]
    kinesis.describe_account_settings()


def test_what_is_not_served_says_so(kinesis):
    assert "not supported" in refused("InvalidArgumentException", kinesis.list_channels).message
