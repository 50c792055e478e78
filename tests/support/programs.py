"""Programs of others that read our streams: headless Chromium and Node, each with all that it starts, until a block ends."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import IO, Any

from tests.support.data import ROOT, absent

CLIENTS = ROOT / "tests/clients"
MODULES = CLIENTS / "node_modules"

_QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@contextmanager
def chromium(
    url: str, folder: Path, *flags: str, environ: Mapping[str, str] | None = None, output: int | IO[bytes] | None = None
) -> Iterator[Any]:
    """Show a page until the block ends.

    Args:
        url: the page's.
        folder: for the browser's profile and, without `output`, its log.
        flags: more of Chromium's own.
        environ: more than the environment has.
        output: where both of its outputs go.
    """
    if which("chromium") is None:
        absent("Chromium is not installed")
    basic = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--disable-quic", *_QUIET)
    command = ["chromium", *basic, f"--user-data-dir={folder / 'profile'}", *flags, url]
    with _started(command, folder / "chromium.log", environ or {}, output) as process:
        yield process


@contextmanager
def node(
    script: Path, *options: str, environ: Mapping[str, str] | None = None, output: int | IO[bytes] | None = None
) -> Iterator[Any]:
    """Run a script with npm's modules until the block ends; the arguments are as in `chromium`."""
    needs_modules()
    with _started(["node", *options, str(script)], script.with_suffix(".log"), environ or {}, output) as process:
        yield process


def needs_modules() -> None:
    """Skip the running test where Node or npm's modules are not."""
    if which("node") is None:
        absent("Node is not installed")
    if not MODULES.is_dir():
        absent("npm's modules are not installed: npm install --no-package-lock --prefix tests/clients")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment, with npm's modules in reach, and more."""
    return {**os.environ, "NODE_PATH": f"{MODULES}{os.pathsep}{CLIENTS}", **environ}


@contextmanager
def _started(
    command: list[str], log: Path, environ: Mapping[str, str], output: int | IO[bytes] | None
) -> Iterator[subprocess.Popen[str]]:
    with (
        log.open("wb") as logged,
        subprocess.Popen(
            command,
            cwd=CLIENTS,
            env=environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=logged if output is None else output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
