"""Media in over PutMedia and out again by every operation, frame by frame."""

import base64
import contextlib
import datetime
import json
import re
import subprocess

import pytest
from botocore.exceptions import ClientError

from support.expect import refused
from support.film import AAC, ALAW, FFMPEG, MATROSKA, film, filming, frames, frames_of_tracks, h264, hevc, packets
from support.producer import CAPTURES, START, PutMedia, curl, fragments, put, seconds
from support.server import PATIENCE_SECONDS, fetch
from support.sessions import span

FILM = (f"{h264(25)} {AAC}", MATROSKA, 4)


def listed(archive, name):
    pages = archive.get_paginator("list_fragments").paginate(StreamName=name)
    found = [fragment for page in pages for fragment in page["Fragments"]]
    return sorted(fragment["FragmentNumber"] for fragment in found)


SENT = {"producer-c-av.mkv": START, "kvssink.mkv": None, "parser-clusters.mkv": None}


@pytest.mark.parametrize("capture", SENT)
def test_a_capture_comes_out_as_it_went_in(server, archive, camera, capture):
    sent = (CAPTURES / capture).read_bytes()
    acks = put(server, camera, sent, SENT[capture])
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
    assert frames_of_tracks(got) == frames_of_tracks(sent)


def test_the_offline_capture_replays_to_the_acknowledgements_of_its_log(server, camera):
    acks = put(server, camera, (CAPTURES / "producer-c-offline.mkv").read_bytes())
    expected = [1795227700587, 1795227702387, 1795227704187, 1795227705987]
    for kind in ("BUFFERING", "RECEIVED", "PERSISTED"):
        told = [ack for ack in acks if ack["EventType"] == kind]
        assert [ack["FragmentTimecode"] for ack in told] == expected
    again = put(server, camera, (CAPTURES / "producer-c-offline.mkv").read_bytes())
    assert fragments(again) == fragments(acks)


def test_a_replay_after_a_crash_leaves_each_fragment_once(own_server):
    video = own_server.client("kinesisvideo")
    video.create_stream(StreamName="camera", DataRetentionInHours=1)
    sent = (CAPTURES / "producer-c-offline.mkv").read_bytes()
    connection = PutMedia(own_server, "camera")
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
    connection = PutMedia(server, camera)
    sent = (CAPTURES / "producer-c-offline.mkv").read_bytes()
    connection.send(sent[:230_000])
    acks = connection.acks()
    seen = [next(acks)]
    while not fragments(seen):
        seen.append(next(acks))
    connection.send(sent[230_000:])
    connection.end()
    seen.extend(acks)
    assert len(fragments(seen)) == 4
    connection.close()


def test_a_second_connection_is_refused(server, camera):
    first = PutMedia(server, camera)
    headers = {"x-amzn-stream-name": camera, "x-amzn-fragment-timecode-type": "ABSOLUTE"}
    answer, body = fetch(f"http://{server.http}/putMedia", "POST", b"", headers)
    assert answer.status == 400
    assert answer.headers["x-amzn-ErrorType"].startswith("ConnectionLimitExceededException")
    assert "Message" in json.loads(body)
    first.close()


def test_live_media_follows_and_is_continued(server, camera):
    media = server.client("kinesis-video-media")
    sent = (CAPTURES / "kvssink.mkv").read_bytes()
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
    sent = film(*FILM)
    assert fragments(put(server, camera, sent, START))
    answer = archive.get_clip(StreamName=camera, ClipFragmentSelector=span(60))
    assert answer["ContentType"] == "video/mp4"
    got = answer["Payload"].read()
    assert frames(got, "a") == frames(sent, "a")
    assert len(frames(got)) == 100 and frames(got) == frames(sent)


def test_images_are_pictures_of_their_times(server, archive, camera):
    put(server, camera, film(*FILM), START)
    request = {
        "StreamName": camera,
        "ImageSelectorType": "PRODUCER_TIMESTAMP",
        "StartTimestamp": START + seconds(0.1),
        "EndTimestamp": START + seconds(3.9),
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


LIVE = {"h264": f"{h264(25)} {AAC}", "hevc": f"{hevc(25)} {AAC}", "g711": f"{h264(25)} {ALAW}"}


@pytest.mark.parametrize("codec", LIVE)
def test_ffmpeg_and_curl_bring_media_live(closed, name, codec, tmp_path):
    copy = tmp_path / "sent.mkv"
    filmed = filming(LIVE[codec], "-f matroska", 4, pace="-re")
    now = datetime.datetime.now(datetime.timezone.utc)
    with contextlib.ExitStack() as stack:
        stack.enter_context(closed.camera(name))

        def run(command, given=None):
            process = subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        making = run([*FFMPEG, *filmed])
        keeping = run(["tee", copy], making.stdout)
        sending = run(curl(f"http://{closed.http}", name, now), keeping.stdout)
        acks = [json.loads(line) for line in sending.stdout]
        assert sending.wait(PATIENCE_SECONDS) == 0
        look(closed, name, acks, copy.read_bytes())


def look(server, name, acks, sent):
    assert {ack["EventType"] for ack in acks} == {"BUFFERING", "RECEIVED", "PERSISTED"}, acks
    numbers = sorted({number for _, number in fragments(acks)})
    assert 2 <= len(numbers) <= 5, "about a fragment for each second, however ffmpeg cut it"
    archive = server.client("kinesis-video-archived-media")
    answer = archive.get_media_for_fragment_list(StreamName=name, Fragments=numbers)
    assert packets(answer["Payload"].read()) == packets(sent)


def test_tags_select_fragments(server, camera):
    sent = (CAPTURES / "tags-mixed.mkv").read_bytes()
    acks = put(server, camera, sent)
    assert fragments(acks) or acks[-1]["EventType"] == "ERROR"
    asked = json.dumps({"StreamName": camera, "FragmentTags": {"no such tag": ""}})
    answer, body = fetch(f"http://{server.http}/listFragments", "POST", asked)
    assert answer.status == 200 and json.loads(body)["Fragments"] == []


def test_a_stream_without_retention_is_watched_and_not_searched(server, video, archive):
    video.create_stream(StreamName="unkept", DataRetentionInHours=0)
    sent = (CAPTURES / "kvssink.mkv").read_bytes()
    numbers = [number for _, number in fragments(put(server, "unkept", sent))]
    assert len(numbers) == 2
    call = archive.get_media_for_fragment_list
    refused("NoDataRetentionException", call, StreamName="unkept", Fragments=numbers)
    media = server.client("kinesis-video-media")
    selector = {"StartSelectorType": "EARLIEST"}
    payload = media.get_media(StreamName="unkept", StartSelector=selector)["Payload"]
    assert payload.read(4) == b"\x1a\x45\xdf\xa3"
    payload.close()
