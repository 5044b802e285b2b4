"""Every operation of Kinesis Video Streams that is served, by the AWS CLI; answers by the model."""

import base64
import json

import botocore.session
import botocore.validate
import pytest
from botocore import xform_name

from support.expect import eventually
from support.film import packets, probe
from support.producer import CAPTURES, START, curl, fragments, seconds
from support.server import answer_of, output
from support.services import VIDEO
from support.sessions import span

NAME = ["--stream-name", "seen-by-the-cli"]


class Cli:
    """Runs the AWS CLI, and notes which operations it ran."""

    def __init__(self, server):
        self.server = server
        self.ran = set()

    def start(self, service, command, *arguments):
        model = botocore.session.Session().get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        self.ran.add(names[command])
        running = self.server.start_aws(service, command, *arguments)
        return running, model.operation_model(names[command]).output_shape

    def run(self, service, command, *arguments):
        return self.end(*self.start(service, command, *arguments))

    def end(self, running, shape):
        answer = answer_of(running)
        # What went into a file, and the CLI's own token of its pages, are not in the answer.
        known = {name: answer[name] for name in answer if name in shape.members}
        assert set(answer) - set(known) <= {"NextToken"}, answer
        report = botocore.validate.ParamValidator().validate(known, shape).generate_report()
        assert not report, report
        return answer

    def control(self, command, *arguments):
        return self.run("kinesisvideo", command, *arguments)

    def archive(self, command, *arguments):
        return self.run("kinesis-video-archived-media", command, *arguments)

    def version(self):
        return self.control("describe-stream", *NAME)["StreamInfo"]["Version"]


@pytest.fixture
def cli(closed):
    return Cli(closed)


def control(cli):
    """Makes a stream, and changes and asks for everything that there is of one."""
    arn = cli.control("create-stream", *NAME, "--data-retention-in-hours", "1")["StreamARN"]
    condition = "ComparisonOperator=BEGINS_WITH,ComparisonValue=seen-by"
    (found,) = cli.control("list-streams", "--stream-name-condition", condition)["StreamInfoList"]
    assert found == cli.control("describe-stream", "--stream-arn", arn)["StreamInfo"]
    cli.control("update-stream", *NAME, "--current-version", cli.version(), "--media-type", "video/h264")
    change = ["--operation", "INCREASE_DATA_RETENTION", "--data-retention-change-in-hours", "2"]
    cli.control("update-data-retention", *NAME, "--current-version", cli.version(), *change)
    found = cli.control("describe-stream", *NAME)["StreamInfo"]
    assert (found["MediaType"], found["DataRetentionInHours"]) == ("video/h264", 3)
    tier = ["--stream-storage-configuration", "DefaultStorageTier=WARM"]
    cli.control("update-stream-storage-configuration", *NAME, "--current-version", cli.version(), *tier)
    found = cli.control("describe-stream-storage-configuration", *NAME)
    assert found["StreamStorageConfiguration"] == {"DefaultStorageTier": "WARM"}
    endpoint = cli.control("get-data-endpoint", *NAME, "--api-name", "GET_CLIP")["DataEndpoint"]
    assert endpoint == f"http://{cli.server.http}"
    found = cli.control("describe-mapped-resource-configuration", *NAME)
    assert found["MappedResourceConfigurationList"] == []
    return arn


def tags(cli, arn):
    cli.control("tag-stream", *NAME, "--tags", "a=1,b=2")
    cli.control("tag-resource", "--resource-arn", arn, "--tags", "Key=c,Value=3")
    found = cli.control("list-tags-for-stream", *NAME)["Tags"]
    assert found == {"a": "1", "b": "2", "c": "3"}
    assert cli.control("list-tags-for-resource", "--resource-arn", arn)["Tags"] == found
    cli.control("untag-stream", *NAME, "--tag-key-list", "a")
    cli.control("untag-resource", "--resource-arn", arn, "--tag-key-list", "b")
    assert cli.control("list-tags-for-stream", *NAME)["Tags"] == {"c": "3"}


def configurations(cli):
    notification = {"Status": "DISABLED", "DestinationConfig": {"Uri": "https://example.org/hook"}}
    given = ["--notification-configuration", json.dumps(notification)]
    cli.control("update-notification-configuration", *NAME, *given)
    found = cli.control("describe-notification-configuration", *NAME)
    assert found["NotificationConfiguration"] == notification
    images = {
        "Status": "DISABLED",
        "ImageSelectorType": "PRODUCER_TIMESTAMP",
        "DestinationConfig": {"Uri": "s3://pictures/front", "DestinationRegion": "us-east-1"},
        "SamplingInterval": 1_000,
        "Format": "JPEG",
    }
    given = ["--image-generation-configuration", json.dumps(images)]
    cli.control("update-image-generation-configuration", *NAME, *given)
    found = cli.control("describe-image-generation-configuration", *NAME)
    assert found["ImageGenerationConfiguration"] == images


def selector(parameter):
    return [parameter, json.dumps(span(120, START - seconds(60)))]


def archive(cli, numbers, sent, directory):
    """Reads what was stored in every way that there is."""
    found = cli.archive("list-fragments", *NAME, *selector("--fragment-selector"))["Fragments"]
    assert sorted(fragment["FragmentNumber"] for fragment in found) == sorted(numbers)
    media = directory / "media.mkv"
    answer = cli.archive("get-media-for-fragment-list", str(media), *NAME, "--fragments", *numbers)
    assert answer["ContentType"] == "video/webm"
    assert packets(media.read_bytes()) == packets(sent)
    clip = directory / "clip.mp4"
    answer = cli.archive("get-clip", *NAME, *selector("--clip-fragment-selector"), str(clip))
    assert answer["ContentType"] == "video/mp4"
    pictures = lambda data: [packet for packet in packets(data) if packet[0] == "0"]
    assert len(pictures(clip.read_bytes())) == len(pictures(sent)) > 0
    wanted = ["--image-selector-type", "PRODUCER_TIMESTAMP", "--format", "JPEG", "--sampling-interval", "200"]
    # The capture is one second that begins 18 seconds after its start.
    wanted += ["--start-timestamp", str(START.timestamp()), "--end-timestamp", str(START.timestamp() + 60)]
    images = cli.archive("get-images", *NAME, *wanted, "--page-size", "100")["Images"]
    shown = [image["ImageContent"] for image in images if "ImageContent" in image]
    assert shown and all(base64.b64decode(image).startswith(b"\xff\xd8\xff") for image in shown)
    for protocol, member in [("hls", "HLSFragmentSelector"), ("dash", "DASHFragmentSelector")]:
        parameter = f"--{xform_name(member, '-')}"
        given = ["--playback-mode", "ON_DEMAND", *selector(parameter)]
        answer = cli.archive(f"get-{protocol}-streaming-session-url", *NAME, *given)
        url = answer[f"{protocol.upper()}StreamingSessionURL"]
        assert url.startswith(f"http://{cli.server.http}/{protocol}/v1/")
        played = probe(url, "stream=nb_read_packets", "-count_packets", "-select_streams", "v")
        assert str(len(pictures(sent))) in [stream["nb_read_packets"] for stream in played["streams"]]


def upload(server, film):
    """The upload, which no CLI has: with curl, that signs it."""
    said = output(curl(f"http://{server.http}", NAME[1], START, film))
    return [number for _, number in fragments(map(json.loads, said.splitlines()))]


def test_every_operation_that_is_served_runs(cli, tmp_path):
    arn = control(cli)
    tags(cli, arn)
    configurations(cli)
    film = CAPTURES / "producer-c-av.mkv"
    sent = film.read_bytes()
    archive(cli, upload(cli.server, film), sent, tmp_path)
    live = tmp_path / "live.mkv"
    start = ["--start-selector", "StartSelectorType=EARLIEST"]
    watching = cli.start("kinesis-video-media", "get-media", *NAME, *start, str(live))
    # The CLI has an answer once it makes the file, and writes when it has a megabyte or the end.
    eventually(live.exists)
    cli.control("delete-stream", "--stream-arn", arn, "--current-version", cli.version())
    # Who watches a stream sees it to its end.
    assert cli.end(*watching)["ContentType"] == "video/webm"
    assert packets(live.read_bytes()) == packets(sent)
    assert cli.ran == {name for service in VIDEO for name in service.operations}
