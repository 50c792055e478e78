"""Runs `feedbridge` as a user does: a process of its own, watched by its output, ended by a signal."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 30
"""A bound, not an expectation: machines that run tests may be slow."""


class Command:
    """A running `feedbridge …`.

    Attributes:
        lines: what it has printed so far, both streams, in order of arrival.
    """

    def __init__(self, arguments: Sequence[str], environ: dict[str, str]) -> None:
        clean = {key: value for key, value in os.environ.items() if key != "BRIDGE_DATA"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bridge", *arguments],
            cwd=ROOT,
            env={**clean, "PYTHONUNBUFFERED": "1", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._arrivals: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._arrivals.put(line.rstrip("\n"))
        self._arrivals.put(None)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of `pattern` in a line, old or new."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for line in self.lines:
            if found := re.search(pattern, line):
                return found
        while True:
            line = self._arrivals.get(timeout=max(0.01, deadline - time.monotonic()))
            if line is None:
                raise AssertionError("it ended: " + "\n".join(self.lines))
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Make sure that nothing is left of it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self._keeps_its_secrets()

    def _keeps_its_secrets(self) -> None:
        """Hand all that it printed to the search (`tests.support.watched_secrets`); what prints a token does so to be read."""
        while not self._arrivals.empty():
            line = self._arrivals.get()
            if line is not None:
                self.lines.append(line)
        sys.stdout.write("\n".join(line for line in self.lines if not line.startswith("token ")))


@contextmanager
def running(*arguments: str, **environ: str) -> Iterator[Command]:
    """Run `feedbridge` with these arguments until the block ends."""
    command = Command(arguments, environ)
    try:
        yield command
    finally:
        command.close()


def get(url: str, **headers: str) -> tuple[int, str]:
    """Return the status and the text of an answer, whatever it is."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int) -> None:
    """Return once somebody listens on a port of 127.0.0.1.

    Raises:
        OSError: nobody did.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
