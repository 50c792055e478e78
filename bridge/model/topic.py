"""What may be asked for: `quote:AAPL`, `book.20:BTC-USD`, `bar.5m:AAPL`, `order`, `status`, `all:AAPL`.

A topic is split at its first colon, so an instrument may itself contain colons. `parse` and `str` are inverse. Two kinds
carry a `scope` that is never spelled: the account of an `order` topic and the feed of a `status` topic; clients never write
it, admission and the hub fill it in.
"""

import enum
import re
from typing import Self

import msgspec

from bridge.model.units import FeedName, InstrumentId

MAX_DEPTH = 5_000
"""Levels a side at most in `book.N`; above it a client wants the full book."""

INSTRUMENT_PATTERN = r"[A-Za-z0-9.\-_:^=!&@$/]{1,64}"
"""How an instrument's id is spelled; the same in Python's and in ECMAScript's regular expressions."""

_INSTRUMENT = re.compile(INSTRUMENT_PATTERN, re.ASCII)


class TopicKind(enum.StrEnum):
    """The class of events a topic carries."""

    QUOTE = "quote"
    TRADE = "trade"
    BOOK = "book"
    BAR = "bar"
    ORDER = "order"
    STATUS = "status"
    ALL = "all"


class Interval(enum.StrEnum):
    """The length of a bar."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"
    MO1 = "1mo"


_DEPTHS = "([1-9][0-9]{0,2}|[1-4][0-9]{3}|5000)"
_HEADS = rf"quote|trade|all|book(\.{_DEPTHS})?|bar\.({'|'.join(Interval)})"

TOPIC_PATTERN = rf"(order|status|({_HEADS}):{INSTRUMENT_PATTERN})"
"""How a topic is spelled, for who publishes it; `Topic.parse` says what is wrong, and takes the same (a test holds that)."""


class Topic(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One thing a client may subscribe to.

    Attributes:
        kind: the class of events.
        instrument: None for `order` and `status`.
        interval: the bar's length; None unless `kind` is `bar`.
        depth: levels a side of a cut book; None for the full book and all other kinds.
        scope: the account of an `order` topic or the feed of a `status` topic; None as a client writes it.
    """

    kind: TopicKind
    instrument: InstrumentId | None = None
    interval: Interval | None = None
    depth: int | None = None
    scope: str | None = None

    def __str__(self) -> str:
        """Spell it as clients do; the scope is left out."""
        head: str = self.kind.value
        if self.interval is not None:
            head = f"{head}.{self.interval.value}"
        elif self.depth is not None:
            head = f"{head}.{self.depth}"
        return head if self.instrument is None else f"{head}:{self.instrument}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a topic as a client writes it.

        Raises:
            ValueError: the sentence says what is wrong with it and is fit for the client.
        """
        head, colon, instrument = text.partition(":")
        name, dot, detail = head.partition(".")
        try:
            kind = TopicKind(name)
        except ValueError:
            kinds = ", ".join(kind.value for kind in TopicKind)
            msg = f"no topic kind {name[:40]!r} in {text[:90]!r}; the kinds are {kinds}"
            raise ValueError(msg) from None
        if kind in (TopicKind.ORDER, TopicKind.STATUS):
            if dot or colon:
                msg = f"topic {kind.value!r} takes no instrument: {text[:90]!r}"
                raise ValueError(msg)
            return cls(kind)
        if _INSTRUMENT.fullmatch(instrument) is None:
            msg = f"topic {text[:90]!r} needs an instrument of 1 to 64 characters A-Z a-z 0-9 . - _ : ^ = ! & @ $ /"
            raise ValueError(msg)
        if kind is TopicKind.BAR:
            return cls(kind, InstrumentId(instrument), interval=_interval(detail, text))
        depth = _depth(detail, text) if kind is TopicKind.BOOK and dot else None
        if dot and depth is None:
            msg = f"topic kind {kind.value!r} takes no {detail[:20]!r} in {text[:90]!r}"
            raise ValueError(msg)
        return cls(kind, InstrumentId(instrument), depth=depth)


def _interval(detail: str, text: str) -> Interval:
    try:
        return Interval(detail)
    except ValueError:
        known = " ".join(interval.value for interval in Interval)
        msg = f"topic {text[:90]!r} needs an interval: bar.<interval>:<instrument>, one of {known}"
        raise ValueError(msg) from None


def _depth(detail: str, text: str) -> int:
    if not (detail.isascii() and detail.isdigit() and len(detail) <= 4 and 1 <= int(detail) <= MAX_DEPTH) or (
        detail.startswith("0")
    ):
        msg = f"topic {text[:90]!r} needs a depth from 1 to {MAX_DEPTH}: book.20:<instrument>"
        raise ValueError(msg)
    return int(detail)


class Want(msgspec.Struct, frozen=True, cache_hash=True):
    """A topic and the feed that serves it: what a subscription holds and what interest is counted by.

    Attributes:
        topic: never of kind `all`; an `order` topic has its account and a `status` topic its feed as scope.
        feed: the feed's name.
    """

    topic: Topic
    feed: FeedName

    @property
    def upstream(self) -> Topic:
        """The topic to ask of the vendor: a cut book is cut by us, from the full one."""
        return self.topic if self.topic.depth is None else Topic(TopicKind.BOOK, self.topic.instrument)
