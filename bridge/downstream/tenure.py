"""Until when one stream may stay: its token's end and the warning before it, what vouches for the token, and its own lifetime.

Looked at by an alarm, never by a task, at least every `LOOK_SECONDS`: the wall clock may be set, and a reload may withdraw
a key, at any moment.
"""

import secrets
from collections.abc import Callable
from typing import Final

import trio

from bridge.downstream.alarms import Alarm
from bridge.downstream.contract import House, Identity
from bridge.model import SECONDS, Code, UnixNanos

LOOK_SECONDS: Final = 30.0
"""How often it is looked at."""

WARNING_SECONDS: Final = 60
"""How long before its token's end a client is warned: enough to fetch another one and to renew."""

LIFETIME_JITTER: Final = 0.2
"""The part of `limits.connection_lifetime_seconds` that is drawn for each stream, so that those begun together do not end so."""

COMEBACK_SECONDS: Final = 1.0
"""Over how long one that has lived its time is told to come back: nothing is wrong here, and its end was jittered already."""

_GRAINS: Final = 10_000


class Tenure:
    """One stream's.

    Args:
        house: the bridge.
        end: ends the stream; told why, and over how many seconds to come back (None = as the code has it).
        warn: says that the token ends at a moment.
    """

    def __init__(
        self, house: House, end: Callable[[Code, float | None], None], warn: Callable[[UnixNanos], None]
    ) -> None:
        self._house = house
        self._end = end
        self._warn = warn
        self._identity: Identity | None = None
        self._began = trio.current_time()
        self._share = 1 - LIFETIME_JITTER * secrets.randbelow(_GRAINS) / _GRAINS
        self._warned: UnixNanos | None = None
        self._alarm: Alarm | None = None

    def hold(self, identity: Identity) -> None:
        """Stay by this identity from now on."""
        self._identity = identity
        self._look(trio.current_time())

    def stop(self) -> None:
        """Look no more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _look(self, now: float) -> None:
        self.stop()
        due = (self._token_seconds(), self._lifetime_seconds(now))
        for left, code, comeback in zip(
            due, (Code.TOKEN_EXPIRED, Code.GOING_AWAY), (None, COMEBACK_SECONDS), strict=True
        ):
            if left <= 0:
                self._end(code, comeback)
                return
        self._alarm = self._house.pump.at(now + min(LOOK_SECONDS, *due), self._look)

    def _token_seconds(self) -> float:
        """Return the seconds until something is due of the token; at most 0 = it is no good any more."""
        assert self._identity is not None  # noqa: S101 - nothing is looked at before `hold`
        if not self._house.admission.stands(self._identity):
            return 0.0
        expires = self._identity.expires
        if expires is None:
            return float("inf")
        left = (expires - self._house.clock()) / SECONDS
        if left > WARNING_SECONDS:
            return left - WARNING_SECONDS
        if left > 0 and self._warned != expires:
            self._warned = expires
            self._warn(expires)
        return left

    def _lifetime_seconds(self, now: float) -> float:
        lifetime = self._house.limits.connection_lifetime_seconds
        return self._began + lifetime * self._share - now if lifetime else float("inf")
