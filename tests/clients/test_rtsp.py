"""`afflux video pull` against a real RTSP server: GStreamer's, as `rtsp/camera.py` starts it."""

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import BINARY

CAMERA = pathlib.Path(__file__).parent / "rtsp" / "camera.py"
# The system's Python has GStreamer's bindings, a virtual environment has not.
PYTHON = "/usr/bin/python3"
EVER = ("--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")


def wait_for(what, holds, seconds=60):
    """Waits until `holds()` is true, and returns what it returned."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, f"{what} within {seconds} seconds"
        time.sleep(0.05)
    return value


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
        command = [BINARY, "video", "pull", stream, url, "--output", "json", *arguments]
        command += ["--server", server.ready["quic"]]
        self.process = subprocess.Popen(
            command,
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
        wait_for(f"{text!r} logged", lambda: self.log().count(text) >= times)

    def stop(self, kind=signal.SIGTERM):
        """Ends the recording and returns what it says of itself."""
        self.process.send_signal(kind)
        out = self.process.stdout.read()
        code = self.process.wait(timeout=60)
        self.reader.join()
        assert code == 0, self.log()
        return json.loads(out)

    def fails(self, kind=None):
        """Waits for the end, which must be an error, and returns what it says."""
        if kind:
            self.process.send_signal(kind)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.reader.join()
        assert code == 1, self.log()
        return self.log()


@pytest.fixture
def camera():
    """Starts cameras, and ends them with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, **settings):
            camera = Camera(*arguments, **settings)
            stack.callback(camera.kill)
            return camera

        yield start


@pytest.fixture
def stream(server, request):
    """A video stream of its own for each test."""
    name = re.sub("[^a-zA-Z0-9_.-]", "-", request.node.name)[:100]
    afflux(server, "video", "create", name)
    return name


def afflux(server, *arguments):
    command = [BINARY, *arguments, "--server", server.ready["quic"]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def fragments(server, stream):
    return json.loads(afflux(server, "video", "list", stream, "--output", "json"))


def stored(server, stream, count):
    """Waits until so many fragments are stored."""
    return wait_for(
        f"{count} fragments stored",
        lambda: (found := fragments(server, stream)) and len(found) >= count and found,
    )


def clip(server, stream, tmp_path):
    file = tmp_path / "clip.mp4"
    afflux(server, "video", "clip", stream, *EVER, "-o", str(file))
    return file


def ffmpeg(*arguments):
    command = ["ffmpeg", "-v", "error", "-nostdin", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def pictures(file):
    """The MD5 of each picture, decoded, in the order in which they are shown."""
    lines = ffmpeg("-i", file, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-")
    return [line.split(",")[-1].strip() for line in lines.splitlines() if line[:1] != "#"]


def sound(file):
    """All sound, decoded."""
    out = file.with_suffix(".raw")
    ffmpeg("-i", file, "-map", "0:a", "-f", "s16le", out)
    return out.read_bytes()


def probe(file, *entries):
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", *entries, str(file)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def codecs(file):
    return [stream["codec_name"] for stream in probe(file, "stream=codec_name")["streams"]]


def seconds(text):
    """Seconds since 1970 of a time as the command prints it."""
    import datetime

    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def assert_once_and_in_order(found):
    """No two fragments show the same time, and none is a discontinuity."""
    for one, following in zip(found, found[1:]):
        end = seconds(one["producer_time"]) + one["duration_ms"] / 1000
        assert seconds(following["producer_time"]) > end - 0.05, (one, following)
    assert not any(fragment["discontinuity"] for fragment in found), found


FILES = {
    "h264-aac": ["-c:v", "libx264", "-bf", "2", "-g", "25", "-c:a", "aac"],
    "h264-alaw": ["-c:v", "libx264", "-g", "50", "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"],
    "h264-mulaw": ["-c:v", "libx264", "-g", "50", "-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"],
    "h265": ["-c:v", "libx265", "-x265-params", "log-level=error:keyint=25", "-tag:v", "hvc1", "-an"],
}


def film(tmp_path, kind, length):
    """Seconds of video in a file, as a camera of this kind would code them."""
    file = tmp_path / ("film.mov" if "law" in kind else "film.mp4")
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=size=320x180:rate=25"),
        *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"),
        *("-t", length, "-pix_fmt", "yuv420p", *FILES[kind], file),
    )
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
def test_every_frame_is_stored(server, stream, camera, tmp_path, kind, transport, length):
    file = film(tmp_path, kind, length)
    video, _, audio = kind.partition("-")
    source = camera("--file", file, "--video", video, *(["--sound", audio] if audio else []))
    pull = Pull(server, stream, source.url(), "--transport", transport, "--stall-seconds", "2")
    # The film is over; the next connection would start it again.
    pull.logged("the connection is over")
    said = pull.stop()
    found = fragments(server, stream)
    assert said["fragments"] == said["durable"] == len(found) >= length // 2
    assert said["lost_packets"] == 0
    assert_once_and_in_order(found)
    taken = clip(server, stream, tmp_path)
    assert codecs(taken) == codecs(file)
    assert len(pictures(taken)) == length * 25
    assert pictures(taken) == pictures(file)
    if "law" in kind:
        # What came before the first picture is left out.
        heard, made = sound(taken), sound(file)
        assert made.endswith(heard) and len(heard) > 0.9 * len(made)


def test_times_are_the_cameras(server, stream, camera):
    source = camera("--sound", "aac")
    begun = time.time()
    pull = Pull(server, stream, source.url())
    pull.logged("times are the camera's")
    found = stored(server, stream, 4)
    pull.stop(signal.SIGINT)
    # Camera and test share a clock.
    for fragment in found:
        assert begun - 1 < seconds(fragment["producer_time"]) < time.time()
        delay = seconds(fragment["server_time"]) - seconds(fragment["producer_time"])
        assert fragment["duration_ms"] / 1000 - 0.2 < delay
    assert_once_and_in_order(found)


def test_a_camera_that_is_killed_and_comes_back_is_recorded_on(server, stream, camera, tmp_path):
    source = camera()
    pull = Pull(server, stream, source.url())
    before = len(stored(server, stream, 3))
    source.kill()
    pull.logged("the connection is over", times=2)
    camera(port=source.port)
    stored(server, stream, before + 4)
    said = pull.stop()
    found = fragments(server, stream)
    assert said["connections"] == 2
    assert said["fragments"] == said["durable"] == len(found)
    assert_once_and_in_order(found)
    # The pictures are noise: equal ones are one picture stored twice.
    shown = pictures(clip(server, stream, tmp_path))
    assert len(shown) == len(set(shown)) > 25 * 5
    assert len(shown) <= said["frames"]


def test_a_server_that_is_killed_gets_each_fragment_once(own_server, camera, tmp_path):
    afflux(own_server, "video", "create", "cam")
    source = camera()
    pull = Pull(own_server, "cam", source.url(), "--spool", str(tmp_path / "spool"))
    stored(own_server, "cam", 2)
    own_server.restart()
    stored(own_server, "cam", 6)
    said = pull.stop()
    found = fragments(own_server, "cam")
    assert said["connections"] == 1 and said["dropped"] == 0
    assert said["fragments"] == said["durable"] == len(found)
    assert_once_and_in_order(found)
    shown = pictures(clip(own_server, "cam", tmp_path))
    assert len(shown) == len(set(shown))
    gaps = [
        seconds(after["producer_time"])
        - seconds(one["producer_time"])
        - one["duration_ms"] / 1000
        for one, after in zip(found, found[1:])
    ]
    assert max(gaps) < 0.05, "nothing is missing either"


def test_what_a_full_spool_cannot_hold_is_dropped_and_counted(own_server, camera):
    afflux(own_server, "video", "create", "cam")
    pull = Pull(own_server, "cam", camera().url(), "--spool-bytes", "100000")
    stored(own_server, "cam", 1)
    own_server.kill()
    pull.logged("a fragment is dropped")
    own_server.restart()
    stored(own_server, "cam", 4)
    said = pull.stop()
    found = fragments(own_server, "cam")
    assert said["dropped"] >= 1 and said["connections"] == 1
    assert said["fragments"] == said["durable"] == len(found)
    assert_once_and_in_order(found)


def test_what_waits_in_the_spool_is_sent_by_the_next_run(own_server, camera, tmp_path):
    afflux(own_server, "video", "create", "cam")
    spool = tmp_path / "spool"
    pull = Pull(own_server, "cam", camera().url(), "--spool", str(spool))
    stored(own_server, "cam", 1)
    own_server.kill()
    waiting = lambda: len(list(spool.glob("*.fragment")))
    wait_for("two fragments spooled", lambda: waiting() >= 2)
    assert f"fragments wait in {spool}" in pull.fails(signal.SIGTERM)
    left = waiting()
    own_server.restart()
    before = len(fragments(own_server, "cam"))
    pull = Pull(own_server, "cam", camera().url(), "--spool", str(spool))
    stored(own_server, "cam", before + left + 1)
    said = pull.stop()
    found = fragments(own_server, "cam")
    assert waiting() == 0
    assert len(found) == said["durable"]
    # Another run: that it goes on where the last one ended, nobody knows.
    assert [fragment["discontinuity"] for fragment in found].count(True) == 1
    starts = [fragment["producer_time"] for fragment in found]
    assert starts == sorted(set(starts))


def test_lost_packets_are_counted_and_the_rest_is_recorded(server, stream, camera):
    source = camera("--lose", 40)
    pull = Pull(server, stream, source.url(), "--transport", "udp")
    pull.logged("packets were lost")
    stored(server, stream, 3)
    said = pull.stop()
    assert said["lost_packets"] >= 1 and said["connections"] == 1
    assert_once_and_in_order(fragments(server, stream))


def test_a_camera_that_stalls_is_connected_to_again(server, stream, camera):
    source = camera("--sound", "alaw")
    pull = Pull(server, stream, source.url(), "--stall-seconds", "2")
    before = len(stored(server, stream, 2))
    source.stall()
    pull.logged("it sent no picture for 2 seconds")
    stored(server, stream, before + 4)
    said = pull.stop()
    assert said["connections"] == 2
    assert_once_and_in_order(fragments(server, stream))


def test_another_picture_size_after_a_reconnect_is_another_initialisation(
    server, stream, camera, tmp_path
):
    source = camera("--width", 320)
    pull = Pull(server, stream, source.url())
    before = len(stored(server, stream, 2))
    source.kill()
    camera("--width", 640, port=source.port)
    found = stored(server, stream, before + 4)
    pull.stop()
    first = json.loads(
        afflux(server, "video", "list", stream, "--output", "json", "--to", found[1]["producer_time"])
    )
    assert len(first) == 1
    for fragment, width in [(found[0], 320), (found[-1], 640)]:
        start = fragment["producer_time"]
        file = tmp_path / f"{width}.mp4"
        end = seconds(start) + 0.5
        until = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end)) + f".{int(end % 1 * 1000):03}Z"
        afflux(server, "video", "clip", stream, "--from", start, "--to", until, "-o", str(file))
        assert probe(file, "stream=width")["streams"] == [{"width": width}]


def test_a_signal_keeps_what_came(server, stream, camera, tmp_path):
    source = camera("--video", "h265")
    pull = Pull(server, stream, source.url(), "--fragment-seconds", "60")
    stored(server, stream, 2)
    said = pull.stop(signal.SIGINT)
    taken = clip(server, stream, tmp_path)
    assert codecs(taken) == ["hevc"]
    assert said["frames"] - len(pictures(taken)) < 25, "only what came before the first key frame"
    assert said["durable"] == said["fragments"] == len(fragments(server, stream))


@pytest.fixture
def locked(camera):
    """A camera that wants a user and a password."""
    return camera("--user", "viewer", "--password", "s3cret@/:word")


def test_a_camera_with_a_password_is_recorded(server, stream, locked, tmp_path):
    file = tmp_path / "password"
    file.write_text("s3cret@/:word\n")
    ways = [
        (locked.url("viewer:s3cret%40%2F%3Aword@"), [], {}),
        (locked.url(), ["--user", "viewer", "--password-file", str(file)], {}),
        (locked.url("viewer@"), [], {"AFFLUX_CAMERA_PASSWORD": "s3cret@/:word"}),
    ]
    for url, arguments, environment in ways:
        before = len(fragments(server, stream))
        pull = Pull(server, stream, url, *arguments, AFFLUX_LOG_FILTER="trace", **environment)
        stored(server, stream, before + 1)
        pull.stop()
        for secret in ["s3cret", "%40%2F%3A"]:
            assert secret not in pull.log()


def test_a_wrong_password_is_an_error_that_says_what_to_do(server, stream, locked):
    said = Pull(server, stream, locked.url("viewer:wr0ng@")).fails()
    assert f"camera 127.0.0.1:{locked.port} refuses the user name or the password" in said
    assert "--password-file" in said and "AFFLUX_CAMERA_PASSWORD" in said
    assert "wr0ng" not in said
    said = Pull(server, stream, locked.url()).fails()
    assert "wants a user name and a password" in said and "--user" in said
    assert fragments(server, stream) == []


def test_what_cannot_be_recorded_is_said_at_once(server, stream, camera):
    said = Pull(server, stream, camera("--video", "jpeg").url()).fails()
    assert "offers nothing that can be recorded" in said and "video jpeg" in said
    said = Pull(server, "nowhere", camera().url()).fails()
    assert "nowhere" in said
