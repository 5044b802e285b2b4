"""Servers, clients and streams for the tests that need nothing special of them."""

import re

import pytest

pytest.register_assert_rewrite("support")

from support.film import AAC, FRAGMENTED, MATROSKA, film, h264, hevc  # noqa: E402
from support.model import Unchecked  # noqa: E402
from support.server import CREDENTIALS, Server  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that need nothing special."""
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def closed(tmp_path_factory):
    """A server that asks for signatures."""
    with Server(tmp_path_factory.mktemp("closed"), CREDENTIALS) as server:
        yield server


@pytest.fixture(params=["open", "closed"])
def either(request):
    """A server that looks at signatures, and one that does not."""
    return request.getfixturevalue("closed" if request.param == "closed" else "server")


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may kill and restart."""
    with Server(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def kinesis(server):
    return server.client()


@pytest.fixture(scope="session")
def video(server):
    return server.client("kinesisvideo")


@pytest.fixture(scope="session")
def archive(server):
    return server.client("kinesis-video-archived-media")


@pytest.fixture(scope="session")
def unchecked(server):
    """Sends requests whatever the model says of them."""
    return Unchecked(server)


@pytest.fixture
def name(request):
    """A name for what a test makes: its own."""
    return re.sub("[^a-zA-Z0-9_.-]", "-", request.node.name)[:100]


@pytest.fixture
def stream(kinesis, name):
    """The name of a stream of two shards that goes when the test ends."""
    kinesis.create_stream(StreamName=name, ShardCount=2)
    yield name
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


@pytest.fixture
def camera(server, name):
    """The name of a stream of video that goes when the test ends."""
    with server.camera(f"camera-{name}") as camera:
        yield camera


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Films of eight seconds, and fragments of two; `mkv` is for PutMedia, the others for `afflux`."""
    directory = tmp_path_factory.mktemp("films")
    made = {
        "h264": ("h264.mp4", h264(50), FRAGMENTED),
        "hevc": ("hevc.mp4", hevc(50), FRAGMENTED),
        "mkv": ("h264.mkv", h264(50), MATROSKA),
    }
    for kind, (file, codec, form) in made.items():
        made[kind] = directory / file
        made[kind].write_bytes(film(f"{codec} {AAC}", form, seconds=8))
    return made
