"""Delivery streams while cameras run: the playlists of hours and their objects, as ffmpeg plays them."""

import contextlib
import subprocess

import boto3
import pytest
from moto.server import ThreadedMotoServer

from support.film import AAC, FFMPEG, FRAGMENTED, MATROSKA, ffmpeg, film, filming, frames, h264
from support.lake import delivered
from support.producer import START, PutMedia, bring
from support.server import ACCESS_KEY, PATIENCE_SECONDS, SECRET, Server

SECONDS = 20
# Pictures in a second; a fragment has as many.
RATE = 25
CODECS = f"{h264(RATE)} {AAC}"


@pytest.fixture
def store():
    """A bucket named `cloud` of another program, and its address."""
    other = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    other.start()
    host, port = other.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET}
    s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
    s3.create_bucket(Bucket="cloud")
    yield s3, address
    other.stop()


@pytest.fixture
def server(tmp_path, store):
    """A server that a test may kill, and that knows the bucket."""
    config = f"""
[[buckets]]
name = "cloud"
endpoint = "{store[1]}"
region = "us-east-1"
access_key_id = "{ACCESS_KEY}"
secret = "{SECRET}"
"""
    with Server(tmp_path, config) as server:
        yield server


@contextlib.contextmanager
def camera(server, name, file):
    """A camera that sends what it films and keeps it in a file; it ends in time, whatever the server does."""
    making = filming(CODECS, FRAGMENTED, SECONDS, RATE, "-re")
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(subprocess.Popen([*FFMPEG, *making], stdout=subprocess.PIPE))
        command = ["tee", str(file)]
        tee = stack.enter_context(subprocess.Popen(command, stdin=source.stdout, stdout=subprocess.PIPE))
        source.stdout.close()
        command = server.command("video", "put", name, "-")
        put = stack.enter_context(subprocess.Popen(command, stdin=tee.stdout, stdout=subprocess.DEVNULL))
        tee.stdout.close()
        for process in (put, tee, source):
            stack.callback(process.kill)
        yield
        assert put.wait(SECONDS + PATIENCE_SECONDS) == 0


def pictures(playlist):
    """What a playlist shows; a picture follows the other, and nobody complains."""
    options = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "pipe:1"]
    made = ffmpeg("-xerror", "-i", str(playlist), *options).decode().splitlines()
    lines = [line.split(",") for line in made if line[0] != "#"]
    times = [int(line[2]) for line in lines]
    assert times == list(range(times[0], times[0] + len(times))), times
    return [line[-1].strip() for line in lines]


def check(found, names, address, film):
    """Compares what is at an address with a film."""
    playlists = sorted(name for name in names if name.endswith(".m3u8"))
    objects = sorted(name for name in names if name.endswith(".mp4"))
    assert sorted(names) == sorted(playlists + objects)
    # A test may run over the end of an hour.
    assert 1 <= len(playlists) <= 2
    sent = frames(str(film))
    assert len(sent) == SECONDS * RATE
    assert [shown for name in playlists for shown in pictures(f"{address}/{name}")] == sent
    # Alone, an object shows what it has.
    assert [shown for name in objects for shown in frames(f"{address}/{name}")] == sent
    assert (found["objects"], found["last_object"]) == (len(objects), objects[-1])
    assert len(objects) >= 2


def test_each_hour_plays_as_its_cameras_filmed_over_a_kill(server, store, tmp_path):
    s3, address = store
    lake = tmp_path / "lake"
    lake.mkdir()
    server.afflux("stream", "create", "clicks")
    for name in ("front", "gate", "yard", "clicks"):
        if name != "clicks":
            server.afflux("video", "create", name)
        place = ["--bucket", "cloud"] if name == "yard" else ["--to", lake]
        prefix = ["--prefix", f"{name}/", "--interval", 2]
        server.afflux("delivery", "create", name, "--stream", name, *place, *prefix)
    films = {name: tmp_path / f"{name}.film" for name in ("front", "gate", "yard")}
    # The camera at the gate is an SDK's: it sends what may be lost once more.
    gate = film(CODECS, MATROSKA, SECONDS, RATE)
    films["gate"].write_bytes(gate)
    with contextlib.ExitStack() as stack:
        for name in ("front", "yard"):
            stack.enter_context(camera(server, name, films[name]))
        connection = stack.enter_context(contextlib.closing(PutMedia(server, "gate", START)))
        connection.send(gate[: len(gate) // 2])
        server.afflux("put", "clicks", "--key", "k", input=b"one\ntwo\n")
        for name in films:
            delivered(server, name, 6)
        server.restart()
        server.afflux("put", "clicks", "--key", "k", input=b"three\n")
        bring(server, "gate", gate, START)
    found = {name: delivered(server, name, SECONDS) for name in films}
    delivered(server, "clicks", 3)

    for place in ("front", "gate"):
        names = [str(path.relative_to(lake)) for path in (lake / place).rglob("*") if path.is_file()]
        check(found[place], names, lake, films[place])
    names = [each["Key"] for each in s3.list_objects_v2(Bucket="cloud", Prefix="yard/")["Contents"]]
    for name in names:
        # So that ffmpeg, which signs nothing, may read it.
        s3.put_object_acl(Bucket="cloud", Key=name, ACL="public-read")
        kind = s3.head_object(Bucket="cloud", Key=name)["ContentType"]
        assert kind == {"mp4": "video/mp4", "m3u8": "application/vnd.apple.mpegurl"}[name.rsplit(".")[-1]]
    check(found["yard"], names, f"{address}/cloud", films["yard"])
    clicks = sorted((lake / "clicks").rglob("clicks-*"))
    assert b"".join(path.read_bytes() for path in clicks) == b"one\ntwo\nthree\n"
