"""How long a carrier stays away after a failure: a backoff for each kind, for they end in different ways.

A vendor that confirms is well again, and so are topics that it has granted. A mistake of ours is not, before long:
the next message may bring it about again.
"""

from collections.abc import Callable

from bridge.errors import BridgeError, Mistake, VendorRefused
from bridge.upstream.backoff import BASE_SECONDS, CAP_SECONDS, Backoff
from bridge.upstream.shelter import MISTAKE_CAP_SECONDS, SOUND_SECONDS
from bridge.upstream.slots.narrowing import NARROWING_BASE_SECONDS, NARROWING_CAP_SECONDS


class Setbacks:
    """One carrier's; times are Trio's, handed in.

    Args:
        random: draws from [0, 1).
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._losses = Backoff(BASE_SECONDS, CAP_SECONDS, random)
        self._mistakes = Backoff(BASE_SECONDS, MISTAKE_CAP_SECONDS, random)
        self._choices = Backoff(NARROWING_BASE_SECONDS, NARROWING_CAP_SECONDS, random)
        self._live_at: float | None = None

    def __repr__(self) -> str:
        return f"<Setbacks {self._losses!r}, mistakes {self._mistakes!r}>"

    def live(self, now: float) -> None:
        """The vendor confirmed a new connection."""
        self._live_at = now
        self._losses.reset()
        self._choices.reset()

    def wait(self, error: BridgeError, now: float, *, another_choice: bool = False) -> float:
        """Return for how many seconds to stay away, at least as long as the vendor asks.

        Args:
            error: what went wrong.
            now: when.
            another_choice: the vendor did not like the topics, and others of them are tried next.
        """
        away = error.retry_after_seconds if isinstance(error, VendorRefused) else None
        if another_choice:
            return self._choices.next(away)
        if not isinstance(error, Mistake):
            return self._losses.next(away)
        if self._live_at is not None and now - self._live_at >= SOUND_SECONDS:
            self._mistakes.reset()
        return self._mistakes.next(away)
