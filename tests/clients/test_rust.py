"""The AWS SDK for Rust."""

import os
import pathlib

from support.server import BINARY, output

PROJECT = pathlib.Path(__file__).parent / "rust" / "Cargo.toml"
TARGET = pathlib.Path(BINARY).parent.parent / "clients"


def test_the_rust_sdk(either):
    command = ["cargo", "run", "--quiet", "--locked", "--manifest-path", PROJECT, "--", f"http://{either.http}"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    assert output(command, env=environment, seconds=900).strip() == b"ok"
