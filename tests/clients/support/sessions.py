"""Sessions of players: HLS with fragmented MP4 or MPEG-TS, and DASH."""

from support.expect import eventually
from support.producer import START, seconds

FORMS = ["FRAGMENTED_MP4", "MPEG_TS", "DASH"]
PRODUCER = {"FragmentSelectorType": "PRODUCER_TIMESTAMP"}


def span(length=120, start=START, axis="PRODUCER_TIMESTAMP"):
    """Selects what lies within so many seconds."""
    ends = {"StartTimestamp": start.timestamp(), "EndTimestamp": (start + seconds(length)).timestamp()}
    return {"FragmentSelectorType": axis, "TimestampRange": ends}


def hls(archive, name, **arguments):
    answer = archive.get_hls_streaming_session_url(StreamName=name, **arguments)
    return answer["HLSStreamingSessionURL"]


def dash(archive, name, **arguments):
    answer = archive.get_dash_streaming_session_url(StreamName=name, **arguments)
    return answer["DASHStreamingSessionURL"]


def on_demand(archive, name, **arguments):
    given = {"HLSFragmentSelector": span(), "PlaybackMode": "ON_DEMAND", **arguments}
    return hls(archive, name, **given)


def recorded(archive, name, form):
    """The address of a session of what is stored."""
    if form == "DASH":
        return dash(archive, name, PlaybackMode="ON_DEMAND", DASHFragmentSelector=span())
    return on_demand(archive, name, ContainerFormat=form)


def live(archive, name, form="FRAGMENTED_MP4"):
    """The address of a live session, once there is something to start with."""
    if form == "DASH":
        return eventually(lambda: dash(archive, name, DASHFragmentSelector=PRODUCER))
    given = {"ContainerFormat": form, "DiscontinuityMode": "ON_DISCONTINUITY"}
    return eventually(lambda: hls(archive, name, HLSFragmentSelector=PRODUCER, **given))
