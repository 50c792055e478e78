"""The streams that are open now, for pages, logs, and tests that count what is left.

A stream is listed from the moment it is accepted until its handler has returned; nothing else removes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec

from bridge.dialects.contract import Transport
from bridge.hub.subscribers.holes import LagCounts
from bridge.model import UnixNanos


class ConnectionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One open stream as pages and logs show it.

    Attributes:
        stream: its unguessable name; shown to operators only.
        user: whose.
        dialect: which dialect it speaks.
        topics: what it holds, as the client asked.
        pending_bytes: what waits to be written, kernel buffers not counted; `bound_bytes` what may of the log's events, 0 = any.
        sent_bytes: what was handed to the network; `sent_events` publications among it.
        since: when it was accepted.
        lag: what was conflated, folded and declared missing because it was too slow, or wished to be slowed.
    """

    stream: str
    user: str
    transport: Transport
    dialect: str
    topics: tuple[str, ...]
    pending_bytes: int
    sent_bytes: int
    sent_events: int
    since: UnixNanos
    bound_bytes: int
    lag: LagCounts


class Listed(Protocol):
    """What can be listed: an open stream.

    Attributes:
        name: its own, unguessable.
    """

    name: str

    def statistics(self) -> ConnectionStatistics:
        """A snapshot of its counters."""
        ...


class Connections:
    """All streams of one house that are open now."""

    def __init__(self) -> None:
        self._open: dict[str, Listed] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"<Connections {len(self)} open>"

    @contextmanager
    def listed(self, stream: Listed) -> Iterator[None]:
        """List a stream until the context is left."""
        self._open[stream.name] = stream
        try:
            yield
        finally:
            del self._open[stream.name]

    def find(self, name: str) -> Listed | None:
        """Return the open stream of a name; None = there is none."""
        return self._open.get(name)

    def statistics(self) -> tuple[ConnectionStatistics, ...]:
        """A snapshot of every open stream, oldest first."""
        return tuple(stream.statistics() for stream in self._open.values())
