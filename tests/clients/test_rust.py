"""The AWS SDK for Rust."""

import os
import pathlib
import subprocess

PROJECT = pathlib.Path(__file__).parent / "rust" / "Cargo.toml"
TARGET = pathlib.Path(os.environ["AFFLUX_BINARY"]).parent.parent / "clients"


def test_the_rust_sdk(either):
    command = ["cargo", "run", "--quiet", "--locked", "--manifest-path", PROJECT, "--", f"http://{either.http}"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.strip() == "ok"
