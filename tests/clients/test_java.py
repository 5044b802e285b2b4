"""The asynchronous AWS SDK for Java 2: CBOR, and HTTP/2 that is not negotiated."""

import pathlib
import shutil
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).parent / "java" / "pom.xml"

pytestmark = pytest.mark.skipif(
    not (shutil.which("mvn") and shutil.which("java")), reason="Java or Maven is not installed"
)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_java_sdk(either, scheme):
    arguments = f"-Dexec.args={scheme}://{either.http} {scheme}"
    command = ["mvn", "-q", "-B", "-f", PROJECT, "compile", "exec:java", arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ok" in ran.stdout
