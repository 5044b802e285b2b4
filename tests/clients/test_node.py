"""The AWS SDK for JavaScript, over HTTP/2 as it prefers and over HTTP/1.1."""

import pathlib
import subprocess

import pytest

NODE = pathlib.Path(__file__).parent / "node"


@pytest.mark.parametrize("transport", [(), ("http1",)], ids=["http2", "http1"])
def test_the_javascript_sdk(either, transport):
    command = ["node", NODE / "kinesis.mjs", f"http://{either.http}", *transport]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.strip() == "ok"
