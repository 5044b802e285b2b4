"""Media in over PutMedia and out again by every operation, frame by frame."""

import base64
import contextlib
import datetime
import http.client
import json
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest
from botocore.exceptions import ClientError

from conftest import ACCESS_KEY, SECRET, Server

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures" / "kvs"
START = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.timezone.utc)
H264 = "-c:v libx264 -preset veryfast -bf 2 -g 25 -sc_threshold 0 -pix_fmt yuv420p -c:a aac"
HEVC = "-c:v libx265 -x265-params log-level=error:keyint=25:min-keyint=25:scenecut=0 -c:a aac"
G711 = "-c:v libx264 -preset veryfast -g 25 -sc_threshold 0 -pix_fmt yuv420p -c:a pcm_alaw -ar 8000"


@pytest.fixture(scope="module")
def video(server):
    return server.client("kinesisvideo")


@pytest.fixture(scope="module")
def archive(server):
    return server.client("kinesis-video-archived-media")


@pytest.fixture
def camera(video, request):
    name = re.sub("[^a-zA-Z0-9_.-]", "-", request.node.name)[:100]
    arn = video.create_stream(StreamName=name, DataRetentionInHours=1)["StreamARN"]
    yield name
    video.delete_stream(StreamARN=arn)


class Put:
    """A connection that brings media; what is said to it is read while it sends."""

    def __init__(self, server, name, start=None):
        host, port = server.http.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        head = [
            "POST /putMedia HTTP/1.1",
            f"Host: {host}",
            f"x-amzn-stream-name: {name}",
            f"x-amzn-fragment-timecode-type: {'RELATIVE' if start else 'ABSOLUTE'}",
            f"x-amzn-producer-start-timestamp: {start or 0}",
            "x-amzn-fragment-acknowledgment-required: 1",
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
        ]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())
        self.answer = self.socket.makefile("rb")
        status = self.read_head()
        if status == 100:
            status = self.read_head()
        self.status = status

    def read_head(self):
        status = int(self.answer.readline().split()[1])
        while self.answer.readline() != b"\r\n":
            pass
        return status

    def send(self, data):
        for at in range(0, len(data), 1 << 16):
            piece = data[at : at + (1 << 16)]
            self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self):
        self.socket.sendall(b"0\r\n\r\n")

    def acks(self):
        """Each acknowledgement, as it comes."""
        text = b""
        while size := int(self.answer.readline(), 16):
            text += self.answer.read(size + 2)[:-2]
            *lines, text = text.split(b"\r\n")
            yield from map(json.loads, lines)

    def close(self):
        self.answer.close()
        self.socket.close()


def put(server, name, data, start=None):
    connection = Put(server, name, start)
    assert connection.status == 200
    sending = threading.Thread(target=lambda: (connection.send(data), connection.end()))
    sending.start()
    acks = list(connection.acks())
    sending.join()
    connection.close()
    return acks


def fragments(acks, kind="PERSISTED"):
    return [(a["FragmentTimecode"], a["FragmentNumber"]) for a in acks if a["EventType"] == kind]


def digests(data, *options):
    """What every frame of each track is, and which of them there are."""
    command = ["ffmpeg", "-v", "error", *options, "-i", "pipe:0", "-f", "framemd5"]
    answer = subprocess.run([*command, "-"], input=data, capture_output=True, check=True)
    lines = [line.split(",") for line in answer.stdout.decode().splitlines() if line[0] != "#"]
    tracks = {}
    for line in lines:
        tracks.setdefault(line[0].strip(), []).append(line[-1].strip())
    return tracks


def packets(data):
    """The bytes of every packet, by track; nothing is decoded."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-c", "copy", "-map", "0", "-f", "framehash"]
    answer = subprocess.run([*command, "-"], input=data, capture_output=True, check=True)
    lines = [line.split(",") for line in answer.stdout.decode().splitlines() if line[0] != "#"]
    return sorted((line[0].strip(), line[-1].strip()) for line in lines)


def film(codec, seconds=4, options=""):
    source = "-f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i sine=r=48000"
    command = f"ffmpeg -v error {source} -t {seconds} {codec} {options} -f matroska pipe:1"
    return subprocess.run(command.split(), capture_output=True, check=True).stdout


def span(first, last, axis="PRODUCER_TIMESTAMP"):
    ends = {"StartTimestamp": first / 1_000, "EndTimestamp": last / 1_000}
    return {"FragmentSelectorType": axis, "TimestampRange": ends}


def listed(archive, name):
    pages = archive.get_paginator("list_fragments").paginate(StreamName=name)
    found = [fragment for page in pages for fragment in page["Fragments"]]
    return sorted(fragment["FragmentNumber"] for fragment in found)


CAPTURES = {"producer-c-av.mkv": START.timestamp(), "kvssink.mkv": None, "parser-clusters.mkv": None}


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_capture_comes_out_as_it_went_in(server, archive, camera, capture):
    sent = (FIXTURES / capture).read_bytes()
    acks = put(server, camera, sent, CAPTURES[capture])
    assert {ack["EventType"] for ack in acks} == {"BUFFERING", "RECEIVED", "PERSISTED"}
    stored = fragments(acks)
    numbers = [number for _, number in stored]
    assert fragments(acks, "RECEIVED") == stored and numbers == sorted(numbers)
    assert all(len(number) == 47 for number in numbers)
    assert listed(archive, camera) == numbers
    answer = archive.get_media_for_fragment_list(StreamName=camera, Fragments=numbers)
    assert answer["ContentType"] == "video/webm"
    got = answer["Payload"].read()
    assert packets(got) == packets(sent)
    assert digests(got) == digests(sent)


def test_the_offline_capture_replays_to_the_acknowledgements_of_its_log(server, camera):
    acks = put(server, camera, (FIXTURES / "producer-c-offline.mkv").read_bytes())
    expected = [1795227700587, 1795227702387, 1795227704187, 1795227705987]
    for kind in ("BUFFERING", "RECEIVED", "PERSISTED"):
        told = [ack for ack in acks if ack["EventType"] == kind]
        assert [ack["FragmentTimecode"] for ack in told] == expected
    again = put(server, camera, (FIXTURES / "producer-c-offline.mkv").read_bytes())
    assert fragments(again) == fragments(acks)


def test_a_replay_after_a_crash_leaves_each_fragment_once(own_server):
    video = own_server.client("kinesisvideo")
    video.create_stream(StreamName="camera", DataRetentionInHours=1)
    sent = (FIXTURES / "producer-c-offline.mkv").read_bytes()
    connection = Put(own_server, "camera")
    connection.send(sent[:300_000])
    persisted = []
    for ack in connection.acks():
        if ack["EventType"] == "PERSISTED":
            persisted.append((ack["FragmentTimecode"], ack["FragmentNumber"]))
        if len(persisted) == 2:
            break
    own_server.restart()
    connection.close()
    replayed = fragments(put(own_server, "camera", sent))
    assert len(replayed) == 4 and replayed[:2] == persisted
    archive = own_server.client("kinesis-video-archived-media")
    numbers = listed(archive, "camera")
    assert numbers == [number for _, number in replayed]
    answer = archive.get_media_for_fragment_list(StreamName="camera", Fragments=numbers)
    assert answer["Payload"].read().count(b"\x1f\x43\xb6\x75") == 4


def test_acknowledgements_come_while_the_body_is_sent(server, camera):
    connection = Put(server, camera)
    sent = (FIXTURES / "producer-c-offline.mkv").read_bytes()
    connection.send(sent[:230_000])
    acks = connection.acks()
    seen = [next(acks) for _ in range(6)]
    assert len(fragments(seen)) >= 1
    connection.send(sent[230_000:])
    connection.end()
    seen.extend(acks)
    assert len(fragments(seen)) == 4
    connection.close()


def test_a_second_connection_is_refused(server, camera):
    first = Put(server, camera)
    host = http.client.HTTPConnection(server.http)
    headers = {"x-amzn-stream-name": camera, "x-amzn-fragment-timecode-type": "ABSOLUTE"}
    host.request("POST", "/putMedia", b"", headers)
    answer = host.getresponse()
    assert answer.status == 400
    assert answer.headers["x-amzn-ErrorType"].startswith("ConnectionLimitExceededException")
    assert "Message" in json.loads(answer.read())
    first.close()


def test_live_media_follows_and_is_continued(server, camera):
    media = server.client("kinesis-video-media")
    sent = (FIXTURES / "kvssink.mkv").read_bytes()
    (first, number), (_, last) = fragments(put(server, camera, sent))
    selector = {"StartSelectorType": "EARLIEST"}
    payload = media.get_media(StreamName=camera, StartSelector=selector)["Payload"]
    got = b""
    end = re.compile(rb"CONTINUATION_TOKEN.{1,12}" + last.encode(), re.DOTALL)
    # Chunk by chunk: to ask for more bytes than there are is to wait for the next fragment.
    for chunk in payload._raw_stream.stream():
        got += chunk
        if end.search(got, max(len(got) - 2_000, 0)):
            break
    assert packets(got) == packets(sent)
    assert b"AWS_KINESISVIDEO_MILLIS_BEHIND_NOW" in got
    assert f"{first / 1_000:.3f}".encode() in got
    selector = {"StartSelectorType": "CONTINUATION_TOKEN", "ContinuationToken": number}
    payload = media.get_media(StreamName=camera, StartSelector=selector)["Payload"]
    assert number.encode() not in payload.read(300_000)
    payload.close()


def test_a_clip_has_the_frames_that_were_sent(server, archive, camera):
    sent = film(H264, options="-cluster_size_limit 50M -cluster_time_limit 60000")
    assert fragments(put(server, camera, sent, START.timestamp()))
    first = int(START.timestamp() * 1_000)
    selector = span(first, first + 60_000)
    answer = archive.get_clip(StreamName=camera, ClipFragmentSelector=selector)
    assert answer["ContentType"] == "video/mp4"
    got = answer["Payload"].read()
    assert digests(got, "-vn") == digests(sent, "-vn")
    frames = digests(got, "-an")["0"]
    assert len(frames) == 100 and frames == digests(sent, "-an")["0"]


def test_images_are_pictures_of_their_times(server, archive, camera):
    sent = film(H264, options="-cluster_size_limit 50M -cluster_time_limit 60000")
    put(server, camera, sent, START.timestamp())
    request = {
        "StreamName": camera,
        "ImageSelectorType": "PRODUCER_TIMESTAMP",
        "StartTimestamp": START + datetime.timedelta(seconds=0.1),
        "EndTimestamp": START + datetime.timedelta(seconds=3.9),
        "SamplingInterval": 300,
        "HeightPixels": 90,
    }
    for form, magic in (("JPEG", b"\xff\xd8\xff"), ("PNG", b"\x89PNG")):
        answer = archive.get_images(**request, Format=form, MaxResults=100)
        images = answer["Images"]
        assert len(images) == 13 and "NextToken" not in answer
        assert not [image for image in images if "ImageContent" not in image]
        for image in images:
            # boto3 leaves the base64 of the model's string alone.
            content = base64.b64decode(image["ImageContent"])
            assert content.startswith(magic)
        assert len({image["ImageContent"] for image in images}) == 13
    with pytest.raises(ClientError, match="SamplingInterval"):
        archive.get_images(**{**request, "SamplingInterval": 100}, Format="PNG")


@pytest.mark.parametrize("codec", [H264, HEVC, G711], ids=["h264", "hevc", "g711"])
def test_ffmpeg_and_curl_bring_media_live(closed, codec, tmp_path):
    video = closed.client("kinesisvideo")
    name = f"live-{abs(hash(codec))}"
    video.create_stream(StreamName=name, DataRetentionInHours=1)
    copy = tmp_path / "sent.mkv"
    source = "-re -f lavfi -i testsrc2=s=320x180:r=25 -re -f lavfi -i sine=r=48000"
    ffmpeg = f"ffmpeg -v error {source} -t 4 {codec} -f matroska pipe:1"
    curl = [
        *["curl", "--silent", "--show-error", "--no-buffer", "-X", "POST", "-T", "-"],
        *["--aws-sigv4", "aws:amz:us-east-1:kinesisvideo", "--user", f"{ACCESS_KEY}:{SECRET}"],
        *["-H", f"x-amzn-stream-name: {name}", "-H", "x-amzn-fragment-timecode-type: RELATIVE"],
        *["-H", f"x-amzn-producer-start-timestamp: {time.time()}"],
        f"http://{closed.http}/putMedia",
    ]
    with contextlib.ExitStack() as stack:
        making = stack.enter_context(subprocess.Popen(ffmpeg.split(), stdout=subprocess.PIPE))
        keeping = stack.enter_context(
            subprocess.Popen(["tee", copy], stdin=making.stdout, stdout=subprocess.PIPE)
        )
        sending = stack.enter_context(
            subprocess.Popen(curl, stdin=keeping.stdout, stdout=subprocess.PIPE)
        )
        acks = [json.loads(line) for line in sending.stdout]
        assert sending.wait(60) == 0
    assert {ack["EventType"] for ack in acks} == {"BUFFERING", "RECEIVED", "PERSISTED"}, acks
    numbers = sorted({number for _, number in fragments(acks)})
    assert 2 <= len(numbers) <= 5, "about a fragment for each second, however ffmpeg cut it"
    archive = closed.client("kinesis-video-archived-media")
    answer = archive.get_media_for_fragment_list(StreamName=name, Fragments=numbers)
    assert packets(answer["Payload"].read()) == packets(copy.read_bytes())


def test_tags_select_fragments(server, camera):
    sent = (FIXTURES / "tags-mixed.mkv").read_bytes()
    acks = put(server, camera, sent)
    assert fragments(acks) or acks[-1]["EventType"] == "ERROR"
    host = http.client.HTTPConnection(server.http)
    body = json.dumps({"StreamName": camera, "FragmentTags": {"no such tag": ""}})
    host.request("POST", "/listFragments", body)
    answer = host.getresponse()
    assert answer.status == 200 and json.loads(answer.read())["Fragments"] == []


def test_a_stream_without_retention_is_watched_and_not_searched(server, video, archive):
    video.create_stream(StreamName="unkept", DataRetentionInHours=0)
    sent = (FIXTURES / "kvssink.mkv").read_bytes()
    numbers = [number for _, number in fragments(put(server, "unkept", sent))]
    assert len(numbers) == 2
    with pytest.raises(ClientError) as refused:
        archive.get_media_for_fragment_list(StreamName="unkept", Fragments=numbers)
    assert refused.value.response["Error"]["Code"] == "NoDataRetentionException"
    media = server.client("kinesis-video-media")
    selector = {"StartSelectorType": "EARLIEST"}
    payload = media.get_media(StreamName="unkept", StartSelector=selector)["Payload"]
    assert payload.read(4) == b"\x1a\x45\xdf\xa3"
    payload.close()
