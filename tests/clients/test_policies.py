"""Policies of streams and consumers: what they allow and deny to whom, and what is refused as one."""

import json

import pytest

from support.expect import refused
from support.server import HOME, Server

SECRET = "a secret of enough characters"
AWAY = "111122223333"
CONFIG = "".join(
    f"""
[[credentials]]
access_key_id = "{name}"
secret = "{SECRET}"
account = "{account}"
actions = {json.dumps(actions)}
"""
    for name, account, actions in [
        ("OWNER", HOME, ["kinesis:*"]),
        ("CLERK", HOME, ["kinesis:ListStreams"]),
        ("GUEST", AWAY, ["kinesis:*"]),
        ("NOBODY", AWAY, ["kinesis:ListStreams"]),
    ]
)
ARN = f"arn:aws:kinesis:us-east-1:{HOME}:stream/"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server with credentials of two accounts."""
    with Server(tmp_path_factory.mktemp("shared"), CONFIG) as server:
        yield server


@pytest.fixture
def clients(shared):
    def client(name):
        return shared.client(aws_access_key_id=name, aws_secret_access_key=SECRET)

    return {name: client(name) for name in ("OWNER", "CLERK", "GUEST", "NOBODY")}


@pytest.fixture
def orders(clients, request):
    """The ARN of a stream of the owner's."""
    name = request.node.name
    clients["OWNER"].create_stream(StreamName=name, ShardCount=1)
    yield ARN + name
    clients["OWNER"].delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def user(name, account):
    return {"AWS": f"arn:aws:iam::{account}:user/{name}"}


def statement(effect, principal, actions, resource, **more):
    actions = [f"kinesis:{action}" for action in actions]
    return {"Effect": effect, "Principal": principal, "Action": actions, "Resource": resource, **more}


def put(clients, resource, *statements):
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    clients["OWNER"].put_resource_policy(ResourceARN=resource, Policy=policy)


def put_record(client, arn):
    return client.put_record(StreamARN=arn, PartitionKey="k", Data=b"d")


def told(call, *arguments, **members):
    """What a user is told whose call is denied."""
    return refused("AccessDeniedException", call, *arguments, **members).message


def denied(name, account, action, arn, why):
    user = f"arn:aws:iam::{account}:user/{name}"
    return f"User: {user} is not authorized to perform: kinesis:{action} on resource: {arn} {why}"


NO_IDENTITY = "because no identity-based policy allows the kinesis:{} action"
NO_RESOURCE = "because no resource-based policy allows the kinesis:{} action"
EXPLICIT = "with an explicit deny in a resource-based policy"


def test_another_account_needs_the_policy_of_the_stream(clients, orders):
    guest, nobody = clients["GUEST"], clients["NOBODY"]
    put_record(clients["OWNER"], orders)
    why = NO_RESOURCE.format("PutRecord")
    assert told(put_record, guest, orders) == denied("GUEST", AWAY, "PutRecord", orders, why)
    put(clients, orders, statement("Allow", {"AWS": AWAY}, ["PutRecord", "ListShards"], orders))
    assert put_record(guest, orders)["ShardId"] == "shardId-000000000000"
    assert len(guest.list_shards(StreamARN=orders)["Shards"]) == 1
    why = NO_RESOURCE.format("PutRecords")
    put_records = told(guest.put_records, StreamARN=orders, Records=[{"PartitionKey": "k", "Data": b""}])
    assert put_records == denied("GUEST", AWAY, "PutRecords", orders, why)
    # The account may, but does not let this one.
    why = NO_IDENTITY.format("PutRecord")
    assert told(put_record, nobody, orders) == denied("NOBODY", AWAY, "PutRecord", orders, why)
    clients["OWNER"].delete_resource_policy(ResourceARN=orders)
    told(put_record, guest, orders)


def test_another_account_never_manages_a_stream(clients, orders):
    guest = clients["GUEST"]
    put(clients, orders, statement("Allow", {"AWS": AWAY}, ["*"], orders))
    put_record(guest, orders)
    policy = json.dumps({"Statement": statement("Allow", "*", ["*"], "*")})
    for action, call, arguments in [
        ("PutResourcePolicy", guest.put_resource_policy, {"ResourceARN": orders, "Policy": policy}),
        ("DeleteResourcePolicy", guest.delete_resource_policy, {"ResourceARN": orders}),
        ("DeleteStream", guest.delete_stream, {"StreamARN": orders}),
        ("RegisterStreamConsumer", guest.register_stream_consumer, {"StreamARN": orders, "ConsumerName": "c"}),
    ]:
        assert told(call, **arguments) == denied("GUEST", AWAY, action, orders, NO_RESOURCE.format(action))
    assert told(guest.list_streams) == denied("GUEST", AWAY, "ListStreams", "*", NO_RESOURCE.format("ListStreams"))


def test_within_the_account_either_policy_is_enough(clients, orders):
    clerk = clients["CLERK"]
    why = NO_IDENTITY.format("PutRecord")
    assert told(put_record, clerk, orders) == denied("CLERK", HOME, "PutRecord", orders, why)
    # Trust in the whole account leaves it to the account's own policies.
    put(clients, orders, statement("Allow", {"AWS": HOME}, ["PutRecord"], orders))
    assert told(put_record, clerk, orders) == denied("CLERK", HOME, "PutRecord", orders, why)
    put(clients, orders, statement("Allow", user("CLERK", HOME), ["PutRecord", "Get*"], orders))
    put_record(clerk, orders)
    at = clerk.get_shard_iterator(
        StreamARN=orders, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    assert [record["Data"] for record in clerk.get_records(ShardIterator=at)["Records"]] == [b"d"]
    clients["OWNER"].delete_resource_policy(ResourceARN=orders)
    # An iterator is no permission.
    told(clerk.get_records, ShardIterator=at)


def test_an_explicit_deny_beats_what_allows(clients, orders, shared):
    allow = statement("Allow", user("GUEST", AWAY), ["*"], orders)
    put(clients, orders, allow, statement("Deny", "*", ["Put*"], orders))
    for name, account in [("GUEST", AWAY), ("OWNER", HOME)]:
        assert told(put_record, clients[name], orders) == denied(name, account, "PutRecord", orders, EXPLICIT)
        clients[name].describe_stream_summary(StreamARN=orders)
    # The owner is not locked out, and a policy outlives a restart.
    shared.restart()
    told(put_record, clients["OWNER"], orders)
    put(clients, orders, allow)
    put_record(clients["GUEST"], orders)


def test_a_policy_of_a_consumer_shares_its_subscriptions(clients, orders):
    owner, guest = clients["OWNER"], clients["GUEST"]
    consumer = owner.register_stream_consumer(StreamARN=orders, ConsumerName="c")["Consumer"]["ConsumerARN"]
    subscribe = dict(
        ConsumerARN=consumer,
        ShardId="shardId-000000000000",
        StartingPosition={"Type": "TRIM_HORIZON"},
    )
    put_record(owner, orders)
    # A policy of the stream shares nothing of its consumers.
    put(clients, orders, statement("Allow", {"AWS": AWAY}, ["*"], orders))
    for action, call, arguments in [
        ("SubscribeToShard", guest.subscribe_to_shard, subscribe),
        ("DescribeStreamConsumer", guest.describe_stream_consumer, {"ConsumerARN": consumer}),
    ]:
        why = NO_RESOURCE.format(action)
        assert told(call, **arguments) == denied("GUEST", AWAY, action, consumer, why)
    actions = ["SubscribeToShard", "DescribeStreamConsumer"]
    put(clients, consumer, statement("Allow", user("GUEST", AWAY), actions, consumer))
    described = guest.describe_stream_consumer(StreamARN=orders, ConsumerName="c")
    assert described["ConsumerDescription"]["ConsumerARN"] == consumer
    events = guest.subscribe_to_shard(**subscribe)["EventStream"]
    records = next(event for event in events if event["SubscribeToShardEvent"]["Records"])
    assert records["SubscribeToShardEvent"]["Records"][0]["Data"] == b"d"
    events.close()
    put(clients, consumer, statement("Deny", "*", ["SubscribeToShard"], consumer))
    assert told(guest.subscribe_to_shard, **subscribe) == denied("GUEST", AWAY, "SubscribeToShard", consumer, EXPLICIT)


@pytest.mark.parametrize(
    "condition, allowed",
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"StringLike": {"aws:username": "GUE*"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
    ],
)
def test_conditions_decide(clients, condition, allowed):
    name = "conditions"
    clients["OWNER"].create_stream(StreamName=name, ShardCount=1)
    try:
        put(clients, ARN + name, statement("Allow", {"AWS": AWAY}, ["PutRecord"], ARN + name, Condition=condition))
        if allowed:
            put_record(clients["GUEST"], ARN + name)
        else:
            told(put_record, clients["GUEST"], ARN + name)
    finally:
        clients["OWNER"].delete_stream(StreamName=name)


def test_what_is_not_evaluated_is_refused(clients, orders):
    good = statement("Allow", {"AWS": AWAY}, ["PutRecord"], orders)
    for wrong, says in [
        ({**good, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, "aws:SourceVpc is not supported"),
        ({**good, "NotPrincipal": good["Principal"]}, "NotPrincipal is not supported"),
        ({**good, "Action": "kinesis:DeleteStream"}, "none of the actions that can be shared"),
        ({**good, "Action": "kinesis:SubscribeToShard"}, "none of the actions that can be shared"),
        ({**good, "Resource": ARN + "another"}, "does not hold for"),
        ({**good, "Principal": {"Service": "lambda.amazonaws.com"}}, "Principal.Service is not supported"),
    ]:
        policy = json.dumps({"Version": "2012-10-17", "Statement": wrong})
        put_policy = clients["OWNER"].put_resource_policy
        message = refused("InvalidArgumentException", put_policy, ResourceARN=orders, Policy=policy).message
        assert says in message
    assert clients["OWNER"].get_resource_policy(ResourceARN=orders)["Policy"] == "{}"
