"""Things to be done at their time, kept in one place: thousands of streams need no task each to wait for a heartbeat."""

import heapq
import itertools
from collections.abc import Callable

Call = Callable[[float], None]
"""Told the time: at least the one it was set for."""


class Alarm:
    """One thing to be done; `cancel` to have it not done."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        """Forget it; safe to repeat."""
        self.call = None


class Alarms:
    """All of them, soonest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next(self) -> float:
        """When the soonest is due, in Trio's time; inf = never."""
        return self._heap[0][0] if self._heap else float("inf")

    def set(self, at: float, call: Call) -> Alarm:
        """Have something called at a time of Trio's clock, or soon after."""
        alarm = Alarm(call)
        heapq.heappush(self._heap, (at, next(self._numbers), alarm))
        return alarm

    def ring(self, now: float) -> None:
        """Call what is due."""
        while self._heap and self._heap[0][0] <= now:
            alarm = heapq.heappop(self._heap)[2]
            if alarm.call is not None:
                alarm.call(now)
