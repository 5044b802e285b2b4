"""Requests at the edge of each constraint of a service's published model, and one past it.

What the model does not say of a service, `Service` does: a table for each stands in services.py.
"""

import dataclasses
import functools

import botocore.config
import botocore.session
import pytest
from botocore.exceptions import ClientError

SESSION = botocore.session.Session()
# More than this is not sent for the sake of a limit.
TEXT_MAX = 100_000
# Patterns that forbid nothing.
ANYTHING = (".*", ".+")


@dataclasses.dataclass(frozen=True, eq=False)
class Service:
    """A service by botocore's name, and what its model does not say."""

    name: str
    # Words in the names of the operations that are not served.
    unserved: tuple = ()
    # Members that are not looked at.
    unread: tuple = ()
    # What the text of a member must look like; {} is where it may be longer.
    forms: dict = dataclasses.field(default_factory=dict)
    # What the text of a member is made of, if digits will not do.
    letters: dict = dataclasses.field(default_factory=dict)
    # Members whose patterns do not allow as much as the model does.
    short: tuple = ()
    # What no pattern allows.
    foreign: str = "\u2603*"
    # Whether structures and lists are taken apart.
    deep: bool = False

    def __str__(self):
        return self.name

    @functools.cached_property
    def model(self):
        return SESSION.get_service_model(self.name)

    @property
    def operations(self):
        """The names of those that are served."""
        names = self.model.operation_names
        return [name for name in names if not any(word in name for word in self.unserved)]

    def input(self, operation):
        return self.model.operation_model(operation).input_shape

    def members(self, operation):
        """The shapes of what a request may hold, by name."""
        shape = self.input(operation)
        members = shape.members if shape else {}
        return {name: member for name, member in members.items() if name not in self.unread}

    def request(self, operation):
        """The least request that the model allows."""
        shape = self.input(operation)
        return self.sample(shape) if shape else {}

    def sample(self, shape, name=""):
        """A value that meets the constraints of `shape`."""
        if getattr(shape, "enum", None):
            return shape.enum[0]
        least = max(1, shape.metadata.get("min") or 1)
        match shape.type_name:
            case "string":
                letter = self.letters.get(name, "1") if "pattern" in shape.metadata else "a"
                return self.forms.get(name, letter * least).format("absent")
            case "integer" | "long":
                return least
            case "double":
                return shape.metadata.get("min") or 0
            case "boolean":
                return False
            case "blob":
                return b"x"
            case "timestamp":
                return 1_700_000_000
            case "list":
                return [self.sample(shape.member)] * least
            case "map":
                return {self.sample(shape.key): self.sample(shape.value)}
            case "structure":
                return {name: self.sample(shape.members[name], name) for name in shape.required_members}
        raise AssertionError(shape)

    def sized(self, shape, name, size):
        """A value of this size: a number itself, or something of so many characters, members, bytes."""
        match shape.type_name:
            case "string":
                form = self.forms.get(name, "")
                form = form if "{}" in form else "{}"
                return form.format(self.letters.get(name, "1") * (size - len(form) + 2)) if size else ""
            case "list":
                return [self.sample(shape.member)] * size
            case "map":
                return {f"key{i}": "v" for i in range(size)}
            case "blob":
                return b"x" * size
            case "integer" | "long" | "double":
                return size
        raise AssertionError(shape)

    def beyond(self, shape, name):
        """Values one past each constraint of `shape`."""
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if getattr(shape, "enum", None):
            yield "NO_SUCH_WORD"
            return
        match shape.type_name:
            case "integer" | "long" | "double" if least is not None:
                yield least - 1
            case "string" | "list" if least:
                yield self.sized(shape, name, 0)
        if most and not (shape.type_name == "string" and most > TEXT_MAX):
            yield self.sized(shape, name, most + 1)
        if shape.metadata.get("pattern", ".*") not in ANYTHING:
            yield self.foreign
        yield from self.within(shape, self.beyond)
        for required in shape.required_members if self.deep and shape.type_name == "structure" else ():
            sample = self.sample(shape)
            del sample[required]
            yield sample

    def edges(self, shape, name):
        """Values that just meet the constraints of `shape`."""
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if getattr(shape, "enum", None):
            yield from shape.enum
            return
        if least is not None and shape.type_name in ("integer", "long", "double"):
            yield least
        # The keys of a map may be few.
        few = name in self.short or shape.type_name == "map" and getattr(shape.key, "enum", None)
        if most and not few:
            yield self.sized(shape, name, most)
        yield from self.within(shape, self.edges)

    def within(self, shape, values):
        """What `shape` may be made of, one part of it one of `values`."""
        match shape.type_name:
            case "structure" if self.deep:
                for name, member in shape.members.items():
                    for value in values(member, name):
                        yield {**self.sample(shape), name: value}
            case "list" if self.deep:
                for value in values(shape.member, ""):
                    yield [value]


@dataclasses.dataclass(frozen=True)
class Case:
    """The least request that the model allows, but for one member."""

    service: Service
    operation: str
    member: str
    # None leaves it out.
    value: object

    def request(self):
        request = {**self.service.request(self.operation), self.member: self.value}
        return {name: value for name, value in request.items() if value is not None}

    def param(self):
        value = "absent" if self.value is None else str(self.value)[:12]
        return pytest.param(self, id=f"{self.operation}-{self.member}-{value}")


def broken(*services):
    """Each request that breaks one constraint of the models of these services."""

    def values(service, operation, name, shape):
        yield from service.beyond(shape, name)
        if name in service.input(operation).required_members:
            yield None

    return cases(services, values)


def edges(*services):
    """Each request that just meets one constraint of the models of these services."""
    return cases(services, lambda service, operation, name, shape: service.edges(shape, name))


def cases(services, values):
    return [
        Case(service, operation, name, value).param()
        for service, operation in operations(*services)
        for name, shape in service.members(operation).items()
        for value in values(service, operation, name, shape)
    ]


def operations(*services):
    return [(service, operation) for service in services for operation in service.operations]


class Unchecked:
    """Sends requests to a server as they are."""

    def __init__(self, server):
        config = botocore.config.Config(parameter_validation=False)
        self.client = functools.cache(lambda service: server.client(service, config=config))

    def refusal(self, service, operation, request):
        """The error that a request is answered with; one without a code if with none."""
        try:
            self.client(service.name)._make_api_call(operation, request)
        except ClientError as error:
            return error.response["Error"]
        return {"Code": None}

    def refusal_of(self, case):
        return self.refusal(case.service, case.operation, case.request())

    def assert_named(self, case):
        """The constraint that `case` breaks is what it is refused for."""
        error = self.refusal_of(case)
        assert error["Code"] == "ValidationException", error
        assert "failed to satisfy constraint" in error["Message"]
        member = case.member[0].lower() + case.member[1:]
        assert f"'{member}'" in error["Message"] or f"'{member}." in error["Message"], error
