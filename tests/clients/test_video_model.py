"""Every constraint of the published models of Kinesis Video Streams, at its edge and one past it."""

import pytest

from support.model import broken, edges, operations
from support.services import VIDEO


@pytest.mark.parametrize("case", broken(*VIDEO))
def test_a_broken_constraint_is_named(unchecked, case):
    unchecked.assert_named(case)


@pytest.mark.parametrize("case", edges(*VIDEO))
def test_the_edge_of_a_constraint_is_allowed(unchecked, video, case):
    error = unchecked.refusal_of(case)
    assert error["Code"] not in ("ValidationException", "SerializationException"), error
    if case.operation == "CreateStream" and error["Code"] is None:
        made = video.describe_stream(StreamName=case.request()["StreamName"])["StreamInfo"]
        video.delete_stream(StreamARN=made["StreamARN"])


@pytest.mark.parametrize("service,operation", operations(*VIDEO), ids=str)
def test_a_stream_that_is_not_there_is_not_found(unchecked, service, operation):
    if operation in ("CreateStream", "ListStreams"):
        return
    request = service.request(operation)
    if "StreamName" in service.members(operation):
        request["StreamName"] = "absent"
    error = unchecked.refusal(service, operation, request)
    assert error["Code"] == "ResourceNotFoundException", error
    assert "absent" in error["Message"]


@pytest.mark.parametrize("operation", ["CreateSignalingChannel", "ListSignalingChannels", "ListEdgeAgentConfigurations"])
def test_what_is_not_served_says_so(unchecked, operation):
    error = unchecked.refusal(VIDEO[0], operation, {})
    assert error["Code"] == "InvalidArgumentException"
    assert error["Message"].startswith(f"{operation} is not supported: this server has no ")
