"""Who knocks how often, by address: counted before anything is read, so that a peer we know nothing of costs next to nothing.

Each address has a bucket of arrivals, which fills with time. IPv6 is counted by its /64: whoever has one address of it has all.
"""

import ipaddress
from collections import Counter
from typing import Final

from bridge.downstream.settings import LimitSettings

BURST_SECONDS: Final = 10
"""Arrivals that an address may make at once are those of so many seconds, or as many as it may have open: an office that comes
back after a restart."""

MOST_ADDRESSES: Final = 65_536
"""Whose buckets are remembered: some 12 MB. Past it all are forgotten, which is what waiting would have done for each."""

IPV6_PREFIX: Final = 64


def household(address: str) -> str:
    """Return what an address is counted under."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address, IPV6_PREFIX), strict=False).network_address)
    except ValueError:
        return address


class Pace:
    """A token bucket.

    Args:
        now: the monotonic time in seconds.
        burst: how many it holds, and begins with.
    """

    __slots__ = ("_at", "_left")

    def __init__(self, now: float, burst: float) -> None:
        self._at = now
        self._left = burst

    def take(self, now: float, per_second: float, burst: float) -> bool:
        """Take one at `now`; False = there is none."""
        self._left = min(burst, self._left + (now - self._at) * per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Visitors:
    """Connections that are open and those that come, by address."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._paces: dict[str, Pace] = {}

    def open(self, household: str) -> int:
        """How many connections it has."""
        return self._open[household]

    def come(self, household: str) -> None:
        """Count a connection."""
        self._open[household] += 1

    def leave(self, household: str) -> None:
        """Count it no more."""
        self._open[household] -= 1
        if not self._open[household]:
            del self._open[household]

    def arrives(self, household: str, now: float, limits: LimitSettings) -> bool:
        """Whether it may come just now."""
        per_second = limits.arrivals_per_address_per_second
        if not per_second:
            return True
        burst = max(1.0, per_second * BURST_SECONDS, limits.connections_per_address)
        pace = self._paces.get(household)
        if pace is None:
            if len(self._paces) >= MOST_ADDRESSES:
                self._paces.clear()
            pace = self._paces[household] = Pace(now, burst)
        return pace.take(now, per_second, burst)
