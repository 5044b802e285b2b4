"""The AWS SDK for JavaScript, over HTTP/2 as it prefers and over HTTP/1.1."""

import pathlib

import pytest

from support.server import output

NODE = pathlib.Path(__file__).parent / "node"


@pytest.mark.parametrize("transport", [(), ("http1",)], ids=["http2", "http1"])
def test_the_javascript_sdk(either, transport):
    command = ["node", NODE / "kinesis.mjs", f"http://{either.http}", *transport]
    assert output(command).strip() == b"ok"
