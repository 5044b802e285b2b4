"""HLS and DASH sessions, played by ffmpeg and read by the m3u8 package."""

import json
import threading
import urllib.parse
import xml.etree.ElementTree as ElementTree

import m3u8
import pytest

from support.expect import eventually, refused
from support.film import LIVE, frames
from support.producer import START, seconds, sending, upload
from support.server import Server, fetch
from support.sessions import FORMS, dash, hls, live, on_demand, recorded, span

MPD = "{urn:mpeg:dash:schema:mpd:2011}"


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


@pytest.mark.parametrize("film", ["h264", "hevc", "mkv"])
@pytest.mark.parametrize("form", FORMS)
def test_every_frame_of_a_film_is_played_as_it_was_sent(
    server, archive, camera, films, film, form
):
    upload(server, camera, films[film])
    url = recorded(archive, camera, form)
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


def test_sessions_of_nothing_are_refused(server, video, archive, camera, films):
    refused("ResourceNotFoundException", hls, archive, camera)
    upload(server, camera, films["h264"])
    later = span(start=START + seconds(600))
    refused("ResourceNotFoundException", on_demand, archive, camera, HLSFragmentSelector=later)
    refused("ResourceNotFoundException", hls, archive, "nobody")
    arn = video.create_stream(StreamName="host-buffer")["StreamARN"]
    refused("NoDataRetentionException", hls, archive, "host-buffer")
    video.delete_stream(StreamARN=arn)
    refused("InvalidArgumentException", hls, archive, camera, HLSFragmentSelector=span())
    refused("InvalidArgumentException", dash, archive, camera, PlaybackMode="ON_DEMAND")


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
    with Server(tmp_path) as stranger:
        answer, _ = fetch(url.replace(server.http, stranger.http))
        assert answer.status == 401


def test_a_session_outlives_a_restart(own_server, films):
    own_server.client("kinesisvideo").create_stream(StreamName="door", DataRetentionInHours=1)
    upload(own_server, "door", films["h264"])
    archive = own_server.client("kinesis-video-archived-media")
    url = on_demand(archive, "door")
    before = text(url), playlist(url).dumps(), len(frames(url, "v"))
    own_server.restart()
    assert (text(url), playlist(url).dumps(), len(frames(url, "v"))) == before


@pytest.mark.parametrize("form", FORMS)
def test_a_live_session_follows_the_camera(server, archive, camera, form):
    with sending(server, camera, LIVE):
        url = live(archive, camera, form)
        if form != "DASH":
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
    with sending(server, camera, LIVE):
        url = live(archive, camera)
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
    with sending(server, camera, LIVE):
        url = live(archive, camera)
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
