"""An on-demand stream that boto3 writes more to than its shards take: it grows, and nothing is lost."""

import threading

import botocore.config
import pytest

from support.records import read, shards
from support.server import Server

KEYS = 250
# Records after which a shard should have been split long ago: two minutes of all that one takes.
PATIENCE = 120_000


@pytest.fixture
def throttled(tmp_path):
    """A server with the limits of AWS."""
    with Server(tmp_path, environment={"AFFLUX_KINESIS_THROTTLED": "true"}) as server:
        yield server


class Writer(threading.Thread):
    """Writes numbers of many keys into the first quarter of the hash space, each until it is taken."""

    def __init__(self, server, stream):
        super().__init__()
        self.kinesis = server.client()
        self.stream = stream
        self.taken = [0] * KEYS
        self.throttled = 0
        self.stop = threading.Event()

    def run(self):
        step = 2**126 // KEYS
        while not self.stop.is_set():
            # One of each key in a request, because what is refused of it must not be overtaken.
            records = [
                {"PartitionKey": f"key-{key}", "ExplicitHashKey": str(key * step), "Data": str(number).encode()}
                for key, number in enumerate(self.taken)
            ]
            answer = self.kinesis.put_records(StreamName=self.stream, Records=records)
            for key, result in enumerate(answer["Records"]):
                error = result.get("ErrorCode")
                assert error in (None, "ProvisionedThroughputExceededException")
                self.taken[key] += error is None
                self.throttled += error is not None


def test_an_on_demand_stream_grows_under_load_and_a_provisioned_one_does_not(throttled):
    kinesis = throttled.client(config=botocore.config.Config(retries={"max_attempts": 20, "mode": "standard"}))
    kinesis.create_stream(StreamName="demand", StreamModeDetails={"StreamMode": "ON_DEMAND"})
    kinesis.create_stream(StreamName="fixed", ShardCount=4)
    assert len(shards(kinesis, "demand")) == 4
    writers = [Writer(throttled, "demand"), Writer(throttled, "fixed")]
    for writer in writers:
        writer.start()
    try:
        while len(shards(kinesis, "demand")) == 4:
            assert all(writer.is_alive() for writer in writers)
            assert sum(writers[0].taken) < PATIENCE, "it has not grown"
            writers[0].stop.wait(0.2)
        # The children are written too.
        enough = [taken + 3 for taken in writers[0].taken]
        while any(taken < least for taken, least in zip(writers[0].taken, enough)):
            assert all(writer.is_alive() for writer in writers)
            writers[0].stop.wait(0.2)
    finally:
        for writer in writers:
            writer.stop.set()
        for writer in writers:
            writer.join()
    assert all(writer.throttled > 0 for writer in writers)
    assert len(shards(kinesis, "fixed")) == 4
    grown = shards(kinesis, "demand")
    assert [shard for shard in grown if shard.get("ParentShardId") == "shardId-000000000000"]

    for writer in writers:
        found = {f"key-{key}": [] for key in range(KEYS)}
        # Parents have lower numbers than their children.
        for shard in sorted(shards(kinesis, writer.stream), key=lambda shard: shard["ShardId"]):
            for record in read(kinesis, writer.stream, shard["ShardId"]):
                found[record["PartitionKey"]].append(int(record["Data"]))
        assert found == {f"key-{key}": list(range(taken)) for key, taken in enumerate(writer.taken)}
