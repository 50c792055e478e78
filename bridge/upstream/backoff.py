"""How long to wait before the next attempt: capped exponential growth with full jitter.

Full jitter (a uniform draw from zero to the ceiling) spreads a crowd that lost the same server at the same moment better
than any narrower one. What the vendor asks for (`Retry-After`) is the least we wait; the jitter comes on top of it.
"""

from collections.abc import Callable

BASE_SECONDS = 1.0
"""The first ceiling, as the vendors' own clients start (VENDORS §4)."""

CAP_SECONDS = 30.0
"""The last ceiling: long enough not to be a nuisance, short enough that a feed is back soon after its vendor."""

_MAX_DOUBLINGS = 32


class Backoff:
    """Counts failures in a row and says how long to stay away.

    Args:
        base_seconds: the ceiling after the first failure; it doubles with each further one.
        cap_seconds: the ceiling is never higher than this.
        random: draws from [0, 1), such as `random.random`.
    """

    def __init__(self, base_seconds: float, cap_seconds: float, random: Callable[[], float]) -> None:
        self._base_seconds = base_seconds
        self._cap_seconds = cap_seconds
        self._random = random
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many failures in a row were counted since the last success."""
        return self._failures

    def next(self, at_least_seconds: float | None = None) -> float:
        """Count a failure and return the seconds to wait before the next attempt.

        Args:
            at_least_seconds: what the vendor asked for; None = nothing.
        """
        ceiling = min(self._cap_seconds, self._base_seconds * 2.0 ** min(self._failures, _MAX_DOUBLINGS))
        self._failures += 1
        return (at_least_seconds or 0.0) + self._random() * ceiling

    def reset(self) -> None:
        """Count a success: the next failure starts from the base again."""
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Backoff after {self._failures} failures, at most {self._cap_seconds} s>"
