"""How many strangers are served in one turn of the event loop, so that the streams behind them are not late.

A turn serves everybody who is ready. When a thousand connections say a byte at the same moment, or are opened, or end, a turn
takes tens of milliseconds, and every event that comes meanwhile waits for its end. So few of them are taken at a time, and none
while events wait to be written, unless that goes on for long. A busy bridge has few and long turns, though: there more are
taken, or newcomers would wait for ever.
"""

from collections.abc import Callable
from typing import Final

LEAST: Final = 1
"""In a millisecond, as a rule; more would make every turn longer, for all."""

MOST: Final = 16

SECONDS_FOR_ONE: Final = 0.002
"""Each costs 0.1 ms to a millisecond, so that they get half of the time of long turns at most."""

PATIENCE_SECONDS: Final = 0.01
"""How long they stand back."""


class Ration:
    """How many of a queue may be taken, turn by turn.

    Args:
        busy: whether something waits that comes first.
    """

    __slots__ = ("_at", "_busy")

    def __init__(self, busy: Callable[[], bool] = bool) -> None:
        self._at: float | None = None
        self._busy = busy

    def __repr__(self) -> str:
        return f"<Ration {'of a queue' if self._at is not None else 'idle'}>"

    def take(self, now: float) -> int:
        """Return how many may be taken at `now`, in seconds."""
        if self._at is None:
            self._at = now
        waited = now - self._at
        if waited < PATIENCE_SECONDS and self._busy():
            return 0
        self._at = now
        return max(LEAST, min(MOST, int(waited / SECONDS_FOR_ONE)))

    def emptied(self) -> None:
        """The queue is empty: the time until it is looked at again is no turn."""
        self._at = None
