"""HLS and DASH sessions, played by GStreamer: what ffmpeg sees of them, it sees too."""

import json
import pathlib
import subprocess

import pytest

# Fixtures are found by the names that a module has.
from test_video_playback import (  # noqa: F401
    PRODUCER,
    archive,
    camera,
    dash,
    eventually,
    films,
    frames,
    hls,
    on_demand,
    put_media,
    sending,
    span,
    upload,
    video,
)

# The system's Python has GStreamer's bindings, a virtual environment has not.
PLAY = ["/usr/bin/python3", str(pathlib.Path(__file__).parent / "gstreamer" / "play.py")]
# The demuxers of Debian's GStreamer: those of today, and those before them.
DECODERS = ["uridecodebin3", "uridecodebin"]


def play(url, *arguments):
    played = subprocess.run([*PLAY, url, *arguments], capture_output=True, text=True, timeout=120)
    assert played.returncode == 0, played.stderr
    return json.loads(played.stdout)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("form", ["FRAGMENTED_MP4", "MPEG_TS", "DASH"])
@pytest.mark.parametrize("film", ["h264", "hevc", "mkv"])
def test_every_frame_of_a_film_is_played(server, archive, camera, films, film, form, decoder):
    send = put_media if film == "mkv" else upload
    send(server, camera, films[film])
    if form == "DASH":
        url = dash(archive, camera, PlaybackMode="ON_DEMAND", DASHFragmentSelector=span())
    else:
        url = on_demand(archive, camera, ContainerFormat=form)
    seen = {kind: len(frames(url, kind)) for kind in "va"}
    assert seen["v"] == 200
    # A frame of AAC is 1,024 samples.
    expected = {"pictures": seen["v"], "samples": seen["a"] * 1_024, "rate": 48_000}
    assert play(url, "--decoder", decoder) == expected


# Not DASH: GStreamer 1.22 skips segments of a manifest that slides, where dash.js and ffmpeg do not.
@pytest.mark.parametrize("form", ["FRAGMENTED_MP4", "MPEG_TS"])
def test_a_live_session_follows_the_camera(server, archive, camera, form):
    def begun():
        # A live playlist of one or two segments is one that GStreamer 1.22 never asks for again.
        assert len(archive.list_fragments(StreamName=camera)["Fragments"]) >= 5

    with sending(server, camera):
        eventually(begun)
        url = hls(
            archive,
            camera,
            ContainerFormat=form,
            HLSFragmentSelector=PRODUCER,
            DiscontinuityMode="ON_DISCONTINUITY",
        )
        # More than the session had when it began.
        assert play(url, "--frames", "250")["pictures"] >= 250
