"""Runs the Autobahn suite, which is Python 2 code, against our echoes: its fuzzing client, then its fuzzing server."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

from tests.autobahn.echoes import echo_app, run_client
from tests.support.commands import free_port, wait_for_port
from tests.support.serving import guarded

AGENT = "feedbridge"
LARGEST_BYTES = 16 * 1024 * 1024
"""Of the messages that the suite's group 9 sends; the server's own bound is 64 KiB and is raised for that group alone."""

SUITE_SECONDS = 3600


class Suite(NamedTuple):
    """An installed suite.

    Attributes:
        python: a Python 2.7.
        folder: where the suite was installed.
    """

    python: str
    folder: Path

    def start(self, mode: str, spec: dict[str, object], into: Path) -> subprocess.Popen[bytes]:
        """Start it in a mode, in a folder of its own."""
        into.mkdir(parents=True, exist_ok=True)
        (into / "spec.json").write_text(json.dumps(spec))
        command = [self.python, "-m", "autobahntestsuite.wstest", "-m", mode, "-s", "spec.json", "-u", "0"]
        environ = {**os.environ, "PYTHONPATH": str(self.folder.resolve())}
        with (into / "wstest.log").open("wb") as said:
            return subprocess.Popen(command, cwd=into, env=environ, stdin=subprocess.DEVNULL, stdout=said, stderr=said)


Verdicts = dict[str, dict[str, object]]
"""Case → what the suite says of it (`behavior`, `behaviorClose`, …)."""


def judge_server(suite: Suite, cases: Sequence[str], without: Sequence[str], into: Path) -> Verdicts:
    """Have the fuzzing client judge the echo server; a case is sent within the server's own bounds, but for group 9."""
    raised = any(case.startswith("9") for case in cases)

    async def judge() -> None:
        async with guarded(echo_app) as served:
            if raised:
                served.guard.terms.config.websocket_max_message_size = LARGEST_BYTES
            spec = {
                "outdir": ".",
                "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{served.port}"}],
                "cases": cases,
                "exclude-cases": without,
            }
            with suite.start("fuzzingclient", spec, into) as process, trio.fail_after(SUITE_SECONDS):
                try:
                    await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
                finally:
                    process.kill()

    trio.run(judge)
    return _verdicts(into)


def judge_client(suite: Suite, cases: Sequence[str], without: Sequence[str], into: Path) -> Verdicts:
    """Have the fuzzing server judge the echo client, whose own bound is as large as the suite's largest message."""
    with _fuzzing_server(suite, cases, without, into) as url:
        trio.run(partial(run_client, url, AGENT, LARGEST_BYTES, lambda case, count: None))
    return _verdicts(into)


@contextmanager
def _fuzzing_server(suite: Suite, cases: Sequence[str], without: Sequence[str], into: Path) -> Iterator[str]:
    url = f"ws://127.0.0.1:{(port := free_port())}"
    spec = {"outdir": ".", "url": url, "cases": cases, "exclude-cases": without}
    with suite.start("fuzzingserver", spec, into) as process:
        try:
            wait_for_port(port)
            yield url
        finally:
            process.kill()


def _verdicts(into: Path) -> Verdicts:
    verdicts: Verdicts = json.loads((into / "index.json").read_text())[AGENT]
    return verdicts
