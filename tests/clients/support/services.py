"""The services whose models are driven, and what those do not say of them."""

from support.model import Service
from support.server import HOME

STREAM = f"arn:aws:kinesis:us-east-1:{HOME}:stream/absent"
KINESIS = Service(
    "kinesis",
    unserved=("Channel", "Queue"),
    unread=("StreamId",),
    forms={"StreamARN": STREAM, "ResourceARN": STREAM, "ConsumerARN": f"{STREAM}/consumer/c:1"},
    foreign="\u2603 ",
)

CAMERA = f"arn:aws:kinesisvideo:us-east-1:{HOME}:stream/{{}}/1"
VIDEO = [
    Service(
        name,
        # What devices and WebRTC need, which this server has nothing of.
        unserved=("Edge", "Signaling", "MediaStorage"),
        forms={
            "StreamARN": CAMERA,
            "ResourceARN": CAMERA,
            "MediaType": "video/{}",
            "Uri": "https://{}",
            "DestinationRegion": "us-east-1",
        },
    )
    for name in ("kinesisvideo", "kinesis-video-media", "kinesis-video-archived-media")
]
