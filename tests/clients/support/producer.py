"""Producers of video that no SDK is: PutMedia by hand and with curl, and `afflux video put`."""

import contextlib
import datetime
import json
import pathlib
import socket
import subprocess
import threading

from support.expect import eventually
from support.film import FFMPEG
from support.server import ACCESS_KEY, PATIENCE_SECONDS, SECRET

# What SDKs sent, as fixtures/kvs/README.md tells.
CAPTURES = pathlib.Path(__file__).parents[3] / "fixtures" / "kvs"
# When films begin whose own times begin at 0.
START = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.timezone.utc)

CLUSTER, TAGS = bytes.fromhex("1f43b675"), bytes.fromhex("1254c367")


def seconds(count):
    return datetime.timedelta(seconds=count)


def headers_of(name, start):
    """What PutMedia says of its media: their times count from `start`, or are those of clocks."""
    return {
        "x-amzn-stream-name": name,
        "x-amzn-fragment-timecode-type": "RELATIVE" if start else "ABSOLUTE",
        "x-amzn-producer-start-timestamp": str(start.timestamp() if start else 0),
    }


class PutMedia:
    """A connection that brings media; what is said to it is read while it sends."""

    def __init__(self, server, name, start=None):
        host, port = server.http.rsplit(":", 1)
        headers = {
            "Host": host,
            **headers_of(name, start),
            "x-amzn-fragment-acknowledgment-required": "1",
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
            "Expect": "100-continue",
        }
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
        self.answer = self.socket.makefile("rb")
        self.socket.sendall(f"POST /putMedia HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
        self.status = self.read_head()
        if self.status == 100:
            self.status = self.read_head()

    def read_head(self):
        status = int(self.answer.readline().split()[1])
        while self.answer.readline() != b"\r\n":
            pass
        return status

    def send(self, data):
        for at in range(0, len(data), 1 << 16):
            piece = data[at : at + (1 << 16)]
            self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self):
        self.socket.sendall(b"0\r\n\r\n")

    def acks(self):
        """Each acknowledgement, as it comes."""
        text = b""
        while size := int(self.answer.readline(), 16):
            text += self.answer.read(size + 2)[:-2]
            *lines, text = text.split(b"\r\n")
            yield from map(json.loads, lines)

    def close(self):
        self.answer.close()
        self.socket.close()


def put(server, name, data, start=None):
    """Brings media; all acknowledgements."""
    with contextlib.closing(PutMedia(server, name, start)) as connection:
        assert connection.status == 200
        sending = threading.Thread(target=lambda: (connection.send(data), connection.end()))
        sending.start()
        acks = list(connection.acks())
        sending.join()
    return acks


def fragments(acks, kind="PERSISTED"):
    """Timecode and number of each fragment that was acknowledged so."""
    return [(a["FragmentTimecode"], a["FragmentNumber"]) for a in acks if a["EventType"] == kind]


def curl(url, name, start, film="-", user=f"{ACCESS_KEY}:{SECRET}"):
    """The command with which curl signs and sends a film."""
    command = ["curl", "-sS", "--no-buffer", "-X", "POST", "-T", film]
    command += ["--aws-sigv4", "aws:amz:us-east-1:kinesisvideo", "--user", user]
    for header in headers_of(name, start).items():
        command += ["-H", ": ".join(header)]
    return [*command, f"{url}/putMedia"]


def bring(server, name, data, start=None):
    """Brings media that is stored without an error."""
    acks = put(server, name, data, start)
    assert fragments(acks) and not [ack for ack in acks if ack["EventType"] == "ERROR"], acks


def upload(server, name, film, start=START):
    """Brings a film: Matroska as SDKs do, anything else with `afflux`."""
    if film.suffix == ".mkv":
        bring(server, name, film.read_bytes(), start)
    else:
        server.afflux("video", "put", name, film, "--start", start.timestamp())


@contextlib.contextmanager
def sending(server, name, filming):
    """A camera that sends what ffmpeg films, for as long as somebody looks."""
    with contextlib.ExitStack() as stack:
        source = subprocess.Popen([*FFMPEG, *filming], stdout=subprocess.PIPE)
        stack.callback(source.wait)
        stack.callback(source.kill)
        put = subprocess.Popen(
            server.command("video", "put", name, "-"),
            stdin=source.stdout,
            stdout=subprocess.DEVNULL,
        )
        stack.callback(put.kill)
        source.stdout.close()
        try:
            yield
        finally:
            source.terminate()
            assert put.wait(PATIENCE_SECONDS) == 0


def stored(archive, name, count):
    """The fragments of a stream, once there are so many."""

    def enough():
        found = archive.list_fragments(StreamName=name)["Fragments"]
        return found if len(found) >= count else None

    return eventually(enough, f"{count} fragments of {name} are stored")


def element(number, content):
    return bytes.fromhex(number) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def tags(values):
    """A Tags element of Matroska, as the SDKs write it; nothing where there are none."""
    simple = b"".join(
        element("67c8", element("45a3", name.encode()) + element("4487", value.encode()))
        for name, value in values.items()
    )
    return element("1254c367", element("7373", simple)) if values else b""


def tagged(film, *of_fragments):
    """A film whose fragments carry tags; those before the first Cluster are its own."""
    head, *clusters = film.split(CLUSTER)
    first, *others = [*of_fragments, *[{}] * len(clusters)][: len(clusters)]
    sent = head + tags(first) + CLUSTER + clusters[0]
    for cluster, values in zip(clusters[1:], others):
        # Behind a Cluster they are still its own.
        media, end_of_fragment, rest = cluster.partition(TAGS)
        sent += CLUSTER + media + tags(values) + end_of_fragment + rest
    return sent
