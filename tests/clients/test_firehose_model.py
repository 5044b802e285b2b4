"""Every constraint of the published model of Data Firehose, at its edge and one past it."""

import pytest

from support.model import broken, edges
from support.services import DELIVERY


@pytest.mark.parametrize("case", broken(DELIVERY))
def test_a_broken_constraint_is_named(unchecked, case):
    unchecked.assert_named(case)


@pytest.mark.parametrize("case", edges(DELIVERY))
def test_the_edge_of_a_constraint_is_allowed(unchecked, case):
    error = unchecked.refusal_of(case)
    assert error["Code"] not in ("ValidationException", "SerializationException"), error


@pytest.mark.parametrize("operation", DELIVERY.operations)
def test_a_delivery_stream_that_is_not_there_is_not_found(unchecked, operation):
    if operation in ("CreateDeliveryStream", "ListDeliveryStreams"):
        return
    request = {**DELIVERY.request(operation), "DeliveryStreamName": "absent"}
    error = unchecked.refusal(DELIVERY, operation, request)
    assert error["Code"] == "ResourceNotFoundException", error
    assert "absent" in error["Message"]
