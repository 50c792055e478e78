"""What a stream says about itself: `stream`, `goaway`, `problem`, and the codes of every refusal and goodbye.

These are made for one subscriber, never logged. `at` is the cursor at which the sentence stands.
"""

import enum
import math

import msgspec

from bridge.model.units import UnixNanos


class Verdict(enum.StrEnum):
    """How a subscription began."""

    FRESH = "fresh"
    RESUMED = "resumed"
    RESET = "reset"


class Retry(enum.StrEnum):
    """Whether to come back."""

    NOW = "now"
    AFTER = "after"
    NO = "no"


class Code(enum.StrEnum):
    """Why we said no or hung up; `downstream.goodbyes` has what each means on each transport."""

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    FORBIDDEN = "forbidden"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    UNSUPPORTED_TOPIC = "unsupported_topic"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    RATE_LIMITED = "rate_limited"
    SLOW_CONSUMER = "slow_consumer"
    GOING_AWAY = "going_away"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_FULL = "upstream_full"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"

    @property
    def is_passing(self) -> bool:
        """Whether a topic that is refused with it stays wanted, and begins by itself once it can be had."""
        return self in {Code.UPSTREAM_FULL, Code.UPSTREAM_UNAVAILABLE}


MIN_RATE = 0.01
"""Events per second: slower than one in 100 s is no stream any more."""

MAX_RATE = 1_000.0
"""Faster wishes come to the same: held back for less than a millisecond is not held back."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How a client wants its stream slowed, as far as nothing is lost by it.

    Attributes:
        conflate: of state that piles up before it could be sent, only the newest.
        max_rate: events per second at most, of each topic of quotes, books and open bars; 0 = as they come.
    """

    conflate: bool = False
    max_rate: float = 0.0

    def changed(self, *, conflate: bool | None, max_rate: float | None) -> "Wishes":
        """Return these with what is not None changed; a rate above `MAX_RATE` is that.

        Raises:
            ValueError: the rate is none; the sentence is fit for the client.
        """
        rate = self.max_rate if max_rate is None else min(max_rate, MAX_RATE)
        if math.isnan(rate) or (rate != 0 and rate < MIN_RATE):
            msg = f"max_rate is events per second and topic: a number from {MIN_RATE:g} to {MAX_RATE:g}, or 0 for no limit"
            raise ValueError(msg)
        return Wishes(conflate=self.conflate if conflate is None else conflate, max_rate=rate)


class Stream(msgspec.Struct, frozen=True, kw_only=True, tag="stream", tag_field="type"):
    """The first word on every stream.

    Attributes:
        at: the cursor from which the stream goes on.
        stream: the stream's unguessable name.
        verdict: whether it began fresh, resumed, or could not resume (`reset`).
        topics: what was accepted, as spelled by the client's dialect-free topics.
        limits: what holds for this connection, by the contract's names.
        expires: when the token ends, or None without a token.
        ts_recv: our wall time.
        wishes: what the client wished and gets.
        via: the ids of the bridges that its events come by: ours first, then those behind our feeds, as far as they said.
    """

    at: str
    stream: str
    verdict: Verdict
    topics: tuple[str, ...]
    limits: dict[str, int]
    ts_recv: UnixNanos
    wishes: Wishes = Wishes()
    expires: UnixNanos | None = None
    via: tuple[str, ...] = ()


class Goaway(msgspec.Struct, frozen=True, kw_only=True, tag="goaway", tag_field="type"):
    """The last word on a stream that we end.

    Attributes:
        at: the cursor to come back with.
        reason: the code.
        retry: whether to come back.
        ts_recv: our wall time.
        retry_after_ms: how long to wait first, or None.
    """

    at: str
    reason: Code
    retry: Retry
    ts_recv: UnixNanos
    retry_after_ms: int | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, tag="problem", tag_field="type"):
    """Something could not be done; the connection lives on.

    Attributes:
        at: the cursor at which the stream stands.
        code: which row of the goodbye table.
        message: one sentence with the way out.
        retry: whether asking again can help.
        ts_recv: our wall time.
        topic: the topic it is about, or None.
        ref: the client's own reference, or None.
    """

    at: str
    code: Code
    message: str
    retry: Retry
    ts_recv: UnixNanos
    topic: str | None = None
    ref: str | None = None
