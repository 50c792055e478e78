"""The one door through which all of a feed's connects to its vendor go, however many connections it keeps and clients it has.

Three rules. What the vendor asks of one connection (`Retry-After`) holds for all. While connects fail, one at a time is made, and
after each the door stays shut as long as the backoff says, so that ten connections knock no more often than one. And in any
case connects are paced: a burst for a start or a reconnect, then one a second.
"""

from collections.abc import Callable

import trio

from bridge.errors import BridgeError, VendorRefused
from bridge.upstream.backoff import BASE_SECONDS, CAP_SECONDS, Backoff

BURST = 10
"""Connects that may be made at once: two sets of the five connections that vendors grant."""

PER_SECOND = 1.0
"""Connects a second after that; the lowest rate that a vendor is known to enforce is five (PEERS: Databento)."""


class Door:
    """See the module.

    Args:
        random: draws from [0, 1).
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._backoff = Backoff(BASE_SECONDS, CAP_SECONDS, random)
        self._opens_at = float("-inf")
        self._knocking = 0
        self._left = trio.Event()
        self._tokens = float(BURST)
        self._counted_at = trio.current_time()

    def __repr__(self) -> str:
        return f"<Door {self._backoff!r}, {self._knocking} knocking>"

    async def enter(self) -> None:
        """Return when a connect may be made; whoever entered calls `leave`."""
        while (opens_at := self._may_enter_at()) > trio.current_time():
            with trio.move_on_at(opens_at):
                await self._left.wait()
        self._tokens -= 1
        self._knocking += 1

    def leave(self, *, opened: bool = False, error: BridgeError | None = None) -> None:
        """A connect was made, or came to nothing.

        Args:
            opened: the vendor has confirmed.
            error: why not; None = nothing can be said, or it was the fault of what was asked for.
        """
        self._knocking -= 1
        if opened:
            self._backoff.reset()
        elif error is not None:
            away = error.retry_after_seconds if isinstance(error, VendorRefused) else None
            self._opens_at = max(self._opens_at, trio.current_time() + self._backoff.next(away))
        self._left.set()
        self._left = trio.Event()

    def _may_enter_at(self) -> float:
        if self._backoff.failures and self._knocking:
            return float("inf")
        now = trio.current_time()
        self._tokens = min(BURST, self._tokens + (now - self._counted_at) * PER_SECOND)
        self._counted_at = now
        paced_at = now if self._tokens >= 1 else now + (1 - self._tokens) / PER_SECOND
        return max(self._opens_at, paced_at)
