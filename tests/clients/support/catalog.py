"""A REST catalog of Apache Iceberg: pyiceberg's own catalog in SQLite, behind the few operations that writers need.

It can lose the answers of commits that it makes, and let others commit first.
"""

import http.server
import json
import pathlib
import threading
import urllib.parse

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import CommitTableRequest

TOKEN = "a token that OAuth gave"
CLIENT = {"client_id": "afflux", "client_secret": "hidden", "grant_type": "client_credentials", "scope": "catalog"}


class Catalog:
    """A catalog whose tables are below `warehouse`, a location; its URL is `uri`."""

    def __init__(self, directory, warehouse, **properties):
        database = pathlib.Path(directory) / "catalog.db"
        self.tables = SqlCatalog("lake", uri=f"sqlite:///{database}", warehouse=warehouse, **properties)
        self.tables.create_namespace("shop")
        # Commits that are made and answered with 503.
        self.losing = 0
        # Are called with each table before a commit is looked at, and before it is answered.
        self.before_commit = self.before_answer = lambda table: None
        self.commits = []

    def __enter__(self):
        handler = type("Handler", (Handler,), {"catalog": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, name="catalog", daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def commit(self, name, request):
        """The status and the body of the answer."""
        self.before_commit(name)
        table = self.tables.load_table(name)
        try:
            answer = self.tables.commit_table(table, request.requirements, request.updates)
        except CommitFailedException as error:
            self.commits.append(409)
            return 409, failure(error, 409)
        self.commits.append(200)
        self.before_answer(name)
        if self.losing:
            self.losing -= 1
            return 503, failure("the answer is lost", 503)
        return 200, answer.model_dump_json(by_alias=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(*self.serve(self.get))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/oauth/tokens":
            given = dict(urllib.parse.parse_qsl(body.decode()))
            token = {"access_token": TOKEN, "token_type": "bearer"}
            return self.answer(200, json.dumps(token)) if given == CLIENT else self.answer(401, failure("who?", 401))
        self.answer(*self.serve(lambda *parts: self.commit(body, *parts)))

    def get(self, *parts):
        if parts == ("v1", "config"):
            return 200, json.dumps({"defaults": {}, "overrides": {}})
        _, _, namespace, _, name = parts
        table = self.catalog.tables.load_table(identifier(namespace, name))
        metadata = json.loads(table.metadata.model_dump_json())
        body = {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}
        return 200, json.dumps(body)

    def commit(self, body, *parts):
        _, _, namespace, _, name = parts
        request = CommitTableRequest.model_validate_json(body)
        return self.catalog.commit(identifier(namespace, name), request)

    def serve(self, operation):
        """The status and the body of what an operation of these parts of the path answers."""
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, failure("who?", 401)
        path = urllib.parse.urlsplit(self.path).path
        try:
            return operation(*map(urllib.parse.unquote, path.strip("/").split("/")))
        except NoSuchTableError as error:
            return 404, failure(error, 404)

    def answer(self, status, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def identifier(namespace, name):
    return (*namespace.split("\x1f"), name)


def failure(error, code):
    kind = "error" if isinstance(error, str) else type(error).__name__
    return json.dumps({"error": {"message": str(error), "type": kind, "code": code}})
