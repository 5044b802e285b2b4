"""What is waited for, and what is refused."""

import time
from typing import NamedTuple

import pytest
from botocore.exceptions import ClientError

from support.server import PATIENCE_SECONDS


def eventually(call, what="what was waited for"):
    """What `call` returns, once it is something; until then it may fail or be refused."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        failure = AssertionError(f"{what}: not within {PATIENCE_SECONDS} seconds")
        try:
            if value := call():
                return value
        except (AssertionError, ClientError) as error:
            failure = error
        if time.monotonic() > end:
            raise failure
        time.sleep(0.05)


class Refusal(NamedTuple):
    status: int
    message: str


def refused(code, call, *arguments, **members):
    """With what a call is refused, which must be with this code."""
    with pytest.raises(ClientError) as raised:
        call(*arguments, **members)
    response = raised.value.response
    assert response["Error"]["Code"] == code, raised.value
    return Refusal(response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"])
