"""The page in headless Chromium, and the players that others wrote: hls.js and dash.js."""

import contextlib
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import subprocess

import pytest

from conftest import ACCESS_KEY, BINARY, SECRET, Server

ROOT = pathlib.Path(__file__).parents[2]
BROWSER = ROOT / "tests/browser"
PLAYER = ROOT / "crates/server/player"

START = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.timezone.utc)
SECONDS = 10
GAP_SECONDS = 50
LIVE_SECONDS = 120

ENCODE = "-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -sc_threshold 0 -pix_fmt yuv420p"
SOUND = "-c:a aac -ar 48000 -b:a 64k"
FMP4 = "-movflags frag_keyframe+empty_moov+default_base_moof+cmaf -f mp4 -"
MKV = "-f matroska -cluster_size_limit 50M -cluster_time_limit 60000 -"

TOKEN = "the token of the camera"
CREDENTIALS = f"""
[[tokens]]
name = "camera"
sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
rights = ["produce", "admin"]

[[credentials]]
access_key_id = "{ACCESS_KEY}"
secret = "{SECRET}"
actions = ["kinesisvideo:*"]
streams = ["*"]
"""


def ffmpeg(output, seconds):
    """A command that makes pictures and sound."""
    source = "-f lavfi -i testsrc2=s=320x180:r=30 -f lavfi -i sine=r=48000"
    return f"ffmpeg -v error {source} -t {seconds} {ENCODE} {SOUND} {output}".split()


def video(server, *arguments, **options):
    command = [BINARY, "video", *arguments, "--server", server.ready["quic"]]
    return subprocess.Popen(command, env={**os.environ, "AFFLUX_TOKEN": TOKEN}, **options)


def create(server, name):
    assert video(server, "create", name, stdout=subprocess.DEVNULL).wait() == 0


def millis(time):
    return str(round(time.timestamp() * 1000))


@contextlib.contextmanager
def camera(server, name):
    """A camera that sends for as long as somebody looks."""
    create(server, name)
    film = server.directory / "live.mp4"
    if not film.exists():
        # Encoded before, so that nobody waits for an encoder that shares the machine with a browser.
        subprocess.run(ffmpeg(film, LIVE_SECONDS), check=True)
    command = f"ffmpeg -v error -re -i {film} -c copy {FMP4}".split()
    source = subprocess.Popen(command, stdout=subprocess.PIPE)
    put = video(server, "put", name, "-", stdin=source.stdout, stdout=subprocess.DEVNULL)
    source.stdout.close()
    try:
        yield
    finally:
        source.terminate()
        source.wait()
        assert put.wait(timeout=30) == 0


def element(number, content):
    return bytes.fromhex(number) + bytes([0x40 | len(content) >> 8, len(content) & 0xFF]) + content


def tagged(mkv, name, value):
    """The file with a tag of its first fragment."""
    simple = element("45a3", name.encode()) + element("4487", value.encode())
    tags = element("1254c367", element("7373", element("67c8", simple)))
    cluster = mkv.index(bytes.fromhex("1f43b675"))
    return mkv[:cluster] + tags + mkv[cluster:]


def put_media(server, name, mkv, start):
    connection = http.client.HTTPConnection(server.http, timeout=60)
    headers = {
        "x-amzn-stream-name": name,
        "x-amzn-fragment-timecode-type": "RELATIVE",
        "x-amzn-producer-start-timestamp": str(start.timestamp()),
    }
    connection.request("POST", "/putMedia", mkv, headers)
    acks = connection.getresponse().read().decode()
    connection.close()
    events = [json.loads(line)["EventType"] for line in acks.split()]
    assert "PERSISTED" in events and "ERROR" not in events, acks


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    """A server with a film that has a gap; the part after it came from another producer, with a tag."""
    server = Server(tmp_path_factory.mktemp("player"))
    try:
        record(server)
        yield server
    finally:
        server.stop()


def record(server):
    create(server, "film")
    film = subprocess.run(ffmpeg(FMP4, SECONDS), capture_output=True, check=True).stdout
    start = START.isoformat().replace("+00:00", "Z")
    put = video(server, "put", "film", "-", "--start", start, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    put.communicate(film)
    assert put.returncode == 0
    mkv = subprocess.run(ffmpeg(MKV, SECONDS), capture_output=True, check=True).stdout
    after = START + datetime.timedelta(seconds=SECONDS + GAP_SECONDS)
    put_media(server, "film", tagged(mkv, "door", "open"), after)


def node(script, *arguments):
    """Runs a test in the browser; what it prints."""
    command = ["node", BROWSER / script, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def page(server, test, *arguments):
    return node("page.mjs", test, f"http://{server.http}/", *arguments)


def session(server, name, mode, container="FRAGMENTED_MP4", protocol="HLS"):
    """The URL of a session of the film, or live. DASH has no codec that changes: only its first part."""
    archive = server.client("kinesis-video-archived-media")
    selector = {"FragmentSelectorType": "PRODUCER_TIMESTAMP"}
    if mode == "ON_DEMAND":
        end = START + datetime.timedelta(seconds=SECONDS if protocol == "DASH" else 10 * SECONDS)
        selector["TimestampRange"] = {"StartTimestamp": START, "EndTimestamp": end}
    if protocol == "DASH":
        return archive.get_dash_streaming_session_url(
            StreamName=name, PlaybackMode=mode, DASHFragmentSelector=selector
        )["DASHStreamingSessionURL"]
    return archive.get_hls_streaming_session_url(
        StreamName=name,
        PlaybackMode=mode,
        ContainerFormat=container,
        DiscontinuityMode="ON_DISCONTINUITY",
        HLSFragmentSelector=selector,
    )["HLSStreamingSessionURL"]


def probe(file):
    """Pictures that a file really has, and its length in seconds."""
    command = "ffprobe -v error -count_frames -select_streams v -of json".split()
    shown = ["-show_entries", "stream=nb_read_frames:format=duration"]
    ran = subprocess.run([*command, *shown, file], capture_output=True, check=True)
    answer = json.loads(ran.stdout)
    return int(answer["streams"][0]["nb_read_frames"]), float(answer["format"]["duration"])


def test_the_modules_that_need_no_browser():
    command = ["node", "--test", BROWSER / "modules.test.mjs"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout


def test_the_committed_player_is_the_pinned_one():
    subprocess.run([PLAYER / "vendor/update", "--check"], check=True, timeout=120)


def test_the_page_plays_live(player):
    with camera(player, "live"):
        seen = page(player, "live", "live")
    assert seen["decoded"] >= 60


def test_the_page_goes_from_live_to_recorded_and_back(player):
    with camera(player, "back"):
        page(player, "back", "back")


def test_the_page_seeks_over_gaps_and_by_tags(player):
    gap = START + datetime.timedelta(seconds=SECONDS)
    after = gap + datetime.timedelta(seconds=GAP_SECONDS)
    end = after + datetime.timedelta(seconds=SECONDS)
    seen = page(player, "recorded", "film", *map(millis, [START, gap, after, end, after]))
    assert "1 gap of 50 s" in seen["summary"]


def test_the_page_downloads_a_clip_that_plays(player, tmp_path):
    times = [START + datetime.timedelta(seconds=seconds) for seconds in (2, 4.5)]
    seen = page(player, "clip", "film", tmp_path, *map(millis, times))
    frames, seconds = probe(seen["file"])
    assert frames == 3 * 30
    assert 2.9 < seconds < 3.1


def test_the_page_is_for_keyboards_too(player):
    page(player, "keyboard", "film")


@pytest.fixture
def guarded(tmp_path):
    """A server that wants to know who asks."""
    config = tmp_path / "config.toml"
    config.write_text(CREDENTIALS)
    server = Server(tmp_path, "--config", str(config))
    yield server
    server.stop()


def test_the_page_signs_with_the_visitors_keys(guarded):
    create(guarded, "cam")
    film = subprocess.run(ffmpeg(FMP4, 2), capture_output=True, check=True).stdout
    put = video(guarded, "put", "cam", "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    put.communicate(film)
    assert put.returncode == 0
    seen = page(guarded, "signIn", "cam", ACCESS_KEY, SECRET)
    assert "signature" in seen["told"].lower()


@pytest.mark.parametrize("container", ["FRAGMENTED_MP4", "MPEG_TS"])
def test_hls_js_plays_a_film_to_its_end(player, container):
    seen = node("players.mjs", "hls", session(player, "film", "ON_DEMAND", container), 0)
    assert abs(seen["duration"] - 2 * SECONDS) < 0.2
    assert seen["frames"] >= 2 * SECONDS * 30 * 0.98


@pytest.mark.parametrize("container", ["FRAGMENTED_MP4", "MPEG_TS"])
def test_hls_js_plays_live(player, container):
    name = f"hls-{container.lower().replace('_', '-')}"
    with camera(player, name):
        wait_for_fragments(player, name)
        seen = node("players.mjs", "hls", session(player, name, "LIVE", container), 4)
    assert seen["shown"] >= 30
    # Live fragments come in parts, so that a player need not wait for a whole one.
    assert (seen["parts"] > 0) == (container == "FRAGMENTED_MP4")


def test_dash_js_plays_a_film_to_its_end(player):
    seen = node("players.mjs", "dash", session(player, "film", "ON_DEMAND", protocol="DASH"), 0)
    assert seen["frames"] >= SECONDS * 30 * 0.98


def test_dash_js_plays_live(player):
    with camera(player, "dash"):
        wait_for_fragments(player, "dash")
        seen = node("players.mjs", "dash", session(player, "dash", "LIVE", protocol="DASH"), 4)
    assert seen["shown"] >= 30


def wait_for_fragments(server, name):
    """Until a live session has something to start with."""
    archive = server.client("kinesis-video-archived-media")
    while len(archive.list_fragments(StreamName=name)["Fragments"]) < 5:
        assert server.process.poll() is None
