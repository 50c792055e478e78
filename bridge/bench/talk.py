"""How the bench and its helper processes talk: one JSON object a line, one answer to each.

The child's half keeps bytes of its own, because `select` and buffered reading do not go together.
"""

import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from bridge.errors import TransportLost

ANSWER_SECONDS = 120.0
"""An answer may take as long as thousands of TLS handshakes do."""

STOP_SECONDS = 15.0
"""For a process to end by itself after it was asked to; then it is killed."""

Order = Mapping[str, Any]


class Orders:
    """The child's half: the orders on standard input."""

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self._rest = b""

    def read(self) -> list[Order] | None:
        """Return the orders that have come; None when whoever gave them is gone. Waits when there is nothing to read."""
        data = os.read(self.descriptor, 1 << 20)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [msgspec.json.decode(line) for line in lines]

    def answer(self, **fields: object) -> None:
        """Answer an order."""
        sys.stdout.buffer.write(msgspec.json.encode(fields) + b"\n")
        sys.stdout.buffer.flush()


class Helper:
    """The bench's half: a child that takes orders. A context manager; leaving it ends the child.

    Args:
        module: what to run, `python -m` style.
        core: where to pin it; None = anywhere.
    """

    def __init__(self, module: str, core: int | None) -> None:
        self._module = module
        self._rest = b""
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        pin(self._process.pid, core)

    @property
    def pid(self) -> int:
        """The child's process."""
        return self._process.pid

    def ask(self, order: str, **fields: object) -> dict[str, Any]:
        """Give an order and return the answer.

        Raises:
            TransportLost: the child ended, or did not answer in time.
        """
        assert self._process.stdin is not None  # noqa: S101 - it was opened with one
        try:
            self._process.stdin.write(msgspec.json.encode({"order": order, **fields}) + b"\n")
        except BrokenPipeError as error:
            raise TransportLost(f"{self._module} has ended") from error
        answer: dict[str, Any] = msgspec.json.decode(self._line())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        stop(self._process)

    def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it was opened with one
        while b"\n" not in self._rest:
            readable, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
            data = self._process.stdout.read(1 << 20) if readable else None
            if not data:
                raise TransportLost(f"{self._module} {'has ended' if readable else 'does not answer'}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def stop(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end, and make sure that it does."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def pin(pid: int, core: int | None) -> None:
    """Hold a process to one core, where there is one to hold it to and the system can."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


def cores() -> Sequence[int]:
    """Return the cores that this process may use; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ()
