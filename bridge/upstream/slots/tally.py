"""Counts what one connection delivered, so that its copies on another can be taken out, count for count.

Equal trades are common, so equality alone proves nothing. Of an event that came on the old connection well after the new one
was confirmed, and of one that came on the new connection well before the old one ended, we know that both connections saw it:
such a pair is one event. Where neither is known, the pair may be two events, and the verdict is *doubtful*: never lost.
"""

import enum
from collections import deque

SKEW_SECONDS = 0.25
"""How far apart the same event may arrive on two connections to one vendor; both run over the same network."""

RECORDS = 20_000
"""Events of the old connection that are remembered; past it everything equal to none of them is doubtful."""


class Sameness(enum.Enum):
    """What the new connection's event is, beside what the old one delivered."""

    FRESH = enum.auto()
    """Not delivered yet."""
    DUPLICATE = enum.auto()
    """Delivered already."""
    DOUBTFUL = enum.auto()
    """Perhaps delivered already."""


class Tally:
    """What the old connection delivered since the new one began to open, by content.

    Args:
        lag_seconds: how long after its copy on the old connection an event may arrive on the new one at most.
    """

    def __init__(self, lag_seconds: float = float("inf")) -> None:
        self._lag_seconds = lag_seconds
        self._times: dict[bytes, deque[float]] = {}
        self._records = 0
        self._shared_from = float("inf")
        self._sure_until = float("inf")

    def confirmed(self, now: float) -> None:
        """The new connection was confirmed: what the old one delivers from a skew later is seen by both."""
        self._shared_from = min(self._shared_from, now + SKEW_SECONDS)

    def ended(self, now: float) -> None:
        """The old connection ended: what the new one received up to a skew earlier was seen by both."""
        self._sure_until = min(self._sure_until, now - SKEW_SECONDS)

    def note(self, key: bytes, now: float) -> None:
        """The old connection delivered this."""
        if self._records < RECORDS:
            self._records += 1
            self._times.setdefault(key, deque()).append(now)

    def match(self, key: bytes, received: float) -> Sameness:
        """Judge an event of the new connection, received when; each of the old one's accounts for one at most."""
        times = self._times.get(key)
        while times and times[0] < received - self._lag_seconds:
            times.popleft()  # too long ago for this to be its copy
        if not times:
            return Sameness.FRESH if self._records < RECORDS else Sameness.DOUBTFUL
        shared = times[-1] >= self._shared_from
        if shared:
            times.pop()
        else:
            times.popleft()
        return Sameness.DUPLICATE if shared or received <= self._sure_until else Sameness.DOUBTFUL
