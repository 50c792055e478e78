"""The streams that are open now, for pages, logs, and tests that count what is left.

A stream is listed from the moment it is accepted until its handler has returned; nothing else removes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec

from bridge.dialects.contract import Transport
from bridge.model import UnixNanos


class ConnectionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One open stream as pages and logs show it.

    Attributes:
        stream: its unguessable name; shown to operators only.
        user: whose.
        dialect: which dialect it speaks.
        topics: what it holds, as the client asked.
        pending_bytes: what waits to be written, kernel buffers not counted.
        sent_bytes: what was handed to the network; `sent_events` publications among it.
        since: when it was accepted.
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


class Listed(Protocol):
    """What can be listed: an open stream."""

    def statistics(self) -> ConnectionStatistics:
        """A snapshot of its counters."""
        ...


class Connections:
    """All streams of one house that are open now."""

    def __init__(self) -> None:
        self._open: dict[int, Listed] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"<Connections {len(self)} open>"

    @contextmanager
    def listed(self, stream: Listed) -> Iterator[None]:
        """List a stream until the context is left."""
        self._open[id(stream)] = stream
        try:
            yield
        finally:
            del self._open[id(stream)]

    def statistics(self) -> tuple[ConnectionStatistics, ...]:
        """A snapshot of every open stream, oldest first."""
        return tuple(stream.statistics() for stream in self._open.values())
