"""The control plane of Kinesis Video Streams, with boto3 and the AWS CLI."""

import json
import re

import botocore.session
import pytest

from support.expect import refused
from support.server import HOME, READER, Server, fetch


def info(video, name):
    return video.describe_stream(StreamName=name)["StreamInfo"]


def test_a_stream_is_what_it_was_made_as(either):
    video = either.client("kinesisvideo")
    arn = video.create_stream(
        StreamName="door",
        DeviceName="door-camera",
        MediaType="video/h264,audio/aac",
        DataRetentionInHours=2,
        Tags={"floor": "2", "empty": ""},
        StreamStorageConfiguration={"DefaultStorageTier": "WARM"},
    )["StreamARN"]
    assert re.fullmatch(rf"arn:aws:kinesisvideo:us-east-1:{HOME}:stream/door/\d{{13}}", arn)
    found = info(video, "door")
    assert found == video.describe_stream(StreamARN=arn)["StreamInfo"]
    assert {key: found[key] for key in found if key not in ("Version", "CreationTime")} == {
        "DeviceName": "door-camera",
        "StreamName": "door",
        "StreamARN": arn,
        "MediaType": "video/h264,audio/aac",
        "Status": "ACTIVE",
        "DataRetentionInHours": 2,
    }
    assert arn.endswith(str(round(found["CreationTime"].timestamp() * 1000)))
    assert video.list_tags_for_stream(StreamName="door")["Tags"] == {"floor": "2", "empty": ""}
    storage = video.describe_stream_storage_configuration(StreamName="door")
    assert storage["StreamStorageConfiguration"] == {"DefaultStorageTier": "WARM"}
    assert video.describe_mapped_resource_configuration(StreamName="door")["MappedResourceConfigurationList"] == []
    assert refused("ResourceInUseException", video.create_stream, StreamName="door").status == 400
    video.delete_stream(StreamARN=arn)
    assert refused("ResourceNotFoundException", video.describe_stream, StreamName="door").status == 404
    assert refused("ResourceNotFoundException", video.delete_stream, StreamARN=arn).status == 404


def test_the_arn_of_a_stream_is_not_that_of_another_of_its_name(video):
    first = video.create_stream(StreamName="twice")["StreamARN"]
    video.delete_stream(StreamARN=first)
    second = video.create_stream(StreamName="twice")["StreamARN"]
    assert first != second
    refused("ResourceNotFoundException", video.describe_stream, StreamARN=first)
    assert video.list_tags_for_stream(StreamARN=second)["Tags"] == {}
    refused("InvalidArgumentException", video.describe_stream, StreamARN=second, StreamName="other")
    video.delete_stream(StreamARN=second)


def test_a_stream_is_changed_by_its_version_only(video, camera):
    before = info(video, camera)
    assert re.fullmatch("[a-zA-Z0-9]{20}", before["Version"])
    video.update_stream(StreamName=camera, CurrentVersion=before["Version"], DeviceName="new")
    after = info(video, camera)
    assert (after["DeviceName"], "MediaType" in after) == ("new", False)
    assert after["Version"] != before["Version"]
    for call, arguments in [
        (video.update_stream, {"MediaType": "video/h265"}),
        (video.update_data_retention, {"Operation": "INCREASE_DATA_RETENTION", "DataRetentionChangeInHours": 1}),
        (video.update_stream_storage_configuration, {"StreamStorageConfiguration": {"DefaultStorageTier": "HOT"}}),
    ]:
        stale = {"CurrentVersion": before["Version"], **arguments}
        assert refused("VersionMismatchException", call, StreamName=camera, **stale).status == 400
    stale = {"StreamARN": after["StreamARN"], "CurrentVersion": before["Version"]}
    assert refused("VersionMismatchException", video.delete_stream, **stale).status == 400
    assert info(video, camera) == after


def retain(video, camera, operation, hours):
    video.update_data_retention(
        StreamName=camera,
        CurrentVersion=info(video, camera)["Version"],
        Operation=f"{operation}_DATA_RETENTION",
        DataRetentionChangeInHours=hours,
    )
    return info(video, camera)["DataRetentionInHours"]


def test_retention_is_none_to_ten_years(video, camera):
    versions = {info(video, camera)["Version"]}
    assert retain(video, camera, "INCREASE", 87_599) == 87_600
    versions.add(info(video, camera)["Version"])
    refused("InvalidArgumentException", retain, video=video, camera=camera, operation="INCREASE", hours=1)
    assert retain(video, camera, "DECREASE", 87_598) == 2
    assert retain(video, camera, "DECREASE", 2) == 0
    versions.add(info(video, camera)["Version"])
    assert len(versions) == 3
    refused("InvalidArgumentException", retain, video=video, camera=camera, operation="DECREASE", hours=1)
    longer = {"StreamName": "forever", "DataRetentionInHours": 87_601}
    assert refused("InvalidArgumentException", video.create_stream, **longer).status == 400


def test_without_retention_there_is_no_archive(video, server):
    arn = video.create_stream(StreamName="fleeting")["StreamARN"]
    assert info(video, "fleeting")["DataRetentionInHours"] == 0
    archive = server.client("kinesis-video-archived-media")
    assert refused("NoDataRetentionException", archive.list_fragments, StreamName="fleeting").status == 400
    refused("NoDataRetentionException", archive.get_hls_streaming_session_url, StreamName="fleeting")
    configuration = {"Status": "ENABLED", "DestinationConfig": {"Uri": "https://example.org/"}}
    update = video.update_notification_configuration
    enabled = {"StreamName": "fleeting", "NotificationConfiguration": configuration}
    assert refused("NoDataRetentionException", update, **enabled).status == 400
    video.delete_stream(StreamARN=arn)


def test_streams_are_listed_by_name_and_by_pages(video):
    names = [f"listed-{i:02}" for i in range(25)]
    arns = [video.create_stream(StreamName=name)["StreamARN"] for name in names]
    condition = {"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": "listed-"}
    pages = video.get_paginator("list_streams").paginate(
        StreamNameCondition=condition, PaginationConfig={"PageSize": 10}
    )
    pages = [[stream["StreamName"] for stream in page["StreamInfoList"]] for page in pages]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [name for page in pages for name in page] == names
    first = video.list_streams(StreamNameCondition=condition, MaxResults=1)
    other = {"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": "other"}
    for arguments in [{"NextToken": "AAAA"}, {"NextToken": first["NextToken"], "StreamNameCondition": other}]:
        assert refused("InvalidArgumentException", video.list_streams, **arguments).status == 400
    for arn in arns:
        video.delete_stream(StreamARN=arn)


def test_tags_come_and_go_by_two_doors(video, camera):
    arn = info(video, camera)["StreamARN"]
    video.tag_stream(StreamName=camera, Tags={"a": "1", "b": "2"})
    video.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "3"}, {"Key": "größe 1", "Value": "x=y"}])
    tags = {"a": "1", "b": "3", "größe 1": "x=y"}
    assert video.list_tags_for_stream(StreamARN=arn)["Tags"] == tags
    assert video.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags
    video.untag_stream(StreamName=camera, TagKeyList=["a", "absent"])
    video.untag_resource(ResourceARN=arn, TagKeyList=["b"])
    assert video.list_tags_for_stream(StreamName=camera)["Tags"] == {"größe 1": "x=y"}
    video.tag_stream(StreamName=camera, Tags={f"k{i}": "" for i in range(49)})
    refused("TagsPerResourceExceededLimitException", video.tag_stream, StreamName=camera, Tags={"more": ""})
    refused("InvalidArgumentException", video.tag_stream, StreamName=camera, Tags={"AWS:x": ""})
    channel = f"arn:aws:kinesisvideo:us-east-1:{HOME}:channel/{camera}/1"
    refused("ResourceNotFoundException", video.list_tags_for_resource, ResourceARN=channel)


def test_configurations_are_kept(video, camera):
    assert "NotificationConfiguration" not in video.describe_notification_configuration(StreamName=camera)
    assert "ImageGenerationConfiguration" not in video.describe_image_generation_configuration(StreamName=camera)
    notification = {"Status": "ENABLED", "DestinationConfig": {"Uri": "https://example.org/hook"}}
    video.update_notification_configuration(StreamName=camera, NotificationConfiguration=notification)
    images = {
        "Status": "DISABLED",
        "ImageSelectorType": "PRODUCER_TIMESTAMP",
        "DestinationConfig": {"Uri": "s3://bucket/prefix", "DestinationRegion": "us-east-1"},
        "SamplingInterval": 200,
        "Format": "JPEG",
        "FormatConfig": {"JPEGQuality": "80"},
        "WidthPixels": 320,
        "HeightPixels": 240,
    }
    video.update_image_generation_configuration(StreamName=camera, ImageGenerationConfiguration=images)
    found = video.describe_notification_configuration(StreamName=camera)
    assert found["NotificationConfiguration"] == notification
    found = video.describe_image_generation_configuration(StreamName=camera)
    assert found["ImageGenerationConfiguration"] == images
    for change in [{"SamplingInterval": 199}, {"HeightPixels": None}]:
        changed = {key: value for key, value in {**images, **change}.items() if value is not None}
        update = video.update_image_generation_configuration
        refused("InvalidArgumentException", update, StreamName=camera, ImageGenerationConfiguration=changed)
    video.update_notification_configuration(StreamName=camera)
    assert "NotificationConfiguration" not in video.describe_notification_configuration(StreamName=camera)


def test_everything_outlives_a_crash(own_server):
    video = own_server.client("kinesisvideo")
    video.create_stream(StreamName="kept", DeviceName="d", DataRetentionInHours=3, Tags={"k": "v"})
    video.create_stream(StreamName="plain")
    before = [info(video, name) for name in ("kept", "plain")]
    token = video.list_streams(MaxResults=1)["NextToken"]
    own_server.restart()
    video = own_server.client("kinesisvideo")
    assert [info(video, name) for name in ("kept", "plain")] == before
    assert video.list_tags_for_stream(StreamName="kept")["Tags"] == {"k": "v"}
    assert [stream["StreamName"] for stream in video.list_streams(NextToken=token)["StreamInfoList"]] == ["plain"]


@pytest.mark.parametrize(
    "operation",
    botocore.session.Session()
    .get_service_model("kinesisvideo")
    .shape_for("APIName")
    .enum,
)
def test_every_operation_is_at_the_address_of_the_server(video, camera, server, operation):
    found = video.get_data_endpoint(StreamName=camera, APIName=operation)
    assert found["DataEndpoint"] == f"http://{server.http}"


def test_an_operator_may_name_another_address(tmp_path):
    environment = {"AFFLUX_HTTP_PUBLIC_URL": "https://video.example.org/"}
    with Server(tmp_path, environment=environment) as server:
        video = server.client("kinesisvideo")
        video.create_stream(StreamName="a")
        found = video.get_data_endpoint(StreamName="a", APIName="GET_MEDIA")
    assert found["DataEndpoint"] == "https://video.example.org"


def test_a_stream_of_records_is_not_seen(server, video):
    kinesis = server.client()
    kinesis.create_stream(StreamName="records", ShardCount=1)
    refused("ResourceNotFoundException", video.describe_stream, StreamName="records")
    refused("ResourceInUseException", video.create_stream, StreamName="records")
    listed = video.get_paginator("list_streams").paginate().build_full_result()
    assert "records" not in [stream["StreamName"] for stream in listed["StreamInfoList"]]
    kinesis.delete_stream(StreamName="records")


def aws(server, *arguments):
    return server.aws("kinesisvideo", *arguments)


def test_the_tutorial_of_the_aws_cli_runs_as_written(either):
    made = aws(either, "create-stream", "--stream-name", "MyKinesisVideoStream", "--data-retention-in-hours", "24")
    described = aws(either, "describe-stream", "--stream-name", "MyKinesisVideoStream")["StreamInfo"]
    assert (described["Status"], described["DataRetentionInHours"]) == ("ACTIVE", 24)
    endpoint = aws(either, "get-data-endpoint", "--stream-name", "MyKinesisVideoStream", "--api-name", "PUT_MEDIA")
    assert endpoint["DataEndpoint"].endswith(either.http)
    aws(either, "tag-stream", "--stream-name", "MyKinesisVideoStream", "--tags", "k=v")
    assert aws(either, "list-tags-for-stream", "--stream-name", "MyKinesisVideoStream")["Tags"] == {"k": "v"}
    names = [stream["StreamName"] for stream in aws(either, "list-streams")["StreamInfoList"]]
    assert "MyKinesisVideoStream" in names
    aws(either, "delete-stream", "--stream-arn", made["StreamARN"])


def test_credentials_hold_for_actions_and_streams(closed):
    owner = closed.client("kinesisvideo")
    arns = [owner.create_stream(StreamName=name, DataRetentionInHours=1)["StreamARN"] for name in ("public-v", "secret-v")]
    control = closed.client("kinesisvideo", **READER)
    control.describe_stream(StreamName="public-v")
    control.describe_stream(StreamARN=arns[0])
    denied = refused("AccessDeniedException", control.describe_stream, StreamARN=arns[1])
    assert denied.message == (
        f"User: arn:aws:iam::{HOME}:user/AKIDREADER is not authorized to perform: "
        f"kinesisvideo:DescribeStream on resource: {arns[1]} because no identity-based policy allows the "
        "kinesisvideo:DescribeStream action"
    )
    assert denied.status == 403
    assert refused("AccessDeniedException", control.tag_stream, StreamName="public-v", Tags={"k": "v"}).status == 403
    assert refused("AccessDeniedException", control.list_streams).status == 403
    archive = closed.client("kinesis-video-archived-media", **READER)
    assert refused("AccessDeniedException", archive.list_fragments, StreamName="public-v").status == 403
    media = closed.client("kinesis-video-media", **READER)
    selector = {"StartSelectorType": "NOW"}
    assert refused("AccessDeniedException", media.get_media, StreamName="secret-v", StartSelector=selector).status == 403
    for call, expected in [
        (closed.client("kinesisvideo", aws_secret_access_key="wrong").list_streams, "InvalidSignatureException"),
        (closed.client("kinesisvideo", aws_access_key_id="NOBODY").list_streams, "UnrecognizedClientException"),
    ]:
        assert refused(expected, call).status == 403
    for arn in arns:
        owner.delete_stream(StreamARN=arn)


def ask(server, method, path, body=None, headers=None):
    answer, body = fetch(f"http://{server.http}{path}", method, body, headers)
    return answer.status, dict(answer.getheaders()), body


def test_errors_are_where_every_client_looks_for_them(server, closed):
    status, headers, body = ask(server, "POST", "/describeStream", b'{"StreamName":"absent"}')
    assert status == 404
    assert headers["x-amzn-errortype"] == headers["x-amz-errortype"] == "ResourceNotFoundException"
    assert headers["x-amzn-requestid"] == headers["x-amz-requestid"]
    assert "absent" in json.loads(body)["Message"]
    status, headers, body = ask(closed, "POST", "/describeStream", b'{"StreamName":"absent"}')
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    for body, code in [(b"{", "SerializationException"), (b'{"StreamName":1}', "SerializationException")]:
        status, headers, _ = ask(server, "POST", "/describeStream", body)
        assert (status, headers["x-amzn-errortype"]) == (400, code)
    assert ask(server, "GET", "/describeStream")[0] == 404
    assert ask(server, "POST", "/DescribeStream")[0] == 404


def test_players_come_from_anywhere_and_need_a_token(server, closed):
    for somewhere in (server, closed):
        for path in ("/hls/v1/getHLSMasterPlaylist.m3u8", "/dash/v1/getDASHManifest.mpd", "/hls/v1/absent"):
            for query in ("", "?SessionToken=AAAA"):
                origin = {"Origin": "https://example.org"}
                status, headers, _ = ask(somewhere, "GET", path + query, headers=origin)
                assert status in (400, 401, 403, 404), (path, status)
                assert headers["access-control-allow-origin"] == "*"
        status, headers, _ = ask(somewhere, "OPTIONS", "/hls/v1/x", headers={**origin, "Access-Control-Request-Method": "GET"})
        assert (status, headers["access-control-allow-origin"]) == (200, "*")
        assert ask(somewhere, "POST", "/hls/v1/x")[0] == 405
