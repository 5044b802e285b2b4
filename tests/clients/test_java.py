"""The asynchronous AWS SDK for Java 2: CBOR, and HTTP/2 that is not negotiated."""

import pathlib
import shutil

import pytest

from support.server import output

PROJECT = pathlib.Path(__file__).parent / "java" / "pom.xml"

pytestmark = pytest.mark.skipif(
    not (shutil.which("mvn") and shutil.which("java")), reason="Java or Maven is not installed"
)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_java_sdk(either, scheme):
    arguments = f"-Dexec.args={scheme}://{either.http} {scheme}"
    command = ["mvn", "-q", "-B", "-f", PROJECT, "compile", "exec:java", arguments]
    assert b"ok" in output(command, seconds=600)
