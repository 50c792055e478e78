"""The end of one stream's token: looked at again and again, warned of, and told."""

from collections.abc import Callable

import trio

from bridge.clock import Clock
from bridge.downstream.alarms import Alarm
from bridge.downstream.pump import Pump
from bridge.model import SECONDS, UnixNanos

CHECK_SECONDS = 30.0
"""How often a token's end is compared with the wall clock, which an operator may set at any moment."""

WARNING_SECONDS = 60
"""How long before its token's end a client is warned, where its dialect has a word for it."""


class Expiry:
    """One stream's.

    Args:
        clock: the wall time.
        pump: keeps the alarms.
        warn: told once for each token that it is about to end, and when.
        ended: told that it has ended.
    """

    def __init__(self, clock: Clock, pump: Pump, warn: Callable[[UnixNanos], None], ended: Callable[[], None]) -> None:
        self._clock = clock
        self._pump = pump
        self._warn = warn
        self._ended = ended
        self._expires: UnixNanos | None = None
        self._warned: UnixNanos | None = None
        self._alarm: Alarm | None = None

    def watch(self, expires: UnixNanos | None) -> None:
        """Watch a token that ends then, instead of the one before; None = it never ends."""
        self.cancel()
        self._expires = expires
        if expires is not None:
            self._look(trio.current_time())

    def cancel(self) -> None:
        """Watch no more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _look(self, now: float) -> None:
        """Say that the token has ended; look again when that may be so."""
        expires = self._expires
        if expires is None:
            return
        left = (expires - self._clock()) / SECONDS
        if left <= 0:
            self._ended()
            return
        self._alarm = self._pump.at(now + min(CHECK_SECONDS, self._until_warned(expires, left)), self._look)

    def _until_warned(self, expires: UnixNanos, left: float) -> float:
        """Warn, once it is time; return the seconds until something is due."""
        if left > WARNING_SECONDS:
            return left - WARNING_SECONDS
        if self._warned != expires:
            self._warned = expires
            self._warn(expires)
        return left
