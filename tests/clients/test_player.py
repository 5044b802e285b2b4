"""The page in headless Chromium, and the players that others wrote: hls.js and dash.js."""

import hashlib
import json
import pathlib

import pytest

from support.film import AAC, FRAGMENTED, MATROSKA, ffmpeg, film, filming, probe
from support.lake import delivered, serving
from support.producer import START, bring, seconds, sending, stored, tagged
from support.server import ACCESS_KEY, SECRET, Server, output
from support.sessions import dash, live, on_demand, span

ROOT = pathlib.Path(__file__).parents[2]
BROWSER = ROOT / "tests/browser"
PLAYER = ROOT / "crates/server/player"

SECONDS = 10
GAP = seconds(50)

# Encoded fast, because a browser shares the processor.
CODECS = (
    "-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -sc_threshold 0 -pix_fmt yuv420p "
    f"{AAC} -ar 48000"
)

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


def recording(form, length):
    return film(CODECS, form, length, rate=30)


def millis(time):
    return str(round(time.timestamp() * 1000))


@pytest.fixture(scope="session")
def reel(tmp_path_factory):
    """Lets ffmpeg send a film at its pace, encoded before: an encoder would take the processor."""
    file = tmp_path_factory.mktemp("reel") / "live.mp4"
    ffmpeg(*filming(CODECS, "-f mp4", 120, rate=30, file=file))
    return f"-re -i {file} -c copy {FRAGMENTED} pipe:1".split()


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    """A server with a film that has a gap; the part after it came from another producer, with a tag."""
    with Server(tmp_path_factory.mktemp("player")) as server:
        record(server)
        yield server


def record(server):
    server.afflux("video", "create", "film")
    put_film = ["video", "put", "film", "-", "--start", START.isoformat().replace("+00:00", "Z")]
    server.afflux(*put_film, input=recording(FRAGMENTED, SECONDS))
    later = tagged(recording(MATROSKA, SECONDS), {"door": "open"})
    bring(server, "film", later, START + seconds(SECONDS) + GAP)


def node(script, *arguments):
    """Runs a test in the browser; what it prints."""
    return json.loads(output(["node", BROWSER / script, *map(str, arguments)], seconds=300))


def page(server, test, *arguments):
    return node("page.mjs", test, f"http://{server.http}/", *arguments)


def session(server, container):
    """The address of an HLS session of the film, with its gap."""
    return on_demand(
        server.client("kinesis-video-archived-media"),
        "film",
        ContainerFormat=container,
        DiscontinuityMode="ON_DISCONTINUITY",
        HLSFragmentSelector=span(10 * SECONDS),
    )


def live_session(server, name, form):
    """The address of a live session that has something to start with."""
    archive = server.client("kinesis-video-archived-media")
    stored(archive, name, 5)
    return live(archive, name, form)


@pytest.fixture
def live_camera(player, name, reel):
    """A camera that sends as long as the test runs."""
    with player.camera(name), sending(player, name, reel):
        yield name


def test_the_modules_that_need_no_browser():
    output(["node", "--test", BROWSER / "modules.test.mjs"])


def test_the_committed_player_is_the_pinned_one():
    output([PLAYER / "vendor/update", "--check"], seconds=300)


def test_the_page_plays_live(player, live_camera):
    seen = page(player, "live", live_camera)
    assert seen["decoded"] >= 60


def test_the_page_goes_from_live_to_recorded_and_back(player, live_camera):
    page(player, "back", live_camera)


def test_the_page_seeks_over_gaps_and_by_tags(player):
    gap = START + seconds(SECONDS)
    after = gap + GAP
    end = after + seconds(SECONDS)
    seen = page(player, "recorded", "film", *map(millis, [START, gap, after, end, after]))
    assert "1 gap of 50 s" in seen["summary"]


def test_the_page_downloads_a_clip_that_plays(player, tmp_path):
    times = [START + seconds(2), START + seconds(4.5)]
    seen = page(player, "clip", "film", tmp_path, *map(millis, times))
    entries = "stream=nb_read_frames:format=duration"
    clip = probe(seen["file"], entries, "-count_frames", "-select_streams", "v")
    assert int(clip["streams"][0]["nb_read_frames"]) == 3 * 30
    assert 2.9 < float(clip["format"]["duration"]) < 3.1


def test_the_page_is_for_keyboards_too(player):
    page(player, "keyboard", "film")


@pytest.fixture
def guarded(tmp_path):
    """A server that wants to know who asks."""
    with Server(tmp_path, CREDENTIALS) as server:
        yield server


def test_the_page_signs_with_the_visitors_keys(guarded):
    guarded.afflux("video", "create", "cam", AFFLUX_TOKEN=TOKEN)
    film = recording(FRAGMENTED, 2)
    guarded.afflux("video", "put", "cam", "-", input=film, AFFLUX_TOKEN=TOKEN)
    seen = page(guarded, "signIn", "cam", ACCESS_KEY, SECRET)
    assert "signature" in seen["told"].lower()


@pytest.mark.parametrize("container", ["FRAGMENTED_MP4", "MPEG_TS"])
def test_hls_js_plays_a_film_to_its_end(player, container):
    seen = node("players.mjs", "hls", session(player, container), 0)
    assert abs(seen["duration"] - 2 * SECONDS) < 0.2
    assert seen["frames"] >= 2 * SECONDS * 30 * 0.98


def test_hls_js_plays_the_hour_of_a_delivery_to_its_end(player, tmp_path):
    player.afflux("video", "create", "hour")
    player.afflux("delivery", "create", "hour", "--stream", "hour", "--to", tmp_path, "--interval", 1)
    length = 4
    sent = recording(FRAGMENTED, length)
    # The second part follows the first, the third comes behind a gap; each is an object.
    for part, start in enumerate([START, START + seconds(length), START + GAP]):
        player.afflux("video", "put", "hour", "-", "--start", start.timestamp(), input=sent)
        delivered(player, "hour", (part + 1) * length)
    playlists = sorted(tmp_path.rglob("*.m3u8"))
    # The test may run over the end of an hour.
    assert 1 <= len(playlists) <= 2 and len(list(tmp_path.rglob("*.mp4"))) >= 3
    with serving(tmp_path) as address:
        seen = [node("players.mjs", "hls", f"{address}/{each.relative_to(tmp_path)}", 0) for each in playlists]
    assert abs(sum(each["duration"] for each in seen) - 3 * length) < 0.4
    assert sum(each["frames"] for each in seen) >= 3 * length * 30 * 0.98


@pytest.mark.parametrize("container", ["FRAGMENTED_MP4", "MPEG_TS"])
def test_hls_js_plays_live(player, live_camera, container):
    seen = node("players.mjs", "hls", live_session(player, live_camera, container), 4)
    assert seen["shown"] >= 30
    # Live fragments come in parts, so that a player need not wait for a whole one.
    assert (seen["parts"] > 0) == (container == "FRAGMENTED_MP4")


def test_dash_js_plays_a_film_to_its_end(player):
    # DASH has no codec that changes: only the part before the gap.
    archive = player.client("kinesis-video-archived-media")
    url = dash(archive, "film", PlaybackMode="ON_DEMAND", DASHFragmentSelector=span(SECONDS))
    seen = node("players.mjs", "dash", url, 0)
    assert seen["frames"] >= SECONDS * 30 * 0.98


def test_dash_js_plays_live(player, live_camera):
    seen = node("players.mjs", "dash", live_session(player, live_camera, "DASH"), 4)
    assert seen["shown"] >= 30
