"""Vendor, bridge and load, started and put together: the bridge is `feedbridge serve` with a configuration made for it.

Where there are two cores or more the bridge has one for itself and the other two share another, so that its figures are those
of one core. What the bench asks of the bridge beside its streams is what any client may ask: a poll keeps topics subscribed
upstream, and its cursor says how far the log is.
"""

import re
import select
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import msgspec

from bridge.bench.certificate import write_certificate
from bridge.bench.meter import Cost, cost_of
from bridge.bench.speech import Way
from bridge.bench.talk import Helper, cores, pin, stop
from bridge.errors import TransportLost

START_SECONDS = 30.0
READY_SECONDS = 30.0

LINGER_SECONDS = 600
"""Longer than any workload: what was asked for once stays subscribed."""

_CONFIGURATION = """
[listen]
bind = ["127.0.0.1:0"]
tls_bind = ["127.0.0.1:0"]
certificates = [{{ certificate = "{certificate}", private_key = "{key}" }}]
[auth]
mode = "none"
[limits]
sse_connections_per_user = 0
websocket_connections_per_user = 0
subscriptions_per_connection = 0
connections_per_address = {per_address}
arrivals_per_address_per_second = {arrivals}
connections = 0
polls_per_user = 0
linger_seconds = {linger}
drain_seconds = 1
history_events = 1000
[feeds.bench]
dialect = "liquidity"
url = "http://127.0.0.1:{port}"
max_connections = 11
"""
"""A thousand events kept per topic: enough for every resume here, and reached soon, so that memory can be seen to be flat."""


class Rig:
    """The three processes. A context manager; leaving it ends them.

    Args:
        guarded: whether the bridge has its default limits by address; else it has none.

    Attributes:
        pinned: whether the bridge has a core for itself.
    """

    def __init__(self, *, guarded: bool = False) -> None:
        self._guarded = guarded
        self._stack = ExitStack()
        self._urls: dict[str, str] = {}
        usable = cores()
        self.pinned = len(usable) >= 2
        self._core = usable[0] if self.pinned else None
        self._other = usable[1] if self.pinned else None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.vendor = stack.enter_context(Helper("bridge.bench.vendor", self._other))
            self.load = stack.enter_context(Helper("bridge.bench.load", self._other))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="feedbridge-bench-")))
            self._bridge = self._serve(folder)
            stack.callback(stop, self._bridge)
            self._await_urls()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ── the bridge ──
    def cost(self) -> Cost:
        """What the bridge has cost so far."""
        return cost_of(self._bridge.pid)

    def port(self, scheme: str) -> int:
        """Where the bridge listens for `http` or `https`."""
        return int(self._urls[scheme].rpartition(":")[2])

    def attacker(self) -> Helper:
        """Return a hostile peer, which shares a core with vendor and load; a context manager of its own."""
        return Helper("bridge.bench.attack", self._other)

    def head(self) -> int:
        """How many publications the bridge's log has had."""
        return int(self._poll("status")["cursor"].rpartition("-")[2])

    def cover(self, topics: Sequence[str]) -> None:
        """Have the bridge subscribe these at the vendor, and return when it has.

        Raises:
            TransportLost: it does not.
        """
        self._poll(",".join(topics))
        deadline = time.monotonic() + READY_SECONDS
        while set(self.vendor.ask("status")["asked"]) != set(topics):
            if time.monotonic() > deadline:
                raise TransportLost("the bridge does not subscribe at the bench's vendor")
            time.sleep(0.05)
        time.sleep(0.2)  # for the vendor's greeting to be read

    # ── the load ──
    def open(
        self, way: Way, topics: Sequence[str], *, stalled_percent: int = 0, watchful: bool = False
    ) -> dict[str, Any]:
        """Open one stream for each string of topics; returns when all have begun.

        Raises:
            TransportLost: some were refused, or never began.
        """
        port = self.port("https" if way.secure else "http")
        opened = self.load.ask(
            "open", port=port, way=way, topics=topics, stalled_percent=stalled_percent, watchful=watchful
        )
        if opened["live"] != len(topics):
            raise TransportLost(f"{way}: only {opened['live']} of {len(topics)} streams began")
        return opened

    # ── inside ──
    def _serve(self, folder: Path) -> subprocess.Popen[bytes]:
        certificate, key = write_certificate(folder)
        config = folder / "bench.toml"
        port = self.vendor.ask("listen")["port"]
        per_address, arrivals = (1_000, 100) if self._guarded else (0, 0)
        text = _CONFIGURATION.format(
            certificate=certificate,
            key=key,
            linger=LINGER_SECONDS,
            port=port,
            per_address=per_address,
            arrivals=arrivals,
        )
        config.write_text(text, "utf-8")
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(config), "--log-level", "warning"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - ourselves
        pin(process.pid, self._core)
        return process

    def _await_urls(self) -> None:
        """Read where the bridge serves; afterwards its few words are not read any more."""
        errors = self._bridge.stderr
        assert errors is not None  # noqa: S101 - it was opened with one
        said, deadline = b"", time.monotonic() + START_SECONDS
        while len(self._urls) < 2:
            readable, _, _ = select.select([errors], [], [], max(0.0, deadline - time.monotonic()))
            data = errors.read1() if readable else b""  # type: ignore[attr-defined]  # a BufferedReader, typed as IO
            said += data
            if not data:
                raise TransportLost(f"the bridge did not start: {said.decode(errors='replace')[-500:]}")
            self._urls = {
                scheme.decode(): f"{scheme.decode()}://{place.decode()}"
                for scheme, place in re.findall(rb"feedbridge serves (https?)://(\S+)\n", said)
            }

    def _poll(self, topics: str) -> dict[str, Any]:
        url = f"{self._urls['http']}/v1/poll?subscribe={topics}"
        try:
            with urllib.request.urlopen(url, timeout=READY_SECONDS) as answer:  # noqa: S310 - our own bridge
                page: dict[str, Any] = msgspec.json.decode(answer.read())
                return page
        except OSError as error:
            raise TransportLost(f"the bridge does not answer: {error}") from error
