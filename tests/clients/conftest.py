"""A server of our own for the real clients, and clients that every request of is checked."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

import boto3
import botocore.config
import botocore.session
import botocore.validate
import pytest

BINARY = os.environ["AFFLUX_BINARY"]

# What every client signs with; a server without credentials does not look at it.
ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

CREDENTIALS = f"""
[[credentials]]
access_key_id = "{ACCESS_KEY}"
secret = "{SECRET}"
actions = ["kinesis:*", "kinesisvideo:*"]
streams = ["*"]

[[credentials]]
access_key_id = "AKIDREADER"
secret = "another secret of enough characters"
actions = ["kinesis:Get*", "kinesis:Describe*", "kinesis:List*", "kinesisvideo:Get*", "kinesisvideo:Describe*"]
streams = ["public-*"]
"""


class Server:
    """A running server in a directory of its own."""

    def __init__(self, directory, *arguments, environment=None):
        self.directory = directory
        self.arguments = arguments
        self.environment = {**os.environ, **(environment or {})}
        self.log = open(pathlib.Path(directory) / "stderr", "ab")
        self.start()

    def start(self, http="127.0.0.1:0", quic="127.0.0.1:0"):
        command = [BINARY, "serve", "--quic", quic, "--http", http]
        command += ["--data-dir", str(pathlib.Path(self.directory) / "data"), *self.arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environment
        )
        line = self.process.stdout.readline()
        assert line, f"the server did not start; see {self.log.name}"
        self.ready = json.loads(line)
        self.http = self.ready["http"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start(self.http, self.ready["quic"])

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0
        self.log.close()

    def client(self, service="kinesis", scheme="http", **overrides):
        settings = dict(
            endpoint_url=f"{scheme}://{self.http}",
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=30),
        )
        client = boto3.session.Session().client(service, **{**settings, **overrides})
        check_answers(client)
        return client


def check_answers(client):
    """Lets every answer of `client` be checked against the published model."""
    model = client.meta.service_model

    def check(http_response, parsed, model, **_):
        shape = model.output_shape
        if http_response.status_code >= 300 or shape is None or model.has_event_stream_output:
            return
        members = {name: parsed[name] for name in shape.members if name in parsed}
        report = botocore.validate.ParamValidator().validate(members, shape).generate_report()
        # The model's least values are those of requests; the service itself answers with less.
        faults = [line for line in report.splitlines() if "valid min" not in line]
        assert not faults, faults

    client.meta.events.register(f"after-call.{model.service_name}", check)


@pytest.fixture(scope="session")
def server():
    """One server for all tests that need nothing special; not throttled."""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory, environment={"AFFLUX_KINESIS_THROTTLED": "false"})
        yield server
        server.stop()


@pytest.fixture(scope="session")
def closed(tmp_path_factory):
    """A server that asks for signatures."""
    directory = tmp_path_factory.mktemp("closed")
    config = directory / "config.toml"
    config.write_text(CREDENTIALS)
    environment = {"AFFLUX_KINESIS_THROTTLED": "false"}
    server = Server(directory, "--config", str(config), environment=environment)
    yield server
    server.stop()


@pytest.fixture(params=["open", "closed"])
def either(request):
    """A server that looks at signatures, and one that does not."""
    return request.getfixturevalue("closed" if request.param == "closed" else "server")


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may kill and restart."""
    server = Server(tmp_path, environment={"AFFLUX_KINESIS_THROTTLED": "false"})
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kinesis(server):
    return server.client()


@pytest.fixture
def stream(kinesis, request):
    """The name of a stream of two shards that goes when the test ends."""
    name = re.sub("[^a-zA-Z0-9_.-]", "-", request.node.name)[:100]
    kinesis.create_stream(StreamName=name, ShardCount=2)
    yield name
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
