"""Which of a feed's transports to use, and which to try: plain state and plain decisions, with no clock and no connection.

Theory of operation. The transports are rungs, the best at 0, and the feed stands *on* one. One other at a time is on *trial*.
While the one in use is well, only better ones are tried, each when its pause is over; while it is not, any that may be. A trial
that comes to nothing, and a rung that is fallen from, are left alone for a pause that doubles with each such failure in a row,
jittered so that many bridges do not come back at once. A rung that held for as long as its last pause is trusted again.

When everything fails, the feed stays where it is and goes on trying there under that transport's own backoff; the others are
tried as their pauses end. So a vendor that is down sees fewer and fewer attempts, however many rungs there are.
"""

from collections.abc import Callable

PAUSE_SECONDS = 30.0
"""The first pause: as long as the last backoff of one transport, so a ladder never asks more often than a single rung."""

PAUSE_CAP_SECONDS = 900.0
"""The last pause: a transport that a firewall forbids costs an attempt every quarter of an hour."""

_MAX_DOUBLINGS = 16


class Ladder:
    """See the module; times are seconds that only rise.

    Attributes:
        on: the rung in use.
        trial: the one that is being tried; None = none.

    Args:
        rungs: how many there are.
        random: draws from [0, 1).
    """

    def __init__(self, rungs: int, random: Callable[[], float]) -> None:
        self.on = 0
        self.trial: int | None = None
        self._random = random
        self._since = float("-inf")
        self._free_at = [float("-inf")] * rungs
        self._failures = [0] * rungs
        self._pauses = [0.0] * rungs

    def __repr__(self) -> str:
        return f"<Ladder on {self.on}{'' if self.trial is None else f', trying {self.trial}'}>"

    def candidate(self, now: float, *, well: bool, able: Callable[[int], bool]) -> int | None:
        """Return the rung to try now, the best that may be; None = none.

        Args:
            now: the time.
            well: whether the rung in use is.
            able: whether a rung could carry anything that is wanted.
        """
        if self.trial is not None:
            return None
        return next((rung for rung in self._others(well=well) if self._free_at[rung] <= now and able(rung)), None)

    def due_at(self, *, well: bool) -> float:
        """Return when the next rung may be tried; infinity = not before something changes."""
        if self.trial is not None:
            return float("inf")
        return min((self._free_at[rung] for rung in self._others(well=well)), default=float("inf"))

    def begin(self, rung: int) -> None:
        """A rung is being tried."""
        self.trial = rung

    def withdrawn(self) -> None:
        """The trial is over without a verdict: there is no need for it any more."""
        self.trial = None

    def failed(self, now: float, away_until: float) -> None:
        """The trial came to nothing; `away_until` is how long the vendor asks us to stay away."""
        if self.trial is not None:
            self._punish(self.trial, now, away_until)
        self.trial = None

    def moved(self, now: float, away_until: float) -> None:
        """The feed stands on the rung that was tried. If the one it stood on is better, it has fallen from it."""
        if self.trial is None:
            return
        left, self.on, self.trial = self.on, self.trial, None
        if left < self.on:
            if now - self._since >= self._pauses[left]:
                self._failures[left] = 0
            self._punish(left, now, away_until)
        self._since = now

    def rest(self, now: float) -> None:
        """Nothing is wanted: the next time begins with the best rung that may be tried."""
        self.trial = None
        free = (rung for rung in range(self.on) if self._free_at[rung] <= now)
        self.on = next(free, self.on)

    def _others(self, *, well: bool) -> list[int]:
        return [rung for rung in range(self.on if well else len(self._free_at)) if rung != self.on]

    def _punish(self, rung: int, now: float, away_until: float) -> None:
        pause = min(PAUSE_CAP_SECONDS, PAUSE_SECONDS * 2.0 ** min(self._failures[rung], _MAX_DOUBLINGS))
        self._failures[rung] += 1
        self._pauses[rung] = pause
        self._free_at[rung] = max(now, away_until) + pause * (1 + self._random() / 2)
