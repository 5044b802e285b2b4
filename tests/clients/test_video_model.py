"""Every constraint of the published models of Kinesis Video Streams, at its edge and one past it."""

import botocore.config
import botocore.session
import pytest
from botocore.exceptions import ClientError

SERVICES = ["kinesisvideo", "kinesis-video-media", "kinesis-video-archived-media"]
# What devices and WebRTC need, which this server has nothing of.
UNSERVED = ("Edge", "Signaling", "MediaStorage")
ARN = "arn:aws:kinesisvideo:us-east-1:000000000000:stream/absent/1"

# Texts of the form that a pattern asks for.
SAMPLES = {
    "StreamARN": ARN,
    "ResourceARN": ARN,
    "MediaType": "video/h264",
    "Uri": "https://example.org/",
    "DestinationRegion": "us-east-1",
    "NextToken": "AAAA",
}
# Texts of the longest that is allowed, where a pattern wants more than letters.
LONGEST = {
    "StreamARN": "arn:aws:kinesisvideo:us-east-1:000000000000:stream/{}/1",
    "ResourceARN": "arn:aws:kinesisvideo:us-east-1:000000000000:stream/{}/1",
    "MediaType": "video/{}",
    "Uri": "https://{}",
}


def served(service):
    names = botocore.session.Session().get_service_model(service).operation_names
    return [name for name in names if not any(word in name for word in UNSERVED)]


def sample(shape, name=""):
    """A value that meets the constraints of `shape`."""
    if getattr(shape, "enum", None):
        return shape.enum[0]
    least = shape.metadata.get("min")
    match shape.type_name:
        case "string":
            return SAMPLES.get(name, "1" * max(1, least or 1))
        case "integer" | "long":
            return max(1, least or 1)
        case "timestamp":
            return 1_700_000_000
        case "list":
            return [sample(shape.member)] * max(1, least or 1)
        case "map":
            return {sample(shape.key): "1"}
        case "structure":
            return {name: sample(shape.members[name], name) for name in shape.required_members}
    raise AssertionError(shape)


def beyond(shape, name):
    """Values one past each constraint of `shape`."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "string":
            if getattr(shape, "enum", None):
                yield "NO_SUCH_WORD"
            if least:
                yield ""
            if most:
                yield longest(name, most + 1)
            if "pattern" in shape.metadata and shape.metadata["pattern"] != ".+":
                yield "\u2603*"
        case "integer" | "long":
            if least is not None:
                yield least - 1
            if most is not None:
                yield most + 1
        case "list":
            if least:
                yield []
            if most:
                yield [sample(shape.member)] * (most + 1)
        case "map":
            if most:
                yield {f"key{i}": "v" for i in range(most + 1)}


def edges(shape, name):
    """Values that just meet the constraints of `shape`."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "string" if getattr(shape, "enum", None):
            yield from shape.enum
        case "string" if most and name != "DestinationRegion":
            yield longest(name, most)
        case "integer" | "long":
            if least is not None:
                yield least
            if most is not None:
                yield most
        case "list" if most:
            yield [sample(shape.member)] * most
        case "map" if most and shape.key.name != "FormatConfigKey":
            yield {f"key{i}": "v" for i in range(most)}


def longest(name, length):
    form = LONGEST.get(name, "{}")
    return form.format("1" * (length - len(form) + 2))


def cases(values):
    for service in SERVICES:
        model = botocore.session.Session().get_service_model(service)
        for operation in served(service):
            shape = model.operation_model(operation).input_shape
            for name, member in shape.members.items():
                for value in values(member, name):
                    label = f"{operation}-{name}-{str(value)[:12]}"
                    yield pytest.param(service, operation, name, value, id=label)


def absences():
    for service in SERVICES:
        model = botocore.session.Session().get_service_model(service)
        for operation in served(service):
            for name in model.operation_model(operation).input_shape.required_members:
                yield pytest.param(service, operation, name, None, id=f"{operation}-{name}-absent")


@pytest.fixture(scope="session")
def unchecked(server):
    """Clients that send what they are given."""
    config = botocore.config.Config(parameter_validation=False, retries={"max_attempts": 0})
    return {service: server.client(service, config=config) for service in SERVICES}


def refusal(client, operation, arguments):
    """What a request is refused with, if it is."""
    try:
        client._make_api_call(operation, arguments)
    except ClientError as error:
        return error.response["Error"]
    return {"Code": None}


@pytest.mark.parametrize("service,operation,name,value", [*cases(beyond), *absences()])
def test_a_broken_constraint_is_named(unchecked, service, operation, name, value):
    client = unchecked[service]
    arguments = sample(client.meta.service_model.operation_model(operation).input_shape)
    if value is None:
        arguments.pop(name)
    else:
        arguments[name] = value
    error = refusal(client, operation, arguments)
    assert error["Code"] == "ValidationException", error
    assert "failed to satisfy constraint" in error["Message"]
    member = name[0].lower() + name[1:]
    assert f"'{member}'" in error["Message"] or f"'{member}." in error["Message"], error


@pytest.mark.parametrize("service,operation,name,value", [*cases(edges)])
def test_the_edge_of_a_constraint_is_allowed(unchecked, service, operation, name, value):
    client = unchecked[service]
    arguments = sample(client.meta.service_model.operation_model(operation).input_shape)
    arguments[name] = value
    error = refusal(client, operation, arguments)
    assert error["Code"] not in ("ValidationException", "SerializationException"), error
    if operation == "CreateStream" and error["Code"] is None:
        made = client.describe_stream(StreamName=arguments["StreamName"])["StreamInfo"]
        client.delete_stream(StreamARN=made["StreamARN"])


@pytest.mark.parametrize(
    "service,operation", [(service, operation) for service in SERVICES for operation in served(service)]
)
def test_a_stream_that_is_not_there_is_not_found(unchecked, service, operation):
    client = unchecked[service]
    if operation in ("CreateStream", "ListStreams"):
        return
    shape = client.meta.service_model.operation_model(operation).input_shape
    arguments = sample(shape)
    if "StreamName" in shape.members:
        arguments["StreamName"] = "absent"
    error = refusal(client, operation, arguments)
    assert error["Code"] == "ResourceNotFoundException", error
    assert "absent" in error["Message"]


@pytest.mark.parametrize("operation", ["CreateSignalingChannel", "ListSignalingChannels", "ListEdgeAgentConfigurations"])
def test_what_is_not_served_says_so(unchecked, operation):
    error = refusal(unchecked["kinesisvideo"], operation, {})
    assert error["Code"] == "InvalidArgumentException"
    assert error["Message"].startswith(f"{operation} is not supported: this server has no ")
