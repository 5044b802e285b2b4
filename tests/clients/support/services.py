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

DELIVERY = Service(
    "firehose",
    # Known by name only.
    unread=tuple(
        f"{name}{end}"
        for name in (
            "RedshiftDestination",
            "AmazonOpenSearchServerlessDestination",
            "SplunkDestination",
            "SnowflakeDestination",
            "MSKSource",
            "DatabaseSource",
        )
        for end in ("Configuration", "Update")
    ),
    forms={
        "RoleARN": f"arn:aws:iam::{HOME}:role/{{}}",
        "BucketARN": "arn:aws:s3:::{}",
        "KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{HOME}:stream/{{}}",
        "KeyARN": f"arn:aws:kms:us-east-1:{HOME}:key/{{}}",
        "AWSKMSKeyARN": f"arn:aws:kms:us-east-1:{HOME}:key/{{}}",
        "SecretARN": f"arn:aws:secretsmanager:us-east-1:{HOME}:secret:{{}}",
        "DomainARN": f"arn:aws:es:us-east-1:{HOME}:domain/{{}}",
        "ClusterEndpoint": "https:{}",
        "CatalogARN": f"arn:aws:glue:us-east-1:{HOME}:catalog/{{}}",
        "WarehouseLocation": "s3://{}",
        "Url": "https://{}",
        "FileExtension": ".{}",
    },
    letters={"CustomTimeZone": "a"},
    short=("BucketARN", "DomainARN"),
    foreign="\u2603 *\n",
    deep=True,
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
