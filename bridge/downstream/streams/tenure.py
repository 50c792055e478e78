"""Until when one stream may stay: its token's end and the warning before it, what vouches for the token, its own lifetime.

A dialect without a word for the health of a feed cannot say that nothing comes because all is down: a stream that would be
silent for that reason ends too.

Looked at by an alarm, never by a task, at least every `LOOK_SECONDS`: the wall clock may be set, and a reload may withdraw
a key, at any moment.
"""

import secrets
from collections.abc import Callable, Collection
from typing import Final

import structlog
import trio

from bridge.downstream.comebacks import SOON
from bridge.downstream.contract import House, Identity
from bridge.downstream.fanout.alarms import Alarm
from bridge.downstream.fanout.writer import StreamWriter
from bridge.downstream.streams.terms import Terms
from bridge.model import SECONDS, Code, FeedHealth, FeedName, UnixNanos

LOOK_SECONDS: Final = 30.0
"""How often it is looked at."""

WARNING_SECONDS: Final = 60
"""How long before its token's end a client is warned: enough to fetch another one and to renew."""

LIFETIME_JITTER: Final = 0.2
"""The part of `limits.connection_lifetime_seconds` that is drawn for each stream, so that those begun together do not end so."""

DOWN_SECONDS: Final = 30.0
"""How long everything behind a stream may be down before one that cannot say so ends."""

_GRAINS: Final = 10_000

log = structlog.get_logger(__name__)


def all_down(house: House, feeds: Collection[FeedName]) -> bool:
    """Whether each of these feeds, of which there is one at least, has been down for `DOWN_SECONDS`."""
    latest = house.clock() - DOWN_SECONDS * SECONDS
    told = [house.hub.feed_status(feed) for feed in feeds]
    return bool(told) and all(
        one is not None and one.status is FeedHealth.DOWN and one.since is not None and one.since <= latest
        for one in told
    )


class Tenure:
    """One stream's.

    Args:
        terms: what it was accepted with.
        writer: the stream's way out; it is ended.
        warn: says that the token ends at a moment.
    """

    def __init__(
        self,
        terms: Terms,
        writer: StreamWriter,
        warn: Callable[[UnixNanos], None],
    ) -> None:
        self._house = terms.house
        self._declares_gaps = terms.exchange.served.dialect.profile.declares_gaps
        self._writer = writer
        self._end = writer.end
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
        assert self._identity is not None  # noqa: S101 - nothing is looked at before `hold`
        user = str(self._identity.user)
        token, lifetime = self._token_seconds(self._identity), self._lifetime_seconds(now)
        if not self._house.admission.stands(self._identity):
            log.info("stream_ended", user=user, reason="what its token rests on was withdrawn")
            self._end(Code.TOKEN_EXPIRED, None)
        elif token <= 0:
            self._end(Code.TOKEN_EXPIRED, None)
        elif lifetime <= 0:
            log.info("stream_ended", user=user, reason="it has lived for limits.connection_lifetime_seconds")
            self._end(Code.GOING_AWAY, SOON)
        elif now - self._began >= LOOK_SECONDS and self._muted():
            log.info("stream_ended", user=user, reason="its feeds are down, and its dialect cannot say so")
            self._end(Code.UPSTREAM_UNAVAILABLE, None)
        else:
            self._alarm = self._house.pump.at(now + min(LOOK_SECONDS, token, lifetime), self._look)

    def _token_seconds(self, identity: Identity) -> float:
        """Return the seconds until something is due of the token; at most 0 = it has ended."""
        expires = identity.expires
        if expires is None:
            return float("inf")
        left = (expires - self._house.clock()) / SECONDS
        if left > WARNING_SECONDS:
            return left - WARNING_SECONDS
        if left > 0 and self._warned != expires:
            self._warned = expires
            self._warn(expires)
        return left

    def _muted(self) -> bool:
        """Whether all that feeds the stream has been down for long, and its party has no word for that."""
        subscription = self._writer.subscription
        if self._declares_gaps or subscription is None:
            return False
        return all_down(self._house, {want.feed for want in subscription.wants})

    def _lifetime_seconds(self, now: float) -> float:
        lifetime = self._house.limits.connection_lifetime_seconds
        return self._began + lifetime * self._share - now if lifetime else float("inf")
