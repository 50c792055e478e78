"""How fast we may talk to a vendor: a token bucket that stays below the vendor's number whatever window it counts in."""

import trio

BURST = 10.0
"""Messages that may go out at once at least: a reconnect's subscribes."""


class Pace:
    """A token bucket on Trio's clock.

    Half of the rate is spent as burst and half as refill, so that no window of a second (or, for a rate below one a second, of
    a minute) sees more than the vendor allows.

    Args:
        per_second: the vendor's number; None = no limit.
    """

    def __init__(self, per_second: float | None) -> None:
        self._refill_per_second = per_second and per_second / 2
        self._depth = max(BURST, (per_second or 0) / 2)
        self._tokens = self._depth
        self._at = trio.current_time()

    async def wait(self) -> None:
        """Return when the next message may go out."""
        if not self._refill_per_second:
            return
        now = trio.current_time()
        self._tokens = min(self._depth, self._tokens + (now - self._at) * self._refill_per_second) - 1
        self._at = now
        if self._tokens < 0:
            await trio.sleep(-self._tokens / self._refill_per_second)
