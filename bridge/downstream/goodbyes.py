"""Every way we say no or hang up: the contract's table as data, one row a code, and what is made from a row.

A row is complete or it does not exist: a code without a row is a `KeyError`, and a test walks every code.
`Retry.NO` means "not as you are": with another request, token or topic a client may come back at once.
"""

import math
import secrets
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from bridge.dialects.contract import HttpAnswer, Refusal
from bridge.downstream.comebacks import SPREAD_SECONDS, Comeback
from bridge.downstream.contract import ServedDialect
from bridge.model import Code, Goaway, Problem, Retry, UnixNanos


class Goodbye(msgspec.Struct, frozen=True, kw_only=True):
    """What a code means on each transport.

    Attributes:
        http: the status when it is said before a stream began.
        close: the WebSocket close code when it ends the connection; None = it never does.
        stays: whether a WebSocket first gets a `problem` and lives on.
        retry: whether to come back.
        retry_after_seconds: how long to stay away; None = no `Retry-After` is sent.
    """

    http: int
    close: int | None
    stays: bool
    retry: Retry
    retry_after_seconds: float | None = None


GOODBYES: Mapping[Code, Goodbye] = MappingProxyType(
    {
        Code.BAD_REQUEST: Goodbye(http=400, close=4400, stays=True, retry=Retry.NO),
        Code.UNAUTHORIZED: Goodbye(http=401, close=None, stays=True, retry=Retry.NO),
        Code.TOKEN_EXPIRED: Goodbye(http=401, close=4401, stays=False, retry=Retry.NO),
        Code.FORBIDDEN: Goodbye(http=403, close=None, stays=True, retry=Retry.NO),
        Code.UNKNOWN_INSTRUMENT: Goodbye(http=404, close=None, stays=True, retry=Retry.NO),
        Code.UNSUPPORTED_TOPIC: Goodbye(http=404, close=None, stays=True, retry=Retry.NO),
        Code.TOO_MANY_SUBSCRIPTIONS: Goodbye(http=400, close=None, stays=True, retry=Retry.NO),
        Code.TOO_MANY_CONNECTIONS: Goodbye(http=429, close=None, stays=False, retry=Retry.AFTER, retry_after_seconds=5),
        Code.RATE_LIMITED: Goodbye(http=429, close=4429, stays=True, retry=Retry.AFTER, retry_after_seconds=1),
        # The next two end streams that are open; a status is only ever needed when one arrives as we are leaving.
        Code.SLOW_CONSUMER: Goodbye(http=503, close=4408, stays=False, retry=Retry.NOW),
        Code.GOING_AWAY: Goodbye(http=503, close=1012, stays=False, retry=Retry.AFTER, retry_after_seconds=1),
        # It ends only streams of dialects that have no word for a hole, or for a feed that is down.
        Code.UPSTREAM_UNAVAILABLE: Goodbye(http=503, close=1013, stays=True, retry=Retry.AFTER, retry_after_seconds=5),
        Code.UPSTREAM_FULL: Goodbye(http=503, close=None, stays=True, retry=Retry.AFTER),
        Code.OVERLOADED: Goodbye(http=503, close=1013, stays=False, retry=Retry.AFTER, retry_after_seconds=5),
        Code.INTERNAL: Goodbye(http=500, close=1011, stays=False, retry=Retry.AFTER),
    }
)


def goaway(code: Code, at: str, now: UnixNanos, comeback: Comeback | None = None) -> Goaway:
    """Return the last word on a stream; who is to wait is told a jittered time.

    Args:
        code: why.
        at: the cursor at which it stands.
        now: our wall time.
        comeback: when; None = as the code has it.
    """
    row = GOODBYES[code]
    wait_ms = None
    if row.retry is Retry.AFTER:
        least, spread = comeback or Comeback(row.retry_after_seconds or 1.0, SPREAD_SECONDS)
        wait_ms = round(1000 * least) + 1 + secrets.randbelow(round(1000 * spread) - 1)
    return Goaway(at=at, reason=code, retry=row.retry, ts_recv=now, retry_after_ms=wait_ms)


def problem(refusal: Refusal, at: str, now: UnixNanos) -> Problem:
    """Return what a connection that lives on at the cursor `at` is told of a refusal."""
    return Problem(
        at=at,
        code=refusal.code,
        message=refusal.message,
        retry=GOODBYES[refusal.code].retry,
        ts_recv=now,
        topic=refusal.topic,
        ref=refusal.ref,
    )


NOT_STORED = ("cache-control", "no-store")
"""A refusal is of this moment; without a word caches may keep a 404 as long as they please."""


def refusal_answer(refusal: Refusal, served: ServedDialect, status: int = 0, *more: tuple[str, str]) -> HttpAnswer:
    """Spell a refusal as an HTTP answer in the dialect's own error shape.

    Args:
        refusal: what was refused.
        served: whose endpoint it was.
        status: of what HTTP has a status for and the goodbyes no row; 0 = the row's, or the dialect's own.
        more: headers.
    """
    row = GOODBYES[refusal.code]
    wait = refusal.retry_after_seconds if refusal.retry_after_seconds is not None else row.retry_after_seconds
    answer = served.dialect.refusal(refusal.code, refusal.message, row.retry, wait, status)
    headers = (*answer.headers, NOT_STORED, *more)
    if wait is not None:
        headers = (*headers, ("retry-after", str(math.ceil(wait))))
    return HttpAnswer(body=answer.body, headers=headers, status=status or answer.status or row.http)
