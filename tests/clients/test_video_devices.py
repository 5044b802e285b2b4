"""Producers that have no SDK of their own: curl, and devices that have a certificate and no keys."""

import datetime
import json
import os
import pathlib
import re
import subprocess

import pytest
from botocore.exceptions import ClientError

from conftest import ACCESS_KEY, SECRET, Server

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures" / "kvs"
CONFIG = """
[tls]
client_ca = "{directory}/ca.pem"

[[credentials]]
access_key_id = "OWNER"
secret = "{secret}"
actions = ["*"]

[[role_aliases]]
name = "cameras"
actions = ["kinesisvideo:DescribeStream", "kinesisvideo:GetDataEndpoint", "kinesisvideo:PutMedia"]
"""


def curl(*arguments):
    ran = subprocess.run(["curl", "-sS", "-i", *arguments], capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    answer = ran.stdout.decode()
    while answer.startswith("HTTP/1.1 100 "):
        answer = answer.partition("\r\n\r\n")[2]
    head, _, body = answer.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split(" ")[1]), headers, body


def put_media(url, stream, user, *more, media=None):
    arguments = ["--aws-sigv4", "aws:amz:us-east-1:kinesisvideo", "--user", user, "-X", "POST"]
    headers = {
        "x-amzn-stream-name": stream,
        "x-amzn-fragment-timecode-type": "ABSOLUTE",
        "x-amzn-producer-start-timestamp": "1763740800.5",
    }
    for name, value in headers.items():
        arguments += ["-H", f"{name}: {value}"]
    media = media or FIXTURES / "producer-c-offline.mkv"
    return curl(*arguments, "-T", str(media), *more, f"{url}/putMedia")


@pytest.mark.parametrize("chunked", [False, True])
def test_curl_signs_media_that_it_streams(closed, chunked):
    owner = closed.client("kinesisvideo")
    arn = owner.create_stream(StreamName="curl", DataRetentionInHours=1)["StreamARN"]
    more = ["-H", "Transfer-Encoding: chunked"] if chunked else []
    status, headers, body = put_media(f"http://{closed.http}", "curl", f"{ACCESS_KEY}:{SECRET}", *more)
    assert (status, headers["content-type"]) == (200, "application/json")
    acks = [json.loads(line) for line in body.splitlines()]
    persisted = [ack["FragmentNumber"] for ack in acks if ack["EventType"] == "PERSISTED"]
    assert len(persisted) == 4 and all(re.fullmatch(r"\d{47}", number) for number in persisted)
    stored = closed.client("kinesis-video-archived-media").list_fragments(StreamName="curl")["Fragments"]
    assert sorted(fragment["FragmentNumber"] for fragment in stored) == sorted(persisted)
    owner.delete_stream(StreamARN=arn)


def test_media_is_refused_before_it_is_sent(closed):
    owner = closed.client("kinesisvideo")
    arn = owner.create_stream(StreamName="public-put")["StreamARN"]
    url = f"http://{closed.http}"
    for user, stream, status, code in [
        (f"{ACCESS_KEY}:wrong", "public-put", 403, "InvalidSignatureException"),
        ("NOBODY:wrong", "public-put", 403, "UnrecognizedClientException"),
        ("AKIDREADER:another secret of enough characters", "public-put", 403, "AccessDeniedException"),
        (f"{ACCESS_KEY}:{SECRET}", "absent", 404, "ResourceNotFoundException"),
        (f"{ACCESS_KEY}:{SECRET}", "not/a/name", 400, "ValidationException"),
    ]:
        found, headers, body = put_media(url, stream, user, "-H", "Transfer-Encoding: chunked")
        assert (found, headers["x-amzn-errortype"]) == (status, code.lower()), body
    status, headers, _ = curl("-X", "POST", "-H", "x-amzn-stream-name: public-put", "-d", "x", f"{url}/putMedia")
    assert (status, headers["x-amzn-errortype"]) == (403, "missingauthenticationtokenexception")
    owner.delete_stream(StreamARN=arn)


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certify(directory, name, names):
    """Makes a key and a certificate that the authority in `directory` has signed."""
    (directory / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
    openssl(directory, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{name}.key", "-out", "request.pem", "-subj", f"/CN={name}")
    openssl(directory, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "1", "-extfile", "names", "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """A server that lends keys to the devices `door` and `gate`; their certificates are beside it."""
    directory = tmp_path_factory.mktemp("devices")
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "ca.key", "-out", "ca.pem", "-days", "1", "-subj", "/CN=devices")
    certify(directory, "door", ["door"])
    certify(directory, "both", ["door", "gate"])
    config = directory / "config.toml"
    config.write_text(CONFIG.format(directory=directory, secret=SECRET))
    server = Server(directory, "--config", str(config))
    yield server
    server.stop()


def lend(server, certificate, *more, alias="cameras"):
    directory = pathlib.Path(server.directory)
    proof = ["--cert", f"{directory}/{certificate}.pem", "--key", f"{directory}/{certificate}.key"]
    proof = proof if certificate else []
    return curl("-k", *proof, *more, f"https://{server.http}/role-aliases/{alias}/credentials")


def thing(name):
    return ["-H", f"x-amzn-iot-thingname: {name}"]


def test_a_device_gets_keys_for_its_own_stream(devices):
    owner = devices.client("kinesisvideo", aws_access_key_id="OWNER")
    for name in ("door", "gate"):
        owner.create_stream(StreamName=name, DataRetentionInHours=1)
    status, headers, body = lend(devices, "door", *thing("door"))
    assert (status, headers["cache-control"]) == (200, "no-store")
    lent = json.loads(body)["credentials"]
    expires = datetime.datetime.strptime(lent["expiration"], "%Y-%m-%dT%H:%M:%SZ")
    seconds = (expires - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)).total_seconds()
    assert 3_500 < seconds <= 3_600
    keys = dict(
        aws_access_key_id=lent["accessKeyId"],
        aws_secret_access_key=lent["secretAccessKey"],
        aws_session_token=lent["sessionToken"],
    )
    device = devices.client("kinesisvideo", **keys)
    assert device.describe_stream(StreamName="door")["StreamInfo"]["StreamName"] == "door"
    for call, arguments in [(device.describe_stream, {"StreamName": "gate"}), (device.list_streams, {})]:
        with pytest.raises(ClientError) as raised:
            call(**arguments)
        assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    for wrong in [{"aws_session_token": None}, {"aws_session_token": lent["sessionToken"][::-1]},
                  {"aws_access_key_id": "ASIAOTHER"}]:
        with pytest.raises(ClientError) as raised:
            devices.client("kinesisvideo", **{**keys, **wrong}).describe_stream(StreamName="door")
        assert raised.value.response["Error"]["Code"] == "UnrecognizedClientException"
    token = ["-H", f"x-amz-security-token: {lent['sessionToken']}"]
    user = f"{lent['accessKeyId']}:{lent['secretAccessKey']}"
    status, _, body = put_media(f"https://{devices.http}", "door", user, "-k", *token)
    assert status == 200 and body.count('"PERSISTED"') == 4
    devices.restart()
    assert devices.client("kinesisvideo", **keys).describe_stream(StreamName="door")


def test_only_a_certified_device_gets_keys(devices):
    for certificate, more, alias, expected in [
        ("both", thing("gate"), "cameras", 200),
        ("door", [], "cameras", 200),
        ("door", thing("gate"), "cameras", 403),
        (None, thing("door"), "cameras", 403),
        ("door", thing("door"), "others", 404),
        ("door", ["-X", "POST"], "cameras", 405),
    ]:
        status, _, body = lend(devices, certificate, *more, alias=alias)
        assert status == expected, body
        assert ("credentials" in json.loads(body)) == (expected == 200)
    plain, _, _ = curl(f"http://{devices.http}/role-aliases/cameras/credentials")
    assert plain == 403
