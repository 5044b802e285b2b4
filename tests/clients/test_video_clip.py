"""Clips of exactly a range, cut from films whose groups of pictures last two seconds."""

import array
import json

import pytest

from support.film import ffmpeg, frames, probe
from support.producer import START, put, seconds, upload
from support.server import fetch

RATE = 25
SOUND_RATE = 48_000


def by_service(server, camera, begin, end, _):
    """What no SDK asks for, because it is not in the service's model."""
    times = {"StartTimestamp": begin.timestamp(), "EndTimestamp": end.timestamp()}
    selector = {"FragmentSelectorType": "PRODUCER_TIMESTAMP", "TimestampRange": times}
    asked = {"StreamName": camera, "ClipFragmentSelector": selector, "Exact": True}
    answer, body = fetch(f"http://{server.http}/getClip", "POST", json.dumps(asked))
    assert answer.status == 200, answer.headers["x-amzn-ErrorType"]
    return body


def by_command(server, camera, begin, end, directory):
    file = directory / "clip.mp4"
    times = ["--from", begin.isoformat(), "--to", end.isoformat()]
    server.afflux("video", "clip", camera, "--exact", *times, "-o", file)
    return file.read_bytes()


def sound(film):
    """All that is heard, as numbers of two bytes."""
    return ffmpeg("-i", film, "-map", "0:a", "-ac", "1", "-f", "s16le", "pipe:1")


def are_in_step(heard, film, since):
    """Whether what is heard first is what the film lets hear `since` then, but for what coding adds."""
    heard, film = array.array("h", heard), array.array("h", film)
    at = round(since * SOUND_RATE)
    pairs = list(zip(heard[:800], film[at : at + 800]))
    return len(pairs) == 800 and max(abs(one - other) for one, other in pairs) < 100


@pytest.mark.parametrize("cut", [by_service, by_command])
@pytest.mark.parametrize("film", ["h264", "hevc", "mkv"])
def test_an_exact_clip_is_what_the_film_shows_in_its_range(
    server, archive, camera, films, film, cut, tmp_path
):
    if film == "mkv":
        put(server, camera, films[film].read_bytes(), START)
    else:
        upload(server, camera, films[film])
    # In Matroska, ffmpeg makes room for what comes before the sound.
    starts = probe(films[film], "stream=start_time")["streams"] if film == "mkv" else []
    delay = float(starts[0]["start_time"]) if starts else 0
    shown, heard = frames(films[film]), sound(films[film])
    # Within a group of pictures, over several, whole ones, and one picture.
    for first, last in [(60, 85), (52, 160), (50, 100), (73, 74)]:
        begin, end = (START + seconds(delay + picture / RATE) for picture in (first, last))
        clip = cut(server, camera, begin, end, tmp_path)
        file = tmp_path / "exact.mp4"
        file.write_bytes(clip)
        assert frames(file) == shown[first:last]
        assert are_in_step(sound(file), heard, delay + first / RATE)
        found = probe(file, "format=duration:stream=duration")
        for each in [found["format"], *found["streams"]]:
            assert abs(float(each["duration"]) - (last - first) / RATE) < 1 / RATE, found


def test_a_range_in_which_nothing_is_shown_is_no_clip(server, camera, films, tmp_path):
    upload(server, camera, films["h264"])
    with pytest.raises(AssertionError, match="ResourceNotFoundException"):
        by_service(server, camera, START + seconds(9), START + seconds(12), tmp_path)
    with pytest.raises(AssertionError, match="has no video"):
        by_command(server, camera, START + seconds(9), START + seconds(12), tmp_path)
