"""When state that a client wished slowed may leave: never sooner after the one before than its rate allows.

What was held back leaves on a grid of the wall of time that all clients of one rate share (an eighth of the period), so that
those who started apart soon leave together and share the bytes. Times are Trio's seconds.
"""

import math
from collections.abc import Hashable

GRID = 8
"""Ticks a period: the first event held back waits an eighth of a period longer at most, and no later one does."""

_SLACK = 1e-6
"""Of a tick, forgiven to floating-point sums."""


class Pace:
    """One subscription's.

    Args:
        rate: events per second of each key; above 0.
    """

    __slots__ = ("_due", "_period", "_tick")

    def __init__(self, rate: float) -> None:
        self._period = 1 / rate
        self._tick = self._period / GRID
        self._due: dict[Hashable, float] = {}

    def due(self, key: Hashable) -> float:
        """Return when the next of a key may leave; minus infinity = at any time."""
        return self._due.get(key, -math.inf)

    def left(self, key: Hashable, now: float) -> None:
        """Note that one has left."""
        self._due[key] = math.ceil((now + self._period) / self._tick - _SLACK) * self._tick

    def forget(self, key: Hashable) -> None:
        """The subscription holds it no longer."""
        self._due.pop(key, None)
