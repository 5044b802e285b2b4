"""`afflux video pull` against a real RTSP server: GStreamer's, as `rtsp/camera.py` starts it."""

import contextlib
import datetime
import json
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from support.expect import eventually
from support.film import AAC, ALAW, MULAW, ffmpeg, filming, frames, h264, hevc, probe
from support.server import PATIENCE_SECONDS

CAMERA = pathlib.Path(__file__).parent / "rtsp" / "camera.py"
# The system's Python has GStreamer's bindings, a virtual environment has not.
PYTHON = "/usr/bin/python3"
EVER = ("--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")


class Camera:
    """A running RTSP server with the path /live."""

    def __init__(self, *arguments, port="0"):
        command = [PYTHON, str(CAMERA), "--port", str(port), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, "the camera did not start"
        self.port = int(line)

    def url(self, user=""):
        return f"rtsp://{user}127.0.0.1:{self.port}/live"

    def stall(self):
        self.process.send_signal(signal.SIGUSR1)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Pull:
    """A running `afflux video pull`."""

    def __init__(self, server, stream, url, *arguments, **environment):
        self.process = subprocess.Popen(
            server.command("video", "pull", stream, url, "--output", "json", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**server.environment, **environment},
        )
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def log(self):
        return "".join(self.lines)

    def logged(self, text, times=1):
        eventually(lambda: self.log().count(text) >= times, f"{text!r} is logged")

    def stop(self, kind=signal.SIGTERM):
        """Ends the recording and returns what it says of itself."""
        self.end(kind, 0)
        return json.loads(self.process.stdout.read())

    def fails(self, kind=None):
        """Waits for the end, which must be an error, and returns what it says."""
        self.end(kind, 1)
        return self.log()

    def end(self, kind, code):
        if kind:
            self.process.send_signal(kind)
        ended = self.process.wait(PATIENCE_SECONDS)
        self.reader.join()
        assert ended == code, self.log()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def starter(kind):
    """Starts processes of a kind, and ends them with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, **settings):
            process = kind(*arguments, **settings)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def camera():
    yield from starter(Camera)


@pytest.fixture
def pull():
    yield from starter(Pull)


@pytest.fixture
def stream(server, name):
    """A video stream of its own for each test."""
    with server.camera(f"rtsp-{name}") as stream:
        yield stream


def fragments(server, stream):
    return json.loads(server.afflux("video", "list", stream, "--output", "json"))


def stored(server, stream, count):
    """Waits until so many fragments are stored."""

    def enough():
        found = fragments(server, stream)
        return found if len(found) >= count else None

    return eventually(enough, f"{count} fragments are stored")


def clip(server, stream, tmp_path):
    file = tmp_path / "clip.mp4"
    server.afflux("video", "clip", stream, *EVER, "-o", str(file))
    return file


def sound(file):
    """All sound, decoded."""
    return ffmpeg("-i", file, "-map", "0:a", "-f", "s16le", "pipe:1")


def codecs(file):
    return [stream["codec_name"] for stream in probe(file, "stream=codec_name")["streams"]]


def seconds(text):
    """Seconds since 1970 of a time as the command prints it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def assert_once_and_in_order(found):
    """No two fragments show the same time, and none is a discontinuity."""
    for one, following in zip(found, found[1:]):
        end = seconds(one["producer_time"]) + one["duration_ms"] / 1000
        assert seconds(following["producer_time"]) > end - 0.05, (one, following)
    assert not any(fragment["discontinuity"] for fragment in found), found


FILES = {
    "h264-aac": (f"{h264(25)} {AAC}", "mp4"),
    "h264-alaw": (f"{h264(50)} {ALAW}", "mov"),
    "h264-mulaw": (f"{h264(50)} {MULAW}", "mov"),
    "h265": (f"{hevc(25)} -an", "mp4"),
}


def film_of(tmp_path, kind, length):
    """Seconds of video in a file, as a camera of this kind would code them."""
    codecs, form = FILES[kind]
    file = tmp_path / f"film.{form}"
    ffmpeg(*filming(codecs, f"-f {form}", length, file=file))
    return file


@pytest.mark.parametrize(
    "kind, transport, length",
    [
        ("h264-aac", "tcp", 10),
        ("h264-aac", "udp", 10),
        ("h264-alaw", "tcp", 4),
        ("h264-mulaw", "udp", 4),
        ("h265", "tcp", 4),
        ("h265", "udp", 4),
    ],
)
def test_every_frame_is_stored(server, stream, camera, pull, tmp_path, kind, transport, length):
    file = film_of(tmp_path, kind, length)
    video, _, audio = kind.partition("-")
    source = camera("--file", file, "--video", video, *(["--sound", audio] if audio else []))
    pulling = pull(server, stream, source.url(), "--transport", transport, "--stall-seconds", "2")
    # The film is over; the next connection would start it again.
    pulling.logged("the connection is over")
    said = pulling.stop()
    found = fragments(server, stream)
    assert said["fragments"] == said["durable"] == len(found) >= length // 2
    assert said["lost_packets"] == 0
    assert_once_and_in_order(found)
    taken = clip(server, stream, tmp_path)
    assert codecs(taken) == codecs(file)
    assert len(frames(taken)) == length * 25
    assert frames(taken) == frames(file)
    if "law" in kind:
        # What came before the first picture is left out.
        heard, made = sound(taken), sound(file)
        assert made.endswith(heard) and len(heard) > 0.9 * len(made)


def test_times_are_the_cameras(server, stream, camera, pull):
    source = camera("--sound", "aac")
    begun = time.time()
    pulling = pull(server, stream, source.url())
    pulling.logged("times are the camera's")
    found = stored(server, stream, 4)
    pulling.stop(signal.SIGINT)
    # Camera and test share a clock.
    for fragment in found:
        assert begun - 1 < seconds(fragment["producer_time"]) < time.time()
        delay = seconds(fragment["server_time"]) - seconds(fragment["producer_time"])
        assert fragment["duration_ms"] / 1000 - 0.2 < delay
    assert_once_and_in_order(found)


def test_a_camera_that_is_killed_and_comes_back_is_recorded_on(server, stream, camera, pull, tmp_path):
    source = camera()
    pulling = pull(server, stream, source.url())
    before = len(stored(server, stream, 3))
    source.kill()
    pulling.logged("the connection is over", times=2)
    camera(port=source.port)
    stored(server, stream, before + 4)
    said = pulling.stop()
    found = fragments(server, stream)
    assert said["connections"] == 2
    assert said["fragments"] == said["durable"] == len(found)
    assert_once_and_in_order(found)
    # The pictures are noise: equal ones are one picture stored twice.
    shown = frames(clip(server, stream, tmp_path))
    assert len(shown) == len(set(shown)) > 25 * 5
    assert len(shown) <= said["frames"]


def test_a_server_that_is_killed_gets_each_fragment_once(own_server, camera, pull, tmp_path):
    own_server.afflux("video", "create", "cam")
    source = camera()
    pulling = pull(own_server, "cam", source.url(), "--spool", str(tmp_path / "spool"))
    stored(own_server, "cam", 2)
    own_server.restart()
    stored(own_server, "cam", 6)
    said = pulling.stop()
    found = fragments(own_server, "cam")
    assert said["connections"] == 1 and said["dropped"] == 0
    assert said["fragments"] == said["durable"] == len(found)
    assert_once_and_in_order(found)
    shown = frames(clip(own_server, "cam", tmp_path))
    assert len(shown) == len(set(shown))
    gaps = [
        seconds(after["producer_time"])
        - seconds(one["producer_time"])
        - one["duration_ms"] / 1000
        for one, after in zip(found, found[1:])
    ]
    assert max(gaps) < 0.05, "nothing is missing either"


def test_what_a_full_spool_cannot_hold_is_dropped_and_counted(own_server, camera, pull):
    own_server.afflux("video", "create", "cam")
    pulling = pull(own_server, "cam", camera().url(), "--spool-bytes", "100000")
    stored(own_server, "cam", 1)
    own_server.kill()
    pulling.logged("a fragment is dropped")
    own_server.restart()
    stored(own_server, "cam", 4)
    said = pulling.stop()
    found = fragments(own_server, "cam")
    assert said["dropped"] >= 1 and said["connections"] == 1
    assert said["fragments"] == said["durable"] == len(found)
    assert_once_and_in_order(found)


def test_what_waits_in_the_spool_is_sent_by_the_next_run(own_server, camera, pull, tmp_path):
    own_server.afflux("video", "create", "cam")
    spool = tmp_path / "spool"
    pulling = pull(own_server, "cam", camera().url(), "--spool", str(spool))
    stored(own_server, "cam", 1)
    own_server.kill()
    waiting = lambda: len(list(spool.glob("*.fragment")))
    eventually(lambda: waiting() >= 2, "two fragments are spooled")
    assert f"fragments wait in {spool}" in pulling.fails(signal.SIGTERM)
    left = waiting()
    own_server.restart()
    before = len(fragments(own_server, "cam"))
    pulling = pull(own_server, "cam", camera().url(), "--spool", str(spool))
    stored(own_server, "cam", before + left + 1)
    said = pulling.stop()
    found = fragments(own_server, "cam")
    assert waiting() == 0
    assert len(found) == said["durable"]
    # Another run: that it goes on where the last one ended, nobody knows.
    assert [fragment["discontinuity"] for fragment in found].count(True) == 1
    starts = [fragment["producer_time"] for fragment in found]
    assert starts == sorted(set(starts))


def test_lost_packets_are_counted_and_the_rest_is_recorded(server, stream, camera, pull):
    source = camera("--lose", 40)
    pulling = pull(server, stream, source.url(), "--transport", "udp")
    pulling.logged("packets were lost")
    stored(server, stream, 3)
    said = pulling.stop()
    assert said["lost_packets"] >= 1 and said["connections"] == 1
    assert_once_and_in_order(fragments(server, stream))


def test_a_camera_that_stalls_is_connected_to_again(server, stream, camera, pull):
    source = camera("--sound", "alaw")
    pulling = pull(server, stream, source.url(), "--stall-seconds", "2")
    before = len(stored(server, stream, 2))
    source.stall()
    pulling.logged("it sent no picture for 2 seconds")
    stored(server, stream, before + 4)
    said = pulling.stop()
    assert said["connections"] == 2
    assert_once_and_in_order(fragments(server, stream))


def test_another_picture_size_after_a_reconnect_is_another_initialisation(
    server, stream, camera, pull, tmp_path
):
    source = camera("--width", 320)
    pulling = pull(server, stream, source.url())
    before = len(stored(server, stream, 2))
    source.kill()
    camera("--width", 640, port=source.port)
    found = stored(server, stream, before + 4)
    pulling.stop()
    first = json.loads(
        server.afflux("video", "list", stream, "--output", "json", "--to", found[1]["producer_time"])
    )
    assert len(first) == 1
    for fragment, width in [(found[0], 320), (found[-1], 640)]:
        start = fragment["producer_time"]
        file = tmp_path / f"{width}.mp4"
        end = seconds(start) + 0.5
        until = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end)) + f".{int(end % 1 * 1000):03}Z"
        server.afflux("video", "clip", stream, "--from", start, "--to", until, "-o", str(file))
        assert probe(file, "stream=width")["streams"] == [{"width": width}]


def test_a_signal_keeps_what_came(server, stream, camera, pull, tmp_path):
    source = camera("--video", "h265")
    pulling = pull(server, stream, source.url(), "--fragment-seconds", "60")
    stored(server, stream, 2)
    said = pulling.stop(signal.SIGINT)
    taken = clip(server, stream, tmp_path)
    assert codecs(taken) == ["hevc"]
    assert said["frames"] - len(frames(taken)) < 25, "only what came before the first key frame"
    assert said["durable"] == said["fragments"] == len(fragments(server, stream))


@pytest.fixture
def locked(camera):
    """A camera that wants a user and a password."""
    return camera("--user", "viewer", "--password", "s3cret@/:word")


def test_a_camera_with_a_password_is_recorded(server, stream, locked, pull, tmp_path):
    file = tmp_path / "password"
    file.write_text("s3cret@/:word\n")
    ways = [
        (locked.url("viewer:s3cret%40%2F%3Aword@"), [], {}),
        (locked.url(), ["--user", "viewer", "--password-file", str(file)], {}),
        (locked.url("viewer@"), [], {"AFFLUX_CAMERA_PASSWORD": "s3cret@/:word"}),
    ]
    for url, arguments, environment in ways:
        before = len(fragments(server, stream))
        pulling = pull(server, stream, url, *arguments, AFFLUX_LOG_FILTER="trace", **environment)
        stored(server, stream, before + 1)
        pulling.stop()
        for secret in ["s3cret", "%40%2F%3A"]:
            assert secret not in pulling.log()


def test_a_wrong_password_is_an_error_that_says_what_to_do(server, stream, locked, pull):
    said = pull(server, stream, locked.url("viewer:wr0ng@")).fails()
    assert f"camera 127.0.0.1:{locked.port} refuses the user name or the password" in said
    assert "--password-file" in said and "AFFLUX_CAMERA_PASSWORD" in said
    assert "wr0ng" not in said
    said = pull(server, stream, locked.url()).fails()
    assert "wants a user name and a password" in said and "--user" in said
    assert fragments(server, stream) == []


def test_what_cannot_be_recorded_is_said_at_once(server, stream, camera, pull):
    said = pull(server, stream, camera("--video", "jpeg").url()).fails()
    assert "offers nothing that can be recorded" in said and "video jpeg" in said
    said = pull(server, "nowhere", camera().url()).fails()
    assert "nowhere" in said
