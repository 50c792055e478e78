"""Now, as integer nanoseconds: the wall clock for what is told, the monotonic one for what is waited for.

Handed to whoever needs a time, so that a test can hand over its own. Nothing else in the package calls `time`.
"""

import time
from collections.abc import Callable

import trio

from bridge.model import SECONDS, UnixNanos

Clock = Callable[[], UnixNanos]
"""Returns the wall time in nanoseconds since 1970 UTC; it may be set back by an operator at any moment."""


def wall_clock() -> UnixNanos:
    """Return the machine's wall time."""
    return UnixNanos(time.time_ns())


def steady_clock() -> UnixNanos:
    """Return nanoseconds that only rise, from no moment in particular: for ages, which no operator can change."""
    return UnixNanos(time.monotonic_ns())


class TrioClock:
    """A wall clock that advances with Trio's own: real time in production, virtual time under a test's mock clock."""

    def __init__(self, start: UnixNanos) -> None:
        self._start = start
        self._origin = trio.current_time()

    def __call__(self) -> UnixNanos:
        """Return the wall time in nanoseconds since 1970 UTC."""
        return UnixNanos(self._start + round((trio.current_time() - self._origin) * SECONDS))
