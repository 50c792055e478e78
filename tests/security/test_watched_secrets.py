"""The search that every test of this suite is under finds what it is meant to find."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest

from tests.support import watched_secrets
from tests.support.data import ROOT

KEY = "a-key-that-signs-and-has-more-than-32-bytes"
PASSWORD = "p@ss/word with odd=letters"

LEAKING = """
import sys
import jwt
import structlog

def test_it_leaks():
    token = jwt.encode({"sub": "alice"}, "%s", algorithm="HS256")
    structlog.get_logger().warning("refused", url=f"/v1/stream?token={token}")

def test_it_leaks_from_a_process():
    from tests.support.commands import running
    jwt.encode({"sub": "alice"}, "127.0.0.1:not-a-port-but-a-secret-of-32-bytes", algorithm="HS256")
    with running("tail", "127.0.0.1:not-a-port-but-a-secret-of-32-bytes", "quote:A") as command:
        command.process.wait()

def test_it_does_not():
    jwt.encode({"sub": "alice"}, "%s", algorithm="HS256")
    print("all is well")
"""


def test_a_signing_key_and_a_tokens_signature_are_noted_by_themselves():
    token = jwt.encode({"sub": "alice"}, KEY, algorithm="HS256")
    assert watched_secrets.found_in(f"failed for {token}") == [token.rpartition(".")[2]]
    assert watched_secrets.found_in(f"with {KEY}") == [KEY]
    assert watched_secrets.found_in("nothing of the kind") == []


@pytest.mark.parametrize("form", [PASSWORD, quote(PASSWORD, safe=""), "cEBzcy93b3JkIHdpdGggb2RkPWxldHRlcnM="])
def test_a_secret_is_found_in_each_of_its_forms(form):
    watched_secrets.note(PASSWORD)
    assert watched_secrets.found_in(f"… {form} …") == [PASSWORD]


def test_a_test_that_writes_a_secret_of_its_own_fails(tmp_path: Path):
    file = tmp_path / "test_leaking.py"
    file.write_text(LEAKING % (KEY, KEY))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:anyio", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", tmp_path, "-c", "/dev/null", file],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "2 failed, 1 passed" in done.stdout, done.stdout
    assert done.stdout.count("of its secrets stand in what it has written") >= 2
