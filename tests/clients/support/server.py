"""A server of our own, and clients of it that check every answer."""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import urllib.parse

import boto3
import botocore.config
import botocore.validate

BINARY = os.environ["AFFLUX_BINARY"]
# The account of whoever has no other.
HOME = "000000000000"

# What every client signs with; a server without credentials does not look at it.
ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

# Whom a server that asks for signatures knows besides.
READER = {
    "aws_access_key_id": "AKIDREADER",
    "aws_secret_access_key": "another secret of enough characters",
}
CREDENTIALS = f"""
[[credentials]]
access_key_id = "{ACCESS_KEY}"
secret = "{SECRET}"
actions = ["kinesis:*", "kinesisvideo:*"]
streams = ["*"]

[[credentials]]
access_key_id = "{READER["aws_access_key_id"]}"
secret = "{READER["aws_secret_access_key"]}"
actions = ["kinesis:Get*", "kinesis:Describe*", "kinesis:List*", "kinesisvideo:Get*", "kinesisvideo:Describe*"]
streams = ["public-*"]
"""

# How long a machine with two busy cores may need for what takes a moment.
PATIENCE_SECONDS = 60


class Server:
    """A running server in a directory of its own, which is configured by the text `config`.

    It does not throttle unless the environment says so.
    """

    def __init__(self, directory, config=None, environment=None):
        self.directory = pathlib.Path(directory)
        self.arguments = []
        if config:
            file = self.directory / "config.toml"
            file.write_text(config)
            self.arguments = ["--config", str(file)]
        self.environment = {**os.environ, "AFFLUX_KINESIS_THROTTLED": "false", **(environment or {})}
        self.log = open(self.directory / "stderr", "ab")
        self.start()

    def start(self, http="127.0.0.1:0", quic="127.0.0.1:0"):
        command = [BINARY, "serve", "--quic", quic, "--http", http]
        command += ["--data-dir", str(self.directory / "data"), *self.arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environment
        )
        line = self.process.stdout.readline()
        if not line:
            self.kill()
        assert line, f"the server did not start; see {self.log.name}"
        self.ready = json.loads(line)
        self.http = self.ready["http"]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def restart(self):
        self.kill()
        self.start(self.http, self.ready["quic"])

    def stop(self):
        self.process.terminate()
        try:
            assert self.process.wait(PATIENCE_SECONDS) == 0
        finally:
            self.kill()
            self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def client(self, service="kinesis", scheme="http", **overrides):
        config = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=PATIENCE_SECONDS)
        settings = dict(
            endpoint_url=f"{scheme}://{self.http}",
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET,
            config=config.merge(overrides.pop("config", config)),
        )
        client = boto3.session.Session().client(service, **{**settings, **overrides})
        check_answers(client)
        return client

    @contextlib.contextmanager
    def camera(self, name):
        """A stream of video that keeps its media for an hour, and goes in the end."""
        video = self.client("kinesisvideo")
        arn = video.create_stream(StreamName=name, DataRetentionInHours=1)["StreamARN"]
        try:
            yield name
        finally:
            video.delete_stream(StreamARN=arn)

    def command(self, *arguments):
        """The command that lets `afflux` do something with this server."""
        return [BINARY, *map(str, arguments), "--server", self.ready["quic"]]

    def afflux(self, *arguments, input=None, **environment):
        """What `afflux` prints when it does something with this server."""
        return output(self.command(*arguments), input=input, env={**self.environment, **environment})

    def start_aws(self, *arguments):
        """Starts the AWS CLI."""
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{self.http}",
        }
        command = [pathlib.Path(sys.executable).with_name("aws"), *arguments]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def aws(self, *arguments):
        """What the AWS CLI answers."""
        return answer_of(self.start_aws(*arguments))


def answer_of(aws):
    """What the AWS CLI that was started answers."""
    said, problem = communicate(aws)
    assert aws.returncode == 0, problem.decode()
    return json.loads(said) if said.strip() else {}


def output(command, input=None, env=None, seconds=2 * PATIENCE_SECONDS):
    """What a command prints, which must succeed."""
    ran = subprocess.run(command, input=input, capture_output=True, timeout=seconds, env=env)
    assert ran.returncode == 0, (ran.stdout + ran.stderr).decode(errors="replace")
    return ran.stdout


def communicate(process):
    """What a process says until its end, which is not waited for forever."""
    try:
        return process.communicate(timeout=2 * PATIENCE_SECONDS)
    finally:
        process.kill()


def fetch(url, method="GET", body=None, headers=None):
    """The answer of a server, and its body."""
    place = urllib.parse.urlsplit(url).netloc
    connection = http.client.HTTPConnection(place, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, url.removeprefix(f"http://{place}"), body, headers or {})
        answer = connection.getresponse()
        return answer, answer.read()


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
