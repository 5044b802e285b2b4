"""Fragments that ask for it are told of, to a data stream and to webhooks, and have pictures made."""

import contextlib
import http.server
import json
import queue
import re
import ssl
import threading

import pytest

from support.certificates import certify_itself
from support.expect import eventually, refused
from support.film import probe
from support.producer import CAPTURES, START, fragments, put, tagged
from support.records import read, shards
from support.server import HOME, Server

NOTIFY = {"AWS_KINESISVIDEO_NOTIFICATION": ""}
PICTURE = {"AWS_KINESISVIDEO_IMAGE_GENERATION": ""}


VOUCHES_FOR_ITSELF = ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"]


def capture(name, *of_fragments):
    """What an SDK sent, with tags of its fragments."""
    return tagged((CAPTURES / name).read_bytes(), *of_fragments)


def notify(video, camera, uri, status="ENABLED"):
    configuration = {"Status": status, "DestinationConfig": {"Uri": uri}}
    video.update_notification_configuration(StreamName=camera, NotificationConfiguration=configuration)
    found = video.describe_notification_configuration(StreamName=camera)
    assert found["NotificationConfiguration"] == configuration


def expected(server, camera, number, payload):
    """What is said of a fragment, by what other operations say of it."""
    archive = server.client("kinesis-video-archived-media")
    listed = archive.list_fragments(StreamName=camera)["Fragments"]
    (fragment,) = [one for one in listed if one["FragmentNumber"] == number]
    video = server.client("kinesisvideo")
    return {
        "StreamArn": video.describe_stream(StreamName=camera)["StreamInfo"]["StreamARN"],
        "FragmentNumber": number,
        "FragmentStartProducerTimestamp": round(fragment["ProducerTimestamp"].timestamp() * 1_000),
        "FragmentStartServerTimestamp": round(fragment["ServerTimestamp"].timestamp() * 1_000),
        "NotificationType": "PERSISTED",
        "NotificationPayload": payload,
    }


def records(kinesis, stream, count):
    """The records of a data stream, once there are so many."""

    def enough():
        ids = [shard["ShardId"] for shard in shards(kinesis, stream)]
        found = [record for shard in ids for record in read(kinesis, stream, shard)]
        return found if len(found) >= count else None

    return eventually(enough, f"{count} records come")


def test_a_data_stream_gets_a_message_of_each_fragment_that_asks(server, video, camera, stream):
    kinesis = server.client()
    arn = kinesis.describe_stream(StreamName=stream)["StreamDescription"]["StreamARN"]
    notify(video, camera, arn)
    opened, shut = {"door": "open", "größe": "1 €"}, {"door": "shut"}
    sent = capture("producer-c-offline.mkv", {**NOTIFY, **opened}, shut, {**shut, **NOTIFY}, NOTIFY)
    numbers = [number for _, number in fragments(put(server, camera, sent))]
    assert len(numbers) == 4
    found = records(kinesis, stream, 3)
    assert {record["PartitionKey"] for record in found} == {camera}
    assert [json.loads(record["Data"]) for record in found] == [
        expected(server, camera, numbers[0], opened),
        expected(server, camera, numbers[2], shut),
        expected(server, camera, numbers[3], {}),
    ]
    # A fragment that comes again was told of.
    assert [number for _, number in fragments(put(server, camera, sent))] == numbers
    notify(video, camera, arn, "DISABLED")
    later = capture("kvssink.mkv", NOTIFY)
    assert fragments(put(server, camera, later))
    notify(video, camera, arn)
    later = capture("producer-c-av.mkv", {**NOTIFY, "last": "1"})
    ((_, last),) = fragments(put(server, camera, later, START))
    found = [json.loads(record["Data"]) for record in records(kinesis, stream, 4)]
    assert found[3:] == [expected(server, camera, last, {"last": "1"})]


class Hook(http.server.BaseHTTPRequestHandler):
    """Notes what is posted, and answers what the test says."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.put((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def webhook(certificate=None):
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    hook.posted, hook.status = queue.Queue(), 204
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")
        hook.socket = context.wrap_socket(hook.socket, server_side=True)
    threading.Thread(target=hook.serve_forever).start()
    try:
        yield hook
    finally:
        hook.shutdown()
        hook.server_close()


@pytest.fixture(scope="module")
def trusting(tmp_path_factory):
    """A server that makes pictures, and trusts one webhook; its certificate is beside it."""
    directory = tmp_path_factory.mktemp("trusting")
    certify_itself(directory, "hook", *VOUCHES_FOR_ITSELF)
    environment = {
        "SSL_CERT_FILE": str(directory / "hook.pem"),
        "SSL_CERT_DIR": "",
        "AFFLUX_VIDEO_IMAGES_DIR": str(directory / "images"),
    }
    with Server(directory, environment=environment) as server:
        yield server


@pytest.fixture
def gate(trusting, name):
    with trusting.camera(f"camera-{name}") as camera:
        yield camera


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_webhook_gets_a_message_of_each_fragment_that_asks(trusting, gate, scheme):
    video = trusting.client("kinesisvideo")
    certificate = trusting.directory / "hook" if scheme == "https" else None
    with webhook(certificate) as hook:
        address = f"127.0.0.1:{hook.server_port}"
        notify(video, gate, f"{scheme}://{address}/of/fragments?a=b")
        sent = capture("producer-c-offline.mkv", {**NOTIFY, "door": "open"}, {}, NOTIFY)
        numbers = [number for _, number in fragments(put(trusting, gate, sent))]
        for number, payload in [(numbers[0], {"door": "open"}), (numbers[2], {})]:
            path, headers, body = hook.posted.get(timeout=60)
            assert path == "/of/fragments?a=b"
            assert {name.lower(): value for name, value in headers.items()} == {
                "host": address,
                "content-type": "application/json",
                "content-length": str(len(body)),
            }
            assert json.loads(body) == expected(trusting, gate, number, payload)
            # The next fragment is told of whatever this is answered.
            hook.status = 500
        assert hook.posted.empty()


def test_a_webhook_that_nobody_vouches_for_is_told_nothing(trusting, gate, tmp_path):
    video = trusting.client("kinesisvideo")
    log = trusting.directory / "stderr"
    with webhook(certify_itself(tmp_path, "stranger", *VOUCHES_FOR_ITSELF)) as hook:
        notify(video, gate, f"https://127.0.0.1:{hook.server_port}/")
        assert fragments(put(trusting, gate, capture("producer-c-offline.mkv", NOTIFY)))
        eventually(lambda: [line for line in log.read_text().splitlines() if gate in line and "UnknownIssuer" in line])
        assert hook.posted.empty()


def rules(**changes):
    given = {
        "Status": "ENABLED",
        "ImageSelectorType": "PRODUCER_TIMESTAMP",
        "DestinationConfig": {"Uri": "s3://pictures/of/doors", "DestinationRegion": "us-east-1"},
        "SamplingInterval": 200,
        "Format": "JPEG",
        **changes,
    }
    return {"ImageGenerationConfiguration": given}


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_pictures_of_fragments_that_ask_are_files(trusting, gate, form):
    video = trusting.client("kinesisvideo")
    look = rules(Format=form, WidthPixels=320, HeightPixels=180)
    video.update_image_generation_configuration(StreamName=gate, **look)
    prefix = {"AWS_KINESISVIDEO_IMAGE_PREFIX": "../front door"}
    sent = capture("producer-c-av.mkv", {**PICTURE, **prefix, "door": "open"})
    ((_, number),) = fragments(put(trusting, gate, sent, START))
    said = expected(trusting, gate, number, {})
    directory = trusting.directory / "images/pictures/of/doors"
    ending = {"JPEG": "jpg", "PNG": "png"}[form]
    begin = said["FragmentStartProducerTimestamp"]
    archive = trusting.client("kinesis-video-archived-media")
    (stored,) = archive.list_fragments(StreamName=gate)["Fragments"]
    times = range(-(-begin // 200) * 200, begin + stored["FragmentLengthInMilliseconds"], 200)
    assert len(times) >= 2

    def made():
        files = sorted(directory.glob(f"frontdoor_{HOME}_{gate}_*.{ending}"))
        return files if len(files) >= len(times) else None

    found = eventually(made)
    name = re.compile(rf"frontdoor_{HOME}_{re.escape(gate)}_(\d+)_[0-9a-f]{{16}}\.{ending}")
    assert [int(name.fullmatch(file.name)[1]) for file in found] == list(times)
    for file in found:
        (shown,) = probe(file, "stream=codec_name,width,height")["streams"]
        codec = {"JPEG": "mjpeg", "PNG": "png"}[form]
        assert shown == {"codec_name": codec, "width": 320, "height": 180}
        assert json.loads(file.with_suffix(".json").read_text()) == {
            "aws_kinesisvideo_fragment_number": number,
            "aws_kinesisvideo_producer_timestamp": str(begin),
            "aws_kinesisvideo_server_timestamp": str(said["FragmentStartServerTimestamp"]),
            "door": "open",
        }


def refusal(call, **arguments):
    return refused("InvalidArgumentException", call, **arguments).message


@pytest.mark.parametrize(
    "uri,because",
    [
        (f"arn:aws:sns:us-east-1:{HOME}:topic", "neither the ARN of a data stream nor an address"),
        ("ftp://example.org/", "neither the ARN of a data stream nor an address"),
        (f"arn:aws:kinesis:us-east-1:{HOME}:stream/absent", "the data stream absent"),
        (f"arn:aws:kinesis:us-east-1:{HOME}:stream/CAMERA", "is a stream of video"),
        ("http://user:secret@example.org/", "holds a user's name"),
        ("http://example.org:99999/", "is not the address of a webhook"),
    ],
)
def test_destinations_that_no_message_can_reach_are_refused(video, camera, uri, because):
    uri = uri.replace("CAMERA", camera)
    configuration = {"Status": "ENABLED", "DestinationConfig": {"Uri": uri}}
    call = video.update_notification_configuration
    assert because in refusal(call, StreamName=camera, NotificationConfiguration=configuration)
    assert "NotificationConfiguration" not in video.describe_notification_configuration(StreamName=camera)


def test_a_server_that_trusts_nobody_refuses_https(tmp_path):
    nobody = tmp_path / "nobody.pem"
    nobody.touch()
    configuration = {"Status": "ENABLED", "DestinationConfig": {"Uri": "https://example.org/"}}
    with Server(tmp_path, environment={"SSL_CERT_FILE": str(nobody), "SSL_CERT_DIR": ""}) as server:
        video = server.client("kinesisvideo")
        video.create_stream(StreamName="door", DataRetentionInHours=1)
        call = video.update_notification_configuration
        said = refusal(call, StreamName="door", NotificationConfiguration=configuration)
    assert "no certificate authorities" in said


def place(uri):
    return {"DestinationConfig": {"Uri": uri, "DestinationRegion": "us-east-1"}}


@pytest.mark.parametrize(
    "change,because",
    [
        (place("https://example.org/"), "does not begin with s3://"),
        (place("s3://pictures/../.."), "does not name a directory below that of the server"),
        (place("s3://pictures//front"), "does not name a directory below that of the server"),
        ({"SamplingInterval": 199}, "SamplingInterval"),
        ({"WidthPixels": 320}, "HeightPixels"),
        ({"FormatConfig": {"JPEGQuality": "101"}}, "JPEGQuality"),
    ],
)
def test_pictures_that_cannot_be_made_are_refused(trusting, gate, change, because):
    video = trusting.client("kinesisvideo")
    call = video.update_image_generation_configuration
    assert because in refusal(call, StreamName=gate, **rules(**change))


def test_a_server_without_a_directory_refuses_pictures(video, camera):
    call = video.update_image_generation_configuration
    assert "no directory for pictures" in refusal(call, StreamName=camera, **rules())
    call(StreamName=camera, **rules(Status="DISABLED"))
    found = video.describe_image_generation_configuration(StreamName=camera)
    assert found["ImageGenerationConfiguration"] == rules(Status="DISABLED")["ImageGenerationConfiguration"]
