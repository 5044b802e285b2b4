"""Every constraint of the published service model, at its edge and one past it."""

import botocore.config
import botocore.session
import pytest
from botocore.exceptions import ClientError

SERVED = [
    name
    for name in botocore.session.Session().get_service_model("kinesis").operation_names
    if "Channel" not in name and "Queue" not in name
]


def sample(shape, name=""):
    """A value that meets the constraints of `shape`."""
    if getattr(shape, "enum", None):
        return shape.enum[0]
    least = shape.metadata.get("min")
    match shape.type_name:
        case "string" if "ARN" in name and "Consumer" in name:
            return "arn:aws:kinesis:us-east-1:000000000000:stream/absent/consumer/c:1"
        case "string" if "ARN" in name:
            return "arn:aws:kinesis:us-east-1:000000000000:stream/absent"
        case "string" if "pattern" in shape.metadata:
            return "1" * max(1, least or 1)
        case "string":
            return "a" * (least or 1)
        case "integer" | "long":
            return max(1, least or 1)
        case "boolean":
            return False
        case "blob":
            return b"x"
        case "timestamp":
            return 1_700_000_000
        case "list":
            return [sample(shape.member)] * max(1, least or 1)
        case "map":
            return {"key": "value"}
        case "structure":
            return {name: sample(shape.members[name], name) for name in shape.required_members}
    raise AssertionError(shape)


def beyond(shape):
    """Values one past each constraint of `shape`."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "string":
            if getattr(shape, "enum", None):
                yield "NO_SUCH_WORD"
            if least:
                yield ""
            if most and most < 100_000:
                yield "1" * (most + 1)
            if "pattern" in shape.metadata and not getattr(shape, "enum", None):
                yield "\u2603 "
        case "integer" | "long":
            if least is not None:
                yield least - 1
            if most is not None:
                yield most + 1
        case "blob":
            if most:
                yield b"x" * (most + 1)
        case "list":
            if least:
                yield []
            if most:
                yield [sample(shape.member)] * (most + 1)
        case "map":
            if most:
                yield {f"key{i}": "v" for i in range(most + 1)}


def cases():
    model = botocore.session.Session().get_service_model("kinesis")
    for operation in SERVED:
        shape = model.operation_model(operation).input_shape
        if shape is None:
            continue
        for name, member in shape.members.items():
            if name == "StreamId":
                continue
            for value in beyond(member):
                yield pytest.param(operation, name, value, id=f"{operation}-{name}-{str(value)[:12]}")
            if name in shape.required_members:
                yield pytest.param(operation, name, None, id=f"{operation}-{name}-absent")


@pytest.fixture(scope="session")
def unchecked(server):
    """A client that sends what it is given."""
    config = botocore.config.Config(parameter_validation=False, retries={"max_attempts": 0})
    return server.client(config=config)


@pytest.mark.parametrize("operation,name,value", list(cases()))
def test_a_broken_constraint_is_named(unchecked, operation, name, value):
    shape = unchecked.meta.service_model.operation_model(operation).input_shape
    arguments = sample(shape)
    if value is None:
        arguments.pop(name)
    else:
        arguments[name] = value
    with pytest.raises(ClientError) as raised:
        unchecked._make_api_call(operation, arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == "ValidationException", error
    assert "failed to satisfy constraint" in error["Message"]
    member = name[0].lower() + name[1:]
    assert f"'{member}'" in error["Message"] or f"'{member}." in error["Message"], error


@pytest.mark.parametrize("operation", SERVED)
def test_a_valid_request_is_not_refused_for_its_form(unchecked, operation):
    shape = unchecked.meta.service_model.operation_model(operation).input_shape
    if operation in ("CreateStream", "UpdateAccountSettings"):
        return
    try:
        unchecked._make_api_call(operation, sample(shape) if shape else {})
    except ClientError as error:
        assert error.response["Error"]["Code"] not in ("ValidationException", "SerializationException"), error
