"""How much one user may have open, and how fast one connection may talk.

Seats are counted per user and transport, over all dialects: a dialect's own limit decides about a request on its endpoints,
but everything the user has open counts. A seat is a context: it cannot be kept by accident.
"""

import enum
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from bridge.dialects.contract import Refusal, Transport
from bridge.downstream.contract import Identity, ServedDialect, User
from bridge.downstream.settings import LimitSettings
from bridge.model import Code

LIMIT_OF: Mapping[Transport, str] = {
    Transport.SSE: "sse_connections_per_user",
    Transport.WEBSOCKET: "websocket_connections_per_user",
    Transport.POLLING: "polls_per_user",
}

STRIKES = 3
"""Seconds in a row with messages over the rate before we hang up: two may be a burst, three are a habit."""


class SeatStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Seats taken now, by transport, and the users who have any; refused since the start."""

    taken: Mapping[Transport, int]
    users: int
    refused: int


def effective_limits(identity: Identity, served: ServedDialect) -> LimitSettings:
    """Return what holds for this user on this dialect: `[limits]`, the dialect's, and last the token's own."""
    if not identity.limits:
        return served.limits
    own = {
        name: value if name == "inbound_messages_per_second" else int(value) for name, value in identity.limits.items()
    }
    return msgspec.structs.replace(served.limits, **own)


class Seats:
    """Who has how many streams open."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[Transport, User]] = Counter()
        self._refused = 0

    @contextmanager
    def seat(self, user: User, transport: Transport, limit: int) -> Iterator[None]:
        """Take a seat until the context is left; `limit` 0 = unlimited.

        Raises:
            Refusal: `too_many_connections`, on entering.
        """
        key = (transport, user)
        if limit and self._taken[key] >= limit:
            self._refused += 1
            what = "polls at once" if transport is Transport.POLLING else f"{transport} connections"
            raise Refusal(Code.TOO_MANY_CONNECTIONS, f"you have {limit} {what}, which is the most; close one first")
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]

    def statistics(self) -> SeatStatistics:
        """A snapshot of the counters."""
        taken: Counter[Transport] = Counter()
        for (transport, _), count in self._taken.items():
            taken[transport] += count
        return SeatStatistics(taken=dict(taken), users=len({user for (_, user) in self._taken}), refused=self._refused)


class Verdict(enum.Enum):
    """What becomes of an inbound message."""

    EXECUTE = "execute"
    COMPLAIN = "complain"
    """Not executed, and the client is told."""

    IGNORE = "ignore"
    """Not executed; the client was told less than a second ago."""

    HANG_UP = "hang_up"


class InboundRate:
    """One connection's token bucket, and its patience.

    Args:
        per_second: tokens a second; 0 = unlimited.
        burst: how many the bucket holds; 0 = a second's worth.
        now: the monotonic time in seconds.
    """

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self.allow(per_second, burst)
        self._tokens = self._depth
        self._filled_at = now
        self._second_began = -float("inf")
        self._strikes = 0

    def allow(self, per_second: float, burst: int) -> None:
        """Let it talk so fast from now on; see the class."""
        self._rate = per_second
        self._depth = burst or max(per_second, 1.0)

    def judge(self, now: float) -> Verdict:
        """Say what becomes of a message that came at `now`."""
        if not self._rate:
            return Verdict.EXECUTE
        self._tokens = min(self._depth, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return Verdict.EXECUTE
        since = now - self._second_began
        if since < 1:
            return Verdict.IGNORE
        self._strikes = self._strikes + 1 if since < 2 else 1
        self._second_began = now if since >= 2 else self._second_began + 1
        return Verdict.HANG_UP if self._strikes >= STRIKES else Verdict.COMPLAIN
