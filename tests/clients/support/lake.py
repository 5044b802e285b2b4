"""What delivery streams write: how far they are, and their directories over HTTP, for players of other origins."""

import contextlib
import functools
import http.server
import json
import re
import threading

from support.expect import eventually

RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def delivered(server, name, count):
    """What is said of a delivery stream that has delivered so much, once it has."""

    def enough():
        found = json.loads(server.afflux("delivery", "describe", name, "--output", "json"))
        assert (found["last_error"], found["failed"], found["missing"]) == (None, 0, 0), found
        return found if found["records"] >= count else None

    return eventually(enough, f"{count} of {name} are delivered")


class Files(http.server.SimpleHTTPRequestHandler):
    """Answers with files, of which players ask for ranges."""

    extensions_map = {".m3u8": "application/vnd.apple.mpegurl", ".mp4": "video/mp4"}

    def do_OPTIONS(self):
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        if asked is None:
            return super().do_GET()
        first, last = map(int, asked.groups())
        with open(self.translate_path(self.path), "rb") as file:
            file.seek(first)
            data = file.read(last + 1 - first)
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(self.path))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Range")
        super().end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(directory):
    """The address of a directory."""
    handler = functools.partial(Files, directory=directory)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{files.server_port}"
        finally:
            files.shutdown()
