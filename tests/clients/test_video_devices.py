"""Producers that have no SDK of their own: curl, and devices that have a certificate and no keys."""

import datetime
import json
import re

import pytest

from support.certificates import certify, certify_itself
from support.expect import refused
from support.producer import CAPTURES, curl, fragments
from support.server import ACCESS_KEY, READER, SECRET, Server, output

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


CHUNKED = ["-H", "Transfer-Encoding: chunked"]


def answer_to(curl):
    """Status, headers and body of the answer that curl gets."""
    answer = output([*curl, "-sS", "-i"]).decode()
    while answer.startswith("HTTP/1.1 100 "):
        answer = answer.partition("\r\n\r\n")[2]
    head, _, body = answer.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split(" ")[1]), headers, body


def put_media(url, stream, user, *more):
    film = CAPTURES / "producer-c-offline.mkv"
    return answer_to([*curl(url, stream, None, film, user), *more])


@pytest.mark.parametrize("chunked", [False, True])
def test_curl_signs_media_that_it_streams(closed, chunked):
    with closed.camera("curl"):
        more = CHUNKED if chunked else []
        status, headers, body = put_media(f"http://{closed.http}", "curl", f"{ACCESS_KEY}:{SECRET}", *more)
        assert (status, headers["content-type"]) == (200, "application/json")
        persisted = [number for _, number in fragments(map(json.loads, body.splitlines()))]
        assert len(persisted) == 4 and all(re.fullmatch(r"\d{47}", number) for number in persisted)
        archive = closed.client("kinesis-video-archived-media")
        stored = archive.list_fragments(StreamName="curl")["Fragments"]
        assert sorted(fragment["FragmentNumber"] for fragment in stored) == sorted(persisted)


def test_media_is_refused_before_it_is_sent(closed):
    url = f"http://{closed.http}"
    with closed.camera("public-put"):
        for user, stream, status, code in [
            (f"{ACCESS_KEY}:wrong", "public-put", 403, "InvalidSignatureException"),
            ("NOBODY:wrong", "public-put", 403, "UnrecognizedClientException"),
            (":".join(READER.values()), "public-put", 403, "AccessDeniedException"),
            (f"{ACCESS_KEY}:{SECRET}", "absent", 404, "ResourceNotFoundException"),
            (f"{ACCESS_KEY}:{SECRET}", "not/a/name", 400, "ValidationException"),
        ]:
            found, headers, body = put_media(url, stream, user, *CHUNKED)
            assert (found, headers["x-amzn-errortype"]) == (status, code.lower()), body
        unsigned = ["curl", "-X", "POST", "-H", "x-amzn-stream-name: public-put", "-d", "x"]
        status, headers, _ = answer_to([*unsigned, f"{url}/putMedia"])
        assert (status, headers["x-amzn-errortype"]) == (403, "missingauthenticationtokenexception")


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """A server that lends keys to the devices `door` and `gate`; their certificates are beside it."""
    directory = tmp_path_factory.mktemp("devices")
    authority = certify_itself(directory, "ca")
    certify(authority, "door", ["door"])
    certify(authority, "both", ["door", "gate"])
    with Server(directory, CONFIG.format(directory=directory, secret=SECRET)) as server:
        yield server


def lend(server, certificate, *more, alias="cameras"):
    place = server.directory
    proof = ["--cert", f"{place}/{certificate}.pem", "--key", f"{place}/{certificate}.key"]
    proof = proof if certificate else []
    url = f"https://{server.http}/role-aliases/{alias}/credentials"
    return answer_to(["curl", "-k", *proof, *more, url])


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
        refused("AccessDeniedException", call, **arguments)
    for wrong in [{"aws_session_token": None}, {"aws_session_token": lent["sessionToken"][::-1]},
                  {"aws_access_key_id": "ASIAOTHER"}]:
        stranger = devices.client("kinesisvideo", **{**keys, **wrong})
        refused("UnrecognizedClientException", stranger.describe_stream, StreamName="door")
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
    plain, _, _ = answer_to(["curl", f"http://{devices.http}/role-aliases/cameras/credentials"])
    assert plain == 403
