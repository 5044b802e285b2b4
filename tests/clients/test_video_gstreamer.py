"""HLS and DASH sessions, played by GStreamer: what ffmpeg sees of them, it sees too."""

import json
import pathlib

import pytest

from support.film import LIVE, frames
from support.producer import sending, stored, upload
from support.server import output
from support.sessions import FORMS, live, recorded

# The system's Python has GStreamer's bindings, a virtual environment has not.
PLAY = ["/usr/bin/python3", pathlib.Path(__file__).parent / "gstreamer" / "play.py"]
# The demuxers of Debian's GStreamer: those of today, and those before them.
DECODERS = ["uridecodebin3", "uridecodebin"]


def play(url, *arguments):
    return json.loads(output([*PLAY, url, *arguments]))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("film", ["h264", "hevc", "mkv"])
def test_every_frame_of_a_film_is_played(server, archive, camera, films, film, form, decoder):
    upload(server, camera, films[film])
    url = recorded(archive, camera, form)
    seen = {kind: len(frames(url, kind)) for kind in "va"}
    assert seen["v"] == 200
    # A frame of AAC is 1,024 samples.
    expected = {"pictures": seen["v"], "samples": seen["a"] * 1_024, "rate": 48_000}
    assert play(url, "--decoder", decoder) == expected


# Not DASH: GStreamer 1.22 skips segments of a manifest that slides, where dash.js and ffmpeg do not.
@pytest.mark.parametrize("form", ["FRAGMENTED_MP4", "MPEG_TS"])
def test_a_live_session_follows_the_camera(server, archive, camera, form):
    with sending(server, camera, LIVE):
        # A live playlist of one or two segments is one that GStreamer 1.22 never asks for again.
        stored(archive, camera, 5)
        url = live(archive, camera, form)
        # More than the session had when it began.
        assert play(url, "--frames", "250")["pictures"] >= 250
