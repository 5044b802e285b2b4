"""`kill -9` again and again while boto3 writes: what was acknowledged is there, in order, once."""

import threading

from botocore.exceptions import BotoCoreError, ClientError

from support.records import read

ROUNDS = 50
WRITERS = 3


def write(server, writer, stop, acknowledged):
    """Writes numbered records one after the other until told to stop."""
    kinesis = server.client()
    number = 0
    while not stop.is_set():
        try:
            answer = kinesis.put_record(
                StreamName="crash", PartitionKey=f"writer-{writer}", Data=f"{writer}/{number}".encode()
            )
        except (BotoCoreError, ClientError):
            # The outcome is not known, so this number is not used again.
            number += 1
            continue
        acknowledged.append((answer["ShardId"], answer["SequenceNumber"], number))
        number += 1


def test_acknowledged_records_survive_fifty_kills(own_server):
    own_server.client().create_stream(StreamName="crash", ShardCount=2)
    stop = threading.Event()
    acknowledged = [[] for _ in range(WRITERS)]
    threads = [
        threading.Thread(target=write, args=(own_server, writer, stop, acknowledged[writer]))
        for writer in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(ROUNDS):
            enough = [len(done) + 5 for done in acknowledged]
            while any(len(done) < least for done, least in zip(acknowledged, enough)):
                assert all(thread.is_alive() for thread in threads)
                stop.wait(0.005)
            own_server.restart()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    found = {}
    kinesis = own_server.client()
    for shard in kinesis.list_shards(StreamName="crash")["Shards"]:
        records = read(kinesis, "crash", shard["ShardId"])
        numbers = [int(record["SequenceNumber"]) for record in records]
        assert numbers == sorted(set(numbers)), "no number comes twice"
        for record in records:
            writer, number = record["Data"].split(b"/")
            found.setdefault(int(writer), []).append((shard["ShardId"], record["SequenceNumber"], int(number)))
    for writer, done in enumerate(acknowledged):
        assert len(done) >= ROUNDS * 5
        assert set(done) <= set(found[writer]), "nothing acknowledged is lost"
        order = [number for _, _, number in found[writer]]
        assert order == sorted(set(order)), "the order of one key is kept"
