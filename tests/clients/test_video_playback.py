"""HLS and DASH sessions, played by ffmpeg and read by the m3u8 package."""

import contextlib
import datetime
import http.client
import json
import subprocess
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

import m3u8
import pytest
from botocore.exceptions import ClientError

from conftest import BINARY, Server

START = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.timezone.utc)
FRAGMENTED = "-movflags frag_keyframe+empty_moov+default_base_moof+cmaf -f mp4"
H264 = "-c:v libx264 -preset veryfast -bf 2 -g 50 -sc_threshold 0 -pix_fmt yuv420p"
HEVC = "-c:v libx265 -x265-params log-level=error:keyint=50:min-keyint=50:scenecut=0 -tag:v hvc1"
AAC = "-c:a aac -b:a 64k"
MPD = "{urn:mpeg:dash:schema:mpd:2011}"


def seconds(count):
    return datetime.timedelta(seconds=count)


def picture(codec, output, length, rate=25, pace=""):
    """A command that makes pictures and sound."""
    source = f"{pace} -f lavfi -i testsrc2=s=320x180:r={rate} {pace} -f lavfi -i sine=r=48000"
    return f"ffmpeg -v error -y {source} -t {length} {codec} {AAC} {output}".split()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    directory = tmp_path_factory.mktemp("films")
    made = {}
    for name, codec in (("h264", H264), ("hevc", HEVC)):
        made[name] = directory / f"{name}.mp4"
        subprocess.run(picture(codec, f"{FRAGMENTED} {made[name]}", 8), check=True)
    made["mkv"] = directory / "h264.mkv"
    matroska = "-f matroska -cluster_size_limit 50M -cluster_time_limit 60000"
    subprocess.run(picture(H264, f"{matroska} {made['mkv']}", 8), check=True)
    return made


@pytest.fixture(scope="module")
def video(server):
    return server.client("kinesisvideo")


@pytest.fixture(scope="module")
def archive(server):
    return server.client("kinesis-video-archived-media")


@pytest.fixture
def camera(video, request):
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:100]
    arn = video.create_stream(StreamName=name, DataRetentionInHours=1)["StreamARN"]
    yield name
    video.delete_stream(StreamARN=arn)


def upload(server, name, film, start=START):
    command = [BINARY, "video", "put", name, str(film), "--server", server.ready["quic"]]
    subprocess.run(
        [*command, "--start", str(start.timestamp())], check=True, stdout=subprocess.DEVNULL
    )


def put_media(server, name, film, start=START):
    connection = http.client.HTTPConnection(server.http, timeout=60)
    headers = {
        "x-amzn-stream-name": name,
        "x-amzn-fragment-timecode-type": "RELATIVE",
        "x-amzn-producer-start-timestamp": str(start.timestamp()),
    }
    connection.request("POST", "/putMedia", film.read_bytes(), headers)
    answer = connection.getresponse()
    acks = answer.read()
    assert answer.status == 200 and b"PERSISTED" in acks and b"ERROR" not in acks, acks


def span(length=120, start=START, axis="PRODUCER_TIMESTAMP"):
    ends = {"StartTimestamp": start, "EndTimestamp": start + seconds(length)}
    return {"FragmentSelectorType": axis, "TimestampRange": ends}


def hls(archive, name, **arguments):
    answer = archive.get_hls_streaming_session_url(StreamName=name, **arguments)
    return answer["HLSStreamingSessionURL"]


def on_demand(archive, name, **arguments):
    given = {"HLSFragmentSelector": span(), "PlaybackMode": "ON_DEMAND", **arguments}
    return hls(archive, name, **given)


def dash(archive, name, **arguments):
    answer = archive.get_dash_streaming_session_url(StreamName=name, **arguments)
    return answer["DASHStreamingSessionURL"]


def fetch(url, timeout=30):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def text(url):
    answer, body = fetch(url)
    assert answer.status == 200, body
    assert answer.headers["access-control-allow-origin"] == "*"
    return body.decode()


def playlist(master, track=1):
    """The playlist of a track, as another implementation reads it."""
    token = urllib.parse.urlsplit(master).query
    url = urllib.parse.urljoin(master, f"getHLSMediaPlaylist.m3u8?{token}&TrackNumber={track}")
    return m3u8.loads(text(url), uri=url)


def frames(source, kind, *arguments):
    """The MD5 of each decoded frame."""
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", *arguments, "-i", str(source)]
    done = subprocess.run(
        [*command, "-map", f"0:{kind}:0", "-f", "framemd5", "-"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Non-monotonous" not in done.stderr and "corrupt" not in done.stderr, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return [line.rsplit(",", 1)[1].strip() for line in lines]


@pytest.mark.parametrize("film", ["h264", "hevc", "mkv"])
@pytest.mark.parametrize("form", ["FRAGMENTED_MP4", "MPEG_TS", "DASH"])
def test_every_frame_of_a_film_is_played_as_it_was_sent(
    server, archive, camera, films, film, form
):
    send = put_media if film == "mkv" else upload
    send(server, camera, films[film])
    if form == "DASH":
        url = dash(archive, camera, PlaybackMode="ON_DEMAND", DASHFragmentSelector=span())
    else:
        url = on_demand(archive, camera, ContainerFormat=form)
    for kind in "va":
        expected = frames(films[film], kind)
        assert len(expected) >= 200
        assert frames(url, kind) == expected


def test_playlists_are_what_others_read(server, archive, camera, films):
    upload(server, camera, films["h264"])
    url = on_demand(archive, camera, DisplayFragmentTimestamp="ALWAYS")
    master = m3u8.loads(text(url), uri=url)
    (variant,) = master.playlists
    assert variant.stream_info.resolution == (320, 180)
    assert variant.stream_info.frame_rate == 25
    assert variant.stream_info.codecs.startswith("avc1.") and ",mp4a.40.2" in variant.stream_info.codecs
    (sound,) = master.media
    assert (sound.type, sound.group_id) == ("AUDIO", variant.stream_info.audio)
    for track in (1, 2):
        media = playlist(url, track)
        assert media.is_endlist and media.playlist_type == "vod" and media.version == 7
        assert [segment.duration for segment in media.segments[:3]] == pytest.approx(
            [2, 2, 2], abs=0.1
        )
        assert all(segment.duration <= media.target_duration + 0.5 for segment in media.segments)
        times = [segment.program_date_time for segment in media.segments]
        assert times[0] == START and abs(times[1] - START - seconds(2)) < seconds(0.1)
        for segment in media.segments:
            answer, body = fetch(segment.absolute_uri)
            assert answer.status == 200 and body[4:8] == b"styp"
            assert answer.headers["content-type"] == "video/mp4"
            assert int(answer.headers["content-length"]) == len(body)
        answer, body = fetch(media.segment_map[0].absolute_uri)
        assert answer.status == 200 and body[4:8] == b"ftyp"


def test_gaps_overlaps_and_other_codecs_are_announced(
    server, archive, camera, films, tmp_path
):
    for film, at in (("h264", 0), ("h264", 20), ("h264", 27), ("hevc", 35)):
        upload(server, camera, films[film], START + seconds(at))
    url = on_demand(archive, camera, DiscontinuityMode="ON_DISCONTINUITY")
    media = playlist(url)
    # Four fragments each; the third film overlaps the second's last.
    breaks = [index for index, segment in enumerate(media.segments) if segment.discontinuity]
    assert len(media.segments) == 16
    assert 4 in breaks and 12 in breaks and 0 not in breaks
    assert len(media.segment_map) == 2
    # ffmpeg plays on over a gap; other codecs in one stream it does not know.
    assert len(frames(on_demand(archive, camera, HLSFragmentSelector=span(26)), "v")) == 400
    pieces = [media.segment_map[1], *media.segments[12:]]
    film = tmp_path / "hevc.mp4"
    film.write_bytes(b"".join(fetch(piece.absolute_uri)[1] for piece in pieces))
    assert frames(film, "v") == frames(films["hevc"], "v")
    for mode, expected in (("ALWAYS", 15), ("NEVER", 0)):
        media = playlist(on_demand(archive, camera, DiscontinuityMode=mode))
        assert sum(segment.discontinuity for segment in media.segments) == expected


def test_a_manifest_has_no_gaps_and_as_many_periods_as_codecs(server, archive, camera, films):
    for film, at in (("h264", 0), ("h264", 60), ("hevc", 80)):
        upload(server, camera, films[film], START + seconds(at))
    url = dash(
        archive,
        camera,
        PlaybackMode="ON_DEMAND",
        DASHFragmentSelector=span(),
        DisplayFragmentTimestamp="ALWAYS",
        DisplayFragmentNumber="ALWAYS",
    )
    manifest = ElementTree.fromstring(text(url))
    periods = manifest.findall(f"{MPD}Period")
    assert [len(period.findall(f".//{MPD}S")) for period in periods] == [16, 8]
    for timeline in manifest.iter(f"{MPD}SegmentTimeline"):
        end = None
        for entry in timeline:
            start, length = int(entry.get("t")), int(entry.get("d"))
            # Sound may wait for the pictures, for less than a packet or two.
            assert end is None or 0 <= start - end < 5_000
            end = start + length
            numbers = [value for name, value in entry.items() if name.endswith("fn")]
            assert len(numbers) == 1 and len(numbers[0]) == 47
    listed = archive.list_fragments(StreamName=camera)["Fragments"]
    names = {fragment["FragmentNumber"] for fragment in listed}
    assert names == {
        value for s in manifest.iter(f"{MPD}S") for name, value in s.items() if name.endswith("fn")
    }


def test_only_the_newest_of_fragments_at_one_time_is_played(server, archive, camera, films):
    upload(server, camera, films["h264"])
    upload(server, camera, films["h264"])
    url = on_demand(archive, camera)
    assert len(playlist(url).segments) == 4
    assert len(frames(url, "v")) == 200


def refusal(call, *arguments, **named):
    with pytest.raises(ClientError) as raised:
        call(*arguments, **named)
    return raised.value.response["Error"]["Code"]


def test_sessions_of_nothing_are_refused(server, video, archive, camera, films):
    assert refusal(hls, archive, camera) == "ResourceNotFoundException"
    upload(server, camera, films["h264"])
    later = span(start=START + seconds(600))
    assert (
        refusal(on_demand, archive, camera, HLSFragmentSelector=later)
        == "ResourceNotFoundException"
    )
    assert refusal(hls, archive, "nobody") == "ResourceNotFoundException"
    arn = video.create_stream(StreamName="host-buffer")["StreamARN"]
    assert refusal(hls, archive, "host-buffer") == "NoDataRetentionException"
    video.delete_stream(StreamARN=arn)
    assert refusal(hls, archive, camera, HLSFragmentSelector=span()) == "InvalidArgumentException"
    assert refusal(dash, archive, camera, PlaybackMode="ON_DEMAND") == "InvalidArgumentException"


def test_tokens_open_their_own_session_and_nothing_else(
    server, archive, camera, films, tmp_path
):
    upload(server, camera, films["h264"])
    url = on_demand(archive, camera)
    assert camera not in url
    head, token = url.split("SessionToken=")
    other = dash(archive, camera, PlaybackMode="ON_DEMAND", DASHFragmentSelector=span())
    wrong = [
        f"{head}SessionToken=",
        f"{head}SessionToken={token[:-1]}",
        f"{head}SessionToken={token[:60]}{'A' if token[60] != 'A' else 'B'}{token[61:]}",
        f"{head}SessionToken={other.split('SessionToken=')[1]}",
        head,
    ]
    for forged in wrong:
        answer, body = fetch(forged)
        assert answer.status == 401, forged
        assert "Message" in json.loads(body)
        assert answer.headers["x-amzn-errortype"] == "NotAuthorizedException"
    stranger = Server(tmp_path)
    answer, _ = fetch(url.replace(server.http, stranger.http))
    assert answer.status == 401
    stranger.stop()


def test_a_session_outlives_a_restart(own_server, films):
    own_server.client("kinesisvideo").create_stream(StreamName="door", DataRetentionInHours=1)
    upload(own_server, "door", films["h264"])
    archive = own_server.client("kinesis-video-archived-media")
    url = on_demand(archive, "door")
    before = text(url), playlist(url).dumps(), len(frames(url, "v"))
    own_server.restart()
    assert (text(url), playlist(url).dumps(), len(frames(url, "v"))) == before


@contextlib.contextmanager
def sending(server, name):
    """A camera that sends for as long as somebody looks, in fragments of a second."""
    codec = H264.replace("-g 50", "-g 25")
    source = subprocess.Popen(
        picture(codec, f"{FRAGMENTED} -", 60, pace="-re"), stdout=subprocess.PIPE
    )
    put = subprocess.Popen(
        [BINARY, "video", "put", name, "-", "--server", server.ready["quic"]],
        stdin=source.stdout,
        stdout=subprocess.DEVNULL,
    )
    source.stdout.close()
    try:
        yield
    finally:
        source.terminate()
        source.wait()
        assert put.wait(timeout=30) == 0


def eventually(call, timeout=30):
    end = time.monotonic() + timeout
    while True:
        try:
            return call()
        except (AssertionError, ClientError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


PRODUCER = {"FragmentSelectorType": "PRODUCER_TIMESTAMP"}


@pytest.mark.parametrize("form", ["FRAGMENTED_MP4", "MPEG_TS", "DASH"])
def test_a_live_session_follows_the_camera(server, archive, camera, form):
    with sending(server, camera):
        if form == "DASH":
            url = eventually(lambda: dash(archive, camera, DASHFragmentSelector=PRODUCER))
        else:
            url = eventually(
                lambda: hls(
                    archive,
                    camera,
                    ContainerFormat=form,
                    HLSFragmentSelector=PRODUCER,
                    DiscontinuityMode="ON_DISCONTINUITY",
                )
            )
            first = playlist(url)
            assert not first.is_endlist

            def grown():
                later = playlist(url)
                assert later.media_sequence + len(later.segments) >= 8
                assert len(later.segments) <= 5
                return later

            later = eventually(grown)
            assert not any(segment.discontinuity for segment in later.segments)
        # Eight seconds from wherever the player begins.
        assert len(frames(url, "v", "-t", "6")) >= 145


def test_a_replay_is_played_at_its_pace(server, archive, camera, films):
    upload(server, camera, films["h264"])
    url = hls(
        archive,
        camera,
        PlaybackMode="LIVE_REPLAY",
        HLSFragmentSelector=span(8),
        MaxMediaPlaylistFragmentResults=2,
    )
    assert playlist(url).media_sequence == 0
    ended = eventually(lambda: ended_at(url))
    assert ended.media_sequence == 2 and len(ended.segments) == 2


def ended_at(url):
    media = playlist(url)
    assert media.is_endlist
    return media


def test_a_low_latency_player_waits_for_the_next_segment(server, archive, camera):
    with sending(server, camera):
        url = eventually(
            lambda: hls(
                archive,
                camera,
                HLSFragmentSelector=PRODUCER,
                DiscontinuityMode="ON_DISCONTINUITY",
            )
        )
        media = playlist(url)
        assert media.server_control.can_block_reload == "YES"
        # Half a segment, to the picture.
        assert media.part_inf.part_target == pytest.approx(0.5, abs=1 / 25)
        assert media.server_control.part_hold_back >= 3 * media.part_inf.part_target
        assert media.rendition_reports and media.preload_hint
        asked = media.media_sequence + len(media.segments)
        for number in range(asked, asked + 4):
            token = urllib.parse.urlsplit(url).query
            blocking = urllib.parse.urljoin(
                url,
                f"getHLSMediaPlaylist.m3u8?{token}&TrackNumber=1&_HLS_msn={number}&_HLS_part=0",
            )
            fresh = m3u8.loads(text(blocking), uri=blocking)
            assert fresh.media_sequence + len(fresh.segments) > number
            part = fresh.segments[-1].parts[0]
            answer, body = fetch(part.absolute_uri)
            assert answer.status == 200 and body[4:8] == b"moof"
        hint = urllib.parse.urljoin(url, fresh.preload_hint.uri)
        answer, body = fetch(hint)
        assert answer.status == 200 and body[4:8] == b"moof"
        answer, _ = fetch(blocking.replace(f"_HLS_msn={number}", f"_HLS_msn={number + 50}"))
        assert answer.status == 400


def test_many_players_are_answered_at_once(server, archive, camera):
    with sending(server, camera):
        url = eventually(lambda: hls(archive, camera, HLSFragmentSelector=PRODUCER))
        media = playlist(url)
        number = media.media_sequence + len(media.segments)
        token = urllib.parse.urlsplit(url).query
        blocking = urllib.parse.urljoin(
            url, f"getHLSMediaPlaylist.m3u8?{token}&TrackNumber=1&_HLS_msn={number}"
        )
        statuses = []
        waiting = [
            threading.Thread(target=lambda: statuses.append(fetch(blocking)[0].status))
            for _ in range(50)
        ]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
        assert statuses == [200] * 50
