"""Every constraint of the published service model, at its edge and one past it."""

import pytest

from support.model import broken
from support.services import KINESIS


@pytest.mark.parametrize("case", broken(KINESIS))
def test_a_broken_constraint_is_named(unchecked, case):
    unchecked.assert_named(case)


@pytest.mark.parametrize("operation", KINESIS.operations)
def test_a_valid_request_is_not_refused_for_its_form(unchecked, operation):
    if operation in ("CreateStream", "UpdateAccountSettings"):
        return
    error = unchecked.refusal(KINESIS, operation, KINESIS.request(operation))
    assert error["Code"] not in ("ValidationException", "SerializationException"), error
